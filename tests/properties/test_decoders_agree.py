"""The decoder by columns against the one through protobuf's own classes, on good requests and on bad ones."""

from __future__ import annotations

import os
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.otlp import plain_spans
from tests.support.wire import bent_requests, field, odd_requests, varint
from tracelab.codecs.limits import Limits
from tracelab.codecs.otlp_columns import decode_columns
from tracelab.codecs.requests import _decode_one, decode_requests
from tracelab.diagnostics import Diagnostics

EXAMPLES = int(os.environ.get("TRACELAB_FUZZ", "150"))


def rows(table: pa.Table) -> list[Any]:
    return plain_spans(table).to_pylist() if table.num_rows else []


def check(bodies: list[bytes], limits: Limits) -> None:
    """What each request gives alone, through the classes, is what it gives among the others."""
    decoded = decode_requests(bodies, [False] * len(bodies), limits)
    noted, slow = Diagnostics(), []
    for body, outcome in zip(bodies, decoded.outcomes, strict=True):
        table, expected = _decode_one(body, False, limits, noted)
        assert (outcome.spans, outcome.rejected_spans, outcome.message) == (
            expected.spans,
            expected.rejected_spans,
            expected.message,
        )
        assert type(outcome.error) is type(expected.error)
        slow += [] if table is None else rows(table)
    fast = [row for table in decoded.tables for row in rows(table)]
    assert sorted(map(repr, fast)) == sorted(map(repr, slow))
    assert dict(decoded.diagnostics) == dict(noted)


@settings(max_examples=EXAMPLES)
@given(st.lists(st.one_of(bent_requests(), odd_requests(), st.binary(max_size=80)), max_size=4))
def test_the_decoders_agree(bodies: list[bytes]) -> None:
    check(bodies, Limits())


@settings(max_examples=EXAMPLES // 2)
@given(st.lists(st.one_of(bent_requests(), odd_requests()), max_size=3))
def test_they_agree_on_what_is_too_much(bodies: list[bytes]) -> None:
    check(bodies, Limits(spans=2, attributes=2, text_bytes=6, depth=1))


def nested(depth: int) -> bytes:
    value = field(1, b"deep")
    for _ in range(depth):
        value = field(5, field(1, value))
    return value


def span_with(value: bytes) -> bytes:
    attribute = field(9, field(1, b"key") + field(2, value))
    span = field(1, b"t" * 16) + field(2, b"s" * 8) + attribute
    return field(1, field(2, field(2, span)))


@pytest.mark.parametrize("depth", [0, 1, 31, 32, 33, 46, 47, 48, 49, 60, 500])
def test_nested_values(depth: int) -> None:
    check([span_with(nested(depth))], Limits())
    check([span_with(nested(depth))], Limits(depth=40))


def test_many_different_texts_make_the_table_grow() -> None:
    bodies = [
        field(1, field(2, b"".join(
            field(2, field(1, b"t" * 16) + field(2, varint(2**50 + at)[:8]) + field(5, f"name {number} {at}".encode()))
            for at in range(3000)
        )))
        for number in range(4)
    ]  # fmt: skip
    table, counts, _ = decode_columns(bodies, Limits())
    assert counts == [3000] * 4
    assert len(set(table.column("name").to_pylist())) == 12_000
    check(bodies, Limits())
