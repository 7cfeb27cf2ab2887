"""Span table to OTLP/JSON (NDJSON, a request a line) and Jaeger JSON.

OTLP gives back what came in: importing an export makes the same table. Jaeger has microseconds, no link attributes
and no scope attributes; the rest comes back.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from tracelab.codecs.jaeger import REF_TYPE
from tracelab.codecs.values import double_text, plain_items, to_otlp_json
from tracelab.schema import KINDS, STATUS_ERROR, STATUS_OK, WIRE_COLUMNS

SPANS_PER_REQUEST = 1000

_RESOURCE = (
    "resource", "resource_types", "resource_dropped_attributes_count", "resource_entity_refs", "resource_schema_url",
)  # fmt: skip
_SCOPE = (
    "scope_name", "scope_version", "scope_attributes", "scope_attribute_types", "scope_dropped_attributes_count",
    "scope_schema_url",
)  # fmt: skip
Row = dict[str, Any]


def exported(table: pa.Table, format_: str) -> Iterator[bytes]:
    """Spans as a file in `format_`: otlp-json (a request a line) or jaeger (one document)."""
    if format_ == "jaeger":
        yield orjson.dumps(jaeger_document(table)) + b"\n"
    else:
        yield from otlp_json_lines(table)


def otlp_json_lines(table: pa.Table) -> Iterator[bytes]:
    """One OTLP/JSON request a line, with its newline."""
    for request in _requests(table):
        yield orjson.dumps(request) + b"\n"


def _requests(table: pa.Table) -> Iterator[dict[str, Any]]:
    table = table.select(WIRE_COLUMNS)
    for offset in range(0, table.num_rows, SPANS_PER_REQUEST):
        yield _request(table.slice(offset, SPANS_PER_REQUEST).to_pylist(maps_as_pydicts=None))


def _request(rows: list[Row]) -> dict[str, Any]:
    resources: dict[str, dict[str, Any]] = {}
    scopes: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        resource_key = repr([row[name] for name in _RESOURCE])
        scope_key = (resource_key, repr([row[name] for name in _SCOPE]))
        if resource_key not in resources:
            resources[resource_key] = _resource(row)
        if scope_key not in scopes:
            scopes[scope_key] = _scope(row)
            resources[resource_key]["scopeSpans"].append(scopes[scope_key])
        scopes[scope_key]["spans"].append(_span(row))
    return {"resourceSpans": list(resources.values())}


def _some(**fields: Any) -> dict[str, Any]:
    """Only the fields that differ from protobuf's defaults."""
    return {key: value for key, value in fields.items() if value not in (None, 0, "", [], {})}


def _key_values(pairs: Any, types: str | None) -> list[dict[str, Any]]:
    return [{"key": key, "value": to_otlp_json(value)} for key, value in plain_items(pairs or (), types or "")]


def _resource(row: Row) -> dict[str, Any]:
    refs = row["resource_entity_refs"]
    resource = _some(
        attributes=_key_values(row["resource"], row["resource_types"]),
        droppedAttributesCount=row["resource_dropped_attributes_count"],
        entityRefs=orjson.loads(refs) if refs else None,
    )
    return {"resource": resource, "scopeSpans": [], **_some(schemaUrl=row["resource_schema_url"])}


def _scope(row: Row) -> dict[str, Any]:
    scope = _some(
        name=row["scope_name"],
        version=row["scope_version"],
        attributes=_key_values(row["scope_attributes"], row["scope_attribute_types"]),
        droppedAttributesCount=row["scope_dropped_attributes_count"],
    )
    return {"scope": scope, "spans": [], **_some(schemaUrl=row["scope_schema_url"])}


def _span(row: Row) -> dict[str, Any]:
    parent = row["parent_span_id"]
    return {
        "traceId": row["trace_id"].hex(),
        "spanId": row["span_id"].hex(),
        "name": row["name"],
        "kind": row["kind"],
        "startTimeUnixNano": str(row["start_ns"]),
        "endTimeUnixNano": str(row["start_ns"] + row["duration_ns"]),
        **_some(
            parentSpanId=parent.hex() if parent is not None else None,
            traceState=row["trace_state"],
            flags=row["flags"],
            attributes=_key_values(row["attributes"], row["attribute_types"]),
            droppedAttributesCount=row["dropped_attributes_count"],
            events=[_event(event) for event in row["events"] or ()],
            droppedEventsCount=row["dropped_events_count"],
            links=[_link(link) for link in row["links"] or ()],
            droppedLinksCount=row["dropped_links_count"],
            status=_some(code=row["status_code"], message=row["status_message"]),
        ),
    }


def _event(event: Row) -> dict[str, Any]:
    return {
        "timeUnixNano": str(event["time_ns"]),
        "name": event["name"],
        **_some(
            attributes=_key_values(event["attributes"], event["attribute_types"]),
            droppedAttributesCount=event["dropped_attributes_count"],
        ),
    }


