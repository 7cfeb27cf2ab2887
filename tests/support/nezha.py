"""Minutes of two public benchmark systems with labelled faults, as span tables. They lie beside the project."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.support.builders import span_table
from tests.support.golden import SHARED

FOLDER = SHARED / "traces" / "csv"


def faults() -> list[dict[str, Any]]:
    """The labels; none where the folder is absent."""
    labels = FOLDER / "labels.json"
    found: list[dict[str, Any]] = json.loads(labels.read_text())["faults"] if labels.exists() else []
    return found


def minute(path: Path) -> pa.Table:
    """A csv file of one minute: parent `root` is none, the service is the pod without its last two parts."""
    with gzip.open(path, "rt") as file:
        return span_table([_span(row) for row in csv.DictReader(file)])


def _span(row: dict[str, str]) -> dict[str, Any]:
    return {
        "trace_id": row["TraceID"],
        "span_id": row["SpanID"],
        "parent_span_id": None if row["ParentID"] == "root" else row["ParentID"],
        "service_name": row["PodName"].rsplit("-", 2)[0],
        "name": row["OperationName"],
        "start_ns": int(row["StartTimeUnixNano"]),
        "end_ns": int(row["EndTimeUnixNano"]),
    }
