"""The journal of merges: how some segments take the place of others in one instant, whoever looks, whatever crashes.

    compacted/pending-ID.json     written before the new segments: what it adds is not there yet
    compacted/merged-ID.json      the same file renamed, when they are durable: what it replaces is there no more

The rename is the one moment in which readers change from the old to the new. Then the old segments are removed, then
the journal. A crash leaves a pending journal, whose additions are removed, or a merged one, whose removal goes on.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from tracelab.faults import fault_point
from tracelab.lake.segments import TEMPORARY_PREFIX, fsync_folder

PENDING, MERGED = "pending-", "merged-"


@dataclass(frozen=True)
class Merge:
    """What a merge adds and replaces: names of segments; `adds` are all in the folder of the compacted ones."""

    adds: frozenset[str]
    replaces: frozenset[str]


def read_merge(path: Path) -> Merge:
    """A journal. FileNotFoundError if it is gone; one that cannot be read is empty, as nothing was done under it."""
    try:
        found = json.loads(path.read_text())
        return Merge(frozenset(found["adds"]), frozenset(found["replaces"]))
    except (ValueError, KeyError, TypeError):
        return Merge(frozenset(), frozenset())


def visible(listing: frozenset[str], fresh: list[str], read: dict[str, Merge]) -> tuple[list[str], list[str]]:
    """(compacted, fresh) segments to read, of what is in the two folders; `read` are the journals, by name."""
    hidden: set[str] = set()
    for name, merge in read.items():
        hidden |= merge.adds if name.startswith(PENDING) else merge.replaces
    compacted = [name for name in listing if is_segment(name) and name not in hidden]
    return sorted(compacted), sorted(name for name in fresh if is_segment(name) and name not in hidden)


def is_segment(name: str) -> bool:
    """Whether a file's name is that of a segment, and not of one that is being written."""
    return name.endswith(".parquet") and not name.startswith(".")


def is_journal(name: str) -> bool:
    """Whether a file's name is that of a journal."""
    return name.endswith(".json") and name.startswith((PENDING, MERGED))


class Journal:
    """One merge under way. Only the holder of the compactor's lock makes one."""

    def __init__(self, compacted: Path, fresh: Path, adds: list[str], replaces: list[str]) -> None:
        self._compacted, self._fresh = compacted, fresh
        self._merge = Merge(frozenset(adds), frozenset(replaces))
        self._path = compacted / f"{PENDING}{uuid.uuid4().hex[:12]}.json"
        temporary = compacted / f"{TEMPORARY_PREFIX}{self._path.name}"
        with temporary.open("w") as file:
            json.dump({"adds": sorted(adds), "replaces": sorted(replaces)}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._path)
        fsync_folder(compacted)
        fault_point("merge-announced")

    def commit(self) -> None:
        """From here on the new segments are read, and the old ones are not. They must be durable already."""
        fault_point("merge-written")
        fsync_folder(self._compacted)
        merged = self._path.with_name(MERGED + self._path.name.removeprefix(PENDING))
        self._path.rename(merged)
        self._path = merged
        fsync_folder(self._compacted)
        fault_point("merge-committed")
        _remove_replaced(self._compacted, self._fresh, self._merge)
        fault_point("merge-removed")
        merged.unlink()

    def give_up(self) -> None:
        """Nothing has changed."""
        for name in self._merge.adds:
            (self._compacted / name).unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)


def _remove_replaced(compacted: Path, fresh: Path, merge: Merge) -> None:
    for name in sorted(merge.replaces):
        (fresh / name).unlink(missing_ok=True)
        (compacted / name).unlink(missing_ok=True)
        fault_point("merge-removing")
    fsync_folder(fresh)
    fsync_folder(compacted)


def recover(compacted: Path, fresh: Path) -> int:
    """Finish, or undo, what a compactor left that died; how many merges those were. Under the compactor's lock."""
    found = 0
    for path in sorted(compacted.iterdir()):
        if not is_journal(path.name):
            continue
        merge = read_merge(path)
        if path.name.startswith(MERGED):
            _remove_replaced(compacted, fresh, merge)
        else:
            for name in merge.adds:
                (compacted / name).unlink(missing_ok=True)
        path.unlink()
        found += 1
    return found
