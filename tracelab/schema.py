"""The span table, declared once as data: what every source becomes and every analysis reads.

A column's `otlp` names the field of the OTLP trace messages that it holds (docs/reference/span-table.md lists them);
a column with `ladder` repeats an attribute as a column of its own, because the analysis asks for it. Export reads the
former alone, so nothing that came in is changed by the latter.

Attribute values are text. The letter at the same place in the `..._types` column tells what the value was:

====== ==================== ==============================================
letter AnyValue             text
====== ==================== ==============================================
s      string_value         itself
b      bool_value           ``true`` or ``false``
i      int_value            decimal
d      double_value         shortest text that gives the same double back
y      bytes_value          base64
a, k   array, kvlist        plain JSON, where that says everything
j      array, kvlist        OTLP/JSON, where plain JSON would not (bytes, NaN, a key twice …)
n      no value             empty
====== ==================== ==============================================
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TRACE_ID = pa.binary(16)
SPAN_ID = pa.binary(8)
ATTRIBUTES = pa.map_(pa.string(), pa.string())
EVENT = pa.struct(
    [
        pa.field("time_ns", pa.int64()),
        pa.field("name", pa.string()),
        pa.field("attributes", ATTRIBUTES),
        pa.field("attribute_types", pa.string()),
        pa.field("dropped_attributes_count", pa.uint32()),
    ]
)
LINK = pa.struct(
    [
        pa.field("trace_id", TRACE_ID),
        pa.field("span_id", SPAN_ID),
        pa.field("trace_state", pa.string()),
        pa.field("attributes", ATTRIBUTES),
        pa.field("attribute_types", pa.string()),
        pa.field("dropped_attributes_count", pa.uint32()),
        pa.field("flags", pa.uint32()),
    ]
)

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
UNSPECIFIED, INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(6)
STATUS_CODES = ("UNSET", "OK", "ERROR")
STATUS_UNSET, STATUS_OK, STATUS_ERROR = range(3)


@dataclass(frozen=True)
class Column:
    """One column: `otlp` is the message field it holds, `ladder` the attribute names it repeats, newest first."""

    name: str
    type: pa.DataType
    doc: str
    unit: str = ""
    otlp: str = ""
    ladder: tuple[str, ...] = ()
    source: str = "attributes"
    nullable: bool = True


def _wire(name: str, type_: pa.DataType, otlp: str, doc: str, unit: str = "", nullable: bool = False) -> Column:
    return Column(name, type_, doc, unit, otlp=otlp, nullable=nullable)


def _attr(name: str, doc: str, *ladder: str, type_: pa.DataType | None = None) -> Column:
    return Column(name, type_ or pa.string(), doc, ladder=ladder)


def _res(name: str, doc: str, *ladder: str) -> Column:
    return Column(name, pa.string(), doc, ladder=ladder, source="resource")


COLUMNS: tuple[Column, ...] = (
    _wire("trace_id", TRACE_ID, "Span.trace_id", "Id of the trace; hex only when printed.", "16 bytes"),
    _wire("span_id", SPAN_ID, "Span.span_id", "Id of the span, unique in its trace.", "8 bytes"),
    _wire("parent_span_id", SPAN_ID, "Span.parent_span_id", "Id of the parent; null for a root.", "8 bytes", nullable=True),
    _wire("trace_state", pa.string(), "Span.trace_state", "W3C tracestate as it came.", nullable=True),
    _wire("flags", pa.uint32(), "Span.flags", "W3C trace flags and OTLP's is-remote bits."),
    _wire("name", pa.string(), "Span.name", "Operation name."),
    _wire("kind", pa.int8(), "Span.kind", "0 unspecified, 1 INTERNAL, 2 SERVER, 3 CLIENT, 4 PRODUCER, 5 CONSUMER."),
    _wire("start_ns", pa.int64(), "Span.start_time_unix_nano", "Start.", "ns since the epoch"),
    _wire("duration_ns", pa.int64(), "Span.end_time_unix_nano", "End less start, as reported; negative if it ended before it began.", "ns"),
    _wire("status_code", pa.int8(), "Status.code", "0 unset, 1 OK, 2 ERROR."),
    _wire("status_message", pa.string(), "Status.message", "What the status says.", nullable=True),
    _wire("attributes", ATTRIBUTES, "Span.attributes", "Span attributes as text."),
    _wire("attribute_types", pa.string(), "KeyValue.value", "A type letter per attribute, in the same order."),
    _wire("dropped_attributes_count", pa.uint32(), "Span.dropped_attributes_count", "Attributes that the SDK dropped."),
    _wire("events", pa.list_(EVENT), "Span.events", "Events with time, name and attributes.", nullable=True),
    _wire("dropped_events_count", pa.uint32(), "Span.dropped_events_count", "Events that the SDK dropped."),
    _wire("links", pa.list_(LINK), "Span.links", "Links to spans of this or other traces.", nullable=True),
    _wire("dropped_links_count", pa.uint32(), "Span.dropped_links_count", "Links that the SDK dropped."),
    _wire("resource", ATTRIBUTES, "Resource.attributes", "Resource attributes as text."),
    _wire("resource_types", pa.string(), "KeyValue.value", "A type letter per resource attribute."),
    _wire("resource_dropped_attributes_count", pa.uint32(), "Resource.dropped_attributes_count", "Resource attributes dropped."),
    _wire("resource_entity_refs", pa.string(), "Resource.entity_refs", "Entity references as OTLP/JSON.", nullable=True),
    _wire("resource_schema_url", pa.string(), "ResourceSpans.schema_url", "Schema URL of the resource.", nullable=True),
    _wire("scope_name", pa.string(), "InstrumentationScope.name", "Instrumentation scope.", nullable=True),
    _wire("scope_version", pa.string(), "InstrumentationScope.version", "Its version.", nullable=True),
    _wire("scope_attributes", ATTRIBUTES, "InstrumentationScope.attributes", "Scope attributes as text.", nullable=True),
    _wire("scope_attribute_types", pa.string(), "KeyValue.value", "A type letter per scope attribute.", nullable=True),
    _wire("scope_dropped_attributes_count", pa.uint32(), "InstrumentationScope.dropped_attributes_count", "Scope attributes dropped."),
    _wire("scope_schema_url", pa.string(), "ScopeSpans.schema_url", "Schema URL of the scope.", nullable=True),
    _res("service_name", "Service; null where the resource does not say.", "service.name"),
    _res("service_namespace", "Namespace of the service.", "service.namespace"),
    _res("service_version", "Version of the service.", "service.version"),
    _res("service_instance_id", "Instance of the service.", "service.instance.id"),
    _res("host_id", "Host, the first word on whose clock a span has.", "host.id"),
    _res("host_name", "Host name.", "host.name"),
    _res("container_id", "Container.", "container.id"),
    _res("deployment_environment", "Deployment environment.", "deployment.environment.name", "deployment.environment"),
    _res("k8s_cluster", "Kubernetes cluster.", "k8s.cluster.name"),
    _res("k8s_namespace", "Kubernetes namespace.", "k8s.namespace.name"),
    _res("cloud_region", "Cloud region.", "cloud.region"),
    _attr("http_method", "HTTP method.", "http.request.method", "http.method"),
    _attr("http_route", "HTTP route template.", "http.route"),
    _attr("http_status_code", "HTTP status.", "http.response.status_code", "http.status_code", type_=pa.int16()),
    _attr("rpc_system", "RPC system.", "rpc.system.name", "rpc.system"),
    _attr("rpc_service", "RPC service.", "rpc.service"),
    _attr("rpc_method", "RPC method.", "rpc.method"),
    _attr("rpc_status", "RPC status by name.", "rpc.response.status_code", "rpc.grpc.status_code"),
    _attr("db_system", "Database system.", "db.system.name", "db.system"),
    _attr("db_namespace", "Database.", "db.namespace", "db.name"),
    _attr("db_operation", "Database operation.", "db.operation.name", "db.operation"),
    _attr("db_collection", "Table or collection.", "db.collection.name", "db.sql.table"),
    _attr("messaging_system", "Messaging system.", "messaging.system"),
    _attr("messaging_destination", "Queue or topic.", "messaging.destination.name", "messaging.destination"),
    _attr("messaging_operation", "What was done with the message.", "messaging.operation.type", "messaging.operation"),
    _attr("peer_service", "What the caller calls its peer.", "service.peer.name", "peer.service"),
    _attr("server_address", "Address of the peer.", "server.address", "net.peer.name"),
    _attr("server_port", "Port of the peer.", "server.port", "net.peer.port", type_=pa.int32()),
    Column("url_host", pa.string(), "Host of the URL that a client called.", ladder=("url.full", "http.url")),
    _attr("error_type", "Class of error.", "error.type"),
    Column("exception_type", pa.string(), "exception.type of the last exception event.", ladder=("exception.type",), source="events"),
)  # fmt: skip

WIRE_COLUMNS = tuple(column.name for column in COLUMNS if column.otlp)
HEAVY_COLUMNS = frozenset(
    name
    for name in WIRE_COLUMNS
    if name.startswith(("attribute", "event", "resource", "scope", "dropped", "status_message"))
)
"""What a person reads of one span and no analysis asks for: nine tenths of a table's bytes."""
ANALYSIS_COLUMNS = tuple(column.name for column in COLUMNS if column.name not in HEAVY_COLUMNS)
SCHEMA = pa.schema([pa.field(c.name, c.type, nullable=c.nullable, metadata={"doc": c.doc}) for c in COLUMNS])


def empty_table() -> pa.Table:
    """A span table without rows."""
    return SCHEMA.empty_table()
