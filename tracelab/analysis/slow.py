"""What the slow requests are made of: their critical path against that of typical ones, part by part.

The parts add up to the gap: sections tile each request, so mean durations differ by just what the means per operation
differ by. Each part is split into more calls (at the typical time each) and longer calls.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tracelab.analysis.attributes import AttributeLift, attribute_lifts
from tracelab.analysis.cohorts import Cohort
from tracelab.analysis.quantiles import nearest_rank
from tracelab.analysis.summaries import first_roots
from tracelab.diagnostics import Diagnostics
from tracelab.errors import InputError
from tracelab.traceset import I64

FEW = 20
"""Slow requests below which a cohort says little; the answer says so."""


@dataclass(frozen=True)
class GapPart:
    """An operation's part of the gap, means per request.

    Attributes:
        gap_ns: critical-path time in the slow less that in the typical requests; share: of the whole gap
        more_calls_ns, longer_calls_ns: what it comes from; they add up to gap_ns
        slow_ns, typical_ns: time on the path
        slow_calls, typical_calls: all its spans, on the path or not
    """

    service_name: str | None
    name: str | None
    gap_ns: float
    share: float
    more_calls_ns: float
    longer_calls_ns: float
    slow_ns: float
    typical_ns: float
    slow_calls: float
    typical_calls: float


@dataclass(frozen=True)
class SlowExplanation:
    """Slow against typical requests; `parts` by the size of what they explain, `attributes` by how far they set apart.

    Attributes:
        slow_above_ns, typical_from_ns, typical_to_ns: durations that make the cohorts; None for cohorts by filter
        gap_ns: mean duration of the slow less that of the typical; the parts add up to it
        few: whether there are so few slow requests that chance may be behind much of it
        slowest_traces: to look at
    """

    requests: int
    slow: int
    typical: int
    slow_above_ns: int | None
    typical_from_ns: int | None
    typical_to_ns: int | None
    slow_mean_ns: float
    typical_mean_ns: float
    gap_ns: float
    few: bool
    parts: tuple[GapPart, ...]
    attributes: tuple[AttributeLift, ...]
    slowest_traces: tuple[str, ...]
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


def explain_slow(cohort: Cohort, slow: int = 99, typical: tuple[int, int] = (25, 75)) -> SlowExplanation:
    """The requests from the `slow` percentile on against those between two percentiles.

    A request is the first root of a trace. Traces whose root was not seen are left out: nobody knows how long they
    took. Percentiles are by nearest rank.
    """
    root, duration = requests_of(cohort)
    if duration.size == 0:
        raise InputError("no whole request there to explain (`tracelab traces` lists what is)")
    above, low, high = nearest_rank(duration, np.ones(duration.size), (slow, *typical))
    assert above is not None  # noqa: S101  there are requests
    assert low is not None  # noqa: S101
    assert high is not None  # noqa: S101
    return _explain(cohort, root, duration >= above, (duration >= low) & (duration <= high), (above, low, high))


def explain_cohorts(slow: Cohort, typical: Cohort) -> SlowExplanation:
    """The requests of one cohort against those of another in the same set of traces."""
    both = Cohort(slow.traces, slow.chosen | typical.chosen)
    root, _ = requests_of(both)
    trace = slow.traces.trace[root]
    return _explain(both, root, slow.chosen[trace], typical.chosen[trace], (None, None, None))


def requests_of(cohort: Cohort) -> tuple[I64, I64]:
    """(row of the first root, its duration in ns) of each chosen trace whose root was seen."""
    traces = cohort.traces
    if len(traces) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    root = first_roots(traces)
    root = root[cohort.chosen[traces.trace[root]] & ~traces.is_placeholder[root]]
    return root, traces.end_ns[root] - traces.start_ns[root]


def _explain(
    cohort: Cohort,
    root: I64,
    slow: NDArray[np.bool_],
    typical: NDArray[np.bool_],
    borders: tuple[int | None, int | None, int | None],
) -> SlowExplanation:
    traces = cohort.traces
    duration = traces.end_ns[root] - traces.start_ns[root]
    if not slow.any() or not typical.any():
        raise InputError("one of the two cohorts is empty; choose other percentiles or filters")
    slow_mean, typical_mean = float(duration[slow].mean()), float(duration[typical].mean())
    gap = slow_mean - typical_mean
    order = np.lexsort((root, -duration))
    slowest = [traces.trace_id(int(traces.trace[row])) for row in root[order[slow[order]][:3]]]
    return SlowExplanation(
        root.size, int(slow.sum()), int(typical.sum()), *borders, slow_mean, typical_mean, gap,
        bool(slow.sum() < FEW),
        _parts(cohort, root[slow], root[typical], gap),
        attribute_lifts(traces, _traces_of(cohort, root[slow]), _traces_of(cohort, root[typical])),
        tuple(slowest),
        traces.diagnostics,
    )  # fmt: skip


def _traces_of(cohort: Cohort, roots: I64) -> NDArray[np.bool_]:
    chosen = np.zeros(cohort.traces.trace_count, np.bool_)
    chosen[cohort.traces.trace[roots]] = True
    return chosen


def _parts(cohort: Cohort, slow: I64, typical: I64, gap: float) -> tuple[GapPart, ...]:
    codes, operations = cohort.traces.operations
    columns = [_per_operation(cohort, roots, codes, len(operations)) for roots in (slow, typical)]
    (slow_ns, slow_path, slow_calls), (typical_ns, typical_path, typical_calls) = columns
    parts = []
    for code in np.flatnonzero((slow_calls > 0) | (typical_calls > 0)).tolist():
        part = float(slow_ns[code] - typical_ns[code])
        if typical_path[code] > 0:
            more = float((slow_path[code] - typical_path[code]) * typical_ns[code] / typical_path[code])
        else:
            more = part  # calls on the path that only slow requests make
        parts.append(
            GapPart(
                *operations[code], part, part / gap if gap else 0.0, more, part - more, float(slow_ns[code]),
                float(typical_ns[code]), float(slow_calls[code]), float(typical_calls[code]),
            )
        )  # fmt: skip
    return tuple(sorted(parts, key=lambda part: (-abs(part.gap_ns), str(part.service_name), str(part.name))))


def _per_operation(
    cohort: Cohort, roots: I64, codes: NDArray[np.int32], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Means per request: (time on the roots' paths, spans on them, all spans of their traces), per operation."""
    traces, paths = cohort.traces, cohort.paths
    is_root = np.zeros(len(traces), np.bool_)
    is_root[roots] = True
    path_root = np.repeat(np.arange(paths.roots.size), np.diff(paths.section_offsets))
    sections = is_root[paths.roots[path_root]] if path_root.size else np.zeros(0, np.bool_)
    rows = paths.section_row[sections]
    lengths = (paths.section_end_ns - paths.section_start_ns)[sections]
    on_path = np.unique(rows)
    inside = _traces_of(cohort, roots)[traces.trace] & ~traces.is_placeholder
    return (
        np.bincount(codes[rows], lengths, size) / roots.size,
        np.bincount(codes[on_path], minlength=size) / roots.size,
        np.bincount(codes[inside], minlength=size) / roots.size,
    )
