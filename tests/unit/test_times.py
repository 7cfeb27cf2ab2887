"""Times and durations as people write and read them."""

from __future__ import annotations

import pytest

from tracelab.errors import UsageError
from tracelab.times import count_text, duration_text, parse_duration_ns, parse_time_ns, percent_text, rate_text

NOW = 1_000_000 * 10**9


@pytest.mark.parametrize(
    ("text", "ns"), [("15m", 900 * 10**9), ("1h30m", 5400 * 10**9), ("250ms", 250 * 10**6), ("1.5s", 1_500_000_000)]
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration_ns(text) == ns
    assert parse_time_ns(text, NOW) == NOW - ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T01:00:00.5+01:00", 500_000_000),
        ("now", NOW),
        ("2000000000", 2_000_000_000),
    ],
)
def test_times(text: str, ns: int) -> None:
    assert parse_time_ns(text, NOW) == ns


@pytest.mark.parametrize("text", ["yesterday", "15", "m", "2026-13-01", "5 parsecs"])
def test_nonsense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="15m"):
        parse_time_ns(text, NOW)


def test_figures_have_units() -> None:
    assert [duration_text(ns) for ns in (None, 7, 1_500, 12_345_678, 999 * 10**6, 61 * 10**9)] == [
        "–", "7 ns", "1.50 µs", "12.3 ms", "999 ms", "61.0 s",
    ]  # fmt: skip
    assert [rate_text(rate) for rate in (None, 0.25, 3.44, 250.0, 1234.0)] == [
        "–",
        "0.25/s",
        "3.4/s",
        "250/s",
        "1.2 k/s",
    ]


def test_a_failure_is_never_rounded_away() -> None:
    assert percent_text(1.0) == "100 %"
    assert percent_text(1 - 1e-9) == "99.99 %"
    assert percent_text(0.9952) == "99.52 %"


def test_counts_are_whole_where_they_can_be() -> None:
    assert [count_text(count) for count in (7, 1234567.0, 2.5)] == ["7", "1,234,567", "2.5"]
