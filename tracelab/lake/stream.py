"""A lake of any size as batches of whole traces, in bounded memory.

Row groups are read in the order of their smallest trace id, each once. What lies below the smallest id that is still to
be read is complete and leaves; the rest waits. So in memory are a batch, a row group per compacted segment (they are
sorted by trace id), and the fresh segments, which compaction keeps few.

Traces that links connect must come in one batch, since a message's two ends may be two traces: they are held back and
read once more at the end.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tracelab.diagnostics import Diagnostics
from tracelab.errors import LakeError
from tracelab.lake.choose import distinct_ids, links_between_traces, no_links, rows_between, with_linked
from tracelab.lake.lake import Lake
from tracelab.lake.segments import as_spans, leaf_numbers, least_and_greatest, open_segment
from tracelab.lake.trace_index import is_among, trace_keys
from tracelab.schema import TRACE_ID

BATCH_ROWS = 500_000
"""Large enough that a batch's fixed cost does not show, small enough for a laptop: about 150 MB."""
_ID_BYTES = 16
_AS_CODES = ("name", "service_name")  # texts that the analysis turns into codes anyway


@dataclass(order=True)
class Group:
    """A row group, by the smallest trace id in it; or a table in memory that stands for one."""

    low: bytes
    order: tuple[str, int]
    rows: int = field(compare=False)
    file: pq.ParquetFile | None = field(compare=False)
    names: frozenset[str] = field(compare=False)
    is_sorted: bool = field(compare=False)
    table: pa.Table | None = field(default=None, compare=False)
    starts: tuple[int, int] | None = field(default=None, compare=False)

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Those of the columns that the segment has: a null column costs memory while it waits, too."""
        names = [name for name in columns if name in self.names]
        if self.file is None or self.table is not None:
            assert self.table is not None  # noqa: S101  one or the other
            return self.table.select(names)
        table = self.file.read_row_group(self.order[1], names, use_threads=False)
        return table if self.is_sorted else table.sort_by("trace_id")

    def may_hold(self, since_ns: int | None, until_ns: int | None) -> bool:
        """Whether a span of it may start in [since_ns, until_ns)."""
        if self.starts is None:
            return True
        first, last = self.starts
        return (since_ns is None or last >= since_ns) and (until_ns is None or first < until_ns)


def whole_traces(
    lake: Lake,
    columns: Sequence[str],
    since_ns: int | None = None,
    until_ns: int | None = None,
    diagnostics: Diagnostics | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.Table]:
    """The traces with a span that starts in [since_ns, until_ns), and those linked to, each whole in one batch.

    Together the batches are what `Lake.scan` gives. The lake may be compacted meanwhile: files stay open.
    """
    with ExitStack() as stack:
        files = _open_all(lake, stack, diagnostics)
        groups = sorted(group for path, file in files for group in groups_of(path, file, path.parent == lake.compacted))
        links = pa.concat_tables([links_between_traces(file) for _, file in files]) if files else no_links()
        wanted = None
        if since_ns is not None or until_ns is not None:
            wanted = with_linked(links, _in_window(groups, since_ns, until_ns))
            inside = pc.is_in(links.column("trace_id"), value_set=wanted)
            links = links.filter(pc.and_(inside, pc.is_in(links.column("linked"), value_set=wanted)))
        together = _components(links)
        apart = pa.array([trace_id for ids in together for trace_id in ids], TRACE_ID)
        held_back = 0
        if wanted is not None:
            groups = _with_traces(lake, groups, wanted)
        for table in _sweep(groups, columns, batch_rows):
            inside = table if wanted is None else _of_traces(table, wanted)
            alone = _of_traces(inside, apart, invert=True) if len(apart) else inside
            held_back += inside.num_rows - alone.num_rows
            if alone.num_rows:
                yield alone
        yield from _linked_batches(groups, columns, together, -(-held_back // batch_rows), batch_rows)


def read_ahead(batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same batches, the next one read in a thread while one is worked on: decoding Parquet needs no interpreter."""
    with ThreadPoolExecutor(1, "read-ahead") as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _sweep(groups: list[Group], columns: Sequence[str], batch_rows: int) -> Iterator[pa.Table]:
    return (as_spans(table, columns) for table in sweep(groups, columns, batch_rows))


def _with_traces(lake: Lake, groups: list[Group], wanted: pa.Array) -> list[Group]:
    """The row groups of the compacted segments that hold one of these traces, and of all that are fresh."""
    keys = trace_keys(wanted)
    held: dict[str, bool] = {}
    for group in groups:
        name = group.order[0]
        if name not in held:
            path = lake.compacted / name
            held[name] = not group.is_sorted or bool(is_among(keys, lake.index.keys(path)).any())
    return [group for group in groups if held[group.order[0]]]


def _linked_batches(
    groups: list[Group], columns: Sequence[str], together: list[list[bytes]], batches: int, batch_rows: int
) -> Iterator[pa.Table]:
    for batch in range(batches):
        ids = pa.array([trace_id for members in together[batch::batches] for trace_id in members], TRACE_ID)
        yield pa.concat_tables(_of_traces(table, ids) for table in _sweep(groups, columns, batch_rows))


