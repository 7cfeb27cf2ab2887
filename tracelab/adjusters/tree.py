"""From parent ids to trees: link, cut rings, stand in for parents that were never seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.keys import first_rows, rows_in_traces
from tracelab.kernels.trees import ring_roots
from tracelab.traceset import TraceSet


def empty_reversed(traces: TraceSet) -> TraceSet:
    """A span that ends before it starts is, for the analysis, an empty one at its start."""
    reversed_ = traces.end_ns < traces.start_ns
    if not reversed_.any():
        return traces
    end = np.where(reversed_, traces.start_ns, traces.end_ns)
    return replace(traces, end_ns=end).noting_at(end_before_start=np.flatnonzero(reversed_))


def link_parents(traces: TraceSet) -> TraceSet:
    """Find each parent's row in the same trace; a parent id of zero is none."""
    parent = rows_in_traces(traces.trace_offsets, traces.span_id, traces.parent_id)
    parent[traces.parent_id == 0] = -1
    return replace(traces, parent_row=parent)


def break_cycles(traces: TraceSet) -> TraceSet:
    """On each ring the earliest span (start, then span id) becomes a root; what hangs on the ring stays."""
    cut = ring_roots(traces.parent_row, traces.start_ns, traces.span_id)
    if cut.size == 0:
        return traces
    parent_row, parent_id = traces.parent_row.copy(), traces.parent_id.copy()
    parent_row[cut] = -1
    parent_id[cut] = 0  # a root from now on, not an orphan
    return replace(traces, parent_row=parent_row, parent_id=parent_id).noting_at(cycles=cut)


def attach_orphans(traces: TraceSet) -> TraceSet:
    """One placeholder per missing parent, root of its own tree, its window the hull of its children."""
    orphan = np.flatnonzero((traces.parent_row < 0) & (traces.parent_id != 0))
    if orphan.size == 0:
        return traces
    first = first_rows(traces.trace[orphan].astype(np.uint64), traces.parent_id[orphan])
    missing = np.flatnonzero(first == np.arange(first.size))
    number = np.empty(first.size, np.int64)
    number[missing] = np.arange(missing.size)
    start = np.full(missing.size, np.iinfo(np.int64).max)
    end = np.full(missing.size, np.iinfo(np.int64).min)
    np.minimum.at(start, number[first], traces.start_ns[orphan])
    np.maximum.at(end, number[first], traces.end_ns[orphan])
    parent_row = traces.parent_row.copy()
    parent_row[orphan] = len(traces) + number[first]
    added = _placeholders(traces, traces.trace[orphan][missing], traces.parent_id[orphan][missing], start, end)
    noted = traces.noting_at(orphans=orphan, missing_parents=orphan[missing])
    return _append(replace(noted, parent_row=parent_row), added)


def _placeholders(
    traces: TraceSet,
    trace: NDArray[np.int32],
    span_id: NDArray[np.uint64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
) -> dict[str, NDArray[Any]]:
    count = trace.size
    return {
        "source_row": np.full(count, -1, np.int64),
        "trace": trace,
        "span_id": span_id,
        "parent_id": np.zeros(count, np.uint64),
        "parent_row": np.full(count, -1, np.int64),
        "start_ns": start,
        "end_ns": end,
        "kind": np.zeros(count, np.int8),
        "status_code": np.zeros(count, np.int8),
        "service": np.full(count, -1, np.int32),
        "name": np.full(count, -1, np.int32),
        "hosts": np.full((count, traces.hosts.shape[1]), -1, np.int32),
        "shift_ns": np.zeros(count, np.int64),
    }


def _append(traces: TraceSet, added: dict[str, NDArray[Any]]) -> TraceSet:
    """Put the placeholders behind their traces' spans, in the order of (start, span id)."""
    columns: dict[str, Any] = {name: np.concatenate([getattr(traces, name), extra]) for name, extra in added.items()}
    placeholder = columns["source_row"] < 0
    start = np.where(placeholder, columns["start_ns"], 0)
    span_id = np.where(placeholder, columns["span_id"], 0)
    order = np.lexsort((span_id, start, placeholder, columns["trace"])).astype(np.int64)  # spans keep their order
    new_row = np.empty(order.size, np.int64)
    new_row[order] = np.arange(order.size)
    columns = {name: column[order] for name, column in columns.items()}
    parent = columns["parent_row"]
    columns["parent_row"] = np.where(parent < 0, -1, new_row[parent])
    return replace(traces, **columns)
