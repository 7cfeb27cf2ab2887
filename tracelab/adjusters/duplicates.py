"""One row per span, whatever was sent twice."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracelab.kernels.keys import first_rows_in_traces
from tracelab.schema import ANALYSIS_COLUMNS, HEAVY_COLUMNS
from tracelab.traceset import I64, TraceSet, take

Bools = NDArray[np.bool_]


def drop_duplicates(traces: TraceSet) -> TraceSet:
    """Of the rows of one (trace id, span id) keep the one that ends last, then starts first, then sorts first.

    The last tie is broken by the whole row, so equal sets of rows give equal answers in any order of arrival.
    """
    first = first_rows_in_traces(traces.trace_offsets, traces.span_id)
    is_first = first == np.arange(first.size)
    if is_first.all():
        return traces
    repeated = np.zeros(first.size, np.bool_)
    repeated[first[~is_first]] = True
    group = np.flatnonzero(repeated[first])
    order = group[np.lexsort((traces.start_ns[group], -traces.end_ns[group], first[group]))]
    begins = np.flatnonzero(np.r_[True, first[order][1:] != first[order][:-1]])
    keep = ~repeated[first]
    keep[_best(traces, order, begins)] = True
    return take(traces.noting_at(duplicates=np.flatnonzero(~keep)), np.flatnonzero(keep))


def _best(traces: TraceSet, order: I64, begins: I64) -> I64:
    """The row to keep of each group `order[begins[i]:begins[i + 1]]`, in which the best times come first."""
    best = order[begins]
    number = np.repeat(np.arange(begins.size), np.diff(np.append(begins, order.size)))
    leads = best[number]
    tied = (traces.end_ns[order] == traces.end_ns[leads]) & (traces.start_ns[order] == traces.start_ns[leads])
    others = np.flatnonzero(tied & (order != leads))
    if others.size == 0:
        return best
    differs = ~_same_rows(traces.table, traces.source_row[leads[others]], traces.source_row[order[others]])
    unlike = np.zeros(begins.size, np.bool_)
    unlike[number[others[differs]]] = True
    rows = np.flatnonzero(tied & unlike[number])  # most are the same span sent again, equal in every column
    spans = traces.table.take(pa.array(traces.source_row[order[rows]])).to_pylist()
    least: dict[int, tuple[str, str]] = {}
    for at, span in zip(rows.tolist(), spans, strict=True):
        text = _text(span, ANALYSIS_COLUMNS), _text(span, HEAVY_COLUMNS)
        group = int(number[at])
        if group not in least or text < least[group]:
            least[group], best[group] = text, order[at]
    return best


def _text(span: dict[str, Any], columns: Collection[str]) -> str:
    """What the analysis sees decides first, so that it chooses alike whether or not the rest was read."""
    return repr([(name, value) for name, value in span.items() if name in columns])


def _same_rows(table: pa.Table, one: I64, other: I64) -> Bools:
    """[n] whether rows one[i] and other[i] of a table are equal in every column."""
    same = np.ones(one.size, np.bool_)
    for column in table.columns:
        left, right = (column.take(pa.array(rows[same])) for rows in (one, other))
        same[same] = _same(_whole(left), _whole(right))
    return same


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """One array, with plain values."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _same(left: pa.Array, right: pa.Array) -> Bools:
    """[n] whether left[i] and right[i] are equal, nulls too; lists, maps and structs by what is in them."""
    missing, also = (np.asarray(side.is_null()) for side in (left, right))
    same: Bools = missing == also
    here = np.flatnonzero(same & ~missing)
    left, right = (side.take(pa.array(here)) for side in (left, right))
    if pa.types.is_struct(left.type):
        for at in range(left.type.num_fields):
            same[here] &= _same(_plain(left.field(at)), _plain(right.field(at)))
    elif pa.types.is_list(left.type) or pa.types.is_map(left.type):
        lengths, others = (np.diff(side.offsets.to_numpy()) for side in (left, right))
        alike = lengths == others
        same[here] = alike
        here, (left, right) = here[alike], (side.take(pa.array(np.flatnonzero(alike))) for side in (left, right))
        owner = np.repeat(here, lengths[alike])
        for one, other in zip(_parts(left), _parts(right), strict=True):
            same[owner[~_same(_plain(one), _plain(other))]] = False
    else:
        same[here] = np.asarray(pc.equal(left, right))
    return same


def _parts(lists: pa.Array) -> tuple[pa.Array, ...]:
    """What the lists hold, one after another: (values,), or (keys, items) of maps."""
    if pa.types.is_map(lists.type):
        begin, end = lists.offsets[0].as_py(), lists.offsets[-1].as_py()
        return lists.keys[begin:end], lists.items[begin:end]
    return (lists.flatten(),)


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
