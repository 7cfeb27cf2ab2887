"""OTLP/JSON, and the dialects of it that real systems write.

Read besides the specification's form: ids in base64, kinds and status codes by name, Tempo's `batches` and its
`{"trace": …}` wrapper, the old `instrumentationLibrarySpans`. Each leniency is a diagnostic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tracelab.codecs.ids import SPAN_ID_BYTES, TRACE_ID_BYTES, lenient_id, parent_id, strict_id
from tracelab.codecs.nodes import as_object, list_in, text_in
from tracelab.codecs.rows import Event, Link, Resource, Scope, Span
from tracelab.codecs.sink import Sink
from tracelab.codecs.values import NO_ATTRIBUTES, Attributes, attributes, read_int, read_key_values, short
from tracelab.errors import RecordError
from tracelab.schema import KINDS, STATUS_CODES

ReadId = Callable[[Any, int, str], bytes]


def decode(document: Any, sink: Sink, strict_ids: bool = False) -> None:
    """Put every span of an OTLP/JSON document into `sink`. `strict_ids` is what the OTLP specification asks for."""
    reader = _Reader(sink, strict_ids)
    for where, resource_spans in reader.resource_spans(document):
        reader.read_resource_spans(resource_spans, where)


def _count(node: dict[str, Any], key: str, where: str) -> int:
    value = node.get(key)
    return 0 if value is None else read_int(value, f"{where}.{key}", 0, 2**32)


def _time(node: dict[str, Any], key: str, where: str) -> int:
    value = node.get(key)
    return 0 if value is None else read_int(value, f"{where}.{key}", 0, 2**63)


def _attributes(node: dict[str, Any], where: str) -> Attributes:
    items = node.get("attributes")
    return attributes(read_key_values(items, f"{where}.attributes")) if items else NO_ATTRIBUTES


class _Reader:
    """Reads one document; carries the sink and the rule for ids."""

    def __init__(self, sink: Sink, strict_ids: bool) -> None:
        self.sink = sink
        self.read_id: ReadId = strict_id if strict_ids else self._lenient_id

    def _lenient_id(self, text: Any, size: int, where: str) -> bytes:
        return lenient_id(text, size, where, self.sink.diagnostics)

    def resource_spans(self, document: Any) -> list[tuple[str, Any]]:
        node = as_object(document, "document")
        if "trace" in node and "resourceSpans" not in node:
            node = as_object(node["trace"], "trace")
        key = "resourceSpans"
        if key not in node and "batches" in node:
            key = "batches"
            self.sink.diagnostics.add("tempo_batches")
        return [(f"{key}[{at}]", item) for at, item in enumerate(list_in(node, key, "document"))]

    def read_resource_spans(self, node: Any, where: str) -> None:
        node = as_object(node, where)
        resource_node = as_object(node.get("resource"), f"{where}.resource")
        refs = resource_node.get("entityRefs")
        read = Resource(
            _attributes(resource_node, f"{where}.resource"),
            _count(resource_node, "droppedAttributesCount", f"{where}.resource"),
            orjson.dumps(refs).decode() if refs else None,
            text_in(node, "schemaUrl", where),
        )
        resource = self.sink.owner(read)
        key = "scopeSpans"
        if key not in node and "instrumentationLibrarySpans" in node:
            key = "instrumentationLibrarySpans"
            self.sink.diagnostics.add("library_spans")
        for at, item in enumerate(list_in(node, key, where)):
            self.read_scope_spans(as_object(item, f"{where}.{key}[{at}]"), resource, f"{where}.{key}[{at}]")

    def read_scope_spans(self, node: dict[str, Any], resource: Resource, where: str) -> None:
        scope_node = as_object(node.get("scope") or node.get("instrumentationLibrary"), f"{where}.scope")
        read = Scope(
            text_in(scope_node, "name", f"{where}.scope"),
            text_in(scope_node, "version", f"{where}.scope"),
            _attributes(scope_node, f"{where}.scope"),
            _count(scope_node, "droppedAttributesCount", f"{where}.scope"),
            text_in(node, "schemaUrl", where),
        )
        scope = self.sink.owner(read)
        for at, item in enumerate(list_in(node, "spans", where)):
            span_where = f"{where}.spans[{at}]"
            try:
                self.sink.add(self.span(as_object(item, span_where), resource, scope, span_where), span_where)
            except RecordError as error:
                self.sink.wrong(error)

    def enum(self, value: Any, names: tuple[str, ...], prefix: str, where: str) -> int:
        if value is None:
            return 0
        if isinstance(value, str) and not value.isdigit():
            name = value.removeprefix(prefix)
            if name not in names:
                raise RecordError(where, f"{short(value)} is unknown, expected 0 to {len(names) - 1} for {names}")
            self.sink.diagnostics.add("named_kinds")
            return names.index(name)
        return read_int(value, where, 0, len(names))

    def span(self, node: dict[str, Any], resource: Resource, scope: Scope, where: str) -> Span:
        status = as_object(node.get("status"), f"{where}.status")

        def read_span_id(text: Any, at: str) -> bytes:
            return self.read_id(text, SPAN_ID_BYTES, at)

        return Span(
            trace_id=self.read_id(node.get("traceId"), TRACE_ID_BYTES, f"{where}.traceId"),
            span_id=read_span_id(node.get("spanId"), f"{where}.spanId"),
            parent_span_id=parent_id(node.get("parentSpanId"), read_span_id, f"{where}.parentSpanId"),
            name=text_in(node, "name", where),
            kind=self.enum(node.get("kind"), KINDS, "SPAN_KIND_", f"{where}.kind"),
            start_ns=_time(node, "startTimeUnixNano", where),
            end_ns=_time(node, "endTimeUnixNano", where),
            resource=resource,
            scope=scope,
            trace_state=text_in(node, "traceState", where),
            flags=_count(node, "flags", where),
            status_code=self.enum(status.get("code"), STATUS_CODES, "STATUS_CODE_", f"{where}.status.code"),
            status_message=text_in(status, "message", f"{where}.status"),
            attributes=_attributes(node, where),
            dropped_attributes_count=_count(node, "droppedAttributesCount", where),
            events=[self.event(e, f"{where}.events[{at}]") for at, e in enumerate(list_in(node, "events", where))],
            dropped_events_count=_count(node, "droppedEventsCount", where),
            links=self.sink.good_links(list_in(node, "links", where), self.link, where),
            dropped_links_count=_count(node, "droppedLinksCount", where),
        )

    def event(self, node: Any, where: str) -> Event:
        node = as_object(node, where)
        return Event(
            _time(node, "timeUnixNano", where),
            text_in(node, "name", where),
            _attributes(node, where),
            _count(node, "droppedAttributesCount", where),
        )

    def link(self, node: Any, where: str) -> Link:
        node = as_object(node, where)
        return Link(
            self.read_id(node.get("traceId"), TRACE_ID_BYTES, f"{where}.traceId"),
            self.read_id(node.get("spanId"), SPAN_ID_BYTES, f"{where}.spanId"),
            text_in(node, "traceState", where),
            _attributes(node, where),
            _count(node, "droppedAttributesCount", where),
            _count(node, "flags", where),
        )
