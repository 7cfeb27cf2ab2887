"""Merging, pruning and verifying a lake: no answer changes, whatever crashes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.builders import span, span_table
from tests.support.system import TRACELAB, run, run_json
from tracelab.errors import LakeError
from tracelab.lake import Lake, compact, prune, verify
from tracelab.lake.compact import HOUR_NS, partition_of
from tracelab.lake.segments import new_name
from tracelab.schema import SCHEMA

HOUR_S = HOUR_NS // 10**9


def table(*numbers: int, trace: int = 1, start: int = 0) -> pa.Table:
    return span_table(
        [{**span(number, None, start + number, start + number + 5), "trace_id": f"{trace:032x}"} for number in numbers]
    )


def ids(lake: Lake, since: int | None = None, until: int | None = None) -> list[int]:
    return sorted(int.from_bytes(value) for value in lake.scan(since, until).column("span_id").to_pylist())


def with_fault(point: str, *words: str) -> int:
    """The exit code of a command that is killed at a step."""
    return subprocess.run(
        [*TRACELAB, *words], env={**os.environ, "TRACELAB_FAULT": point}, capture_output=True
    ).returncode


STEPS = (
    "merge-announced", "merge-written", "merge-committed", "merge-removing", "merge-removing:3", "merge-removed",
)  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_killed_in_the_midst_of_a_merge(tmp_path: Path, step: str) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.write(table(1, 2, trace=9))
    compact(lake)
    for number in range(3, 9):
        lake.write(table(number, trace=number))
    assert with_fault(step, "lake", "compact", "--lake", str(lake.path)) == -signal.SIGKILL
    assert ids(Lake.open(lake.path)) == list(range(1, 9))
    lake.write(table(20))
    compact(lake)
    assert ids(lake) == ids(Lake.open(lake.path)) == [*range(1, 9), 20]
    verdict = verify(lake)
    assert (verdict.unfinished, verdict.damaged, verdict.spans, verdict.split_traces) == ((), (), 9, 0)


@pytest.mark.parametrize("step", ["segment-written", "segment-published"])
def test_killed_in_the_midst_of_a_write(tmp_path: Path, step: str) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.write(table(1))
    file = tmp_path / "more.jsonl"
    run("export", "--lake", lake.path, "--output", file)
    other = Lake.create(tmp_path / "other")
    assert with_fault(step, "import", str(file), "--lake", str(other.path)) == -signal.SIGKILL
    assert ids(other) == ([1] if step == "segment-published" else [])


def test_killed_in_the_midst_of_pruning(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    for hour in range(4):
        lake.write(table(hour + 1, trace=hour + 1, start=hour * HOUR_NS))
    compact(lake)
    assert with_fault("prune-removing:2", "lake", "prune", "--keep-bytes", "1", "--lake", str(lake.path)) == -9
    assert ids(Lake.open(lake.path)) == [3, 4]
    prune(lake, max_bytes=1)
    assert ids(lake) == []


def test_a_trace_stays_whole_however_late_its_spans_come(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.write(table(1, 2, trace=7, start=10))
    lake.write(table(3, trace=8, start=HOUR_NS))
    compact(lake)
    lake.write(table(4, trace=7, start=5 * HOUR_NS))
    lake.write(table(5, trace=9, start=5 * HOUR_NS))
    compact(lake)
    assert verify(lake).split_traces == 0
    assert sorted(partition_of(path) or "" for path in lake.segments()) == [
        "1970-01-01T00",
        "1970-01-01T01",
        "1970-01-01T05",
    ]
    found = lake.traces([bytes(15) + b"\x07"])
    assert sorted(int.from_bytes(value) for value in found.column("span_id").to_pylist()) == [1, 2, 4]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 7), st.booleans()), min_size=1, max_size=12))
def test_no_answer_depends_on_compaction(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bool]]
) -> None:
    plain = Lake.create(tmp_path_factory.mktemp("plain"))
    merged = Lake.create(tmp_path_factory.mktemp("merged"))
    for number, (trace, hour, compacts) in enumerate(steps, 1):
        rows = table(number, trace=trace, start=hour * HOUR_NS)
        plain.write(rows)
        merged.write(rows)
        if compacts:
            compact(merged, thorough=bool(number % 2))
    for since, until in ((None, None), (HOUR_NS, 3 * HOUR_NS), (None, HOUR_NS), (6 * HOUR_NS, None)):
        assert ids(merged, since, until) == ids(plain, since, until)
    for trace in range(1, 7):
        wanted = [trace.to_bytes(16)]
        assert merged.traces(wanted).num_rows == plain.traces(wanted).num_rows
    assert verify(merged).split_traces == 0


def test_a_quiet_lake_stays_small(tmp_path: Path) -> None:
    """Twenty clients that send each five seconds, for ten minutes; upkeep comes every five seconds."""
    lake = Lake.create(tmp_path / "lake")
    most = 0
    for round_ in range(120):
        for client in range(20):
            number = 20 * round_ + client + 1
            lake.write(table(number, trace=number, start=round_ * 5 * 10**9))
        most = max(most, len(lake.segments()))
        compact(lake, thorough=False)
    assert most < 50
    assert len(ids(lake)) == 2400


def test_pruning_by_age_and_size(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    now = time.time_ns()
    for hours in (50, 30, 1):
        lake.write(table(hours, trace=hours, start=now - hours * HOUR_NS))
    compact(lake)
    planned = prune(lake, max_age_ns=40 * HOUR_NS, dry_run=True)
    assert [gone.spans for gone in planned] == [1]
    assert len(ids(lake)) == 3
    told = run_json("lake", "prune", "--keep-for", "40h", "--lake", lake.path)
    assert [gone["name"] for gone in told["removed"]] == [planned[0].name]
    assert ids(lake) == [1, 30]
    size = max(path.stat().st_size for path in lake.segments())
    assert [gone.spans for gone in prune(lake, max_bytes=size)] == [1]
    assert ids(lake) == [1]
    refused = run("lake", "prune", "--lake", lake.path, check=False)
    assert refused.returncode == 2
    assert "--keep-for" in refused.stderr


def test_verify_names_what_is_damaged(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.write(table(1))
    compact(lake)
    lake.write(table(2, trace=2))
    (lake.fresh / "foreign.parquet").write_text("hello")
    pq.write_table(pa.table({"x": [1]}), lake.compacted / "2026-01-01T00_other.parquet")
    told = run("lake", "verify", "--json", "--lake", lake.path, check=False)
    assert told.returncode == 1
    seen = json.loads(told.stdout)
    assert {damage["file"] for damage in seen["damaged"]} == {"foreign.parquet", "2026-01-01T00_other.parquet"}
    assert ids(lake) == [1, 2]
    assert run_json("lake", "info", "--lake", lake.path)["diagnostics"] == {"damaged_segments": 2}
    compact(lake)
    assert ids(lake) == [1, 2]
    assert (lake.fresh / "foreign.parquet").exists()


def test_a_lake_of_the_first_format_is_read_and_grows_in_the_second(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    (lake.path / "tracelab.json").write_text('{"format": 1}')
    pq.write_table(table(1, 2).cast(SCHEMA), lake.compacted / new_name(2), compression="zstd")
    assert ids(Lake.open(lake.path)) == [1, 2]
    assert Lake.open(lake.path).format() == 1
    Lake.create(lake.path).write(table(3))
    compact(Lake.open(lake.path))
    again = Lake.open(lake.path)
    assert (again.format(), ids(again)) == (2, [1, 2, 3])
    assert again.scan().to_pylist() == sorted(again.scan().to_pylist(), key=lambda row: row["span_id"])


def test_a_lake_of_a_later_format_says_how_to_move_on(tmp_path: Path) -> None:
    Lake.create(tmp_path / "lake")
    (tmp_path / "lake" / "tracelab.json").write_text('{"format": 99}')
    with pytest.raises(LakeError, match="newer tracelab"):
        Lake.open(tmp_path / "lake")


def test_the_cache_may_go_at_any_time(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    lake.write(table(1, trace=3))
    lake.write(table(2, trace=4))
    compact(lake)
    cached = list((lake.path / "cache" / "traces").glob("*.npy"))
    assert len(cached) == 1
    cached[0].write_bytes(b"not an array")
    assert Lake.open(lake.path).traces([bytes(15) + b"\x03"]).num_rows == 1
    for path in cached:
        path.unlink()
    assert Lake.open(lake.path).traces([bytes(15) + b"\x04"]).num_rows == 1


def test_only_one_compactor_at_a_time(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    for number in range(1, 9):
        lake.write(table(number))
    done = [
        subprocess.Popen([sys.executable, "-m", "tracelab", "lake", "compact", "--lake", str(lake.path)])
        for _ in range(3)
    ]
    assert [process.wait() for process in done] == [0, 0, 0]
    assert ids(lake) == list(range(1, 9))
