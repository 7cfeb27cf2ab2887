"""One segment: an immutable Parquet file, written so that it is either there whole or not there.

Write a temporary name, fsync, rename, fsync the folder. Columns that are null in every row are left out and come back
as nulls.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tracelab.errors import LakeError
from tracelab.schema import SCHEMA

TEMPORARY_PREFIX = ".writing-"
_REPLACES = b"tracelab.replaces"
_PLAIN = ("trace_id", "span_id", "parent_span_id", "start_ns", "duration_ns")  # values that hardly repeat
_STATISTICS = ["trace_id", "start_ns", "service_name"]
ROW_GROUP_ROWS = 65_536


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


def read_segment(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A segment as a span table, or these columns of it.

    LakeError if the file is none; FileNotFoundError if it is gone.
    """
    schema = SCHEMA if columns is None else pa.schema([SCHEMA.field(name) for name in columns])
    try:
        with pq.ParquetFile(path) as file:
            table = file.read([name for name in schema.names if name in file.schema_arrow.names], use_threads=False)
        arrays = [
            table.column(field.name).cast(field.type)
            if field.name in table.column_names
            else pa.nulls(table.num_rows, field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)
    except FileNotFoundError:
        raise
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
