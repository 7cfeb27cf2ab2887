"""Every golden service graph, figure by figure."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.golden import golden_cases, table_of
from tracelab.adjusters import assemble
from tracelab.analysis.calls import collect_calls
from tracelab.analysis.service_graph import service_graph
from tracelab.reporters.shapes import topology_shape

CASES = golden_cases("edges.json")
pytestmark = pytest.mark.skipif(not CASES, reason="no golden cases at ../shared/golden")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_nodes_and_edges(case: dict[str, Any]) -> None:
    shape = topology_shape(service_graph(assemble(table_of(case))))
    assert sorted(shape["nodes"], key=str) == sorted(case["nodes"], key=str)
    expected = [{key: value for key, value in edge.items() if key != "queue_delays_ns"} for edge in case["edges"]]
    got = [{key: edge[key] for key in want} for edge, want in zip(shape["edges"], expected, strict=True)]
    assert got == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_queue_delays(case: dict[str, Any]) -> None:
    calls = collect_calls(assemble(table_of(case)))
    got: dict[tuple[str, str], list[int]] = {}
    for call, delay in zip(calls.delay_call.tolist(), calls.delay_ns.tolist(), strict=True):
        got.setdefault((calls.nodes[calls.client[call]].id, calls.nodes[calls.server[call]].id), []).append(delay)
    expected = {
        (e["client"], e["server"]): sorted(e["queue_delays_ns"]) for e in case["edges"] if "queue_delays_ns" in e
    }
    assert {edge: sorted(delays) for edge, delays in got.items()} == expected


@pytest.mark.parametrize("case", [case for case in CASES if "diagnostics" in case], ids=lambda case: case["name"])
def test_diagnostics(case: dict[str, Any]) -> None:
    diagnostics = service_graph(assemble(table_of(case))).diagnostics
    assert {name: diagnostics[name] for name in case["diagnostics"]} == case["diagnostics"]
