"""Jaeger's JSON (its query API, and what its UI downloads), there and back.

The mapping is OpenTelemetry's own (specification, "Jaeger exporter"): `span.kind`, `error`, `otel.status_description`,
`otel.scope.name`, `w3c.tracestate` are tags; events are logs; links are references. Times are in microseconds.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any

from tracelab.codecs.ids import SPAN_ID_BYTES, TRACE_ID_BYTES, any_id
from tracelab.codecs.nodes import as_object, list_in, object_in, text_in
from tracelab.codecs.rows import Event, Link, Resource, Scope, Span
from tracelab.codecs.sink import Sink
from tracelab.codecs.values import Attributes, attributes, read_int, short
from tracelab.errors import RecordError
from tracelab.schema import KINDS, STATUS_ERROR, STATUS_OK, STATUS_UNSET, UNSPECIFIED

REF_TYPE = "opentracing.ref_type"
# Tags that are fields of the span in OpenTelemetry's model.
_FIELD_TAGS = frozenset(
    {"span.kind", "otel.status_code", "otel.status_description", "otel.scope.name", "otel.scope.version",
     "otel.library.name", "otel.library.version", "w3c.tracestate", "otel.dropped_attributes_count",
     "otel.dropped_events_count", "otel.dropped_links_count"}
)  # fmt: skip


def is_trace(node: Any) -> bool:
    """Whether this looks like one Jaeger trace."""
    return isinstance(node, dict) and "spans" in node and ("processes" in node or "traceID" in node)


def decode(document: Any, sink: Sink) -> None:
    """Put every span of a Jaeger document into `sink`: `{"data": [trace, …]}`, a list of traces, or a bare trace."""
    for where, trace in _traces(document, sink):
        processes = {
            key: _process(node, f"{where}.processes.{key}")
            for key, node in object_in(trace, "processes", where).items()
        }
        for at, node in enumerate(list_in(trace, "spans", where)):
            span_where = f"{where}.spans[{at}]"
            try:
                sink.add(_span(node, processes, span_where, sink), span_where)
            except RecordError as error:
                sink.wrong(error)


def _traces(document: Any, sink: Sink) -> Iterator[tuple[str, dict[str, Any]]]:
    if is_trace(document):
        sink.diagnostics.add("bare_traces")
        yield "trace", document
        return
    wrapped = isinstance(document, dict)
    traces = document.get("data") if wrapped else document
    if not isinstance(traces, list):
        raise RecordError("data", f"expected a list of traces, not {short(traces)}")
    for at, trace in enumerate(traces):
        where = f"data[{at}]" if wrapped else f"[{at}]"
        if not is_trace(trace):
            sink.wrong(RecordError(where, "expected a trace with 'spans' and 'processes'"))
            continue
        yield where, trace


def _tag_value(tag: dict[str, Any], where: str) -> Any:
    value, type_ = tag.get("value"), str(tag.get("type") or "").lower()
    if type_ == "bool":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if type_ == "int64":
        return read_int(value, where, -(2**63), 2**63)
    if type_ == "float64":
        try:
            return float(value)  # type: ignore[arg-type]  # None is a TypeError below
        except (TypeError, ValueError):
            raise RecordError(where, f"expected a number, not {short(value)}") from None
    if type_ == "binary":
        try:
            return base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise RecordError(where, f"expected base64, not {short(value)}") from None
    return value if isinstance(value, bool | int | float | str) and not type_ else str("" if value is None else value)


def _tags(node: dict[str, Any], key: str, where: str) -> list[tuple[str, Any]]:
    where = f"{where}.{key}"
    pairs = []
    for at, tag in enumerate(list_in(node, key, where)):
        if not isinstance(tag, dict) or not isinstance(tag.get("key"), str):
            raise RecordError(f"{where}[{at}]", "expected an object with 'key', 'type' and 'value'")
        pairs.append((tag["key"], _tag_value(tag, f"{where}[{at}].value")))
    return pairs


def _process(node: Any, where: str) -> Resource:
    node = as_object(node, where)
    tags = [("host.name" if key == "hostname" else key, value) for key, value in _tags(node, "tags", where)]
    if any(key == "service.name" for key, _ in tags) or not node.get("serviceName"):
        return Resource(attributes(tags))
    return Resource(attributes([("service.name", str(node["serviceName"])), *tags]))


def _kind(tags: dict[str, Any]) -> int:
    name = str(tags.get("span.kind", "")).upper()
    return KINDS.index(name) if name in KINDS else UNSPECIFIED


def _status(tags: dict[str, Any]) -> int:
    said = str(tags.get("otel.status_code", "")).upper()
    if said == "ERROR" or str(tags.get("error", "")).lower() == "true":
        return STATUS_ERROR
    return STATUS_OK if said == "OK" else STATUS_UNSET


def _span(node: Any, processes: dict[str, Resource], where: str, sink: Sink) -> Span:
    node = as_object(node, where)
    tags = _tags(node, "tags", where)
    by_key = dict(tags)
    trace_id = any_id(node.get("traceID"), TRACE_ID_BYTES, f"{where}.traceID", sink.diagnostics)
    parent, links = _references(node, trace_id, where, sink)
    process = node.get("process")
    resource = (
        _process(process, f"{where}.process") if process else processes.get(str(node.get("processID")), Resource())
    )
    start_ns = 1000 * read_int(node.get("startTime", 0), f"{where}.startTime", 0, 2**63 // 1000)
    duration_ns = 1000 * read_int(node.get("duration", 0), f"{where}.duration", -(2**62) // 1000, 2**62 // 1000)
    return Span(
        trace_id=trace_id,
        span_id=any_id(node.get("spanID"), SPAN_ID_BYTES, f"{where}.spanID", sink.diagnostics),
        parent_span_id=parent,
        name=str(node.get("operationName") or ""),
        kind=_kind(by_key),
        start_ns=start_ns,
        end_ns=start_ns + duration_ns,
        resource=resource,
        scope=Scope(
            _text(by_key, "otel.scope.name", "otel.library.name"),
            _text(by_key, "otel.scope.version", "otel.library.version"),
        ),
        trace_state=_text(by_key, "w3c.tracestate"),
        flags=read_int(node.get("flags") or 0, f"{where}.flags", 0, 2**32),
        status_code=_status(by_key),
        status_message=_text(by_key, "otel.status_description"),
        attributes=attributes((key, value) for key, value in tags if not _is_field(key, value)),
        dropped_attributes_count=_dropped(by_key, "attributes", where),
        events=[_event(log, f"{where}.logs[{at}]") for at, log in enumerate(list_in(node, "logs", where))],
        dropped_events_count=_dropped(by_key, "events", where),
        links=links,
        dropped_links_count=_dropped(by_key, "links", where),
    )


def _dropped(by_key: dict[str, Any], what: str, where: str) -> int:
    key = f"otel.dropped_{what}_count"
    return read_int(by_key.get(key, 0), f"{where}.tags.{key}", 0, 2**32)


def _text(by_key: dict[str, Any], *keys: str) -> str | None:
    """The first of these tags that is there, as text."""
    found = next((by_key[key] for key in keys if key in by_key), None)
    return None if found is None else str(found)


def _is_field(key: str, value: Any) -> bool:
    return key in _FIELD_TAGS or (key == "error" and str(value).lower() in ("true", "false"))


def _references(node: dict[str, Any], trace_id: bytes, where: str, sink: Sink) -> tuple[bytes | None, list[Link]]:
    """The parent: the first CHILD_OF in this trace, else the first FOLLOWS_FROM in it; all others are links."""
    found: list[tuple[str, bytes, bytes]] = []
    for at, item in enumerate(list_in(node, "references", where)):
        ref_where = f"{where}.references[{at}]"
        ref = as_object(item, ref_where)
        if ref.get("span"):
            sink.diagnostics.add("nested_references")
        found.append(
            (
                str(ref.get("refType") or "CHILD_OF").lower(),
                any_id(ref.get("traceID"), TRACE_ID_BYTES, f"{ref_where}.traceID", sink.diagnostics),
                any_id(ref.get("spanID"), SPAN_ID_BYTES, f"{ref_where}.spanID", sink.diagnostics),
            )
        )
    here = [at for at, (_, ref_trace, _) in enumerate(found) if ref_trace == trace_id]
    parent_at = next((at for at in here if found[at][0] == "child_of"), here[0] if here else None)
    links = [
        Link(ref_trace, span_id, attributes=attributes([(REF_TYPE, type_)]))
        for at, (type_, ref_trace, span_id) in enumerate(found)
        if at != parent_at
    ]
    if parent_at is not None:
        return found[parent_at][2], links
    old_style = text_in(node, "parentSpanID", where)
    if old_style.strip("0") == "":
        return None, links
    return any_id(old_style, SPAN_ID_BYTES, f"{where}.parentSpanID", sink.diagnostics), links


def _event(log: Any, where: str) -> Event:
    log = as_object(log, where)
    fields = _tags(log, "fields", where)
    time_ns = 1000 * read_int(log.get("timestamp", 0), f"{where}.timestamp", 0, 2**63 // 1000)
    name = next((str(value) for key, value in fields if key == "event"), "")
    dropped = _dropped(dict(fields), "attributes", where)
    rest = _without_first(fields, "event")
    return Event(time_ns, name, _drop_field(rest), dropped)


def _without_first(pairs: list[tuple[str, Any]], key: str) -> list[tuple[str, Any]]:
    at = next((at for at, (name, _) in enumerate(pairs) if name == key), None)
    return pairs if at is None else pairs[:at] + pairs[at + 1 :]


def _drop_field(pairs: Iterable[tuple[str, Any]]) -> Attributes:
    return attributes((key, value) for key, value in pairs if key != "otel.dropped_attributes_count")
