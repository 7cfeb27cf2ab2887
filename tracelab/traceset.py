"""A set of traces as columns: what adjusters refine and every analysis reads.

Rows are sorted by trace id, then start, then span id, so the order in which spans arrived leaves no mark. A trace's
placeholders (parents that were never seen) come after its spans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracelab.diagnostics import Diagnostics
from tracelab.kernels.keys import first_rows, rows_of
from tracelab.kernels.order import canonical_order, trace_changes
from tracelab.kernels.trees import children_of, parents_first, pre_order
from tracelab.semconv import HOST_COLUMNS

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]


@dataclass(frozen=True)
class TraceSet:
    """Spans by row. `n` rows, `t` traces.

    Attributes:
        table: the span table that the rows come from
        source_row: [n] row in `table`, -1 for a placeholder
        trace: [n] number of the trace, in the order of their ids
        trace_high, trace_low: [t] the two halves of the trace ids, as big-endian numbers
        span_id, parent_id: [n] as big-endian numbers; a parent id of 0 is none
        parent_row: [n] row of the parent, -1 for none
        start_ns, end_ns: [n] for the analysis: never end before start, clocks corrected
        kind, status_code: [n] as in the schema
        service, name: [n] codes into `services` and `names`, -1 for a placeholder
        hosts: [n, 4] codes of the host ids (`semconv.HOST_COLUMNS`), -1 for none
        shift_ns: [n] what clock skew correction added to the times
        noted: what was odd, by the diagnostic's name: the number of the trace of every occurrence
        reading: what was odd about the source, in no trace in particular
    """

    table: pa.Table
    source_row: I64
    trace: NDArray[np.int32]
    trace_high: U64
    trace_low: U64
    span_id: U64
    parent_id: U64
    parent_row: I64
    start_ns: I64
    end_ns: I64
    kind: NDArray[np.int8]
    status_code: NDArray[np.int8]
    service: NDArray[np.int32]
    name: NDArray[np.int32]
    hosts: NDArray[np.int32]
    shift_ns: I64
    services: tuple[str | None, ...]
    names: tuple[str, ...]
    noted: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    reading: Diagnostics = field(default_factory=Diagnostics)

    def __len__(self) -> int:
        return self.source_row.size

    @property
    def trace_count(self) -> int:
        return self.trace_high.size

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """What was odd, and how often."""
        return self.reading.merge(count_noted(self.noted))

    def noting(self, **counts: int) -> TraceSet:
        """The same with more diagnostics of the source."""
        return replace(self, reading=self.reading.merge(counts))

    def noting_at(self, **rows: NDArray[Any]) -> TraceSet:
        """The same with more diagnostics: the rows at which each was seen."""
        found = {name: self.trace[at] for name, at in rows.items() if at.size}
        return replace(self, noted={**self.noted, **found})

    @cached_property
    def is_placeholder(self) -> NDArray[np.bool_]:
        return self.source_row < 0

    @cached_property
    def children(self) -> tuple[I64, I64]:
        """(offsets, rows), see `kernels.trees.children_of`."""
        return children_of(self.parent_row)

    @cached_property
    def parents_first(self) -> I64:
        """Every row, parents before children."""
        return parents_first(self.parent_row, *self.children)

    @cached_property
    def roots(self) -> I64:
        """Rows without a parent, by trace: real ones by (start, span id), then placeholders."""
        return np.flatnonzero(self.parent_row < 0)

    @cached_property
    def pre_order(self) -> tuple[I64, I64]:
        """(rows, depths) as the trees are printed, trace by trace."""
        return pre_order(self.roots, *self.children)

    @cached_property
    def raw_start_ns(self) -> I64:
        """[n] start as the host's clock gave it: what puts a span into a window."""
        return self.start_ns - self.shift_ns if self.shift_ns.any() else self.start_ns

    @cached_property
    def trace_start_ns(self) -> I64:
        """[t] raw start of each trace's first span: what puts a whole trace into a window."""
        if len(self) == 0:
            return np.zeros(0, np.int64)
        real = np.where(self.is_placeholder, np.iinfo(np.int64).max, self.raw_start_ns)
        return np.minimum.reduceat(real, self.trace_offsets[:-1])

    @cached_property
    def operations(self) -> tuple[NDArray[np.int32], tuple[tuple[str | None, str | None], ...]]:
        """([n] codes, (service, name) per code): an operation is a span name of a service. Codes ascend with both.

        All placeholders are one operation, (None, None).
        """
        key = (self.service.astype(np.int64) + 1) * (len(self.names) + 1) + self.name + 1
        distinct, codes = dense_codes(key, (len(self.services) + 1) * (len(self.names) + 1))
        pairs = [divmod(int(pair), len(self.names) + 1) for pair in distinct]
        services, names = (None, *self.services), (None, *self.names)
        return codes.astype(np.int32, copy=False), tuple((services[service], names[name]) for service, name in pairs)

    @cached_property
    def trace_offsets(self) -> I64:
        """[t + 1] where each trace's rows begin."""
        return np.searchsorted(self.trace, np.arange(self.trace_count + 1)).astype(np.int64)

    def trace_id(self, trace: int) -> str:
        return f"{int(self.trace_high[trace]):016x}{int(self.trace_low[trace]):016x}"

    def span_id_hex(self, row: int) -> str:
        return f"{int(self.span_id[row]):016x}"

    def service_name(self, row: int) -> str | None:
        code = self.service[row]
        return None if code < 0 else self.services[code]

    def span_name(self, row: int) -> str | None:
        code = self.name[row]
        return None if code < 0 else self.names[code]

    def values(self, column: str, rows: I64) -> list[Any]:
        """Values of a column of the span table for these rows, None for placeholders."""
        source = self.source_row[rows]
        if source.size == 0:
            return []
        taken = self.table.column(column).take(pa.array(source, mask=source < 0))
        result: list[Any] = taken.to_pylist()
        return result


