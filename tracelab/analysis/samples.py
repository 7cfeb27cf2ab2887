"""Weighted samples that merge: exact while they are few, an exponential histogram when they are many.

Which of the two depends on their number alone, so any way of splitting and merging the same samples gives the same
answer. The histogram is OpenTelemetry's base-2 exponential one at scale 10: bucket i holds what is above 2^(i/1024) and
not above 2^((i+1)/1024).
Source: OpenTelemetry data model, "ExponentialHistogram".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tracelab.analysis.quantiles import PERCENTS, nearest_rank
from tracelab.kernels.groups import merge_runs, run_lengths

MAX_EXACT = 32_768
"""Samples that are kept as they are: a quarter of a megabyte a side of an edge."""
SCALE = 10
RELATIVE_ERROR = 2.0 ** (1 / 2 ** (SCALE + 1)) - 1
"""Of a percentile of more than MAX_EXACT samples: half a bucket, 0.034 %."""

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
_N = TypeVar("_N", np.int64, np.float64)


@dataclass(frozen=True)
class Samples:
    """Distinct (value, weight) in ascending order, and how often each was seen; `exact`, or values are bucket keys."""

    values: I64
    weights: F64
    counts: I64
    exact: bool = True

    @property
    def size(self) -> int:
        """How many samples, whatever their weights."""
        return int(self.counts.sum())

    def percentiles(self, percents: Sequence[int] = PERCENTS) -> list[int | None]:
        """Per percent p the smallest value that at least p % of the weight does not exceed; None without samples."""
        values = self.values if self.exact else _middle(self.values)
        return nearest_rank(values, self.weights * self.counts, percents)


EMPTY = Samples(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))


def samples_of(values: I64, weights: F64 | None = None) -> Samples:
    """Samples from values, each with its weight (1 if none are given)."""
    if values.size == 0:
        return EMPTY
    weights = None if weights is None or (weights == 1).all() else weights
    if weights is None:
        distinct, counts = run_lengths(np.sort(values))
        made = Samples(distinct, np.broadcast_to(1.0, distinct.size), _slim(counts))
    else:
        made = _grouped(values, weights, np.ones(values.size, np.int64), exact=True)
    return made if values.size <= MAX_EXACT else _as_histogram(made)


def merge_samples(parts: Iterable[Samples]) -> Samples:
    """All samples of these, as if they had come together."""
    parts = [part for part in parts if part.values.size]
    if len(parts) <= 1:
        return parts[0] if parts else EMPTY
    exact = sum(part.size for part in parts) <= MAX_EXACT
    if not exact:
        parts = [_as_histogram(part) for part in parts]
    weight = parts[0].weights[0]
    if all((part.weights == weight).all() for part in parts):
        values, counts = parts[0].values, np.ascontiguousarray(parts[0].counts)
        for part in parts[1:]:
            values, counts = merge_runs(values, counts, part.values, np.ascontiguousarray(part.counts))
        return Samples(values, np.broadcast_to(weight, values.size), _slim(counts), exact)
    return _grouped(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.counts for part in parts]),
        exact,
    )


def _grouped(values: I64, weights: F64, counts: I64, exact: bool) -> Samples:
    alike = bool((weights == weights[0]).all())
    order = np.argsort(values, kind="stable") if alike else np.lexsort((weights, values))
    values, weights = values[order], weights[order]
    differ = values[1:] != values[:-1]
    if not alike:
        differ |= weights[1:] != weights[:-1]
    begins = np.flatnonzero(np.concatenate([[True], differ]))
    return Samples(values[begins], _slim(weights[begins]), _slim(np.add.reduceat(counts[order], begins)), exact)


def _slim(column: NDArray[_N]) -> NDArray[_N]:
    """The same without its memory where all are alike, as weights and counts mostly are."""
    return np.broadcast_to(column[0], column.size) if (column == column[0]).all() else column


def _as_histogram(samples: Samples) -> Samples:
    if not samples.exact:
        return samples
    return _grouped(_keys(samples.values), samples.weights, samples.counts, exact=False)


def _keys(values: I64) -> I64:
    """Bucket i of a positive value as i + 2, 0 as 0, negative ones mirrored, so that keys sort as values do."""
    size = np.maximum(np.abs(values), 1).astype(np.float64)
    bucket = np.ceil(np.log2(size) * 2**SCALE).astype(np.int64) + 1
    return np.where(values == 0, 0, np.sign(values) * bucket)


def _middle(keys: I64) -> I64:
    """The geometric middle of each bucket: off by at most RELATIVE_ERROR, and half a nanosecond of rounding."""
    size = np.exp2((np.abs(keys) - 1.5) / 2**SCALE)
    return np.where(keys == 0, 0, np.sign(keys) * np.rint(size)).astype(np.int64)
