"""What is asked of many traces: against slow twins, and the promises that each answer makes."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support import slow
from tests.support.builders import span, span_table
from tests.support.draw import MS, draw
from tests.support.strategies import SERVICES, broken_traces, trees
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
from tracelab.analysis.profile import finish_profile, path_profile, sum_profile
from tracelab.analysis.service_times import service_times
from tracelab.analysis.slow import explain_slow
from tracelab.analysis.structure import structure
from tracelab.analysis.what_if import Supposition, retimed, what_if
from tracelab.errors import InputError
from tracelab.reporters.comparing import comparison_shape
from tracelab.reporters.plain import plain
from tracelab.reporters.profiles import collapsed, profile_shape, speedscope
from tracelab.reporters.shapes import completion_shape
from tracelab.traceset import TraceSet


def assembled(spans: list[dict[str, Any]]) -> TraceSet:
    return assemble(span_table(spans), skew_correction=False)


@st.composite
def many(draw: st.DrawFn, kinds: tuple[str, ...] = ("INTERNAL", "SERVER", "CLIENT")) -> list[list[dict[str, Any]]]:
    """A few whole traces whose spans share operation names."""
    traces = []
    for number in range(draw(st.integers(1, 4))):
        spans = draw(trees(max_size=9, kinds=kinds))
        for node in spans:
            node["trace_id"] = f"{number + 1:032x}"
            node["name"] = draw(st.sampled_from(["a", "b", "c"]))
        traces.append(spans)
    return traces


def flat(traces: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [node for spans in traces for node in spans]


@given(many())
def test_profile_equals_the_slow_twin(traces: list[list[dict[str, Any]]]) -> None:
    expected: Counter[Any] = Counter()
    for spans in traces:
        roots, children = slow.tree(spans)
        operation = {node["span_id"]: (node["service_name"], node["name"]) for node in spans}
        for root in roots:
            for span_id, start, end in slow.critical_path(root, children):
                expected[operation[span_id]] += end - start
    profile = path_profile(cohort(assembled(flat(traces))))
    got = {(share.service_name, share.name): share.exclusive_ns for share in profile.operations}
    assert {key: ns for key, ns in got.items() if ns} == dict(expected)
    assert sum(got.values()) == profile.total_ns
    assert int(profile.tree.exclusive_ns.sum()) == profile.total_ns
    below = profile.tree.exclusive_ns.copy()
    for node in range(below.size - 1, -1, -1):
        if profile.tree.parent[node] >= 0:
            below[profile.tree.parent[node]] += below[node]
    assert (below == profile.tree.inclusive_ns).all()
    assert sum(int(line.rsplit(" ", 1)[1]) for line in collapsed(profile).splitlines()) == profile.total_ns
    assert sum(speedscope(profile)["profiles"][0]["weights"]) == profile.total_ns


@given(many(), st.integers(0, 4))
def test_profiles_of_parts_merge_to_the_whole(traces: list[list[dict[str, Any]]], cut: int) -> None:
    parts = [flat(part) for part in (traces[:cut], traces[cut:]) if part]
    merged = profile_shape(finish_profile(sum_profile(cohort(assembled(part))) for part in parts))
    whole = profile_shape(path_profile(cohort(assembled(flat(traces)))))
    trees = [profile.pop("tree") for profile in (merged, whole)]
    assert merged == whole
    assert sorted(map(str, (node["exclusive_ns"] for node in trees[0]))) == sorted(
        map(str, (node["exclusive_ns"] for node in trees[1]))
    )


@given(many())
def test_the_parts_of_a_gap_add_up_to_it(traces: list[list[dict[str, Any]]]) -> None:
    chosen = cohort(assembled(flat(traces)))
    for percentile in (50, 99):
        answer = explain_slow(chosen, percentile, (0, 100))
        roots = [slow.tree(spans)[0] for spans in traces]
        if all(len(found) == 1 for found in roots):
            assert sum(part.gap_ns for part in answer.parts) == pytest.approx(answer.gap_ns, abs=1e-6)
        for part in answer.parts:
            assert part.more_calls_ns + part.longer_calls_ns == pytest.approx(part.gap_ns, abs=1e-6)


@given(many(kinds=("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")))
def test_retiming_without_a_change_changes_nothing(traces: list[list[dict[str, Any]]]) -> None:
    found = assembled(flat(traces))
    nobody = np.zeros(len(found), np.bool_)
    assert (retimed(found, Supposition(), nobody) == found.end_ns - found.start_ns).all()


@given(many(), st.sampled_from(SERVICES), st.floats(0.3, 4), st.floats(1, 4))
def test_faster_is_never_slower(traces: list[list[dict[str, Any]]], service: str, factor: float, more: float) -> None:
    found = assembled(flat(traces))
    about = found.service == (found.services.index(service) if service in found.services else -2)
    slower = retimed(found, Supposition(faster=factor), about)
    faster = retimed(found, Supposition(faster=factor * more), about)
    gone = retimed(found, Supposition(removed=True), about)
    added = retimed(found, Supposition(added_ns=7), about)
    together = retimed(found, Supposition(parallel=True), about)
    as_it_was = found.end_ns - found.start_ns
    assert (faster <= slower).all()
    assert (gone <= as_it_was).all()
    assert (added >= as_it_was).all()
    assert (together <= as_it_was).all()


@given(many())
def test_learned_orders_equal_the_slow_twin(traces: list[list[dict[str, Any]]]) -> None:
    got = {
        (order.parent, order.first, order.then): (order.support, order.refuted_by)
        for order in learned_orders(assembled(flat(traces))).orders
    }
    assert got == {key: counts for key, counts in slow.orders(traces).items() if counts[0]}


@given(many())
def test_a_learned_path_tiles_the_root_too(traces: list[list[dict[str, Any]]]) -> None:
    found = assembled(flat(traces))
    paths = critical_paths(found, learned_orders(found).refuted)
    for at, root in enumerate(paths.roots):
        part = slice(paths.section_offsets[at], paths.section_offsets[at + 1])
        assert_tiles(
            list(zip(paths.section_start_ns[part].tolist(), paths.section_end_ns[part].tolist(), strict=True)),
            int(found.start_ns[root]),
            int(found.end_ns[root]),
        )


def assert_tiles(sections: list[tuple[int, int]], start: int, end: int) -> None:
    cursor = start
    for begin, finish in sections:
        assert begin == cursor < finish
        cursor = finish
    assert cursor == end


@given(broken_traces(), st.data())
def test_completion_sections_tile_the_time_to_the_last_effect(spans: list[dict[str, Any]], data: st.DataObject) -> None:
    for node in spans:
        if data.draw(st.booleans()):
            other = data.draw(st.sampled_from(spans))
            node["links"] = [{"trace_id": other["trace_id"], "span_id": other["span_id"]}]
    found = assembled(spans)
    for path in completion_paths(collect_calls(found), found.roots).paths:
        start = int(found.start_ns[path.root_row])
        assert_tiles([(s.start_ns, s.end_ns) for s in path.sections], start, start + path.completion_ns)
        assert path.completion_ns >= path.response_ns


@given(many(kinds=("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")))
def test_own_times_equal_the_slow_twin(traces: list[list[dict[str, Any]]]) -> None:
    found = assembled(flat(traces))
    times = service_times(found, collect_calls(found))
    got = {
        (found.trace_id(int(found.trace[row])), found.span_id_hex(row)): int(ns)
        for row, ns in zip(times.request_row.tolist(), times.own_ns.tolist(), strict=True)
    }
    expected = {}
    for spans in traces:
        _, children = slow.tree(spans)
        by_id = {node["span_id"]: node for node in spans}
        for node in spans:
            parent = by_id.get(node["parent_span_id"] or "")
            if parent is None or parent["service_name"] != node["service_name"]:
                expected[node["trace_id"], node["span_id"]] = slow.own_ns(node, children)
    assert got == expected


@given(broken_traces(), st.randoms(use_true_random=False))
def test_no_answer_depends_on_order_or_duplicates(spans: list[dict[str, Any]], chance: random.Random) -> None:
    again = [*chance.sample(spans, k=len(spans)), *spans]
    assert [answers(spans)] == [answers(again)]


def answers(spans: list[dict[str, Any]]) -> Any:
    """Everything that can be asked of these spans, as JSON."""
    traces = assemble(span_table(spans))
    chosen = cohort(traces)
    found: dict[str, Any] = {
        "profile": profile_shape(path_profile(chosen)),
        "completion": completion_shape(completion_paths(chosen.calls, traces.roots)),
        "calls": plain(calls_per_trace(chosen)),
        "findings": plain(find_all(chosen)),
        "structure": plain(structure(chosen)),
        "orders": plain(learned_orders(traces)),
        "comparison": comparison_shape(compare(chosen, chosen)),
        "edges": [plain(explain_edge(traces, a, b)) for a, b in itertools.permutations(SERVICES, 2)],
    }
    try:
        found["slow"] = plain(explain_slow(chosen, 50, (0, 100)))
        found["what_if"] = plain(what_if(chosen, Supposition(service_name="web", faster=2)))
    except InputError as error:
        found["error"] = str(error)
    for answer in [*found.values(), *found["edges"]]:
        if isinstance(answer, dict):
            answer.pop("diagnostics", None)
    return found


@given(trees(), st.integers(1, 60))
def test_adding_to_a_leaf_root_adds_just_that(spans: list[dict[str, Any]], added: int) -> None:
    found = assembled(spans)
    alone = [row for row in found.roots.tolist() if found.children[0][row + 1] == found.children[0][row]]
    assume(alone)
    about = np.zeros(len(found), np.bool_)
    about[alone] = True
    new = retimed(found, Supposition(added_ns=added), about)
    assert (new[alone] == (found.end_ns - found.start_ns)[alone] + added).all()


def test_what_if_is_exact_on_a_drawing() -> None:
    chosen = cohort(
        assemble(
            span_table(
                draw(
                    """
                    web      checkout  |---------------------------------------|
                      web    call-a        |-----------|
                        a    work            |-------|
                      web    call-b                        |---------------|
                        b    work                            |-----------|
                    """,
                    **{"call-a": "CLIENT", "call-b": "CLIENT"},
                )
            )
        )
    )

    def mean_ms(**what: Any) -> float:
        mean = what_if(chosen, Supposition(**what)).after.mean_ns
        assert mean is not None
        return mean / MS

    assert mean_ms(service_name="a", faster=2) == 36  # 8 ms of its own become 4
    assert mean_ms(service_name="b", faster=0.5) == 52
    assert mean_ms(service_name="a", removed=True) == 32
    assert mean_ms(operation="call-a", removed=True) == 28
    assert mean_ms(service_name="b", added_ns=25 * MS) == 65
    assert mean_ms(service_name="web", faster=2) == 30  # of its own 4 + 8 + 0 around the calls, 4 + 4 within


def test_calls_at_once_take_as_long_as_the_longest() -> None:
    spans = [span(1, None, 0, 100, "web", kind="SERVER")]
    spans += [span(at, 1, 20 * at - 30, 20 * at - 12, "web", "query", kind="CLIENT") for at in range(2, 6)]
    answer = what_if(cohort(assembled(spans)), Supposition("web", "query", parallel=True))
    assert (answer.before.mean_ns, answer.after.mean_ns) == (100, 10 + 18 + (100 - 88))
