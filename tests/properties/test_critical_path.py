"""The critical path against its slow twin, and the promises it makes."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support import slow
from tests.support.builders import span, span_table
from tests.support.strategies import broken_traces, trees
from tracelab.adjusters import assemble
from tracelab.analysis.critical_path import CriticalPaths, critical_paths
from tracelab.kernels.trees import self_ns
from tracelab.reporters.shapes import critical_path_shape


def paths_of(spans: list[dict[str, Any]], skew_correction: bool = False) -> CriticalPaths:
    return critical_paths(assemble(span_table(spans), skew_correction))


def shape_of(spans: list[dict[str, Any]], skew_correction: bool = True) -> Any:
    paths = paths_of(spans, skew_correction)
    return critical_path_shape(paths, range(paths.roots.size))


@given(trees())
def test_equals_the_slow_twin(spans: list[dict[str, Any]]) -> None:
    roots, children = slow.tree(spans)
    got = [
        [(section["span_id"], section["start_ns"], section["end_ns"]) for section in entry["sections"]]
        for entry in shape_of(spans, skew_correction=False)["traces"]
    ]
    assert got == [slow.critical_path(root, children) for root in roots]


@given(broken_traces(), st.booleans())
def test_sections_tile_the_root_and_lie_within_their_spans(spans: list[dict[str, Any]], skew: bool) -> None:
    paths = paths_of(spans, skew)
    traces = paths.traces
    for at, root in enumerate(paths.roots):
        cursor = traces.start_ns[root]
        for section in range(paths.section_offsets[at], paths.section_offsets[at + 1]):
            row = paths.section_row[section]
            assert paths.section_start_ns[section] == cursor < paths.section_end_ns[section]
            assert traces.start_ns[row] <= cursor
            cursor = paths.section_end_ns[section]
            assert cursor <= traces.end_ns[row]
        assert cursor == traces.end_ns[root]


@given(broken_traces(), st.randoms(use_true_random=False))
def test_order_batches_and_duplicates_change_nothing(spans: list[dict[str, Any]], chance: random.Random) -> None:
    again = [*spans, *chance.sample(spans, k=len(spans) // 2)]
    chance.shuffle(again)
    expected, got = shape_of(spans), shape_of(again)
    assert got["traces"] == expected["traces"]


@given(trees(), st.integers(0, 10**18))
def test_a_time_shift_shifts_the_path(spans: list[dict[str, Any]], shift: int) -> None:
    moved = [{**node, "start_ns": node["start_ns"] + shift, "end_ns": node["end_ns"] + shift} for node in spans]
    for entry in (expected := shape_of(spans))["traces"]:
        for section in entry["sections"]:
            section["start_ns"] += shift
            section["end_ns"] += shift
    assert shape_of(moved)["traces"] == expected["traces"]


@given(trees(), st.integers(0, 220), st.integers(1, 60), st.data())
def test_a_leaf_that_nobody_waits_for_changes_nothing(
    spans: list[dict[str, Any]], start: int, length: int, data: st.DataObject
) -> None:
    """In process, and ending after its parent by more than any tolerance."""
    parent = data.draw(st.sampled_from(spans))
    end = max(start + length, parent["end_ns"] + 100)
    assume(parent["resource"] == {})
    leaf = span(999, parent["span_id"], start, end, parent["service_name"], resource={})
    before, after = shape_of(spans, False), shape_of([*spans, leaf], False)
    assert after["traces"] == before["traces"]


@given(trees())
def test_self_time_equals_the_slow_twin(spans: list[dict[str, Any]]) -> None:
    traces = assemble(span_table(spans), skew_correction=False)
    _, children = slow.tree(spans)
    own = self_ns(traces.start_ns, traces.end_ns, *traces.children)
    got = {traces.span_id_hex(row): int(ns) for row, ns in enumerate(own)}
    assert got == {node["span_id"]: slow.self_ns(node, children) for node in spans}


def test_a_deep_chain_needs_no_recursion() -> None:
    depth = 20_000
    spans = [span(at, at - 1 if at > 1 else None, at, 2 * depth + 1 - at, "web") for at in range(1, depth + 1)]
    paths = paths_of(spans)
    assert paths.section_row.size == 2 * depth - 1
    assert int((paths.section_end_ns - paths.section_start_ns).sum()) == 2 * depth - 1


def test_a_wide_fan_out_is_walked_once() -> None:
    children = 20_000
    spans = [span(1, None, 0, 10 * children, "web", kind="SERVER")]
    spans += [span(at, 1, 10 * (at - 2), 10 * (at - 1), "api", kind="SERVER") for at in range(2, children + 2)]
    paths = paths_of(spans)
    assert paths.section_row.size == children
