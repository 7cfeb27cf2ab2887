"""The golden cases: spans with the answers that the definitions demand. They lie beside the project, not in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.support.builders import span_table

SHARED = Path(__file__).resolve().parents[3] / "shared"


def shared(*parts: str) -> Path:
    """A path in the folder of shared test data; the test is skipped where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no shared test data at ../shared/{'/'.join(parts)}")
    return path


def golden_cases(name: str) -> list[dict[str, Any]]:
    """The cases of `cases.json` or `edges.json`; none where the folder is absent."""
    path = SHARED / "golden" / name
    if not path.exists():
        return []
    cases: list[dict[str, Any]] = json.loads(path.read_text())["cases"]
    return cases


def table_of(case: dict[str, Any]) -> pa.Table:
    """A case's spans as a span table."""
    return span_table(case["spans"])
