"""The lake as others read it: the examples of docs/how-it-works/lake.md, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from tests.support.builders import span, span_table
from tracelab.lake import Lake, compact

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-it-works" / "lake.md").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a lake in it, compacted and fresh."""
    lake = Lake.create(tmp_path / "lake")
    lake.write(span_table([span(1, None, 10, 90, "web", "get"), span(2, 1, 20, 40, "api", "find")]))
    compact(lake, at_least=1)
    lake.write(span_table([{**span(3, None, 10, 30, "web", "get", attributes={"a": "b"}), "trace_id": "2" * 32}]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def example(language: str, word: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return next(block for block in blocks if word in block)


def test_duckdb(folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    assert duckdb.sql(example("sql", "read_parquet").strip().rstrip(";")).fetchall() == [
        ("web", "get", 2, 50 / 1e6),
        ("api", "find", 1, 20 / 1e6),
    ]


def test_polars(folder: Path) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    *first, last = example("python", "pl.").strip().splitlines()
    names = {"pl": polars}
    exec("\n".join(first), names)  # noqa: S102  the page's own words
    rows = eval(last, names).rows()  # noqa: S307
    assert sorted(rows) == [("api", "find", 1, 20.0), ("web", "get", 2, 50.0)]


def test_pandas(folder: Path) -> None:
    *first, last = example("python", "pd.").strip().splitlines()
    names = {"pd": pd, "paths": sorted((folder / "lake" / "spans").glob("*/*.parquet"))}
    exec("\n".join(first), names)  # noqa: S102  the page's own words
    found = eval(last, names)  # noqa: S307
    assert found.loc[("web", "get"), "size"] == 2
    assert found.loc[("web", "get"), "mean"] == 50
