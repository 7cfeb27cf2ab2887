"""OTLP protobuf: ExportTraceServiceRequest to spans, through the generated classes."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from tracelab.codecs.ids import SPAN_ID_BYTES, TRACE_ID_BYTES
from tracelab.codecs.rows import Event, Link, Resource, Scope, Span
from tracelab.codecs.sink import Sink
from tracelab.codecs.values import NO_ATTRIBUTES, Attributes, attributes, from_proto
from tracelab.errors import InputError, RecordError
from tracelab.schema import KINDS, STATUS_CODES


def parse(body: bytes) -> trace_service_pb2.ExportTraceServiceRequest:
    """The request behind `body`; InputError if it is not protobuf."""
    try:
        request: trace_service_pb2.ExportTraceServiceRequest = trace_service_pb2.ExportTraceServiceRequest.FromString(
            body
        )
    except DecodeError as error:
        raise InputError(f"not an OTLP ExportTraceServiceRequest: {error}") from None
    return request


def decode(body: bytes, sink: Sink) -> None:
    """Put every span of the request into `sink`."""
    for at, resource_spans in enumerate(parse(body).resource_spans):
        resource = sink.owner(resource_of(resource_spans.resource, resource_spans.schema_url))
        for scope_at, scope_spans in enumerate(resource_spans.scope_spans):
            scope = sink.owner(scope_of(scope_spans.scope, scope_spans.schema_url))
            where = f"resource_spans[{at}].scope_spans[{scope_at}].spans"
            for span_at, span in enumerate(scope_spans.spans):
                _add(span, resource, scope, f"{where}[{span_at}]", sink)


def _add(span: trace_pb2.Span, resource: Resource, scope: Scope, where: str, sink: Sink) -> None:
    try:
        sink.add(_span(span, resource, scope, where, sink), where)
    except RecordError as error:
        sink.wrong(error)


def _attributes(items: Iterable[common_pb2.KeyValue]) -> Attributes:
    return attributes((item.key, from_proto(item.value)) for item in items) if items else NO_ATTRIBUTES


def resource_of(resource: resource_pb2.Resource, schema_url: str) -> Resource:
    """A Resource as codecs hand it on."""
    refs = [MessageToDict(ref) for ref in resource.entity_refs]
    return Resource(
        _attributes(resource.attributes),
        resource.dropped_attributes_count,
        orjson.dumps(refs).decode() if refs else None,
        schema_url,
    )


def scope_of(scope: common_pb2.InstrumentationScope, schema_url: str) -> Scope:
    """An InstrumentationScope as codecs hand it on."""
    return Scope(scope.name, scope.version, _attributes(scope.attributes), scope.dropped_attributes_count, schema_url)


def _id(raw: bytes, size: int, where: str) -> bytes:
    if len(raw) != size:
        raise RecordError(where, f"an id of {len(raw)} bytes, expected {size}")
    if not any(raw):
        raise RecordError(where, "an id must not be all zero")
    return raw


def _span(span: trace_pb2.Span, resource: Resource, scope: Scope, where: str, sink: Sink) -> Span:
    parent = span.parent_span_id
    if not 0 <= span.kind < len(KINDS):
        raise RecordError(f"{where}.kind", f"{span.kind} is no span kind, expected 0 to {len(KINDS) - 1}")
    if not 0 <= span.status.code < len(STATUS_CODES):
        raise RecordError(f"{where}.status.code", f"{span.status.code} is no status code, expected 0 to 2")
    return Span(
        trace_id=_id(span.trace_id, TRACE_ID_BYTES, f"{where}.trace_id"),
        span_id=_id(span.span_id, SPAN_ID_BYTES, f"{where}.span_id"),
        parent_span_id=_id(parent, SPAN_ID_BYTES, f"{where}.parent_span_id") if any(parent) else None,
        name=span.name,
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        resource=resource,
        scope=scope,
        trace_state=span.trace_state,
        flags=span.flags,
        status_code=span.status.code,
        status_message=span.status.message,
        attributes=_attributes(span.attributes),
        dropped_attributes_count=span.dropped_attributes_count,
        events=[_event(event, f"{where}.events[{at}]") for at, event in enumerate(span.events)],
        dropped_events_count=span.dropped_events_count,
        links=sink.good_links(span.links, _link, where),
        dropped_links_count=span.dropped_links_count,
    )


def _event(event: trace_pb2.Span.Event, where: str) -> Event:
    if event.time_unix_nano >= 2**63:
        raise RecordError(f"{where}.time_unix_nano", f"{event.time_unix_nano} ns is out of range")
    return Event(event.time_unix_nano, event.name, _attributes(event.attributes), event.dropped_attributes_count)


def _link(link: trace_pb2.Span.Link, where: str) -> Link:
    return Link(
        _id(link.trace_id, TRACE_ID_BYTES, f"{where}.trace_id"),
        _id(link.span_id, SPAN_ID_BYTES, f"{where}.span_id"),
        link.trace_state,
        _attributes(link.attributes),
        link.dropped_attributes_count,
        link.flags,
    )
