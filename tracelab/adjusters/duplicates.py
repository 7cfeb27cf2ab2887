"""One row per span, whatever was sent twice."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from tracelab.kernels.keys import first_rows_in_traces
from tracelab.schema import ANALYSIS_COLUMNS, HEAVY_COLUMNS
from tracelab.traceset import I64, TraceSet, take


def drop_duplicates(traces: TraceSet) -> TraceSet:
    """Of the rows of one (trace id, span id) keep the one that ends last, then starts first, then sorts first.

    The last tie is broken by the whole row, so equal sets of rows give equal answers in any order of arrival.
    """
    first = first_rows_in_traces(traces.trace_offsets, traces.span_id)
    is_first = first == np.arange(first.size)
    if is_first.all():
        return traces
    keep = is_first.copy()
    repeated = np.zeros(first.size, np.bool_)
    repeated[first[~is_first]] = True
    group = np.flatnonzero(repeated[first])
    order = group[np.lexsort((traces.start_ns[group], -traces.end_ns[group], first[group]))]
    begins = np.flatnonzero(np.r_[True, first[order][1:] != first[order][:-1]])
    for begin, end in zip(begins, [*begins[1:], order.size], strict=True):
        rows = order[begin:end]
        keep[rows] = False
        keep[_best(traces, rows)] = True
    return take(traces.noting_at(duplicates=np.flatnonzero(~keep)), np.flatnonzero(keep))


def _best(traces: TraceSet, rows: I64) -> int:
    tied = rows[(traces.end_ns[rows] == traces.end_ns[rows[0]]) & (traces.start_ns[rows] == traces.start_ns[rows[0]])]
    if tied.size == 1:
        return int(tied[0])
    rows_of_span = traces.table.take(traces.source_row[tied])
    texts = [(_text(span, ANALYSIS_COLUMNS), _text(span, HEAVY_COLUMNS)) for span in rows_of_span.to_pylist()]
    return int(tied[texts.index(min(texts))])


def _text(span: dict[str, Any], columns: Collection[str]) -> str:
    """What the analysis sees decides first, so that it chooses alike whether or not the rest was read."""
    return repr([(name, value) for name, value in span.items() if name in columns])
