"""The lake: a folder of segments, the only state there is.

    LAKE/tracelab.json          the format's version
    LAKE/spans/fresh/           what collectors and imports wrote
    LAKE/spans/compacted/       fresh segments merged, each naming those that it replaces

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
from pathlib import Path

import platformdirs
import pyarrow as pa
import pyarrow.compute as pc

from tracelab.diagnostics import Diagnostics
from tracelab.errors import LakeError
from tracelab.lake.segments import TEMPORARY_PREFIX, publish, read_segment, replaced_by, write_temporary
from tracelab.schema import ANALYSIS_COLUMNS, TRACE_ID, empty_table

FORMAT = 1
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
        self._replaced: dict[str, list[str]] = {}
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
        lake._check_format()
        return lake

    @classmethod
    def create(cls, path: Path) -> Lake:
        """A lake for writing, made if it is not there yet; what a killed writer left half-written is removed."""
        lake = cls(path)
        try:
            lake.fresh.mkdir(parents=True, exist_ok=True)
            lake.compacted.mkdir(parents=True, exist_ok=True)
            marker = path / "tracelab.json"
            if not marker.exists():
                temporary = marker.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}.json")
                temporary.write_text(json.dumps({"format": FORMAT}) + "\n")
                temporary.rename(marker)
        except OSError as error:
            raise LakeError(f"{path}: cannot be made a lake: {error.strerror or error}") from None
        lake._check_format()
        lake._remove_leftovers()
        return lake

    def _check_format(self) -> None:
        try:
            found = json.loads((self.path / "tracelab.json").read_text())["format"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LakeError(f"{self.path / 'tracelab.json'}: cannot be read: {error}") from None
        if found != FORMAT:
            raise LakeError(f"{self.path}: a lake of format {found}, this tracelab reads format {FORMAT}")

    def _remove_leftovers(self) -> None:
        for folder in (self.fresh, self.compacted):
            for path in folder.glob(TEMPORARY_PREFIX + "*"):
                if time.time() - path.stat().st_mtime > STALE_TEMPORARY_S:
                    path.unlink(missing_ok=True)

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
        """The segments to read now, none replaced by another."""
        while True:
            try:
                compacted = sorted(self.compacted.glob("[!.]*.parquet"))
                gone = {name for path in compacted for name in self.replaces(path)}
                fresh = sorted(path for path in self.fresh.glob("[!.]*.parquet") if path.name not in gone)
                return [path for path in compacted if path.name not in gone] + fresh
            except FileNotFoundError:
                continue  # compacted meanwhile: look again

    def replaces(self, path: Path) -> list[str]:
        """Names of the segments that a compacted one stands for."""
        if path.name not in self._replaced:
            try:
                self._replaced[path.name] = replaced_by(path)
            except LakeError:
                self._replaced[path.name] = []  # the read that follows will name it
        return self._replaced[path.name]

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
        tables = self.tables(diagnostics, columns)
        if not tables:
            return empty_table() if columns is None else empty_table().select(columns)
        if since_ns is None and until_ns is None:
            return pa.concat_tables(tables)
        chosen = [rows_between(table.select(_COLUMNS_OF_CHOICE), since_ns, until_ns) for table in tables]
        wanted = distinct_ids(table.column("trace_id") for table in chosen)
        wanted = with_linked(pa.concat_tables([linked_traces(table) for table in tables]), wanted)
        return select_traces(tables, wanted)

    def traces(self, trace_ids: Iterable[bytes]) -> pa.Table:
        """All spans of these traces."""
        wanted = pa.array(list(trace_ids), TRACE_ID)
        while True:
            try:
                homes = [path for path in self.segments() if self._holds(path, wanted)]
                return select_traces([read_segment(path) for path in homes], wanted)
            except FileNotFoundError:
                continue  # compacted meanwhile: look again

    def _holds(self, path: Path, wanted: pa.Array) -> bool:
        try:
            found = pc.is_in(self.read(path, ANALYSIS_COLUMNS).column("trace_id"), value_set=wanted)
        except LakeError:
            return False
        return bool(pc.any(found).as_py())


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
                publish(path)
        except OSError as error:
            raise LakeError(f"{self._folder}: cannot be written: {error.strerror or error}") from None

    def discard(self) -> None:
        for path in self._temporary:
            path.unlink(missing_ok=True)


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
        return pa.table({"trace_id": pa.array([], TRACE_ID), "linked": pa.array([], TRACE_ID)})
    links = rows.column("links").combine_chunks()
    links = links.chunk(0) if isinstance(links, pa.ChunkedArray) else links
    owners = rows.column("trace_id").take(pc.list_parent_indices(links))
    return pa.table({"trace_id": owners, "linked": pc.struct_field(pc.list_flatten(links), "trace_id")})


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
