"""From spans, one at a time, to the span table: the one place where rows are made.

Codecs fill a `Span` and hand it to `SpanRows`; attributes that are columns of their own are repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tracelab.codecs.values import NO_ATTRIBUTES, Attributes
from tracelab.errors import RecordError
from tracelab.schema import COLUMNS, SCHEMA
from tracelab.semconv import exception_type, promote

MAX_TIME_NS = 2**63  # exclusive; in the year 2262


@dataclass(frozen=True, slots=True)
class Resource:
    """Who made the spans."""

    attributes: Attributes = NO_ATTRIBUTES
    dropped_attributes_count: int = 0
    entity_refs: str | None = None
    schema_url: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which instrumentation made them."""

    name: str | None = None
    version: str | None = None
    attributes: Attributes = NO_ATTRIBUTES
    dropped_attributes_count: int = 0
    schema_url: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a span."""

    time_ns: int
    name: str
    attributes: Attributes = NO_ATTRIBUTES
    dropped_attributes_count: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A reference to a span, of this trace or another."""

    trace_id: bytes
    span_id: bytes
    trace_state: str | None = None
    attributes: Attributes = NO_ATTRIBUTES
    dropped_attributes_count: int = 0
    flags: int = 0


@dataclass(slots=True)
class Span:
    """One span as a codec reads it; `parent_span_id` None is a root."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    name: str
    kind: int
    start_ns: int
    end_ns: int
    resource: Resource
    scope: Scope
    trace_state: str | None = None
    flags: int = 0
    status_code: int = 0
    status_message: str | None = None
    attributes: Attributes = NO_ATTRIBUTES
    dropped_attributes_count: int = 0
    events: Sequence[Event] = ()
    dropped_events_count: int = 0
    links: Sequence[Link] = ()
    dropped_links_count: int = 0


@dataclass
class SpanRows:
    """Grows a span table; `table()` gives it and starts afresh."""

    _columns: dict[str, list[Any]] = field(default_factory=lambda: {column.name: [] for column in COLUMNS})
    _promoted_resource: tuple[Resource, dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self._columns["trace_id"])

    def add(self, span: Span, where: str = "span") -> None:
        """Append one span. Times outside [0, 2**63) ns are a RecordError: no column can hold them."""
        for name, time_ns in (("start", span.start_ns), ("end", span.end_ns)):
            if not 0 <= time_ns < MAX_TIME_NS:
                raise RecordError(f"{where}.{name}", f"{time_ns} ns is out of range, expected 0 to {MAX_TIME_NS - 1}")
        row: dict[str, Any] = {
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "parent_span_id": span.parent_span_id,
            "trace_state": span.trace_state or None,
            "flags": span.flags,
            "name": span.name,
            "kind": span.kind,
            "start_ns": span.start_ns,
            "duration_ns": span.end_ns - span.start_ns,
            "status_code": span.status_code,
            "status_message": span.status_message or None,
            "attributes": span.attributes.pairs,
            "attribute_types": span.attributes.types,
            "dropped_attributes_count": span.dropped_attributes_count,
            "events": [_event_row(event) for event in span.events] or None,
            "dropped_events_count": span.dropped_events_count,
            "links": [_link_row(link) for link in span.links] or None,
            "dropped_links_count": span.dropped_links_count,
            **_scope_row(span.scope),
            **self._resource_row(span.resource),
            **promote("attributes", span.attributes.pairs),
        }
        if span.events:
            row["exception_type"] = exception_type([(event.name, event.attributes.pairs) for event in span.events])
        for name, values in self._columns.items():
            values.append(row.get(name))

    def _resource_row(self, resource: Resource) -> Mapping[str, Any]:
        """The resource's columns, made once for a run of spans that share it."""
        if self._promoted_resource is not None and self._promoted_resource[0] is resource:
            return self._promoted_resource[1]
        row: dict[str, Any] = {
            "resource": resource.attributes.pairs,
            "resource_types": resource.attributes.types,
            "resource_dropped_attributes_count": resource.dropped_attributes_count,
            "resource_entity_refs": resource.entity_refs,
            "resource_schema_url": resource.schema_url or None,
            **promote("resource", resource.attributes.pairs),
        }
        self._promoted_resource = (resource, row)
        return row

    def table(self) -> pa.Table:
        """The rows so far as a span table."""
        arrays = [pa.array(self._columns[field.name], type=field.type) for field in SCHEMA]
        self._columns = {column.name: [] for column in COLUMNS}
        self._promoted_resource = None
        return pa.Table.from_arrays(arrays, schema=SCHEMA)


def count_reversed(table: pa.Table) -> int:
    """Spans that end before they start: kept as they came, and for the reader of a file or a request to count."""
    return int(pc.sum(pc.less(table.column("duration_ns"), 0)).as_py() or 0)


def _scope_row(scope: Scope) -> dict[str, Any]:
    return {
        "scope_name": scope.name or None,
        "scope_version": scope.version or None,
        "scope_attributes": scope.attributes.pairs or None,
        "scope_attribute_types": scope.attributes.types or None,
        "scope_dropped_attributes_count": scope.dropped_attributes_count,
        "scope_schema_url": scope.schema_url or None,
    }


def _event_row(event: Event) -> dict[str, Any]:
    return {
        "time_ns": event.time_ns,
        "name": event.name,
        "attributes": event.attributes.pairs,
        "attribute_types": event.attributes.types,
        "dropped_attributes_count": event.dropped_attributes_count,
    }


def _link_row(link: Link) -> dict[str, Any]:
    return {
        "trace_id": link.trace_id,
        "span_id": link.span_id,
        "trace_state": link.trace_state or None,
        "attributes": link.attributes.pairs,
        "attribute_types": link.attributes.types,
        "dropped_attributes_count": link.dropped_attributes_count,
        "flags": link.flags,
    }
