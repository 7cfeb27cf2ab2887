"""Ids as real systems write them."""

from __future__ import annotations

import pytest

from tracelab.codecs.ids import any_id, lenient_id, made_up_id, parent_id, strict_id
from tracelab.diagnostics import Diagnostics
from tracelab.errors import RecordError

HEX = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("text", "expected", "noted"),
    [
        (HEX, HEX, {}),
        (HEX.upper(), HEX, {}),
        ("APBnqgupArc=", HEX, {"base64_ids": 1}),
        ("f067aa0ba902b7", HEX, {"short_ids": 1}),
        ("f67aa0ba902b7", "000f67aa0ba902b7", {"short_ids": 1}),
        ("sid1", "0000000000b22775", {"short_ids": 1}),
        ("abcd1234efgh5678", made_up_id("abcd1234efgh5678").hex(), {"made_up_ids": 1}),
    ],
)
def test_lenient(text: str, expected: str, noted: dict[str, int]) -> None:
    diagnostics = Diagnostics()
    assert lenient_id(text, 8, "spanId", diagnostics).hex() == expected
    assert dict(diagnostics) == noted


@pytest.mark.parametrize("text", ["", "zzz", "!!!INVALID!!!", "0" * 16, None, 7, HEX + "00"])
def test_refused_even_leniently(text: object) -> None:
    with pytest.raises(RecordError, match="spanId"):
        lenient_id(text, 8, "spanId", Diagnostics())


@pytest.mark.parametrize("text", ["APBnqgupArc=", "f067aa0ba902b7", "0" * 16, HEX + "0"])
def test_a_receiver_is_strict(text: str) -> None:
    with pytest.raises(RecordError):
        strict_id(text, 8, "spanId")


def test_jaeger_ids_may_be_any_text() -> None:
    diagnostics = Diagnostics()
    first, again = (any_id("trace-123", 16, "traceID", diagnostics) for _ in range(2))
    assert first == again
    assert len(first) == 16
    assert diagnostics["made_up_ids"] == 2


@pytest.mark.parametrize("text", [None, "", "0000000000000000", "AAAAAAAAAAA="])
def test_no_parent(text: str | None) -> None:
    assert parent_id(text, lambda *_: pytest.fail("not an id"), "parentSpanId") is None
