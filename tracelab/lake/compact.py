"""Merge small fresh segments into large ones, sorted by trace, at any moment and without stopping anybody.

A compacted segment names those that it replaces and readers honour that, so a crash between any two steps shows every
span exactly once: before the rename nothing has changed; after it the old files are ignored until they are removed.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from tracelab.errors import LakeError
from tracelab.lake.lake import Lake
from tracelab.lake.segments import publish, read_segment, write_temporary

MAX_ROWS = 500_000  # of one compacted segment: bounds the memory of a merge to a few hundred MB


@contextmanager
def _alone(lake: Lake) -> Iterator[bool]:
    """Whether no other compactor works on this lake; the kernel frees the lock of a process that dies."""
    with (lake.path / ".compact.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def compact(lake: Lake, at_least: int = 2) -> int:
    """Merge the fresh segments if there are `at_least` so many; how many were merged."""
    with _alone(lake) as alone:
        if not alone:
            return 0
        _remove_replaced(lake)
        paths = [path for path in lake.segments() if path.parent == lake.fresh]
        if len(paths) < at_least:
            return 0
        merged = 0
        for group in _groups(paths):
            merged += _merge(lake, group)
        return merged


def _groups(paths: list[Path]) -> Iterator[list[Path]]:
    group: list[Path] = []
    rows = 0
    for path in paths:
        count = _rows_by_name(path)
        if group and rows + count > MAX_ROWS:
            yield group
            group, rows = [], 0
        group.append(path)
        rows += count
    yield group


def _rows_by_name(path: Path) -> int:
    last = path.stem.rsplit("-", 1)[-1]
    return int(last) if last.isdigit() else 0


def _merge(lake: Lake, paths: list[Path]) -> int:
    tables, names = [], []
    for path in paths:
        try:
            tables.append(read_segment(path))
            names.append(path.name)
        except LakeError:
            continue  # not ours to touch; readers name it
    if len(tables) < 2:
        return 0
    table = pa.concat_tables(tables).sort_by([("trace_id", "ascending"), ("start_ns", "ascending")])
    publish(write_temporary(table, lake.compacted, replaces=names))
    _remove(lake, names)
    return len(names)


def _remove_replaced(lake: Lake) -> None:
    """What a compactor left behind that died after its rename."""
    for path in lake.compacted.glob("[!.]*.parquet"):
        try:
            _remove(lake, lake.replaces(path))
        except (LakeError, json.JSONDecodeError):
            continue


def _remove(lake: Lake, names: list[str]) -> None:
    for name in names:
        (lake.fresh / name).unlink(missing_ok=True)
