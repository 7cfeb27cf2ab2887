"""The diagnosis: nothing where nothing changed, the planted cause where one was planted, in any order of the spans."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.builders import span, span_table
from tracelab.adjusters import assemble
from tracelab.analysis.cohorts import cohort
from tracelab.analysis.diagnosis import Cause, Diagnosis, diagnose, diagnose_everything
from tracelab.window import Window

MS = 10**6
TRACES = 100
EVERY = 100 * MS
NOW_NS = TRACES * EVERY


def shop(
    seed: int = 0,
    slow_ms: float = 0.0,
    failures: float = 0.02,
    gap_ms: float = 0.0,
    calls: int = 1,
    circle: bool = False,
) -> list[dict[str, Any]]:
    """front -> back -> store, before and, from NOW_NS on, with something changed in `back` or on the way to it."""
    chance = np.random.default_rng(seed)
    spans = []
    for number in range(2 * TRACES):
        now, start = number >= TRACES, number * EVERY
        own = int((5 + chance.exponential(2) + now * slow_ms) * MS)
        gap = int((1 + chance.exponential(0.3) + now * gap_ms) * MS)
        store, times = int((2 + chance.exponential(0.5)) * MS), calls if now else 1
        failed = "ERROR" if chance.random() < (failures if now else 0.02) else "UNSET"
        total, arrives = own + times * store, start + 2 * MS + gap
        trace = [
            span(1, None, start, start + total + 2 * gap + 4 * MS, "front", "GET /", "SERVER", status_code=failed),
            span(2, 1, start + 2 * MS, arrives + total + gap, "front", "GET", "CLIENT", status_code=failed),
            span(3, 2, arrives, arrives + total, "back", "GET /x", "SERVER", status_code=failed),
        ]
        for at in range(times):
            begin = arrives + own // 2 + at * store
            trace.append(span(10 + 2 * at, 3, begin, begin + store, "back", "ask", "CLIENT"))
            trace.append(span(11 + 2 * at, 10 + 2 * at, begin, begin + store, "store", "answer", "SERVER"))
        if now and circle:
            trace.append(span(5, 11, begin, begin + MS // 2, "store", "tell", "CLIENT"))
            trace.append(span(6, 5, begin, begin + MS // 2, "front", "POST /told", "SERVER"))
        spans += [{**one, "trace_id": f"{number + 1:032x}"} for one in trace]
    return spans


def found(spans: list[dict[str, Any]]) -> Diagnosis:
    traces = assemble(span_table(spans))
    return diagnose(cohort(traces, Window(None, NOW_NS)), cohort(traces, Window(NOW_NS, None)))


def first(**change: Any) -> Cause:
    causes = found(shop(**change)).causes
    assert causes, change
    return causes[0]


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_where_nothing_changed_nothing_is_named(seed: int) -> None:
    assert found(shop(seed)).causes == ()


@pytest.mark.parametrize("seed", range(3))
def test_the_planted_cause_is_named(seed: int) -> None:
    slow = first(seed=seed, slow_ms=15)
    assert (slow.service_name, slow.kind, slow.operation) == ("back", "slow", "GET /x")
    assert abs(slow.since_ns - NOW_NS) <= 5 * EVERY
    failing = first(seed=seed, failures=0.4)
    assert (failing.service_name, failing.kind) == ("back", "errors")
    gap = first(seed=seed, gap_ms=10)
    assert (gap.kind, gap.edge) == ("slow_network", ("front", "back"))
    more = first(seed=seed, calls=6)
    assert (more.service_name, more.kind, more.edge) == ("back", "more_calls", ("back", "store"))
    circle = first(seed=seed, circle=True)
    assert (circle.service_name, circle.kind, circle.edge) == ("store", "new_edge", ("store", "front"))


def test_evidence_says_what_it_was_and_what_it_is() -> None:
    cause = first(slow_ms=15)
    evidence = cause.evidence[0]
    assert 6 * MS < evidence.before < 8 * MS
    assert 20 * MS < evidence.after < 24 * MS
    assert evidence.count == TRACES
    assert all(int(trace, 16) > TRACES for trace in evidence.traces)
    assert cause.expect


@given(st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_the_order_of_spans_changes_nothing(chance: Any) -> None:
    spans = shop(slow_ms=15, failures=0.3)
    mixed = [*spans, *chance.sample(spans, 20)]
    chance.shuffle(mixed)
    assert found(mixed) == found(spans)


def test_where_it_began_is_found_if_nobody_says() -> None:
    causes = diagnose_everything(assemble(span_table(shop(slow_ms=15)))).causes
    assert causes[0].service_name == "back"
    assert abs(causes[0].since_ns - NOW_NS) <= 5 * EVERY
    assert diagnose_everything(assemble(span_table(shop()))).causes == ()


def test_nothing_to_compare_is_nothing_to_say() -> None:
    assert found([]).causes == ()
    assert found(shop()[: 5 * TRACES]).causes == ()