def dense_codes(keys: I64, size: int) -> tuple[I64, I64]:
    """(distinct keys in ascending order, place of each key among them). Keys are below `size`."""
    if size > 1 << 20:
        return np.unique(keys, return_inverse=True)
    used = np.zeros(size, np.bool_)  # few enough to count: no sort needed
    used[keys] = True
    distinct = np.flatnonzero(used)
    number = np.zeros(size, np.int64)
    number[distinct] = np.arange(distinct.size)
    return distinct, number[keys]


def count_noted(noted: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Occurrences as counts."""
    return {name: int(occurrences.size) for name, occurrences in noted.items()}


def id_numbers(column: pa.ChunkedArray, words: int) -> U64:
    """Ids as big-endian numbers, [n, words]; null is 0."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    if array.null_count:
        array = pc.fill_null(array, bytes(8 * words))
    size = 8 * words
    raw = np.frombuffer(array.buffers()[1] or b"", np.uint8)[array.offset * size : (array.offset + len(array)) * size]
    numbers: U64 = raw.view(">u8").astype(np.uint64).reshape(-1, words)
    return numbers


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], tuple[Any, ...]]:
    """Codes in the order of the values, so that they do not depend on the order of the rows; null sorts first."""
    array = column.combine_chunks()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    array = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    indices = array.indices.fill_null(-1).to_numpy(zero_copy_only=False) + 1
    values = [None, *array.dictionary.to_pylist()]
    used = np.flatnonzero(np.bincount(indices, minlength=len(values)))
    order = sorted(used.tolist(), key=lambda at: (values[at] is not None, values[at] or ""))
    rank = np.zeros(len(values), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[indices], tuple(values[at] for at in order)


def _host_codes(table: pa.Table) -> NDArray[np.int32]:
    hosts = np.full((table.num_rows, len(HOST_COLUMNS)), -1, np.int32)
    for at, column in enumerate(HOST_COLUMNS):
        if table.column(column).null_count < table.num_rows:
            codes, values = _codes(table.column(column))
            hosts[:, at] = codes - (1 if values[0] is None else 0)
    return hosts


def _number_traces(high: U64, low: U64) -> tuple[NDArray[np.int32], I64]:
    """(number of each row's trace, a row of each trace), traces in the order of their ids."""
    ascending, number = trace_changes(high, low)
    if ascending:
        return number, np.flatnonzero(np.diff(number, prepend=-1))
    first = first_rows(high, low)
    distinct = np.flatnonzero(first == np.arange(first.size))
    by_id = distinct[np.lexsort((low[distinct], high[distinct]))]
    number_of = np.empty(first.size, np.int32)
    number_of[by_id] = np.arange(by_id.size, dtype=np.int32)
    return number_of[first], by_id


def from_table(table: pa.Table) -> TraceSet:
    """Rows in canonical order, each without a parent as yet and duplicates and all: adjusters take it from here."""
    trace_words = id_numbers(table.column("trace_id"), 2)
    high, low = np.ascontiguousarray(trace_words[:, 0]), np.ascontiguousarray(trace_words[:, 1])
    span_id = id_numbers(table.column("span_id"), 1)[:, 0]
    parent_id = id_numbers(table.column("parent_span_id"), 1)[:, 0]
    start = table.column("start_ns").to_numpy()
    end = start + table.column("duration_ns").to_numpy()
    trace, by_id = _number_traces(high, low)
    order, sorted_start, sorted_span = canonical_order(trace, by_id.size, start, span_id)
    service, services = _codes(table.column("service_name"))
    name, names = _codes(table.column("name"))
    return TraceSet(
        table=table,
        source_row=order,
        trace=trace[order],
        trace_high=high[by_id],
        trace_low=low[by_id],
        span_id=sorted_span,
        parent_id=parent_id[order],
        parent_row=np.full(order.size, -1, np.int64),
        start_ns=sorted_start,
        end_ns=end[order],
        kind=table.column("kind").to_numpy()[order],
        status_code=table.column("status_code").to_numpy()[order],
        service=service[order],
        name=name[order],
        hosts=_host_codes(table)[order],
        shift_ns=np.zeros(order.size, np.int64),
        services=services,
        names=names,
    )


def take(traces: TraceSet, rows: I64) -> TraceSet:
    """Some rows of a set that has no parents linked yet; traces keep their numbers."""
    columns = ("source_row", "trace", "span_id", "parent_id", "parent_row", "start_ns", "end_ns", "kind",
               "status_code", "service", "name", "hosts", "shift_ns")  # fmt: skip
    return replace(traces, **{column: getattr(traces, column)[rows] for column in columns})


def find_rows(traces: TraceSet, trace: NDArray[Any], span_id: U64) -> I64:
    """The row of each (trace number, span id), -1 where there is none."""
    return rows_of(
        traces.trace.astype(np.uint64), traces.span_id, np.ascontiguousarray(trace.astype(np.uint64)), span_id
    )
