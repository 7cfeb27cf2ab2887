"""Merge small segments into large ones, sorted by trace, at any moment and without stopping anybody.

A trace that is compacted lives in one partition, its home: where spans of it live already, else the hour (UTC) of its
earliest span. So a partition is a set of whole traces, however late their spans came. Within a partition new rows are
merged with those segments that are not larger than they are together, so there are few, and each row is written again
only as often as its segment doubles. Where rows live never changes an answer.
"""

from __future__ import annotations

import fcntl
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracelab.errors import LakeError
from tracelab.lake.lake import Lake
from tracelab.lake.merges import Journal, recover
from tracelab.lake.segments import (
    CODED,
    Merged,
    SegmentFile,
    merged_from,
    new_name,
    open_segment,
    read_stored,
    rows_by_name,
    stored_schema,
    time_by_name,
)
from tracelab.lake.stream import Group, groups_of, sweep
from tracelab.lake.trace_index import is_among, trace_keys
from tracelab.traceset import id_numbers

BATCH_ROWS = 65_536
"""Of fresh rows that are sorted in memory at once: some 150 MB."""
LARGE_ROWS = 400_000  # a segment of an open partition that is not merged again before the partition closes
MAX_ROWS = 2_000_000  # of a segment
PARTITIONS = 48  # that one batch is spread over; traces of rarer hours go where most are
CLOSED_AFTER_S = 2 * 3600
FEW = 4  # segments that a closed partition may have
HOUR_NS = 3600 * 10**9
YOUNG_NS = 60 * 10**9
Stop = Callable[[], bool]


