"""The lake: what is written is there once and whole, whatever else happens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from tests.support.builders import span, span_table
from tracelab.diagnostics import Diagnostics
from tracelab.errors import LakeError
from tracelab.lake import Lake, compact
from tracelab.lake.segments import write_temporary
from tracelab.schema import ANALYSIS_COLUMNS


def table(*numbers: int, trace: int = 1, start: int = 100) -> pa.Table:
    made = [
        {**span(number, None, start + number, start + number + 5), "trace_id": f"{trace:032x}"} for number in numbers
    ]
    return span_table(made)


def ids(found: pa.Table) -> list[int]:
    return sorted(int.from_bytes(value) for value in found.column("span_id").to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake")


def test_what_was_written_is_read_at_once_by_anybody(lake: Lake) -> None:
    lake.write(table(1, 2))
    assert ids(lake.scan()) == [1, 2]
    lake.write(table(3))
    assert ids(lake.scan()) == ids(Lake.open(lake.path).scan()) == [1, 2, 3]


def test_reading_gives_back_every_column(lake: Lake) -> None:
    rich = span_table(
        [
            span(
                1,
                2,
                5,
                9,
                attributes={"a": 1, "b": b"x"},
                events=[{"name": "e"}],
                links=[{"trace_id": "1" * 32, "span_id": "2" * 16}],
            )
        ]
    )
    lake.write(rich)
    assert lake.scan().to_pylist() == rich.to_pylist()
    assert lake.scan(columns=ANALYSIS_COLUMNS).to_pylist() == rich.select(ANALYSIS_COLUMNS).to_pylist()


def test_a_window_brings_whole_traces_and_those_linked_to(lake: Lake) -> None:
    lake.write(table(1, 900, trace=1))
    lake.write(table(2, trace=2))
    linked = {
        **span(3, None, 3000, 3001, links=[{"trace_id": f"{1:032x}", "span_id": f"{1:016x}"}]),
        "trace_id": f"{3:032x}",
    }
    lake.write(span_table([linked]))
    assert ids(lake.scan(900, 1100)) == [1, 3, 900]
    assert ids(lake.scan(2000, None)) == [1, 3, 900]
    assert ids(lake.scan(102, 103)) == [2]


def test_no_lake_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="tracelab demo"):
        Lake.open(tmp_path / "nowhere")


def test_a_foreign_or_damaged_file_is_counted_and_the_rest_read(lake: Lake) -> None:
    lake.write(table(1))
    (lake.fresh / "notes.parquet").write_text("not a segment")
    lake.write(table(2))
    victim = sorted(lake.fresh.glob("0*.parquet"))[0]
    victim.write_bytes(victim.read_bytes()[:-9])
    diagnostics = Diagnostics()
    assert ids(Lake.open(lake.path).scan(diagnostics=diagnostics)) == [2]
    assert diagnostics["damaged_segments"] == 2


def test_a_half_written_file_is_not_seen_and_cleaned_up_later(lake: Lake) -> None:
    temporary = write_temporary(table(1), lake.fresh)
    assert ids(lake.scan()) == []
    os.utime(temporary, (time.time() - 3600,) * 2)
    Lake.create(lake.path)
    assert not temporary.exists()


def test_a_failed_import_leaves_nothing(lake: Lake) -> None:
    def die_half_way() -> None:
        with lake.staged() as staged:
            staged.append(table(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        die_half_way()
    assert list(lake.fresh.iterdir()) == []


def test_compaction_changes_no_answer(lake: Lake) -> None:
    for number in range(1, 8):
        lake.write(table(number, trace=number % 3 + 1))
    reader = Lake.open(lake.path)
    before = ids(reader.scan())
    assert compact(lake) == 7
    assert len(lake.segments()) == 1
    assert ids(reader.scan()) == ids(Lake.open(lake.path).scan()) == before


def test_readers_and_a_compactor_at_once(lake: Lake) -> None:
    for number in range(1, 41):
        lake.write(table(number))
    process = subprocess.Popen([sys.executable, "-m", "tracelab", "lake", "compact", "--lake", str(lake.path)])
    while process.poll() is None:
        assert ids(Lake.open(lake.path).scan()) == list(range(1, 41))
    assert process.returncode == 0
    assert ids(lake.scan()) == list(range(1, 41))
