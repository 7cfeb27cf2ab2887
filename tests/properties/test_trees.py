"""Every set of rows becomes trees, whatever is broken in it."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import span_table
from tests.support.strategies import broken_traces
from tracelab.adjusters import assemble
from tracelab.schema import ANALYSIS_COLUMNS


@given(broken_traces())
def test_every_span_once_and_no_ring(spans: list[dict[str, Any]]) -> None:
    traces = assemble(span_table(spans))
    real = ~traces.is_placeholder
    ids = {(node["trace_id"], node["span_id"]) for node in spans}
    assert int(real.sum()) == len(ids)
    assert traces.diagnostics["duplicates"] == len(spans) - len(ids)
    assert sorted(traces.parents_first.tolist()) == list(range(len(traces)))  # a ring is reached from no root
    parent = traces.parent_row
    assert (traces.trace[parent[parent >= 0]] == traces.trace[parent >= 0]).all()


@given(broken_traces())
def test_placeholders_are_the_hull_of_their_children(spans: list[dict[str, Any]]) -> None:
    traces = assemble(span_table(spans), skew_correction=False)
    seen = {(traces.trace[row], traces.span_id[row]) for row in np.flatnonzero(~traces.is_placeholder)}
    for row in np.flatnonzero(traces.is_placeholder):
        children = np.flatnonzero(traces.parent_row == row)
        assert traces.start_ns[row] == traces.start_ns[children].min()
        assert traces.end_ns[row] == traces.end_ns[children].max()
        assert (traces.trace[row], traces.span_id[row]) not in seen


@given(broken_traces(), st.randoms(use_true_random=False))
def test_duplicates_are_chosen_alike_in_any_order(spans: list[dict[str, Any]], chance: random.Random) -> None:
    def kept(nodes: list[dict[str, Any]], slim: bool) -> list[Any]:
        table = span_table(nodes)
        traces = assemble(table.select(ANALYSIS_COLUMNS) if slim else table)
        return [
            (traces.span_id_hex(row), traces.span_name(row), traces.service_name(row), int(traces.end_ns[row]))
            for row in range(len(traces))
        ]

    shuffled = chance.sample(spans, k=len(spans))
    assert kept(shuffled, slim=False) == kept(spans, slim=False) == kept(shuffled, slim=True)


@given(broken_traces())
def test_skew_correction_moves_whole_hosts_by_one_shift(spans: list[dict[str, Any]]) -> None:
    traces = assemble(span_table(spans))
    raw = assemble(span_table(spans), skew_correction=False)
    assert (traces.end_ns - traces.start_ns == raw.end_ns - raw.start_ns).all()
    assert (traces.start_ns - traces.shift_ns == raw.start_ns).all()
