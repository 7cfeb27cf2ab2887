"""Drills of chaos engineering: trouble at random within a blast radius, while a steady state must hold.

Principles of Chaos Engineering (principlesofchaos.org): say what steady is, vary what happens, limit who is struck,
stop by itself. Whether it is steady is judged from the traces of those who enter the system.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracelab.adjusters import assemble
from tracelab.analysis.statistics import wilson
from tracelab.errors import CheckError, UsageError
from tracelab.lake import Lake
from tracelab.lake.annotations import annotate
from tracelab.schema import ANALYSIS_COLUMNS, STATUS_ERROR
from tracelab.shop_control import Control, Running

KINDS = ("latency", "kill")
_LOOK_EVERY_S = 2.0
_STRIKES_EVERY_S = 10.0
_SETTLE_NS = 2 * 10**9
_BEFORE_NS = 30 * 10**9
_FEWEST = 20


@dataclass(frozen=True)
class Steady:
    """What must hold for those who enter: a share of success, and a p99."""

    success: float = 0.99
    p99_ns: int = 500_000_000


@dataclass(frozen=True)
class State:
    """What those who entered met: requests, failures, p99 in ns; `steady`, `broken` (surely not) or `unsure`."""

    requests: int
    failed: int
    success: float | None
    p99_ns: int | None
    says: str


@dataclass
class Report:
    """What a drill did and what came of it: `held`, `broken` (stopped at once) or `not begun`."""

    kind: str
    radius: tuple[str, ...]
    outcome: str
    before: State
    during: State
    strikes: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Drill:
    """One drill: `radius` are the services that may be struck, one at a time."""

    lake: Lake
    control: Control
    kind: str
    radius: Sequence[str]
    steady: Steady
    lasts_s: float
    seed: int
    latency_ms: float = 200.0
    tell: Callable[[str], None] = lambda _: None

    def run(self) -> Report:
        """Strike until the time is over or the steady state is broken; nothing stays switched on."""
        self._check()
        began = time.time_ns()
        before = self._state(began - _BEFORE_NS)
        report = Report(self.kind, tuple(self.radius), "not begun", before, before)
        if before.says == "broken":
            raise CheckError(f"it is not steady to begin with: {state_text(before)}; nothing was done")
        annotate(self.lake.path, f"drill {self.kind} begins", "fault", began)
        chance, struck_at = random.Random(self.seed), -1e9  # noqa: S311  what is struck need not be unguessable
        try:
            report.outcome = "held"
            while time.time_ns() < began + int(self.lasts_s * 1e9):
                if time.monotonic() > struck_at + _STRIKES_EVERY_S:
                    struck_at = time.monotonic()
                    report.strikes.append(self._strike(chance.choice(list(self.radius))))
                time.sleep(_LOOK_EVERY_S)
                report.during = self._state(began)
                self.tell(state_text(report.during))
                if report.during.says == "broken":
                    report.outcome = "broken"
                    break
        finally:
            self.control.switch_off("drill")
            report.seconds = (time.time_ns() - began) / 1e9
            annotate(self.lake.path, f"drill {self.kind} ends: {report.outcome}", "fault")
        return report

    def _check(self) -> None:
        there = {one.service for one in self.control.need_shop()}
        unknown = [service for service in self.radius if service not in there]
        if unknown or not self.radius:
            raise UsageError(f"no service {', '.join(unknown)} in the shop; there are {', '.join(sorted(there))}")
        if self.control.running():
            raise UsageError("a fault is on already; `tracelab lab stop` first, or nobody knows what broke it")

    def _strike(self, service: str) -> str:
        now = time.time_ns()
        fault: dict[str, Any] = {"service": service, "name": "extra_ms", "value": self.latency_ms}
        lasts_s = _STRIKES_EVERY_S
        if self.kind == "kill":
            fault, lasts_s = {"service": service, "name": "crash_after_s", "value": 0}, 1.5
        self.control.switch_off("drill")
        self.control.switch_on(Running("drill", now, now + int(lasts_s * 1e9), False, self.seed, (fault,)))
        text = f"{service}: killed" if self.kind == "kill" else f"{service}: up to {1.5 * self.latency_ms:.0f} ms more"
        self.tell(text)
        return text

    def _state(self, since_ns: int) -> State:
        """Of the requests that entered the system since then."""
        until = time.time_ns() - _SETTLE_NS
        if until <= since_ns:
            return State(0, 0, None, None, "unsure")
        traces = assemble(self.lake.scan(since_ns, until, columns=ANALYSIS_COLUMNS))
        roots = traces.roots
        roots = roots[~traces.is_placeholder[roots] & (traces.raw_start_ns[roots] >= since_ns)]
        door = most_common_service(traces.service[roots])
        roots = roots[traces.service[roots] == door]
        failed = int((traces.status_code[roots] == STATUS_ERROR).sum())
        return judge_state(failed, np.sort(traces.end_ns[roots] - traces.start_ns[roots]), self.steady)


def most_common_service(services: np.ndarray[Any, np.dtype[np.int32]]) -> int:
    """The service at which most requests enter."""
    return int(np.bincount(services).argmax()) if services.size else -1


def judge_state(failed: int, durations: np.ndarray[Any, np.dtype[np.int64]], steady: Steady) -> State:
    """Whether a state is steady: broken only where that is sure (95 % intervals)."""
    size = durations.size
    if size == 0:
        return State(0, 0, None, None, "unsure")
    over = int((durations > steady.p99_ns).sum())
    p99 = int(durations[max(0, int(np.ceil(size * 0.99)) - 1)])
    surely = wilson(failed, size)[0] > 1 - steady.success or wilson(over, size)[0] > 0.01
    says = "unsure" if size < _FEWEST else "broken" if surely else "steady"
    return State(size, failed, 1 - failed / size, p99, says)


def state_text(state: State) -> str:
    """`120 requests, 99.2 % succeed, p99 48 ms: steady`."""
    if state.success is None or state.p99_ns is None:
        return "no requests yet"
    return (
        f"{state.requests} requests, {100 * state.success:.1f} % succeed, p99 {state.p99_ns / 1e6:.0f} ms: {state.says}"
    )
