"""The service graph against its slow twin, and what must not change it."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support import slow
from tests.support.builders import span_table
from tests.support.strategies import broken_traces, trees
from tracelab.adjusters import assemble
from tracelab.analysis.calls import collect_calls
from tracelab.analysis.quantiles import nearest_rank
from tracelab.analysis.service_graph import service_graph
from tracelab.reporters.shapes import topology_shape
from tracelab.window import Window


@given(trees(kinds=("INTERNAL", "SERVER", "CLIENT")))
def test_calls_equal_the_slow_twin(spans: list[dict[str, Any]]) -> None:
    calls = collect_calls(assemble(span_table(spans), skew_correction=False))
    traces = calls.traces

    def hexed(row: int) -> str | None:
        return None if row < 0 else traces.span_id_hex(row)

    got = [
        (calls.nodes[client].id, calls.nodes[server].id, hexed(client_row), hexed(server_row))
        for client, server, client_row, server_row in zip(
            calls.client, calls.server, calls.client_row, calls.server_row, strict=True
        )
    ]
    assert sorted(got, key=str) == slow.plain_calls(spans)


@given(broken_traces(), st.randoms(use_true_random=False))
def test_order_and_duplicates_change_nothing(spans: list[dict[str, Any]], chance: random.Random) -> None:
    shuffled = [*chance.sample(spans, k=len(spans)), *spans]
    expected, got = (topology_shape(service_graph(assemble(span_table(rows)))) for rows in (spans, shuffled))
    assert got["nodes"] == expected["nodes"]
    assert got["edges"] == expected["edges"]


@given(broken_traces(), st.integers(0, 60))
def test_windows_add_up(spans: list[dict[str, Any]], border: int) -> None:
    traces = assemble(span_table(spans))
    graphs = [service_graph(traces, window) for window in (Window(None, border), Window(border, None), Window())]
    before, after, whole = ({(e.client, e.server, e.connection_type): e for e in graph.edges} for graph in graphs)
    for figure in ("calls", "failed"):
        added: Counter[Any] = Counter()
        for edges in (before, after):
            for key, edge in edges.items():
                added[key] += getattr(edge, figure)
        assert {key: added[key] for key in whole} == {key: getattr(edge, figure) for key, edge in whole.items()}
    assert before.keys() | after.keys() == whole.keys()


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.sampled_from([1, 50, 90, 99, 100]))
def test_nearest_rank_is_the_smallest_that_enough_do_not_exceed(values: list[int], percent: int) -> None:
    array = np.array(values, np.int64)
    expected = min(v for v in values if 100 * sum(other <= v for other in values) >= percent * len(values))
    assert nearest_rank(array, np.ones(len(values)), (percent,)) == [expected]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), min_size=1, max_size=20))
def test_a_count_is_as_good_as_so_many_samples(pairs: list[tuple[int, int]]) -> None:
    values = np.array([value for value, _ in pairs], np.int64)
    counts = np.array([count for _, count in pairs], np.float64)
    repeated = np.repeat(values, counts.astype(int))
    assert nearest_rank(values, counts) == nearest_rank(repeated, np.ones(repeated.size))
