"""One segment: an immutable Parquet file, written so that it is either there whole or not there.

Write a temporary name, fsync, rename, fsync the folder. Columns that are null in every row are left out and come back
as nulls.
"""

from __future__ import annotations

import bisect
import json
import os
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tracelab.errors import LakeError
from tracelab.schema import SCHEMA
from tracelab.stored import TEXT_MAPS, from_stored, to_stored

TEMPORARY_PREFIX = ".writing-"
_PLAIN = ("trace_id", "span_id", "parent_span_id", "start_ns", "duration_ns", "attributes", "events", "links")
"""Columns whose values hardly repeat; of the nested ones the names do."""
_NESTED_TEXTS = [
    "attributes.key_value.key",
    *(f"{name}.list.element.{part}" for name in ("events", "links") for part in ("name", "attributes.key_value.key")),
]
_STATISTICS = ["trace_id", "start_ns", "service_name"]
_NEEDED = [field.name for field in SCHEMA if not field.nullable]
_MERGED = b"tracelab.merged"
Merged: TypeAlias = "dict[str, Merged]"
"""Names of segments; of those that were themselves merged a moment before, from which."""
_NEVER_NULL = frozenset(_NEEDED)
_CODES = pa.dictionary(pa.int32(), pa.string())
CODED = frozenset(field.name for field in SCHEMA if pa.types.is_string(field.type)) | set(TEXT_MAPS)
"""Columns of texts, which are moved about as codes: four bytes, whatever they say."""
ROW_GROUP_ROWS = 16_384


def new_name(rows: int) -> str:
    """A name that sorts by time of writing and never collides."""
    return f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}-{rows}.parquet"


def rows_by_name(name: str) -> int:
    """How many rows a segment's name says it has; 0 if it does not say."""
    last = name.removesuffix(".parquet").rsplit("-", 1)[-1]
    return int(last) if last.isdigit() else 0


def time_by_name(name: str) -> int | None:
    """When a segment was written, ns since the epoch, by its name."""
    written = name.rpartition("_")[2].partition("-")[0]
    return int(written) if len(written) == 20 and written.isdigit() else None


def fsync_folder(folder: Path) -> None:
    """Make what was renamed or removed in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_temporary(table: pa.Table, folder: Path) -> Path:
    """Write and fsync a fresh segment under a temporary name that readers ignore; `publish` makes it a segment."""
    slim = to_stored(table.select(_filled(table))).replace_schema_metadata(None)
    path = folder / (TEMPORARY_PREFIX + new_name(table.num_rows))
    packed = pa.BufferOutputStream()
    with _writer(packed, slim.schema, FRESH) as writer:
        writer.write_table(slim, ROW_GROUP_ROWS)
    try:
        with path.open("wb", buffering=0) as file:
            left = memoryview(packed.getvalue())
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


@dataclass(frozen=True)
class Packing:
    """How columns are packed. Fresh segments are read once or twice, compacted ones for months."""

    compression: str
    level: int | None
    coded: tuple[str, ...]


FRESH = Packing("lz4", None, ())
LASTING = Packing("zstd", 3, ("attributes.key_value.value", "events.list.element.attributes.key_value.value"))


def _writer(file: BinaryIO | pa.BufferOutputStream, schema: pa.Schema, packing: Packing) -> pq.ParquetWriter:
    coded = [name for name in schema.names if name not in _PLAIN] + _NESTED_TEXTS + list(packing.coded)
    return pq.ParquetWriter(
        file,
        schema,
        compression=packing.compression,
        compression_level=packing.level,
        use_dictionary=coded,
        write_statistics=_STATISTICS,
        store_schema=False,
    )


class SegmentFile:
    """A compacted segment that grows by row groups; `close` makes it durable, under the name that it has already."""

    def __init__(self, path: Path, schema: pa.Schema, merged: Merged | None = None) -> None:
        self.path = path
        self.rows = 0
        self._schema = schema
        self._file = path.open("wb")
        self._writer = _writer(self._file, schema, LASTING)
        self._writer.add_key_value_metadata({_MERGED: json.dumps(merged or {})})

    def append(self, table: pa.Table) -> None:
        """Rows in their order, some row groups of them."""
        missing = [name for name in self._schema.names if name not in table.column_names]
        for name in missing:
            field = self._schema.field(name)
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        self._writer.write_table(table.select(self._schema.names).cast(self._schema), ROW_GROUP_ROWS)
        self.rows += table.num_rows

    def close(self) -> None:
        """Flush and fsync."""
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Give up, and leave nothing."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def stored_schema(names: Iterable[str]) -> pa.Schema:
    """The schema in which a segment with these columns is written: texts by code, which are the same on disk."""
    wanted = set(names)
    return pa.schema(
        [
            field.with_type(_CODES) if field.name in CODED else field
            for field in SCHEMA.remove_metadata()
            if field.name in wanted
        ]
    )


def _filled(table: pa.Table) -> list[str]:
    """The columns that hold anything; those that may not be null always do."""
    names = set(table.column_names)
    return [
        name
        for name in SCHEMA.names
        if name in _NEVER_NULL or (name in names and table.column(name).null_count < table.num_rows)
    ]


def publish(temporary: Path) -> Path:
    """Rename to the final name and make the rename durable."""
    final = temporary.with_name(temporary.name.removeprefix(TEMPORARY_PREFIX))
    temporary.rename(final)
    fsync_folder(final.parent)
    return final


@contextmanager
def open_segment(path: Path, as_codes: Collection[str] = ()) -> Iterator[pq.ParquetFile]:
    """A segment to read from. LakeError if the file is none, FileNotFoundError if it is gone.

    Columns in `as_codes` come as dictionary arrays, as they are stored: codes cost less to
    read than texts.
    """
    try:
        file = pq.ParquetFile(path)
        leaves = {file.metadata.schema.column(number).path for number in range(file.metadata.num_columns)}
        coded = [name for name in as_codes if name in leaves]
        if coded:
            file = pq.ParquetFile(path, metadata=file.metadata, read_dictionary=coded)
        missing = [name for name in _NEEDED if name not in file.schema_arrow.names]
        if missing:
            raise LakeError(f"{path}: not a readable segment: it has no column {missing[0]}")
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LakeError(f"{path}: not a readable segment: {error}") from None
    with file:
        yield file


_NULLS: dict[pa.DataType, pa.Array] = {}


def _nulls(type_: pa.DataType, rows: int) -> pa.Array:
    """Nulls, shared by all columns that are: most tables lack a dozen columns, and each would cost 4 bytes a row."""
    known = _NULLS.get(type_)
    if known is None or len(known) < rows:
        known = _NULLS[type_] = pa.nulls(max(rows, ROW_GROUP_ROWS), type_)
    return known.slice(0, rows)


def as_spans(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """These columns of the span table; what a segment left out is null. Dictionary arrays stay what they are."""
    schema = pa.schema([SCHEMA.field(name) for name in columns])
    found = dict(zip(table.column_names, table.columns, strict=True))
    arrays, actual = [], []
    for field in schema:
        array = found.get(field.name)
        if array is None:
            array = _nulls(field.type, table.num_rows)
        elif field.name in TEXT_MAPS and not pa.types.is_map(array.type):
            array = from_stored(array)
        as_it_is = array.type == field.type or pa.types.is_dictionary(array.type)
        arrays.append(array if as_it_is else array.cast(field.type))
        actual.append(field.with_type(arrays[-1].type))
    return pa.Table.from_arrays(arrays, schema=pa.schema(actual))


def read_segment(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A segment as a span table, or these columns of it.

    LakeError if the file is none; FileNotFoundError if it is gone.
    """
    columns = SCHEMA.names if columns is None else columns
    with open_segment(path) as file:
        try:
            names = [name for name in columns if name in file.schema_arrow.names]
            return as_spans(file.read(names, use_threads=False), columns)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise LakeError(f"{path}: not a readable segment: {error}") from None


