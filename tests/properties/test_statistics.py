"""Tests and intervals against counting by hand, and the false alarms of a comparison of like with like."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.inputs import traces as make_traces
from tests.support.nezha import FOLDER, faults, minute
from tracelab.adjusters import assemble
from tracelab.analysis.cohorts import Cohort, cohort
from tracelab.analysis.comparison import compare
from tracelab.analysis.statistics import (
    difference_of_proportions,
    false_discovery,
    fisher_p,
    shift,
    superiority,
    wilson,
)  # fmt: skip


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_fisher_equals_counting_tables(a: int, b: int, more_a: int, more_b: int) -> None:
    m, n = a + more_a, b + more_b
    hits = a + b
    chance = {
        k: Fraction(comb(m, k) * comb(n, hits - k), comb(m + n, hits))
        for k in range(max(0, hits - n), min(hits, m) + 1)
    }
    expected = sum(p for p in chance.values() if p <= chance[a])
    assert fisher_p((a, m), (b, n)) == pytest.approx(float(expected))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.lists(st.integers(0, 5), min_size=1, max_size=9))
def test_superiority_equals_counting_pairs(base: list[int], other: list[int]) -> None:
    pairs = list(itertools.product(base, other))
    expected = sum((y > x) + (y == x) / 2 for x, y in pairs) / len(pairs)
    chance, p_value = superiority(np.array(base, float), np.array(other, float))
    assert chance == pytest.approx(expected)
    assert 0 <= p_value <= 1
    back, same_p = superiority(np.array(other, float), np.array(base, float))
    assert (back, same_p) == (pytest.approx(1 - chance), pytest.approx(p_value))


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=9), st.lists(st.integers(-50, 50), min_size=1, max_size=9))
def test_shift_is_the_median_difference_within_its_interval(base: list[int], other: list[int]) -> None:
    middle, low, high = shift(np.array(base, float), np.array(other, float))
    assert middle == pytest.approx(np.median([y - x for x, y in itertools.product(base, other)]))
    assert low <= middle <= high


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_intervals_hold_their_estimate(a: int, b: int, more_a: int, more_b: int) -> None:
    low, high = wilson(a, a + more_a)
    assert 0 <= low <= high <= 1
    difference, low, high = difference_of_proportions((a, a + more_a), (b, b + more_b))
    assert -1 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1


def test_false_discovery_is_benjamini_and_hochbergs() -> None:
    assert false_discovery([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        _, low, high = shift(chance.exponential(10, 30), chance.exponential(10, 40) + 3)
        hits += low <= 3 <= high
    assert hits / 400 > 0.92


def halves(made: Any, seed: int) -> tuple[Cohort, Cohort]:
    """The same traffic, split at random."""
    first = np.random.default_rng(seed).random(made.trace_count) < 0.5
    return Cohort(made, first), Cohort(made, ~first)


def test_the_same_traffic_twice_is_hardly_ever_news() -> None:
    """False alarms over all figures are held at 5 %: of 40 comparisons of like with like few may have any."""
    made = assemble(make_traces(400, 12, seed=3))
    alarms = sum(any(edge.status == "changed" for edge in compare(*halves(made, seed)).edges) for seed in range(40))
    assert alarms <= 5


def test_the_same_minute_twice_is_hardly_ever_news() -> None:
    if not faults():
        pytest.skip("no shared test data at ../shared/traces/csv")
    made = assemble(minute(FOLDER / "boutique-baseline.csv.gz"))
    found = [compare(*halves(made, seed)) for seed in range(20)]
    assert sum(any(change.status == "changed" for change in (*c.edges, *c.operations)) for c in found) <= 3


def test_a_service_that_is_slower_is_found_whatever_the_seed() -> None:
    for seed in range(5):
        made = make_traces(300, 12, seed=seed)
        slower = _slowed(made, "service-03", 1.6)
        found = compare(cohort(assemble(made)), cohort(assemble(slower)))
        assert found.suspects[0].service_name == "service-03"


def _slowed(table: pa.Table, service: str, factor: float) -> pa.Table:
    """The leaves of one service take longer: nothing waits for them in this model but their callers' clocks."""
    name = np.array(table.column("service_name").to_pylist())
    duration = table.column("duration_ns").to_numpy().copy()
    duration[name == service] = (duration[name == service] * factor).astype(np.int64)
    at = table.schema.get_field_index("duration_ns")
    return table.set_column(at, table.schema.field(at), pa.array(duration))


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: f"{fault['service']}-{fault['type']}")
def test_labelled_faults(fault: dict[str, Any]) -> None:
    """Real minutes of two systems: the injected service is the first suspect."""
    base = cohort(assemble(minute(FOLDER.parent / fault["baseline"])))
    for file in fault["files"]:
        suspects = compare(base, cohort(assemble(minute(FOLDER.parent / file)))).suspects
        assert suspects[0].service_name == fault["service"]
        assert suspects[0].score > 2 * suspects[1].score  # and not by a hair


def test_half_a_minute_is_enough() -> None:
    """Random halves of the labelled minutes: a few calls to the injected service are enough to name it."""
    if not faults():
        pytest.skip("no shared test data at ../shared/traces/csv")
    right = []
    for fault in faults():
        base = assemble(minute(FOLDER.parent / fault["baseline"]))
        other = assemble(minute(FOLDER.parent / fault["files"][-1]))
        for seed in range(5):
            found = compare(halves(base, seed)[0], halves(other, seed)[0]).suspects
            right.append(bool(found) and found[0].service_name == fault["service"])
    assert sum(right) >= 0.9 * len(right)
