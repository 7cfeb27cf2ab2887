"""Span tables as OTLP protobuf requests, through protobuf's own JSON mapping: a way of their own beside our decoder."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tracelab.codecs.export import otlp_json_lines
from tracelab.codecs.limits import Limits
from tracelab.codecs.requests import decode_requests
from tracelab.lake.segments import publish, read_segment, write_temporary
from tracelab.schema import empty_table


def otlp_requests(table: pa.Table) -> Iterator[trace_service_pb2.ExportTraceServiceRequest]:
    """One message per request of the OTLP/JSON export."""
    for line in otlp_json_lines(table):
        request = orjson.loads(line)
        for resource_spans in request["resourceSpans"]:
            for scope_spans in resource_spans["scopeSpans"]:
                for span in scope_spans["spans"]:
                    _hex_to_base64(span)
        yield ParseDict(request, trace_service_pb2.ExportTraceServiceRequest())


def _hex_to_base64(node: dict[str, Any]) -> None:
    """Protobuf's own JSON mapping, which ParseDict speaks, has bytes as base64; OTLP/JSON has ids as hex."""
    for key in ("traceId", "spanId", "parentSpanId"):
        if key in node:
            node[key] = base64.b64encode(bytes.fromhex(node[key])).decode()
    for link in node.get("links", ()):
        _hex_to_base64(link)


def spans_of(*bodies: bytes, limits: Limits | None = None) -> pa.Table:
    """What the receiver makes of requests in protobuf, as a whole span table."""
    decoded = decode_requests(bodies, [False] * len(bodies), limits)
    tables = [plain_spans(table) for table in decoded.tables]
    return pa.concat_tables(tables) if tables else empty_table()


def plain_spans(table: pa.Table) -> pa.Table:
    """A table as the receiver writes it, as it reads back: with every column, and no dictionary."""
    with tempfile.TemporaryDirectory() as folder:
        return read_segment(publish(write_temporary(table, Path(folder))))
