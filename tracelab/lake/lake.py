"""The lake: a folder of segments, the only state there is.

    LAKE/tracelab.json          the format's version
    LAKE/spans/fresh/           what collectors and imports wrote
    LAKE/spans/compacted/       merged segments, sorted by trace; journals of merges under way (`lake.merges`)
    LAKE/cache/                 what can be computed again from the segments, and may be deleted at any time

Any number of writers and readers may use it at once; nobody owns a lock but the compactor, against other compactors.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import pyarrow as pa

from tracelab.diagnostics import Diagnostics
from tracelab.errors import LakeError
from tracelab.faults import fault_point
from tracelab.lake.choose import distinct_ids, links_between_traces, rows_between, select_traces, with_linked
from tracelab.lake.merges import is_journal, read_merge, visible
from tracelab.lake.segments import (
    TEMPORARY_PREFIX,
    open_segment,
    publish,
    read_segment,
    read_traces,
    span_of_time,
    time_by_name,
    write_temporary,
)
from tracelab.lake.trace_index import Sought, TraceIndex, trace_keys
from tracelab.schema import TRACE_ID, empty_table

FORMAT = 2
_READABLE = (1, 2)
CACHE_BYTES = 512 * 2**20
STALE_TEMPORARY_S = 600
Columns = tuple[str, ...] | None
_COLUMNS_OF_CHOICE = ["trace_id", "start_ns"]


def default_lake_path() -> Path:
    """TRACELAB_LAKE, else the platform's folder for a user's data."""
    return Path(os.environ.get("TRACELAB_LAKE") or Path(platformdirs.user_data_dir("tracelab", False)) / "lake")


class Lake:
    """A lake for reading and writing. Decoded segments are kept in memory up to `CACHE_BYTES`: they never change.

    Safe to use from several threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fresh = path / "spans" / "fresh"
        self.compacted = path / "spans" / "compacted"
        self._cache: OrderedDict[tuple[str, Columns], pa.Table] = OrderedDict()
        self._cached_bytes = 0
        self._times: dict[str, tuple[int, int] | None] = {}
        self._links: dict[str, pa.Table] = {}
        self.index = TraceIndex(path / "cache" / "traces")
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Lake:
        """An existing lake, for reading; LakeError says how to make one."""
        lake = cls(path)
        if not (path / "tracelab.json").exists():
            raise LakeError(
                f"{path}: no lake there; `tracelab demo --lake {path}` makes one, "
                f"so does `tracelab import FILE --lake {path}` (TRACELAB_LAKE or --lake says where)"
            )
        lake.format()
        return lake

    @classmethod
    def create(cls, path: Path) -> Lake:
        """A lake for writing, made if it is not there yet; what a killed writer left half-written is removed."""
        lake = cls(path)
        try:
            lake.fresh.mkdir(parents=True, exist_ok=True)
            lake.compacted.mkdir(parents=True, exist_ok=True)
            if not (path / "tracelab.json").exists():
                lake._mark()
            lake._upgrade()
            lake._remove_leftovers()
        except OSError as error:
            raise LakeError(f"{path}: cannot be made a lake: {error.strerror or error}") from None
        return lake

    def format(self) -> int:
        """The version of the format that it is kept in; LakeError if that cannot be read."""
        marker = self.path / "tracelab.json"
        try:
            found = json.loads(marker.read_text())["format"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LakeError(f"{marker}: cannot be read: {error}; it should say {{'format': {FORMAT}}}") from None
        if found not in _READABLE:
            raise LakeError(
                f"{self.path}: a lake of format {found}, this tracelab reads formats {_READABLE[0]} to {FORMAT}; "
                "a newer tracelab reads it, and `tracelab export --lake` there with `tracelab import` here moves it"
            )
        return int(found)

    def _upgrade(self) -> None:
        """A lake of an older format is written to in the new one; what is there stays readable as it is."""
        if self.format() != FORMAT:
            self._mark()

    def _mark(self) -> None:
        marker = self.path / "tracelab.json"
        temporary = marker.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}.json")
        temporary.write_text(json.dumps({"format": FORMAT}) + "\n")
        temporary.rename(marker)

    def _remove_leftovers(self) -> None:
        for folder in (self.fresh, self.compacted):
            for path in folder.glob(TEMPORARY_PREFIX + "*"):
                try:
                    if time.time() - path.stat().st_mtime > STALE_TEMPORARY_S:
                        path.unlink(missing_ok=True)
                except FileNotFoundError:
                    continue  # its writer was alive after all

    def write(self, table: pa.Table) -> None:
        """Make these spans durable as one segment; they are visible to the next reader when this returns."""
        with self.staged() as staged:
            staged.append(table)

    @contextmanager
    def staged(self) -> Iterator[_Staged]:
        """Write segments that become visible together at the end, or not at all if an error ends the block."""
        staged = _Staged(self.fresh)
        try:
            yield staged
        except BaseException:
            staged.discard()
            raise
        staged.publish()

    def segments(self) -> list[Path]:
        """The segments to read now, none replaced by another: those that are compacted first.

        Two folders cannot be listed in one instant. But segments leave them only under a journal of the second, so if
        that is the same before and after, nothing left in between.
        """
        while True:
            try:
                before = frozenset(path.name for path in self.compacted.iterdir())
                journals = {name: read_merge(self.compacted / name) for name in before if is_journal(name)}
                fresh = [path.name for path in self.fresh.iterdir()]
                if frozenset(path.name for path in self.compacted.iterdir()) != before:
                    continue
            except FileNotFoundError:
                if not (self.compacted.exists() and self.fresh.exists()):
                    raise LakeError(f"{self.path}: the folders of its segments are gone") from None
                continue  # a journal ended meanwhile: look again
            compacted, fresh = visible(before, fresh, journals)
            return [self.compacted / name for name in compacted] + [self.fresh / name for name in fresh]

    def state(self) -> LakeState:
        """How much there is, without reading it."""
        size = 0
        fresh = []
        for path in self.segments():
            try:
                size += path.stat().st_size
            except FileNotFoundError:
                continue
            if path.parent == self.fresh:
                fresh.append(time_by_name(path.name) or time.time_ns())
        oldest = (time.time_ns() - min(fresh)) / 1e9 if fresh else 0.0
        return LakeState(size, len(fresh), oldest)

    def read(self, path: Path, columns: Columns = None) -> pa.Table:
        """A segment, or these columns of it; from memory if it was read before."""
        key = (path.name, columns)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        table = read_segment(path, columns)
        with self._lock:
            if key not in self._cache:
                self._cache[key] = table
                self._cached_bytes += table.nbytes
            while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
                _, oldest = self._cache.popitem(last=False)
                self._cached_bytes -= oldest.nbytes
        return table

    def tables(self, diagnostics: Diagnostics | None = None, columns: Columns = None) -> list[pa.Table]:
        """All segments. A file that is no segment is counted and left out."""
        while True:
            noted = Diagnostics()
            tables = []
            try:
                for path in self.segments():
                    try:
                        tables.append(self.read(path, columns))
                    except LakeError:
                        noted.add("damaged_segments")
            except FileNotFoundError:
                continue  # compacted meanwhile: look again
            self._forget_all_but(tables)
            if diagnostics is not None:
                for name, count in noted.items():
                    diagnostics.add(name, count)
            return tables

    def _forget_all_but(self, tables: list[pa.Table]) -> None:
        """Drop from memory what compaction has replaced."""
        alive = {id(table) for table in tables}
        with self._lock:
            names = {name for (name, _), table in self._cache.items() if id(table) in alive}
            for key in [key for key in self._cache if key[0] not in names]:
                self._cached_bytes -= self._cache.pop(key).nbytes

    def scan(
        self,
        since_ns: int | None = None,
        until_ns: int | None = None,
        diagnostics: Diagnostics | None = None,
        columns: Columns = None,
    ) -> pa.Table:
        """All spans of every trace that has a span starting in [since_ns, until_ns), and of the traces linked to.

        Traces come whole, so whatever is computed from them does not depend on the window's borders.
        `columns` may be `schema.ANALYSIS_COLUMNS` where nobody reads single spans: a tenth of the bytes.
        """
        if since_ns is None and until_ns is None:
            tables = self.tables(diagnostics, columns)
            return pa.concat_tables(tables) if tables else _no_spans(columns)
        while True:
            try:
                return self._scan_window(since_ns, until_ns, diagnostics, columns)
            except FileNotFoundError:
                continue  # compacted meanwhile: look again

    def _scan_window(
        self, since_ns: int | None, until_ns: int | None, diagnostics: Diagnostics | None, columns: Columns
    ) -> pa.Table:
        """Segments whose spans all start outside are read only where they hold traces that the window touches."""
        inside, outside, links, damaged = [], [], [], 0
        for path in self.segments():
            try:
                touches = self.touches(path, since_ns, until_ns)
                links.append(self._links_of(path))
                if touches:
                    inside.append(self.read(path, columns))
                else:
                    outside.append(path)
            except LakeError:
                damaged += 1
        if diagnostics is not None:
            diagnostics.add("damaged_segments", damaged)
        chosen = [rows_between(table.select(_COLUMNS_OF_CHOICE), since_ns, until_ns) for table in inside]
        wanted = distinct_ids(table.column("trace_id") for table in chosen)
        wanted = with_linked(pa.concat_tables(links), wanted) if links else wanted
        sought = Sought(trace_keys(wanted))
        tables = [select_traces([table], wanted) for table in inside]
        tables += [read_traces(path, wanted, columns) for path in outside if self._holds(path, sought)]
        tables = [table for table in tables if table.num_rows]
        return pa.concat_tables(tables) if tables else _no_spans(columns)

    def touches(self, path: Path, since_ns: int | None, until_ns: int | None) -> bool:
        """Whether spans of a segment may start in the window."""
        if path.name not in self._times:
            self._times[path.name] = span_of_time(path)
        between = self._times[path.name]
        if between is None:
            return True
        return (since_ns is None or between[1] >= since_ns) and (until_ns is None or between[0] < until_ns)

    def _links_of(self, path: Path) -> pa.Table:
        """The links of a segment that lead to other traces; kept in memory, for they are few."""
        if path.name not in self._links:
            with open_segment(path) as file:
                self._links[path.name] = links_between_traces(file)
        return self._links[path.name]

    def traces(self, trace_ids: Iterable[bytes]) -> pa.Table:
        """All spans of these traces, read from the segments, and of those the row groups, that hold them."""
        wanted = pa.array(list(trace_ids), TRACE_ID)
        sought = Sought(trace_keys(wanted))
        while True:
            try:
                found = [read_traces(path, wanted, None) for path in self.segments() if self._holds(path, sought)]
                return pa.concat_tables(found) if found else empty_table()
            except FileNotFoundError:
                continue  # compacted meanwhile: look again

    def _holds(self, path: Path, sought: Sought) -> bool:
        try:
            return sought.are_in(self.index.keys(path))
        except LakeError:
            return False


@dataclass(frozen=True)
class LakeState:
    """Bytes of all segments; how many are fresh, and for how long the oldest of them has waited."""

    bytes: int
    fresh_segments: int
    oldest_fresh_s: float


class _Staged:
    """Temporary files of one writer that are published together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temporary: list[Path] = []
        self.rows = 0

    def append(self, table: pa.Table) -> None:
        if table.num_rows == 0:
            return
        try:
            self._temporary.append(write_temporary(table, self._folder))
        except OSError as error:
            raise LakeError(f"{self._folder}: cannot be written: {error.strerror or error}") from None
        self.rows += table.num_rows

    def publish(self) -> None:
        try:
            for path in self._temporary:
                fault_point("segment-written")
                publish(path)
                fault_point("segment-published")
        except OSError as error:
            raise LakeError(f"{self._folder}: cannot be written: {error.strerror or error}") from None

    def discard(self) -> None:
        for path in self._temporary:
            path.unlink(missing_ok=True)


def _no_spans(columns: Columns) -> pa.Table:
    return empty_table() if columns is None else empty_table().select(columns)
