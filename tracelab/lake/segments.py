"""One segment: an immutable Parquet file, written so that it is either there whole or not there.

Write a temporary name, fsync, rename, fsync the folder. Columns that are null in every row are left out and come back
as nulls.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tracelab.errors import LakeError
from tracelab.schema import SCHEMA

TEMPORARY_PREFIX = ".writing-"
_REPLACES = b"tracelab.replaces"
_PLAIN = ("trace_id", "span_id", "parent_span_id", "start_ns", "duration_ns")  # values that hardly repeat
_STATISTICS = ["trace_id", "start_ns", "service_name"]
_NEEDED = [field.name for field in SCHEMA if not field.nullable]
ROW_GROUP_ROWS = 32_768


def new_name(rows: int) -> str:
    """A name that sorts by time of writing and never collides."""
    return f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}-{rows}.parquet"


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_temporary(table: pa.Table, folder: Path, replaces: list[str] | None = None) -> Path:
    """Write and fsync under a temporary name that readers ignore; `publish` makes it a segment."""
    kept = [
        field.name for field in SCHEMA if not field.nullable or table.column(field.name).null_count < table.num_rows
    ]
    slim = table.select(kept).replace_schema_metadata({_REPLACES: json.dumps(replaces)} if replaces else None)
    path = folder / (TEMPORARY_PREFIX + new_name(table.num_rows))
    dictionary = [name for name in kept if name not in _PLAIN]
    try:
        with path.open("wb") as file:
            pq.write_table(
                slim,
                file,
                compression="zstd",
                use_dictionary=dictionary,
                write_statistics=_STATISTICS,
                row_group_size=ROW_GROUP_ROWS,
            )
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def publish(temporary: Path) -> Path:
    """Rename to the final name and make the rename durable."""
    final = temporary.with_name(temporary.name.removeprefix(TEMPORARY_PREFIX))
    temporary.rename(final)
    _fsync_folder(final.parent)
    return final


@contextmanager
def open_segment(path: Path, as_codes: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """A segment to read from. LakeError if the file is none, FileNotFoundError if it is gone.

    Columns in `as_codes` come as dictionary arrays, as they are stored: codes cost less to
    read than texts.
    """
    try:
        file = pq.ParquetFile(path)
        coded = [name for name in as_codes if name in file.schema_arrow.names]
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


def replaced_by(path: Path) -> list[str]:
    """Names of the segments that a compacted segment stands for."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise LakeError(f"{path}: not a readable segment: {error}") from None
    names: list[str] = json.loads(metadata.get(_REPLACES, b"[]"))
    return names
