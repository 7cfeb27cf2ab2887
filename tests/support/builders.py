"""Spans in one line, for tests."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tracelab.codecs.rows import Event, Link, Resource, Scope, Span, SpanRows
from tracelab.codecs.values import attributes
from tracelab.schema import KINDS, STATUS_CODES

TRACE = f"{1:032x}"


def span(
    span_id: int | str,
    parent: int | str | None = None,
    start: int = 0,
    end: int = 0,
    service: str | None = "web",
    name: str = "",
    kind: str = "INTERNAL",
    **more: Any,
) -> dict[str, Any]:
    """A span as the golden files write it; ids may be small numbers."""

    def hexed(value: int | str) -> str:
        return value if isinstance(value, str) else f"{value:016x}"

    return {
        "trace_id": TRACE,
        "span_id": hexed(span_id),
        "parent_span_id": None if parent is None else hexed(parent),
        "service_name": service,
        "name": name or f"span-{span_id}",
        "kind": kind,
        "start_ns": start,
        "end_ns": end,
        **more,
    }


def span_table(spans: list[dict[str, Any]]) -> pa.Table:
    """Spans in the golden files' form as a span table."""
    rows = SpanRows()
    for node in spans:
        rows.add(_span(node))
    return rows.table()


def _span(node: dict[str, Any]) -> Span:
    service = node.get("service_name")
    resource = {**({"service.name": service} if service else {}), **node.get("resource", {})}
    parent = node.get("parent_span_id")
    return Span(
        trace_id=bytes.fromhex(node["trace_id"]),
        span_id=bytes.fromhex(node["span_id"]),
        parent_span_id=bytes.fromhex(parent) if parent else None,
        name=node["name"],
        kind=KINDS.index(node.get("kind") or "UNSPECIFIED"),
        start_ns=node["start_ns"],
        end_ns=node["end_ns"],
        resource=Resource(attributes(resource.items())),
        scope=Scope(),
        trace_state=node.get("trace_state"),
        status_code=STATUS_CODES.index(node.get("status_code") or "UNSET"),
        attributes=attributes(node.get("attributes", {}).items()),
        events=[
            Event(
                event.get("time_ns", node["start_ns"]), event["name"], attributes(event.get("attributes", {}).items())
            )
            for event in node.get("events", ())
        ],
        links=[Link(bytes.fromhex(link["trace_id"]), bytes.fromhex(link["span_id"])) for link in node.get("links", ())],
    )
