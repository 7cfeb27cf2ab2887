"""Which rows of a table belong to the traces that are wanted, and which traces belong together by links."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tracelab.lake.segments import as_spans
from tracelab.schema import TRACE_ID, empty_table


def rows_between(table: pa.Table, since_ns: int | None, until_ns: int | None) -> pa.Table:
    """The rows that start in [since_ns, until_ns)."""
    start = table.column("start_ns")
    mask = pa.scalar(True)
    if since_ns is not None:
        mask = pc.and_(mask, pc.greater_equal(start, since_ns))
    if until_ns is not None:
        mask = pc.and_(mask, pc.less(start, until_ns))
    return table.filter(mask)


def distinct_ids(columns: Iterable[pa.ChunkedArray]) -> pa.Array:
    """The trace ids in these columns, each once."""
    chunks = [chunk for column in columns for chunk in column.chunks]
    return pa.chunked_array(chunks, TRACE_ID).unique()


def linked_traces(table: pa.Table) -> pa.Table:
    """(trace_id, linked): for every link the trace it is in and the trace it leads to."""
    rows = table.select(["trace_id", "links"]).filter(pc.is_valid(table.column("links"))).combine_chunks()
    if rows.num_rows == 0:
        return no_links()
    links = rows.column("links").combine_chunks()
    links = links.chunk(0) if isinstance(links, pa.ChunkedArray) else links
    owners = rows.column("trace_id").take(pc.list_parent_indices(links))
    return pa.table({"trace_id": owners, "linked": pc.struct_field(pc.list_flatten(links), "trace_id")})


def links_between_traces(file: pq.ParquetFile) -> pa.Table:
    """(trace_id, linked) of the links of a segment that lead to another trace; most segments have no links at all."""
    if "links" not in file.schema_arrow.names:
        return no_links()
    links = linked_traces(as_spans(file.read(["trace_id", "links"], use_threads=False), ("trace_id", "links")))
    return links.filter(pc.not_equal(links.column("trace_id"), links.column("linked")))


def no_links() -> pa.Table:
    """No pair of (trace_id, linked)."""
    return pa.table({"trace_id": pa.array([], TRACE_ID), "linked": pa.array([], TRACE_ID)})


def with_linked(links: pa.Table, wanted: pa.Array) -> pa.Array:
    """Also the traces that these link to, or that link to these: a message's two ends may be two traces."""
    if links.num_rows == 0:
        return wanted
    forth = links.filter(pc.is_in(links.column("trace_id"), value_set=wanted)).column("linked")
    back = links.filter(pc.is_in(links.column("linked"), value_set=wanted)).column("trace_id")
    return distinct_ids([pa.chunked_array([wanted]), forth, back])


def select_traces(tables: list[pa.Table], wanted: pa.Array) -> pa.Table:
    """The rows of these traces."""
    found = [table.filter(pc.is_in(table.column("trace_id"), value_set=wanted)) for table in tables]
    found = [table for table in found if table.num_rows]
    return pa.concat_tables(found) if found else tables[0].slice(0, 0) if tables else empty_table()