def _of_traces(table: pa.Table, trace_ids: pa.Array, invert: bool = False) -> pa.Table:
    found = pc.is_in(table.column("trace_id"), value_set=trace_ids)
    return table.filter(pc.invert(found) if invert else found)


def _open_all(lake: Lake, stack: ExitStack, diagnostics: Diagnostics | None) -> list[tuple[Path, pq.ParquetFile]]:
    while True:
        files, damaged = [], 0
        attempt = stack.enter_context(ExitStack())
        try:
            for path in lake.segments():
                try:
                    files.append((path, attempt.enter_context(open_segment(path, _AS_CODES))))
                except LakeError:
                    damaged += 1
        except FileNotFoundError:
            attempt.close()
            continue  # compacted meanwhile: look again
        if diagnostics is not None:
            diagnostics.add("damaged_segments", damaged)
        return files


def groups_of(path: Path, file: pq.ParquetFile, is_sorted: bool) -> Iterator[Group]:
    """The row groups of an open segment."""
    names = file.schema_arrow.names
    ids, starts = leaf_numbers(file, ("trace_id", "start_ns"))
    for number in range(file.metadata.num_row_groups):
        meta = file.metadata.row_group(number)
        low, _ = least_and_greatest(meta, ids) or (bytes(_ID_BYTES), None)
        between = least_and_greatest(meta, starts)
        yield Group(low, (path.name, number), meta.num_rows, file, frozenset(names), is_sorted, None, between)


def sweep(groups: list[Group], columns: Sequence[str], batch_rows: int) -> Iterator[pa.Table]:
    """Every row of the groups, which are in order, once; a trace's rows all in one table, as it is stored."""
    waiting: list[pa.Table] = []
    read = 0
    for at, group in enumerate(groups):
        waiting.append(group.read(columns))
        read += group.rows
        is_last = at + 1 == len(groups)
        if read < batch_rows and not is_last:
            continue
        ready, rest = (waiting, []) if is_last else _cut(waiting, groups[at + 1].low)
        if not is_last and 2 * sum(part.num_rows for part in ready) < batch_rows:
            continue  # segments are cut at about the same ids: a little further, much more is complete
        read, waiting = 0, rest
        while ready:
            batch, ready = _cut(ready, _id_after(ready, batch_rows))
            if batch:
                yield pa.concat_tables(batch, promote_options="permissive").unify_dictionaries().combine_chunks()


def _cut(parts: list[pa.Table], trace_id: bytes | None) -> tuple[list[pa.Table], list[pa.Table]]:
    """(rows with a smaller trace id, the others) of tables sorted by it; None is larger than any."""
    if trace_id is None:
        return parts, []
    ends = [_rows_below(part, trace_id) for part in parts]
    below = [part.slice(0, end) for part, end in zip(parts, ends, strict=True) if end]
    return below, [part.slice(end) for part, end in zip(parts, ends, strict=True) if end < part.num_rows]


def _id_after(parts: list[pa.Table], rows: int) -> bytes | None:
    """A trace id below which are about `rows` rows; None if there are hardly more. Ids are as good as evenly spread."""
    total = sum(part.num_rows for part in parts)
    if total < 1.5 * rows:
        return None
    largest = max((part.column("trace_id") for part in parts), key=len)
    first = largest[0].as_py()
    at = max(int(len(largest) * rows / total), 1)
    return next((other.as_py() for other in largest[at:] if other.as_py() != first), None)


def _rows_below(table: pa.Table, trace_id: bytes) -> int:
    """How many rows of a table sorted by trace id have a smaller one."""
    ids = table.column("trace_id")
    return bisect.bisect_left(range(table.num_rows), trace_id, key=lambda row: ids[row].as_py())


def _in_window(groups: list[Group], since_ns: int | None, until_ns: int | None) -> pa.Array:
    touched = [group for group in groups if group.may_hold(since_ns, until_ns)]
    chosen = (rows_between(group.read(("trace_id", "start_ns")), since_ns, until_ns) for group in touched)
    return distinct_ids(table.column("trace_id") for table in chosen)


def _components(links: pa.Table) -> list[list[bytes]]:
    """Traces that links connect, by any number of steps; each component sorted, the one with the least id first."""
    leader: dict[bytes, bytes] = {}

    def find(trace_id: bytes) -> bytes:
        path = []
        while leader.setdefault(trace_id, trace_id) != trace_id:
            path.append(trace_id)
            trace_id = leader[trace_id]
        for passed in path:
            leader[passed] = trace_id
        return trace_id

    for one, other in zip(links.column("trace_id").to_pylist(), links.column("linked").to_pylist(), strict=True):
        leader[find(max(one, other))] = find(min(one, other))
    members: dict[bytes, list[bytes]] = {}
    for trace_id in sorted(leader):
        members.setdefault(find(trace_id), []).append(trace_id)
    return list(members.values())