@contextmanager
def alone(lake: Lake) -> Iterator[bool]:
    """Whether no other compactor works on this lake; the kernel frees the lock of a process that dies."""
    with (lake.path / ".compact.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def compact(lake: Lake, at_least: int = 2, stop: Stop | None = None, thorough: bool = True) -> int:
    """Merge the fresh segments if there are `at_least` so many, and then what has become many; how many were merged.

    Args:
        stop: asked between two merges; whether to leave the rest for the next time
        thorough: merge every partition into as few segments as possible, not only closed ones
    """
    with alone(lake) as is_alone:
        if not is_alone:
            return 0
        recover(lake.compacted, lake.fresh)
        merged = 0
        fresh = [path for path in lake.segments() if path.parent == lake.fresh or partition_of(path) is None]
        if len(fresh) >= at_least:
            for batch in _batches(fresh):
                if stop is not None and stop():
                    return merged
                merged += _merge_fresh(lake, batch)
        for paths in _crowded(lake, thorough):
            if stop is not None and stop():
                return merged
            merged += _merge_partition(lake, paths)
        lake.index.forget_all_but(frozenset(path.name for path in lake.segments()))
        return merged


def partition_of(path: Path) -> str | None:
    """The hour whose traces a compacted segment holds, as `2026-01-31T23`; None for another segment."""
    hour, _, rest = path.name.partition("_")
    return hour if rest else None


def hour_text(hour: int) -> str:
    """A number of hours since the epoch as a partition's name."""
    return time.strftime("%Y-%m-%dT%H", time.gmtime(hour * 3600))


def _batches(paths: list[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    rows = 0
    for path in paths:
        count = rows_by_name(path.name)
        if batch and rows + count > BATCH_ROWS:
            yield batch
            batch, rows = [], 0
        batch.append(path)
        rows += count
    yield batch


def _partitions(lake: Lake) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in lake.segments():
        hour = partition_of(path)
        if hour is not None:
            found[hour].append(path)
    return found


def _crowded(lake: Lake, thorough: bool) -> Iterator[list[Path]]:
    """Segments of a partition that should be one: those that are not full, where there are too many of them."""
    closed = hour_text(int((time.time() - CLOSED_AFTER_S) // 3600))
    for hour, paths in sorted(_partitions(lake).items()):
        small = [path for path in paths if rows_by_name(path.name) < MAX_ROWS // 2]
        if len(small) > (1 if thorough else FEW - 1) and (thorough or hour < closed):
            yield small


def _merge_fresh(lake: Lake, paths: list[Path]) -> int:
    """Give each fresh trace its home, and merge it with what is not larger there."""
    tables, names = [], []
    for path in paths:
        try:
            tables.append(read_stored(path))
            names.append(path.name)
        except LakeError:
            continue  # not ours to touch; readers name it
        except FileNotFoundError:
            continue  # pruned by a person, who had a reason
    if not tables:
        return 0
    table = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries().combine_chunks()
    del tables
    table = table.take(pa.array(_by_trace(table)))
    hours, keys = _homes(lake, table)
    partitions = _partitions(lake)
    joined, parts = list(names), []
    for hour in np.unique(hours):
        part = table.filter(pa.array(hours == hour))
        company = _not_larger(partitions[hour_text(int(hour))], part.num_rows)
        joined += [path.name for path in company]
        parts.append((hour_text(int(hour)), part, company))
    del table, keys
    _write(lake, parts, joined)
    return len(joined)


def _by_trace(table: pa.Table) -> NDArray[np.int64]:
    """Rows in the order of trace id, then start."""
    words = id_numbers(table.column("trace_id"), 2)
    order: NDArray[np.int64] = np.lexsort((table.column("start_ns").to_numpy(), words[:, 1], words[:, 0]))
    return order


def _homes(lake: Lake, table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """(hour of its home, key of its trace) per row of a table in the order of `_by_trace`."""
    keys = trace_keys(table.column("trace_id"))
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    start = table.column("start_ns").to_numpy()
    hours = _common_hours(start[first] // HOUR_NS)
    by_key = np.argsort(keys[first])  # looked up in their order, neighbours lie in the same part of an index
    wanted = keys[first][by_key]
    homeless = np.ones(first.size, np.bool_)
    for hour, paths in _partitions(lake).items():
        for path in paths:
            try:
                here = is_among(wanted, lake.index.keys(path)) & homeless
            except (LakeError, FileNotFoundError):
                continue
            hours[by_key[here]] = _hour_number(hour)
            homeless &= ~here
    sizes = np.diff(np.append(first, keys.size))
    return np.repeat(hours, sizes), keys


def _hour_number(hour: str) -> int:
    return int(np.datetime64(hour, "h").astype(np.int64))


def _common_hours(hours: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same, with rare hours replaced by the next common one before: clocks that are wild make no wild files."""
    distinct, counts = np.unique(hours, return_counts=True)
    if distinct.size <= PARTITIONS:
        return hours
    kept = np.sort(distinct[np.argsort(-counts, kind="stable")[:PARTITIONS]])
    return kept[np.maximum(np.searchsorted(kept, hours, side="right") - 1, 0)]


def _not_larger(paths: list[Path], rows: int) -> list[Path]:
    """Segments to merge `rows` new rows with: as long as the next is not larger than all so far."""
    company = []
    for path in sorted(paths, key=lambda path: rows_by_name(path.name)):
        size = rows_by_name(path.name)
        if size > rows or size >= LARGE_ROWS:
            break
        company.append(path)
        rows += size
    return company


def _merge_partition(lake: Lake, paths: list[Path]) -> int:
    hour = partition_of(paths[0])
    assert hour is not None  # noqa: S101  the caller took them from a partition
    _write(lake, [(hour, None, paths)], [path.name for path in paths])
    return len(paths)


def _write(lake: Lake, parts: list[tuple[str, pa.Table | None, list[Path]]], replaces: list[str]) -> None:
    """New segments, a partition each or several, in place of the old ones, all in one instant."""
    names = []
    for hour, table, company in parts:
        rows = sum(rows_by_name(path.name) for path in company) + (0 if table is None else table.num_rows)
        pieces = max(-(-rows // MAX_ROWS), 1)
        names.append([f"{hour}_{new_name(rows // pieces)}" for _ in range(pieces)])
    merged = {name: _young(lake, name) for name in replaces}
    journal = Journal(lake.compacted, lake.fresh, [name for piece in names for name in piece], replaces)
    try:
        for piece, (_, table, company) in zip(names, parts, strict=True):
            _write_partition(lake, piece, table, company, merged)
    except BaseException as error:
        journal.give_up()
        if isinstance(error, pa.ArrowException | OSError):
            raise LakeError(f"{lake.compacted}: a merge could not be written: {error}") from None
        raise
    journal.commit()


def _young(lake: Lake, name: str) -> Merged:
    """From what a segment was merged, if that was so lately that a reader may never have seen it."""
    written = time_by_name(name)
    if written is None or time.time_ns() - written > YOUNG_NS or not (lake.compacted / name).exists():
        return {}
    return merged_from(lake.compacted / name)


def _write_partition(lake: Lake, names: list[str], table: pa.Table | None, company: list[Path], merged: Merged) -> None:
    """The rows of a table and of these segments as segments of these names, in the order of trace id, then start."""
    with ExitStack() as stack:
        groups: list[Group] = []
        columns = set(() if table is None else table.column_names)
        for path in company:
            file = stack.enter_context(open_segment(path, CODED))
            groups += groups_of(path, file, is_sorted=True)
            columns |= set(file.schema_arrow.names)
        if table is not None:
            groups += _as_groups(table)
        schema = stored_schema(columns)
        rows = sum(group.rows for group in groups)
        share = -(-rows // len(names))
        left = list(names)
        keys: list[NDArray[np.uint64]] = []
        out = SegmentFile(lake.compacted / left.pop(0), schema, merged)
        try:
            for batch in sweep(sorted(groups), schema.names, BATCH_ROWS // 2):
                ordered = batch.take(pa.array(_by_trace(batch))) if company else batch
                keys.append(np.unique(trace_keys(ordered.column("trace_id"))))
                out.append(ordered)
                if out.rows >= share and left:
                    _close(lake, out, keys)
                    out, keys = SegmentFile(lake.compacted / left.pop(0), schema, merged), []
            _close(lake, out, keys)
            for name in left:  # the rows of few traces fill fewer segments than there was room for
                SegmentFile(lake.compacted / name, schema).close()
        except BaseException:
            out.discard()
            raise


def _as_groups(table: pa.Table) -> list[Group]:
    """A sorted table as row groups of its own."""
    low = table.column("trace_id")[0].as_py()
    return [Group(low, ("", 0), table.num_rows, None, frozenset(table.column_names), True, table)]


def _close(lake: Lake, out: SegmentFile, keys: list[NDArray[np.uint64]]) -> None:
    out.close()
    lake.index.note(out.path.name, np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.uint64))
