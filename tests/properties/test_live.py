"""The live graph, refreshed again and again, against the graph of the whole window computed at once."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.test_derived import shown, uncached
from tests.support.builders import span, span_table
from tests.support.strategies import trees
from tracelab.analysis.live import KEPT_BEFORE_NS, MINUTE_NS, LiveGraph
from tracelab.lake import Lake, compact
from tracelab.window import Window

SECOND_NS = 10**9
START_NS = 100 * MINUTE_NS


@st.composite
def rounds(draw: st.DrawFn) -> list[tuple[list[dict[str, Any]], bool]]:
    """Spans of half a minute each round, some late, some again, some linked; and whether the lake is compacted then."""
    made = []
    for number in range(draw(st.integers(1, 8))):
        spans = draw(trees(max_size=5, kinds=("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")))
        trace = draw(st.integers(1, 6))
        base = START_NS + number * 30 * SECOND_NS - draw(st.sampled_from([0, 0, 0, 70])) * SECOND_NS
        placed = [
            {**one, "trace_id": f"{trace:032x}", "start_ns": base + one["start_ns"] * SECOND_NS // 10,
             "end_ns": base + one["end_ns"] * SECOND_NS // 10}
            for one in spans
        ]  # fmt: skip
        if draw(st.booleans()):
            to = draw(st.integers(1, 6))
            placed[0]["links"] = [{"trace_id": f"{to:032x}", "span_id": f"{draw(st.integers(1, 5)):016x}"}]
        made.append((placed, draw(st.booleans())))
    return made


@settings(max_examples=60, deadline=None)
@given(rounds())
def test_refreshed_is_computed(tmp_path_factory: pytest.TempPathFactory, made: list[Any]) -> None:
    lake = Lake.create(tmp_path_factory.mktemp("lake"))
    live = LiveGraph(Lake.open(lake.path))
    for number, (spans, compacts) in enumerate(made):
        lake.write(span_table(spans))
        if compacts:
            compact(lake, thorough=number % 2 == 0)
        now = START_NS + number * 30 * SECOND_NS
        window = Window(now - 2 * MINUTE_NS, now + 20 * SECOND_NS)
        assert shown(live.refresh(window)) == shown(uncached(lake, window))
        assert shown(live.refresh(window)) == shown(uncached(lake, window))


def calls(number: int, at_ns: int) -> Any:
    pair = [
        span(1, None, at_ns, at_ns + 90, "web", kind="CLIENT"),
        span(2, 1, at_ns + 10, at_ns + 80, "api", kind="SERVER"),
    ]
    return span_table([{**made, "trace_id": f"{number:032x}"} for made in pair])


def test_rows_of_which_nobody_says_where_they_went_are_not_kept_twice(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("tracelab.lake.compact"), "YOUNG_NS", 0)
    lake = Lake.create(tmp_path_factory.mktemp("lake"))
    live = LiveGraph(Lake.open(lake.path))
    window = Window(START_NS, None)
    for number in range(1, 13):
        lake.write(calls(number, START_NS + number))
        if number % 4 == 0:
            for _ in range(2):  # what was merged twice between two looks does not say of which segments it was made
                compact(lake)
                lake.write(calls(100 + number, START_NS + number))
            compact(lake)
        refreshed = live.refresh(window)
        rows = sum(
            table.num_rows for group in live._groups.values() for tables in group.tables.values() for table in tables
        )
        assert rows == lake.scan().num_rows
        assert shown(refreshed) == shown(uncached(lake, window))


def test_only_what_is_new_is_decoded_and_the_old_is_forgotten(tmp_path_factory: pytest.TempPathFactory) -> None:
    lake = Lake.create(tmp_path_factory.mktemp("lake"))
    live = LiveGraph(Lake.open(lake.path))
    for number in range(1, 61):
        at = START_NS + number * MINUTE_NS
        lake.write(calls(number, at))
        if number % 5 == 0:
            compact(lake, thorough=False)
        live.refresh(Window(at - 15 * MINUTE_NS, None))
        kept = KEPT_BEFORE_NS // MINUTE_NS + 15
        assert len(live._groups) <= kept + 1
    assert live.decoded_segments <= 61
