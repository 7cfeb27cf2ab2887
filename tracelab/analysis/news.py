"""Which changed figures are news: sure, large enough to matter, and more than all have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tracelab.analysis.signals import Signal

# Most of these tests are made on every look: chance alone must not raise an alarm in an hour of them.
_SURE = 1e-3
_LONGER = 0.25  # of what it was: less is weather
_COSTS = 0.02  # of a typical trace
_LEAST_NS = 1e6
_FAR_OUT = 3.0  # spreads
_LEAST_SPREAD = 0.08
_FEWEST_TIMES = 6  # of fewer it cannot be said what they have in common
_SPREAD_OF = 20
_FAILS = 0.02
_MORE = 1.3
MISSING = 0.05
_SHIFTED_NS = 5e6


@dataclass(frozen=True)
class Common:
    """What all times have in common: the middle of log(after / before), and how far they are spread around it."""

    middle: float = 0.0
    spread: float = 0.0

    def stands_out(self, signal: Signal) -> bool:
        """Whether a time grew by more than the others did and than they differ."""
        return signal.before <= 0 or math.log(signal.after / signal.before) >= self.middle + _FAR_OUT * self.spread


def in_common(signals: Iterable[Signal]) -> Common:
    """Of own times and gaps, where there are enough: a busy machine makes all of them longer, not by the same factor.

    Median and median absolute deviation, scaled to a standard deviation (Hampel 1974): the outliers that are looked
    for do not move them.
    """
    times = [signal for signal in signals if signal.family in ("own", "gap") and signal.count >= _SPREAD_OF]
    growth = np.array([math.log(signal.after / signal.before) for signal in times if signal.before > 0 < signal.after])
    if growth.size < _FEWEST_TIMES:
        return Common()
    middle = float(np.median(growth))
    return Common(middle, max(1.4826 * float(np.median(np.abs(growth - middle))), _LEAST_SPREAD))


def is_news(signal: Signal, tests: int, typical_ns: float, common: Common) -> bool:
    """Whether it is both sure and large enough to matter."""
    if signal.each <= 0 or signal.p_value * max(tests, 1) > _SURE:
        return False
    match signal.family:
        case "own" | "gap":
            before = signal.after - signal.each
            costs = signal.total >= _COSTS * typical_ns
            return costs and signal.each >= max(_LONGER * before, _LEAST_NS) and common.stands_out(signal)
        case "delay":
            return signal.each >= max(signal.before, 50 * _LEAST_NS)
        case "errors" | "timeouts" | "unreachable":
            return signal.each >= _FAILS
        case "missing" | "roots":
            return signal.each >= MISSING
        case "calls":
            return signal.after >= max(_MORE * signal.before, signal.before + 0.3)
        case _:
            return signal.each >= _SHIFTED_NS
