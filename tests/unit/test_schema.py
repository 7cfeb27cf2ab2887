"""Every field of the OTLP trace messages has a place in the span table."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tracelab.schema import ANALYSIS_COLUMNS, COLUMNS, EVENT, HEAVY_COLUMNS, LINK, SCHEMA

_PLACES = {
    # containers, unrolled into one row per span
    "ExportTraceServiceRequest.resource_spans", "ResourceSpans.resource", "ResourceSpans.scope_spans",
    "ScopeSpans.scope", "ScopeSpans.spans", "Span.status",
    # attributes: keys, and values as text beside a type letter
    "KeyValue.key", "KeyValue.value", "KeyValueList.values", "ArrayValue.values",
    "AnyValue.string_value", "AnyValue.bool_value", "AnyValue.int_value", "AnyValue.double_value",
    "AnyValue.array_value", "AnyValue.kvlist_value", "AnyValue.bytes_value",
    # kept whole, as OTLP/JSON, in resource_entity_refs
    "EntityRef.schema_url", "EntityRef.type", "EntityRef.id_keys", "EntityRef.description_keys",
}  # fmt: skip
_NOT_TRACES = {"AnyValue.string_value_strindex", "KeyValue.key_strindex"}  # string tables of the profiles signal


def _fields(message: Descriptor, seen: set[str]) -> list[FieldDescriptor]:
    if message.full_name in seen:
        return []
    seen.add(message.full_name)
    below = [field.message_type for field in message.fields if field.message_type is not None]
    return [*message.fields, *(field for inner in below for field in _fields(inner, seen))]


def test_every_otlp_field_has_a_place() -> None:
    columns = {column.otlp for column in COLUMNS}
    nested = {"Event": {field.name for field in EVENT}, "Link": {field.name for field in LINK}}
    homeless = []
    for field in _fields(trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR, set()):
        message, name = field.containing_type.name, f"{field.containing_type.name}.{field.name}"
        inside = field.name.replace("time_unix_nano", "time_ns") in nested.get(message, set())
        if not inside and name not in columns | _PLACES | _NOT_TRACES:
            homeless.append(name)
    assert homeless == []


def test_columns_say_what_they_are() -> None:
    assert all(column.doc.endswith(".") for column in COLUMNS)
    assert len({column.name for column in COLUMNS}) == len(COLUMNS) == len(SCHEMA)
    assert all(bool(column.otlp) != bool(column.ladder) for column in COLUMNS)


@pytest.mark.parametrize("column", ["trace_id", "start_ns", "links", "kind", "error_type"])
def test_what_the_analysis_needs_is_not_heavy(column: str) -> None:
    assert column in ANALYSIS_COLUMNS
    assert column not in HEAVY_COLUMNS
