"""Parts add up: windows, files, batches of traces; whatever straddles a border."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.builders import span, span_table
from tests.support.strategies import broken_traces
from tracelab.adjusters import assemble
from tracelab.analysis import samples
from tracelab.analysis.quantiles import nearest_rank
from tracelab.analysis.samples import RELATIVE_ERROR, merge_samples, samples_of
from tracelab.analysis.service_graph import finish_graph, merge_graphs, service_graph, sum_graph
from tracelab.lake import Lake, compact
from tracelab.lake.stream import read_ahead, whole_traces
from tracelab.reporters.shapes import topology_shape
from tracelab.schema import ANALYSIS_COLUMNS
from tracelab.window import Window


@st.composite
def linked_traces(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Broken traces whose messages link across traces, sampled or not, and whose clients name peers."""
    spans = draw(broken_traces())
    for node in spans:
        node["attributes"] = draw(
            st.sampled_from([{}, {"server.address": "api"}, {"messaging.destination.name": "orders"}])
        )
        node["trace_state"] = draw(st.sampled_from([None, "ot=th:8", "ot=th:c", "ot=th:5"]))
        node["status_code"] = draw(st.sampled_from(["UNSET", "ERROR"]))
        if draw(st.booleans()):
            other = draw(st.sampled_from(spans))
            node["links"] = [{"trace_id": other["trace_id"], "span_id": other["span_id"]}]
    return spans


def touching(spans: list[dict[str, Any]], window: Window) -> list[dict[str, Any]]:
    """What a scan of the window reads: whole traces, and those that links connect with them."""
    since, until = window.since_ns or 0, 10**9 if window.until_ns is None else window.until_ns
    wanted = {node["trace_id"] for node in spans if since <= node["start_ns"] < until}
    linked = {(node["trace_id"], link["trace_id"]) for node in spans for link in node.get("links", ())}
    wanted = wanted | {b for a, b in linked if a in wanted} | {a for a, b in linked if b in wanted}
    return [node for node in spans if node["trace_id"] in wanted]


@given(linked_traces(), st.lists(st.integers(0, 60), min_size=1, max_size=3, unique=True))
def test_tables_of_neighbouring_windows_merge_to_the_whole(spans: list[dict[str, Any]], borders: list[int]) -> None:
    edges = [0, *sorted(borders), 200]
    parts = []
    for since, until in itertools.pairwise(edges):
        if since < until:
            window = Window(since, until)
            parts.append(sum_graph(assemble(span_table(touching(spans, window))), window))
    merged = topology_shape(finish_graph(merge_graphs(parts)))
    assert merged == topology_shape(service_graph(assemble(span_table(spans)), Window(0, 200)))


@given(linked_traces(), st.integers(1, 4), st.booleans(), st.sampled_from([1, 3, 1000]), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_a_lake_in_batches_is_the_lake(
    tmp_path_factory: pytest.TempPathFactory,
    spans: list[dict[str, Any]],
    files: int,
    compacted: bool,
    batch_rows: int,
    data: st.DataObject,
) -> None:
    lake = Lake.create(tmp_path_factory.mktemp("lake"))
    file_of = [data.draw(st.integers(0, files - 1)) for _ in spans]
    for number in range(files):
        lake.write(span_table([node for node, at in zip(spans, file_of, strict=True) if at == number]))
        if compacted and number == files // 2:
            compact(lake)
    window = data.draw(st.sampled_from([Window(), Window(20, 40), Window(None, 15), Window(70, None)]))
    batches = whole_traces(lake, ANALYSIS_COLUMNS, window.since_ns, window.until_ns, batch_rows=batch_rows)
    tables = list(batches)
    scanned = lake.scan(window.since_ns, window.until_ns, columns=ANALYSIS_COLUMNS)
    assert sum(table.num_rows for table in tables) == scanned.num_rows
    ids = [set(table.column("trace_id").to_pylist()) for table in tables]
    assert sum(map(len, ids)) == len(set().union(*ids))
    merged = merge_graphs((sum_graph(assemble(table), window) for table in tables), window)
    assert topology_shape(finish_graph(merged)) == topology_shape(service_graph(assemble(scanned), window))


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.sampled_from([1.0, 2.0, 1.7])), max_size=30),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
    st.sampled_from([4, 1000]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_samples_merge_alike_however_they_are_split(
    monkeypatch: pytest.MonkeyPatch, pairs: list[tuple[int, float]], parts: int, chance: random.Random, few: int
) -> None:
    monkeypatch.setattr(samples, "MAX_EXACT", few)

    def made(chosen: list[tuple[int, float]]) -> samples.Samples:
        return samples_of(np.array([v for v, _ in chosen], np.int64), np.array([w for _, w in chosen]))

    shuffled = chance.sample(pairs, k=len(pairs))
    merged = merge_samples(made(shuffled[at::parts]) for at in range(parts))
    whole = made(pairs)
    assert merged.exact == whole.exact == (len(pairs) <= few)
    assert merged.percentiles() == whole.percentiles()
    exact = nearest_rank(np.array([v for v, _ in pairs], np.int64), np.array([w for _, w in pairs]))
    if whole.exact and all(w != 1.7 for _, w in pairs):
        assert whole.percentiles() == exact


@given(st.lists(st.integers(1, 10**13), min_size=20, max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_histogram_is_as_near_as_it_says(monkeypatch: pytest.MonkeyPatch, values: list[int]) -> None:
    monkeypatch.setattr(samples, "MAX_EXACT", 10)
    array = np.array(values, np.int64)
    for near, exact in zip(samples_of(array).percentiles(), nearest_rank(array, np.ones(array.size)), strict=True):
        assert near is not None
        assert exact is not None
        assert abs(near - exact) <= RELATIVE_ERROR * exact * (1 + 1e-9) + 0.5


def test_reading_ahead_changes_nothing_and_errors_come_through(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    for part in range(3):
        lake.write(span_table([{**span(1, None, part, part + 5), "trace_id": f"{part + 1:032x}"}]))
    plain = [table.num_rows for table in whole_traces(lake, ANALYSIS_COLUMNS, batch_rows=1)]
    assert [table.num_rows for table in read_ahead(whole_traces(lake, ANALYSIS_COLUMNS, batch_rows=1))] == plain

    def broken() -> Iterator[pa.Table]:
        yield pa.table({})
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(read_ahead(broken()))


def test_a_trace_larger_than_a_batch_stays_whole(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")

    def rows(trace: int, first: int, last: int) -> Iterator[dict[str, Any]]:
        for at in range(first, last):
            yield {"trace_id": f"{trace:032x}", "span_id": f"{at:016x}", "parent_span_id": None, "service_name": "web",
                   "name": "a", "kind": "SERVER", "start_ns": at, "end_ns": at + 1}  # fmt: skip

    for part in range(4):
        lake.write(pa.concat_tables([span_table(list(rows(trace, 50 * part + 1, 50 * part + 51))) for trace in (1, 2)]))
        compact(lake, at_least=1 + part % 2)
    sizes = [table.num_rows for table in whole_traces(lake, ANALYSIS_COLUMNS, batch_rows=7)]
    assert sizes == [200, 200]