def read_traces(path: Path, trace_ids: pa.Array, columns: Sequence[str] | None) -> pa.Table:
    """The rows of these traces, or these columns of them; only row groups that may hold them are read."""
    columns = SCHEMA.names if columns is None else columns
    with open_segment(path) as file:
        try:
            groups = _groups_with(file, trace_ids)
            names = [name for name in columns if name in file.schema_arrow.names]
            found = file.read_row_groups(groups, names, use_threads=False)
            found = found.filter(pc.is_in(found.column("trace_id"), value_set=trace_ids))
            return as_spans(found, columns)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise LakeError(f"{path}: not a readable segment: {error}") from None


def _groups_with(file: pq.ParquetFile, trace_ids: pa.Array) -> list[int]:
    """Row groups whose least and greatest trace id admit one of these."""
    (column,) = leaf_numbers(file, ("trace_id",))
    wanted = sorted(trace_ids.to_pylist())
    found = []
    for number in range(file.metadata.num_row_groups):
        between = least_and_greatest(file.metadata.row_group(number), column)
        at = 0 if between is None else bisect.bisect_left(wanted, between[0])
        if between is None or (at < len(wanted) and wanted[at] <= between[1]):
            found.append(number)
    return found


def leaf_numbers(file: pq.ParquetFile, names: Sequence[str]) -> list[int]:
    """Where these columns, none of them nested, stand among the file's leaf columns."""
    paths = [file.metadata.schema.column(number).path for number in range(file.metadata.num_columns)]
    return [paths.index(name) for name in names]


def least_and_greatest(group: pq.RowGroupMetaData, column: int) -> tuple[Any, Any] | None:
    """Of a row group's column, if the file says."""
    statistics = group.column(column).statistics
    return (statistics.min, statistics.max) if statistics is not None and statistics.has_min_max else None


def read_stored(path: Path) -> pa.Table:
    """A segment as it is stored, with dictionary arrays where they help. LakeError if the file is none."""
    with open_segment(path, CODED) as file:
        try:
            return to_stored(file.read(use_threads=False))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise LakeError(f"{path}: not a readable segment: {error}") from None


def merged_from(path: Path) -> Merged:
    """The segments whose rows a compacted one has, or shares with others that were written with it."""
    with open_segment(path) as file:
        found: Merged = json.loads((file.metadata.metadata or {}).get(_MERGED, b"{}"))
    return found


def span_of_time(path: Path) -> tuple[int, int] | None:
    """(least, greatest) start of the spans of a segment, by its footer; None if it does not say, or has none."""
    with open_segment(path) as file:
        (column,) = leaf_numbers(file, ("start_ns",))
        found = [
            least_and_greatest(file.metadata.row_group(number), column)
            for number in range(file.metadata.num_row_groups)
        ]
    known = [between for between in found if between is not None]
    if not known or len(known) < len(found):
        return None
    return min(first for first, _ in known), max(last for _, last in known)
