"""What goes out comes back: every format that is written is read again as the same span table."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import orjson
import pyarrow as pa
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1 import common_pb2

from tests.support.otlp import otlp_requests
from tests.support.strategies import jaeger_spans, otlp_spans, plain_values
from tracelab.codecs import otlp_proto
from tracelab.codecs.export import jaeger_document, otlp_json_lines
from tracelab.codecs.files import decoder_of, read_stream
from tracelab.codecs.requests import decode_requests
from tracelab.codecs.rows import Span, SpanRows
from tracelab.codecs.sink import Sink
from tracelab.codecs.values import from_otlp_json, from_proto, from_text, to_otlp_json, to_text
from tracelab.errors import InputError


def table_of(spans: list[Span]) -> pa.Table:
    rows = SpanRows()
    for span in spans:
        rows.add(span)
    return rows.table()


def sorted_rows(table: pa.Table) -> list[str]:
    return sorted(repr(row) for row in table.to_pylist())


@given(st.lists(otlp_spans(), min_size=1, max_size=4))
def test_otlp_json_gives_back_the_table(spans: list[Span]) -> None:
    table = table_of(spans)
    body = b"".join(otlp_json_lines(table))
    again = pa.concat_tables(list(read_stream(io.BytesIO(body), Sink())))
    assert sorted_rows(again) == sorted_rows(table)


@given(st.lists(otlp_spans(), min_size=1, max_size=4))
def test_protobuf_and_json_are_read_alike(spans: list[Span]) -> None:
    table = table_of(spans)
    sink = Sink()
    for request in otlp_requests(table):
        otlp_proto.decode(request.SerializeToString(), sink)
    assert sorted_rows(sink.rows.table()) == sorted_rows(table)


@given(st.lists(jaeger_spans(), min_size=1, max_size=4))
def test_jaeger_gives_back_the_table(spans: list[Span]) -> None:
    table = table_of(spans)
    body = orjson.dumps(jaeger_document(table))
    again = pa.concat_tables(list(read_stream(io.BytesIO(body), Sink())))
    assert sorted_rows(again) == sorted_rows(table)


@given(plain_values)
def test_values_come_back_as_they_were(value: Any) -> None:
    again = from_text(*to_text(value))
    assert repr(again) == repr(value)
    assert repr(from_otlp_json(orjson.loads(orjson.dumps(to_otlp_json(value))), "value")) == repr(value)
    message = ParseDict(to_otlp_json(value), common_pb2.AnyValue())
    assert repr(from_proto(message)) == repr(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(body: bytes) -> None:
    for is_json in (False, True):
        (outcome,) = decode_requests([body], [is_json]).outcomes
        assert outcome.error is None or str(outcome.error)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["resourceSpans", "scopeSpans", "spans", "resource", "attributes", "key", "value", "traceId",
                         "spanId", "kind", "events", "links", "stringValue", "arrayValue", "values", "status", "name",
                         "data", "processes", "traceID", "tags", "logs", "references", "id", "localEndpoint"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(_json)
def test_any_json_is_read_or_refused_in_words(document: Any) -> None:
    (outcome,) = decode_requests([orjson.dumps(document)], [True]).outcomes
    assert outcome.error is None or str(outcome.error)
    with contextlib.suppress(InputError):
        decoder_of(document)(document, Sink(skip=lambda _: None))
