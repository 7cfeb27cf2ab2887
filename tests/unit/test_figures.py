"""What the views are given: the same numbers, packed."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dashboards.figures import address, colour, flame_data, heat_map, histogram_data, pack_timeline
from tests.support.builders import span, span_table
from tests.support.draw import MS, draw
from tracelab import TraceSummary, cohort, path_profile
from tracelab.adjusters import assemble
from tracelab.analysis.critical_path import critical_paths

PICTURE = """
    web   checkout  |-------------------|
      auth  verify   |-------|
      db    insert            |-------|
"""


def unpack(packed: bytes) -> dict[str, object]:
    length = int.from_bytes(packed[:4], "little")
    header = json.loads(packed[4 : 4 + length])
    found = dict(header)
    for name, dtype, offset, count in header["columns"]:
        assert offset % 8 == 0
        found[name] = np.frombuffer(packed, dtype, count, offset).tolist()
    return found


def test_a_packed_timeline_says_what_the_paths_say() -> None:
    paths = critical_paths(assemble(span_table(draw(PICTURE))))
    packed = unpack(pack_timeline(paths))
    assert packed["depth"] == [0, 1, 1]
    assert packed["size"] == [3, 1, 1]
    assert packed["start"] == [0, 1 * MS, 10 * MS]
    assert packed["total_ns"] == 20 * MS
    assert packed["section_row"] == [0, 1, 0, 2, 0]
    assert packed["section_to"] == [1 * MS, 9 * MS, 10 * MS, 18 * MS, 20 * MS]
    assert sum(packed["on_path"]) == 20 * MS  # type: ignore[arg-type]


def test_addresses_are_quoted() -> None:
    assert address("trace", trace_id="a b&c", since="") == "/trace?trace_id=a+b%26c"


def test_a_service_has_one_colour() -> None:
    assert colour("web") == colour("web") != colour(None)


def test_a_flame_has_parents_first_and_children_inside() -> None:
    spans = [
        span(1, None, 0, 1000, "web", "GET /", kind="SERVER"),
        span(2, 1, 100, 900, "web", "call", kind="CLIENT"),
        span(3, 2, 200, 800, "api", "work", kind="SERVER"),
    ]
    data = flame_data(path_profile(cohort(assemble(span_table(spans)))))
    assert [frame[0] for frame in data["frames"]] == [-1, 0, 1]
    assert data["depth"] == 3
    assert data["total_ns"] == 1000
    assert [frame[4] for frame in data["frames"]] == [1000, 800, 600]
    assert sum(frame[5] for frame in data["frames"]) == 1000


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=50))
def test_every_duration_is_in_one_bucket(durations: list[int]) -> None:
    data = histogram_data([("requests", np.array(durations))])
    assert sum(data["series"][0]["counts"]) == len(durations)
    assert data["edges_ns"] == sorted(data["edges_ns"])
    assert data["edges_ns"][0] > 0


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**11), st.booleans()), min_size=1, max_size=50))
def test_a_heat_map_counts_every_trace(traces: list[tuple[int, int, bool]]) -> None:
    summaries = [
        TraceSummary(f"{at:032x}", "web", "GET", start, length, length, 1, 1, int(failed), failed, False)
        for at, (start, length, failed) in enumerate(traces)
    ]
    frame = heat_map(summaries).data
    assert frame["traces"].sum() == len(traces)
    assert frame["failed"].sum() == sum(failed for *_, failed in traces)
