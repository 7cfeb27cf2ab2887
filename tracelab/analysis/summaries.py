"""One line per trace, and the search for traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracelab.schema import STATUS_ERROR
from tracelab.traceset import TraceSet
from tracelab.window import Window

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class TraceSummary:
    """What a list of traces shows.

    Attributes:
        root_service, root_name: of the first root; None for a trace whose root was not seen
        start_ns: start of the first span
        duration_ns: of the first root: what the user waited for
        extent_ns: from the first span's start to the last one's end
        failed: whether any span reports an error
    """

    trace_id: str
    root_service: str | None
    root_name: str | None
    start_ns: int
    duration_ns: int
    extent_ns: int
    span_count: int
    service_count: int
    error_count: int
    failed: bool
    incomplete: bool


@dataclass(frozen=True)
class Search:
    """Which traces: every condition that is given must hold, each on any span of the trace.

    `attributes` are (key, value) pairs of span or resource attributes; durations are those of the first root.
    """

    service: str | None = None
    operation: str | None = None
    min_duration_ns: int | None = None
    max_duration_ns: int | None = None
    failed: bool = False
    attributes: Sequence[tuple[str, str]] = ()


ANY = Search()


def trace_summaries(traces: TraceSet, window: Window, search: Search = ANY) -> list[TraceSummary]:
    """The traces that start in `window` and match, the latest first."""
    if len(traces) == 0:
        return []
    offsets = traces.trace_offsets[:-1]
    real = ~traces.is_placeholder
    start = np.minimum.reduceat(np.where(real, traces.start_ns, np.iinfo(np.int64).max), offsets)
    end = np.maximum.reduceat(np.where(real, traces.end_ns, 0), offsets)
    raw_start = traces.trace_start_ns
    errors = _error_counts(traces)
    spans = np.add.reduceat(real.astype(np.int64), offsets)
    headless = np.add.reduceat((~real).astype(np.int64), offsets) > 0
    root = first_roots(traces)
    duration = traces.end_ns[root] - traces.start_ns[root]
    services = _service_counts(traces)
    numbers = np.flatnonzero(find_traces(traces, window, search))
    return [
        TraceSummary(
            trace_id=traces.trace_id(trace),
            root_service=traces.service_name(root[trace]),
            root_name=traces.span_name(root[trace]),
            start_ns=int(raw_start[trace]),
            duration_ns=int(duration[trace]),
            extent_ns=int(end[trace] - start[trace]),
            span_count=int(spans[trace]),
            service_count=int(services[trace]),
            error_count=int(errors[trace]),
            failed=bool(errors[trace]),
            incomplete=bool(headless[trace]),
        )
        for trace in numbers[np.lexsort((numbers, -raw_start[numbers]))].tolist()
    ]


def find_traces(traces: TraceSet, window: Window, search: Search = ANY) -> Bools:
    """[t] which traces start in `window` and match."""
    if len(traces) == 0:
        return np.zeros(0, np.bool_)
    chosen = window.holds(traces.trace_start_ns) & _matches(traces, search)
    root = first_roots(traces)
    duration = traces.end_ns[root] - traces.start_ns[root]
    if search.min_duration_ns is not None:
        chosen &= duration >= search.min_duration_ns
    if search.max_duration_ns is not None:
        chosen &= duration <= search.max_duration_ns
    if search.failed:
        chosen &= _error_counts(traces) > 0
    return chosen


def _error_counts(traces: TraceSet) -> NDArray[np.int64]:
    errors = (traces.status_code == STATUS_ERROR) & ~traces.is_placeholder
    return np.add.reduceat(errors.astype(np.int64), traces.trace_offsets[:-1])


def first_roots(traces: TraceSet) -> NDArray[np.int64]:
    """Per trace the row of its first root: a real one if there is one."""
    roots = traces.roots
    _, first = np.unique(traces.trace[roots], return_index=True)
    return roots[first]


def _service_counts(traces: TraceSet) -> NDArray[np.int64]:
    """[t] how many services each trace has spans of."""
    known = traces.service >= 0
    pairs = np.unique(traces.trace[known].astype(np.int64) * len(traces.services) + traces.service[known])
    return np.bincount(pairs // max(len(traces.services), 1), minlength=traces.trace_count)


def _any_span(traces: TraceSet, rows: Bools) -> Bools:
    found = np.zeros(traces.trace_count, np.bool_)
    found[traces.trace[rows]] = True
    return found


def _matches(traces: TraceSet, search: Search) -> Bools:
    chosen = np.ones(traces.trace_count, np.bool_)
    rows = ~traces.is_placeholder
    if search.service is not None:
        rows = rows & (traces.service == _code(traces.services, search.service))
    if search.operation is not None:
        rows = rows & (traces.name == _code(traces.names, search.operation))
    if search.service is not None or search.operation is not None:
        chosen &= _any_span(traces, rows)
    for key, value in search.attributes:
        chosen &= _any_span(traces, _has_attribute(traces, key, value))
    return chosen


def _code(values: Sequence[str | None], wanted: str) -> int:
    return values.index(wanted) if wanted in values else -2


def _has_attribute(traces: TraceSet, key: str, value: str) -> Bools:
    """Whether a span, or its resource, has the attribute."""
    has = np.zeros(len(traces) + 1, np.bool_)  # one more: where a placeholder's -1 points
    for name in ("attributes", "resource"):
        column = traces.table.column(name).combine_chunks()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        found = pc.equal(pc.map_lookup(column, key, "first"), value)
        mask = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
        real = np.flatnonzero(~traces.is_placeholder)
        has[real] |= mask[traces.source_row[real]]
    return has[:-1]
