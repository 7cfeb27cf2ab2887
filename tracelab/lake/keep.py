"""Keep a lake in order: remove what is old or too much, and look whether everything can be read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracelab.errors import LakeError
from tracelab.faults import fault_point
from tracelab.lake.compact import alone, partition_of
from tracelab.lake.lake import Lake
from tracelab.lake.merges import is_journal, is_segment, recover
from tracelab.lake.segments import fsync_folder, read_segment, rows_by_name, span_of_time
from tracelab.lake.trace_index import trace_keys

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pruned:
    """A segment that was removed, or would be."""

    name: str
    spans: int
    bytes: int
    newest_ns: int | None


@dataclass(frozen=True)
class Damage:
    """A file that is no readable segment, or not what its name and place say."""

    file: str
    why: str


@dataclass(frozen=True)
class Verdict:
    """What reading every file of a lake found.

    Attributes:
        split_traces: traces in more than one partition; answers are right, but take longer
        unfinished: journals and temporary files that a writer left; the next compaction removes them
    """

    segments: int
    spans: int
    bytes: int
    split_traces: int
    unfinished: tuple[str, ...]
    damaged: tuple[Damage, ...]


def prune(
    lake: Lake, max_age_ns: int | None = None, max_bytes: int | None = None, dry_run: bool = False
) -> list[Pruned]:
    """Remove whole segments, those with the oldest spans first.

    Args:
        max_age_ns: segments whose newest span started longer ago go
        max_bytes: then so many that the others have at most this size together
        dry_run: only say which

    Raises:
        LakeError: a compactor is at work; try again
    """
    with alone(lake) as is_alone:
        if not is_alone:
            raise LakeError(f"{lake.path}: a compaction is under way; try again in a moment")
        if not dry_run:
            recover(lake.compacted, lake.fresh)
        doomed = _too_old_or_much(lake, max_age_ns, max_bytes)
        if not dry_run:
            for path, _ in doomed:
                path.unlink(missing_ok=True)
                fault_point("prune-removing")
            for folder in {path.parent for path, _ in doomed}:
                fsync_folder(folder)
            lake.index.forget_all_but(frozenset(path.name for path in lake.segments()))
        return [pruned for _, pruned in doomed]


def _too_old_or_much(lake: Lake, max_age_ns: int | None, max_bytes: int | None) -> list[tuple[Path, Pruned]]:
    known: list[tuple[int, Path, Pruned]] = []
    for path in lake.segments():
        try:
            between = span_of_time(path)
            size = path.stat().st_size
        except (LakeError, FileNotFoundError):
            continue  # `verify` names it; who put it there may remove it
        newest = None if between is None else between[1]
        known.append((newest or 0, path, Pruned(path.name, rows_by_name(path.name), size, newest)))
    known.sort()
    left = sum(pruned.bytes for _, _, pruned in known)
    oldest_kept = None if max_age_ns is None else time.time_ns() - max_age_ns
    doomed = []
    for newest, path, pruned in known:
        if (oldest_kept is not None and newest < oldest_kept) or (max_bytes is not None and left > max_bytes):
            doomed.append((path, pruned))
            left -= pruned.bytes
    return doomed


def verify(lake: Lake, progress: Progress | None = None) -> Verdict:
    """Read every file, every column; `progress` is called after each. Nothing is changed."""
    damaged: list[Damage] = []
    paths = lake.segments()
    spans = size = 0
    homes: dict[str, list[np.ndarray]] = {}
    for at, path in enumerate(paths):
        try:
            table = read_segment(path)
            size += path.stat().st_size
        except LakeError as error:
            damaged.append(Damage(path.name, str(error).partition(": ")[2]))
            continue
        except FileNotFoundError:
            continue  # compacted or pruned meanwhile
        spans += table.num_rows
        if is_segment(path.name) and rows_by_name(path.name) not in (0, table.num_rows):
            damaged.append(Damage(path.name, f"has {table.num_rows} rows, its name says {rows_by_name(path.name)}"))
        if (hour := partition_of(path)) is not None:
            keys = trace_keys(table.column("trace_id"))
            ids = table.column("trace_id").combine_chunks()
            if any(one > other for one, other in zip(ids[:-1].to_pylist(), ids[1:].to_pylist(), strict=True)):
                damaged.append(Damage(path.name, "is not sorted by trace id"))
            homes.setdefault(hour, []).append(np.unique(keys))
        if progress is not None:
            progress(at + 1, len(paths))
    whole = [np.unique(np.concatenate(parts)) for parts in homes.values()]
    keys = np.concatenate(whole) if whole else np.zeros(0, np.uint64)
    unfinished = tuple(
        sorted(
            path.name
            for folder in (lake.compacted, lake.fresh)
            for path in folder.iterdir()
            if is_journal(path.name) or path.name.startswith(".writing-")
        )
    )
    split = int(keys.size - np.unique(keys).size)
    return Verdict(len(paths), spans, size, split, unfinished, tuple(damaged))
