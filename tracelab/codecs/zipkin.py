"""Zipkin v2 JSON to spans.

Zipkin lets the two halves of a call share one span id, and lets one span be reported in parts. Rules, after Zipkin's
own trace assembly:

- Rows of one (trace id, span id), side (server or not) and local endpoint are parts of one span and are merged:
  earliest start, longest duration, first name, all tags and annotations. A row without endpoint fits any. Servers
  that share a client's id but start at different times are several spans: a message that reached many.
- Where a client and a server half share an id, the server half gets an id of its own, a hash that is the same on
  every run, and the client half as its parent. Children of the shared id hang below the server half, unless they
  belong to the client's service alone.
- A 64-bit trace id is a 128-bit one with zeros on the left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tracelab.codecs.ids import SPAN_ID_BYTES, TRACE_ID_BYTES, any_id, made_up_id, parent_id
from tracelab.codecs.nodes import as_object, list_in, object_in
from tracelab.codecs.rows import Event, Resource, Scope, Span
from tracelab.codecs.sink import Sink
from tracelab.codecs.values import attributes, read_int, short
from tracelab.errors import InputError, RecordError
from tracelab.schema import CLIENT, CONSUMER, KINDS, PRODUCER, SERVER, STATUS_ERROR, STATUS_UNSET, UNSPECIFIED

# What database clients' tags begin with, and the db.system that it means: without it, a client that names its database
# as it names itself would look like a service that calls itself.
_DATABASE_TAGS = {"cassandra.": "cassandra", "redis.": "redis", "mongodb.": "mongodb", "sql.": "other_sql"}


def is_v1(node: Any) -> bool:
    """Zipkin v1 has binaryAnnotations, or annotations with an endpoint each."""
    if not isinstance(node, dict):
        return False
    annotations = node.get("annotations")
    first = annotations[0] if isinstance(annotations, list) and annotations else None
    return "binaryAnnotations" in node or (isinstance(first, dict) and "endpoint" in first)


@dataclass(frozen=True)
class _Row:
    """One reported row, read but not merged."""

    where: str
    trace_id: bytes
    span_id: bytes
    parent: bytes | None
    kind: int
    shared: bool
    name: str
    start_us: int | None
    duration_us: int
    local: dict[str, Any]
    remote: dict[str, Any]
    tags: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[int, str], ...]

    @property
    def service(self) -> str:
        return str(self.local.get("serviceName") or "")

    @property
    def endpoint(self) -> tuple[str, str, str]:
        return (
            self.service,
            str(self.local.get("ipv4") or self.local.get("ipv6") or ""),
            str(self.local.get("port") or ""),
        )

    @property
    def server_side(self) -> bool:
        return self.shared or self.kind == SERVER


def decode(document: Any, sink: Sink) -> None:
    """Put every span of a Zipkin v2 list (or list of lists, as its query API gives) into `sink`."""
    if not isinstance(document, list):
        raise RecordError("document", f"expected a list of spans, not {short(document)}")
    nodes = [node for trace in document for node in (trace if isinstance(trace, list) else [trace])]
    if any(is_v1(node) for node in nodes):
        raise InputError(
            "this is Zipkin v1 JSON (binaryAnnotations); convert it to v2 first, "
            "for example by posting it to a Zipkin server's /api/v1/spans and reading /api/v2/traces"
        )
    rows = []
    for at, node in enumerate(nodes):
        try:
            rows.append(_row(node, f"[{at}]", sink))
        except RecordError as error:
            sink.wrong(error)
    for span, where in _assemble(rows, sink):
        try:
            sink.add(span, where)
        except RecordError as error:
            sink.wrong(error)


def _row(node: Any, where: str, sink: Sink) -> _Row:
    node = as_object(node, where)
    kind = str(node.get("kind") or "UNSPECIFIED").upper()
    if kind not in KINDS:
        raise RecordError(f"{where}.kind", f"{short(node.get('kind'))} is unknown, expected one of {KINDS}")

    def read_span_id(text: Any, at: str) -> bytes:
        return any_id(text, SPAN_ID_BYTES, at, sink.diagnostics)

    start = node.get("timestamp")
    return _Row(
        where,
        any_id(node.get("traceId"), TRACE_ID_BYTES, f"{where}.traceId", sink.diagnostics),
        read_span_id(node.get("id"), f"{where}.id"),
        parent_id(node.get("parentId"), read_span_id, f"{where}.parentId"),
        KINDS.index(kind),
        bool(node.get("shared")),
        str(node.get("name") or ""),
        None if start is None else read_int(start, f"{where}.timestamp", 0, 2**63 // 1000),
        read_int(node.get("duration") or 0, f"{where}.duration", 0, 2**62 // 1000),
        object_in(node, "localEndpoint", where),
        object_in(node, "remoteEndpoint", where),
        tuple((str(key), str(value)) for key, value in object_in(node, "tags", where).items()),
        tuple(
            _annotation(item, f"{where}.annotations[{at}]")
            for at, item in enumerate(list_in(node, "annotations", where))
        ),
    )


def _annotation(item: Any, where: str) -> tuple[int, str]:
    item = as_object(item, where)
    return read_int(item.get("timestamp"), f"{where}.timestamp", 0, 2**63 // 1000), str(item.get("value") or "")


_Half = tuple[bool, tuple[str, str, str], int]
"""(server side, local endpoint, start): rows that agree are parts of one span."""


def _half(row: _Row) -> _Half:
    """Which half of a call a row is. Servers that share a client's id and start at different times are several."""
    start_us = row.start_us if row.shared and row.start_us is not None else -1
    return row.server_side, row.endpoint, start_us