def _link(link: Row) -> dict[str, Any]:
    return {
        "traceId": link["trace_id"].hex(),
        "spanId": link["span_id"].hex(),
        **_some(
            traceState=link["trace_state"],
            attributes=_key_values(link["attributes"], link["attribute_types"]),
            droppedAttributesCount=link["dropped_attributes_count"],
            flags=link["flags"],
        ),
    }


def jaeger_document(table: pa.Table) -> dict[str, Any]:
    """`{"data": [trace, …]}` as Jaeger's query API and UI read it."""
    traces: dict[bytes, dict[str, Any]] = {}
    processes: dict[tuple[bytes, str], str] = {}
    for row in table.select(WIRE_COLUMNS).to_pylist(maps_as_pydicts=None):
        trace = traces.setdefault(row["trace_id"], {"traceID": row["trace_id"].hex(), "spans": [], "processes": {}})
        key = (row["trace_id"], repr((row["resource"], row["resource_types"])))
        if key not in processes:
            processes[key] = f"p{len(trace['processes']) + 1}"
            trace["processes"][processes[key]] = _jaeger_process(row)
        trace["spans"].append(_jaeger_span(row, processes[key]))
    return {"data": list(traces.values())}


def _tag(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": key, "type": "bool", "value": value}
    if isinstance(value, int):
        # beyond 2**53 a JavaScript reader would round a number; Jaeger writes such values as text
        return {"key": key, "type": "int64", "value": value if abs(value) < 2**53 else str(value)}
    if isinstance(value, float):
        return {"key": key, "type": "float64", "value": value if math.isfinite(value) else double_text(value)}
    if isinstance(value, bytes):
        return {"key": key, "type": "binary", "value": base64.b64encode(value).decode()}
    return {"key": key, "type": "string", "value": value}


def _tags(pairs: Any, types: str | None) -> list[dict[str, Any]]:
    return [
        _tag(key, value if letter in "sbidy" else text)
        for (key, text), letter, (_, value) in zip(
            pairs or (), types or "", plain_items(pairs or (), types or ""), strict=True
        )
    ]


def _jaeger_process(row: Row) -> dict[str, Any]:
    name = next((text for key, text in row["resource"] if key == "service.name"), "")
    rest = [at for at, (key, _) in enumerate(row["resource"]) if key != "service.name"]
    pairs = [row["resource"][at] for at in rest]
    return {"serviceName": name, "tags": _tags(pairs, "".join(row["resource_types"][at] for at in rest))}


def _jaeger_span(row: Row, process: str) -> dict[str, Any]:
    trace_id, parent = row["trace_id"].hex(), row["parent_span_id"]
    references = [{"refType": "CHILD_OF", "traceID": trace_id, "spanID": parent.hex()}] if parent is not None else []
    for link in row["links"] or ():
        ref_type = dict(link["attributes"]).get(REF_TYPE, "follows_from").upper()
        references.append({"refType": ref_type, "traceID": link["trace_id"].hex(), "spanID": link["span_id"].hex()})
    return {
        "traceID": trace_id,
        "spanID": row["span_id"].hex(),
        "flags": row["flags"],
        "operationName": row["name"],
        "references": references,
        "startTime": row["start_ns"] // 1000,
        "duration": row["duration_ns"] // 1000,
        "tags": _tags(row["attributes"], row["attribute_types"]) + _field_tags(row),
        "logs": [_log(event) for event in row["events"] or ()],
        "processID": process,
        "warnings": None,
    }


def _field_tags(row: Row) -> list[dict[str, Any]]:
    fields = _some(
        **{
            "span.kind": KINDS[row["kind"]].lower() if row["kind"] else None,
            "otel.status_code": {STATUS_OK: "OK", STATUS_ERROR: "ERROR"}.get(row["status_code"]),
            "error": True if row["status_code"] == STATUS_ERROR else None,
            "otel.status_description": row["status_message"],
            "otel.scope.name": row["scope_name"],
            "otel.scope.version": row["scope_version"],
            "w3c.tracestate": row["trace_state"],
            "otel.dropped_attributes_count": row["dropped_attributes_count"],
            "otel.dropped_events_count": row["dropped_events_count"],
            "otel.dropped_links_count": row["dropped_links_count"],
        }
    )
    return [_tag(key, value) for key, value in fields.items()]


def _log(event: Row) -> dict[str, Any]:
    fields = [_tag("event", event["name"])] if event["name"] else []
    fields += _tags(event["attributes"], event["attribute_types"])
    if event["dropped_attributes_count"]:
        fields.append(_tag("otel.dropped_attributes_count", event["dropped_attributes_count"]))
    return {"timestamp": event["time_ns"] // 1000, "fields": fields}
