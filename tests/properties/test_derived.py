"""What is remembered of a lake is what would be computed: exactly, whatever came late, and in whatever window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.builders import span, span_table
from tests.support.strategies import broken_traces, trees
from tracelab.adjusters import assemble
from tracelab.analysis.derived import from_document, lake_graph, to_document
from tracelab.analysis.service_graph import finish_graph, merge_graphs, sum_graph
from tracelab.diagnostics import Diagnostics
from tracelab.lake import Lake, compact
from tracelab.lake.compact import HOUR_NS
from tracelab.lake.stream import whole_traces
from tracelab.reporters.plain import plain
from tracelab.schema import ANALYSIS_COLUMNS
from tracelab.window import EVERYTHING, Window


def uncached(lake: Lake, window: Window) -> Any:
    parts = whole_traces(lake, ANALYSIS_COLUMNS, window.since_ns, window.until_ns)
    return merge_graphs((sum_graph(assemble(table), window) for table in parts), window)


def shown(sums: Any) -> Any:
    return plain(finish_graph(sums))


def check(lake: Lake, window: Window) -> None:
    expected = shown(uncached(lake, window))
    for reader in (lake, Lake.open(lake.path)):
        assert shown(lake_graph(reader, window, Diagnostics())) == expected


def at_hour(spans: list[dict[str, Any]], trace: int, hours: list[int]) -> list[dict[str, Any]]:
    return [
        {**made, "trace_id": f"{trace:032x}", "start_ns": made["start_ns"] + hour * HOUR_NS,
         "end_ns": made["end_ns"] + hour * HOUR_NS}
        for made, hour in zip(spans, hours, strict=False)
    ]  # fmt: skip


_HOURS = st.integers(0, 30) | st.integers(735, 755)  # two days, and where a month ends


@st.composite
def days(draw: st.DrawFn) -> list[tuple[list[dict[str, Any]], bool]]:
    """Rounds of spans, some late, some linked to traces of other rounds; after each, whether the lake is compacted."""
    rounds = []
    for number in range(draw(st.integers(1, 4))):
        spans = draw(trees(max_size=6, kinds=("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")))
        hour = draw(_HOURS)
        hours = [hour + draw(st.sampled_from([0, 0, 0, 1])) for _ in spans]
        placed = at_hour(spans, draw(st.integers(1, 4)), hours)
        if draw(st.booleans()):
            to = draw(st.integers(1, 4))
            placed[0]["links"] = [{"trace_id": f"{to:032x}", "span_id": f"{draw(st.integers(1, 6)):016x}"}]
        rounds.append((placed, draw(st.booleans()) or number == 0))
    return rounds


@settings(max_examples=60, deadline=None)
@given(days(), st.none() | _HOURS, st.none() | _HOURS.map(lambda hour: hour + 1))
def test_remembered_is_computed(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[Any], since: int | None, until: int | None
) -> None:
    lake = Lake.create(tmp_path_factory.mktemp("lake"))
    window = Window(None if since is None else since * HOUR_NS + 50, None if until is None else until * HOUR_NS + 50)
    for spans, compacts in rounds:
        lake.write(span_table(spans))
        if compacts:
            compact(lake)
        check(lake, EVERYTHING)
        check(lake, window)


@given(st.lists(broken_traces(), max_size=2))
def test_documents_give_back_the_sums(traces: list[list[dict[str, Any]]]) -> None:
    sums = sum_graph(assemble(span_table([made for trace in traces for made in trace])))
    again = from_document(orjson.loads(orjson.dumps(to_document(sums))))
    assert shown(again) == shown(sums)
    assert merge_graphs([again, sums]).edges.keys() == sums.edges.keys()


def calls(number: int, hour: int) -> pa.Table:
    pair = [
        span(2 * number, None, 10, 90, "web", kind="CLIENT"),
        span(2 * number + 1, 2 * number, 20, 80 + number, "api", kind="SERVER"),
    ]
    return span_table(at_hour(pair, number, [hour, hour]))


def test_a_late_span_changes_its_partition_alone(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    for number in range(1, 49):
        lake.write(calls(number, number))
    compact(lake)
    check(lake, EVERYTHING)
    graphs = tmp_path / "lake" / "cache" / "graphs"
    before = {path.name for path in graphs.iterdir()}
    assert len([name for name in before if "T" in name]) == 48
    lake.write(calls(7, 7).slice(0, 1))  # comes a second time
    late = span_table(at_hour([span(1000, 14, 30, 40, "db", kind="SERVER")], 7, [7]))
    lake.write(late)
    check(lake, EVERYTHING)
    compact(lake)
    check(lake, EVERYTHING)
    after = {path.name for path in graphs.iterdir()}
    assert sorted(name.partition("_")[0] for name in after - before) == ["1970-01", "1970-01-01", "1970-01-01T07"]


def test_the_cache_may_be_spoiled_or_gone(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    for number in range(1, 5):
        lake.write(calls(number, number))
    compact(lake)
    check(lake, EVERYTHING)
    for path in (tmp_path / "lake" / "cache").rglob("*.json"):
        path.write_text("{}")
    check(lake, EVERYTHING)
    for path in (tmp_path / "lake" / "cache").rglob("*.json"):
        path.unlink()
    check(lake, EVERYTHING)
