"""Every golden critical path, to the nanosecond."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.golden import golden_cases, table_of
from tracelab.adjusters import assemble
from tracelab.analysis.critical_path import critical_paths
from tracelab.kernels.trees import self_ns
from tracelab.reporters.shapes import critical_path_shape

CASES = golden_cases("cases.json")
pytestmark = pytest.mark.skipif(not CASES, reason="no golden cases at ../shared/golden")


def _labelled(case: dict[str, Any]) -> list[dict[str, Any]]:
    labels = {span["span_id"]: span["label"] for span in case["spans"]}
    paths = critical_paths(assemble(table_of(case), **(case.get("options") or {})))
    return [
        {
            "root": labels.get(entry["root_span_id"], entry["root_span_id"]),
            "duration_ns": entry["duration_ns"],
            "incomplete": entry["incomplete"],
            "sections": [
                [labels.get(s["span_id"], s["span_id"]), s["start_ns"], s["end_ns"]] for s in entry["sections"]
            ],
        }
        for entry in critical_path_shape(paths, range(paths.roots.size))["traces"]
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_path(case: dict[str, Any]) -> None:
    assert _labelled(case) == case["ours"]


@pytest.mark.parametrize("case", [case for case in CASES if "self_ns" in case], ids=lambda case: case["name"])
def test_self_time(case: dict[str, Any]) -> None:
    labels = {span["span_id"]: span["label"] for span in case["spans"]}
    traces = assemble(table_of(case))
    own = self_ns(traces.start_ns, traces.end_ns, *traces.children)
    got = {labels.get(traces.span_id_hex(row)): int(ns) for row, ns in enumerate(own)}
    assert {label: got[label] for label in case["self_ns"]} == case["self_ns"]


@pytest.mark.parametrize("case", [case for case in CASES if "service_totals_ns" in case], ids=lambda case: case["name"])
def test_service_totals(case: dict[str, Any]) -> None:
    from tracelab.analysis.journey import journey

    paths = critical_paths(assemble(table_of(case)))
    assert {stop.service_name: stop.on_path_ns for stop in journey(paths, 0).stops} == case["service_totals_ns"]