def _group(rows: Iterable[_Row]) -> dict[tuple[bytes, bytes], list[list[_Row]]]:
    """(trace id, span id) -> the spans that share it, each as the list of its parts."""
    by_id: dict[tuple[bytes, bytes], dict[_Half, list[_Row]]] = {}
    for row in rows:
        by_id.setdefault((row.trace_id, row.span_id), {}).setdefault(_half(row), []).append(row)
    grouped = {}
    for key, halves in by_id.items():
        for half in sorted(halves):  # what says less of itself joins the first that fits
            fits = [other for other in sorted(halves) if other != half and _is_part(half, other)]
            if fits:
                halves[fits[0]] += halves.pop(half)
        grouped[key] = [halves[half] for half in sorted(halves)]  # client halves (False) first
    return grouped


def _is_part(half: _Half, other: _Half) -> bool:
    """Whether a row without endpoint, or a server without start, may be part of another half."""
    if half[0] != other[0]:
        return False
    if not any(half[1]):
        return any(other[1])
    return half[1] == other[1] and half[2] < 0 <= other[2]


def _assemble(rows: list[_Row], sink: Sink) -> list[tuple[Span, str]]:
    grouped = _group(rows)
    own_id: dict[tuple[bytes, bytes, int], bytes] = {}
    for (trace_id, span_id), spans in grouped.items():
        for at, parts in enumerate(spans):
            split = at > 0
            own_id[trace_id, span_id, at] = (
                made_up_id(trace_id.hex(), span_id.hex(), *map(str, _half(parts[0]))) if split else span_id
            )
            sink.diagnostics.add("split_shared_spans", int(split))
            sink.diagnostics.add("shared_without_client", int(not split and len(spans) == 1 and parts[0].shared))
            sink.diagnostics.add("merged_parts", len(parts) - 1)
    spans_out = []
    for (trace_id, span_id), spans in grouped.items():
        for at, parts in enumerate(spans):
            parent = span_id if at > 0 else _parent(parts, grouped, own_id)
            spans_out.append((_merge(parts, own_id[trace_id, span_id, at], parent, sink), parts[0].where))
    return spans_out


def _parent(
    parts: list[_Row],
    grouped: dict[tuple[bytes, bytes], list[list[_Row]]],
    own_id: dict[tuple[bytes, bytes, int], bytes],
) -> bytes | None:
    parent = next((row.parent for row in parts if row.parent is not None), None)
    if parent is None:
        return None
    row = parts[0]
    halves = grouped.get((row.trace_id, parent), [])
    if len(halves) < 2 or parent == row.span_id:
        return parent
    servers = [at for at in range(1, len(halves)) if halves[at][0].service == row.service]
    servers = [at for at in servers if halves[at][0].endpoint == row.endpoint] or servers
    if servers:
        return own_id[row.trace_id, parent, servers[0]]
    return parent if halves[0][0].service == row.service else own_id[row.trace_id, parent, 1]


def _merge(parts: list[_Row], span_id: bytes, parent: bytes | None, sink: Sink) -> Span:
    parts = sorted(
        parts, key=lambda row: (row.start_us is None, row.start_us or 0, -row.duration_us, row.name, row.tags)
    )
    first = parts[0]
    starts = [row.start_us for row in parts if row.start_us is not None]
    start_us = min(starts, default=0)
    sink.diagnostics.add("missing_timestamps", int(not starts))
    tags: dict[str, str] = {}
    for row in parts:
        for key, value in row.tags:
            tags.setdefault(key, value)
    local = {key: value for row in reversed(parts) for key, value in row.local.items()}
    remote = {key: value for row in reversed(parts) for key, value in row.remote.items()}
    kind = next((row.kind for row in parts if row.kind != UNSPECIFIED), UNSPECIFIED)
    error = tags.pop("error", None)
    return Span(
        trace_id=first.trace_id,
        span_id=span_id,
        parent_span_id=parent,
        name=next((row.name for row in parts if row.name), ""),
        kind=kind,
        start_ns=1000 * start_us,
        end_ns=1000 * (start_us + max(row.duration_us for row in parts)),
        resource=_resource(local),
        scope=Scope(),
        status_code=STATUS_UNSET if error is None or error == "false" else STATUS_ERROR,
        status_message=error if error not in ("", "true", "false") else None,
        attributes=attributes([*tags.items(), *_peer(kind, remote, tags), *_database(tags)]),
        events=[
            Event(1000 * at_us, name) for at_us, name in sorted({note for row in parts for note in row.annotations})
        ],
    )


def _resource(local: dict[str, Any]) -> Resource:
    """The service, and its address as the host whose clock it has (Zipkin's own skew correction compares those)."""
    pairs = [("service.name", local.get("serviceName")), ("host.name", local.get("ipv4") or local.get("ipv6"))]
    return Resource(attributes((key, str(value)) for key, value in pairs if value))


def _peer(kind: int, remote: dict[str, Any], tags: dict[str, str]) -> list[tuple[str, Any]]:
    if kind not in (CLIENT, PRODUCER, CONSUMER):
        prefix = "client"
        pairs: list[tuple[str, Any]] = []
    else:
        prefix = "network.peer"
        pairs = [("peer.service", remote.get("serviceName"))]
    pairs += [(f"{prefix}.address", remote.get("ipv4") or remote.get("ipv6")), (f"{prefix}.port", remote.get("port"))]
    return [(key, value) for key, value in pairs if value and key not in tags]


def _database(tags: dict[str, str]) -> list[tuple[str, Any]]:
    if "db.system" in tags or "db.system.name" in tags:
        return []
    return [
        ("db.system", system)
        for prefix, system in _DATABASE_TAGS.items()
        if any(tag.startswith(prefix) for tag in tags)
    ][:1]
