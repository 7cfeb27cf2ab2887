"""Every golden case and every real trace passes through everything that can be asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.e2e.test_files import GOOD, needs_shared
from tests.support.golden import golden_cases, shared, table_of
from tracelab.adjusters import assemble
from tracelab.analysis.calls import collect_calls
from tracelab.analysis.cohorts import cohort
from tracelab.analysis.comparison import compare
from tracelab.analysis.completion import completion_paths
from tracelab.analysis.critical_path import critical_paths
from tracelab.analysis.fanout import calls_per_trace
from tracelab.analysis.findings import find_all
from tracelab.analysis.missing_edge import explain_edge
from tracelab.analysis.order import learned_orders
from tracelab.analysis.profile import path_profile
from tracelab.analysis.service_graph import service_graph
from tracelab.analysis.slow import explain_slow
from tracelab.analysis.structure import structure
from tracelab.analysis.what_if import Supposition, retimed
from tracelab.codecs.files import read_file
from tracelab.codecs.sink import Sink
from tracelab.errors import InputError
from tracelab.traceset import TraceSet

CASES = [*golden_cases("cases.json"), *golden_cases("edges.json")]


def ask_everything(traces: TraceSet) -> None:
    """Each answer, and the promise that it makes."""
    chosen = cohort(traces)
    profile = path_profile(chosen)
    assert sum(share.exclusive_ns for share in profile.operations) == profile.total_ns
    for path in completion_paths(chosen.calls, traces.roots).paths:
        assert sum(section.end_ns - section.start_ns for section in path.sections) == path.completion_ns
    nobody = np.zeros(len(traces), np.bool_)
    assert (retimed(traces, Supposition(), nobody) == traces.end_ns - traces.start_ns).all()
    learned = critical_paths(traces, learned_orders(traces).refuted)
    assert int((learned.section_end_ns - learned.section_start_ns).sum()) == profile.total_ns
    graph = service_graph(traces)
    assert sum(edge.calls for edge in calls_per_trace(chosen)) == collect_calls(traces).client.size
    assert structure(chosen).nodes >= len({node.id for node in graph.nodes if node.kind == "service"})
    find_all(chosen)
    same = compare(chosen, chosen)
    assert not any(change.status != "same" for change in (*same.edges, *same.operations))
    assert not same.suspects
    for edge in graph.edges[:20]:
        assert explain_edge(traces, edge.client, edge.server).calls > 0
    try:
        answer = explain_slow(chosen, 90)
        assert answer.slow >= 1
    except InputError:
        assert all(traces.is_placeholder[traces.roots])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_golden(case: dict[str, Any]) -> None:
    ask_everything(assemble(table_of(case)))


@needs_shared
@pytest.mark.parametrize("entry", GOOD, ids=lambda entry: entry["file"])
def test_real(entry: dict[str, Any]) -> None:
    ask_everything(assemble(pa.concat_tables(list(read_file(shared("traces", entry["file"]), Sink())))))
