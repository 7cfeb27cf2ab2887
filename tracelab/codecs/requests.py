"""OTLP export requests, as receivers get them: good spans kept, bad ones refused one by one."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import pyarrow as pa

from tracelab.codecs import otlp_json, otlp_proto
from tracelab.codecs.rows import count_reversed
from tracelab.codecs.sink import Sink
from tracelab.diagnostics import Diagnostics
from tracelab.errors import InputError, RecordError

_SHOWN_ERRORS = 5


@dataclass(frozen=True)
class DecodedRequest:
    """A request's spans, and what partial_success must say of those that are not among them."""

    table: pa.Table
    rejected_spans: int
    message: str
    diagnostics: Diagnostics


def decode_protobuf_request(body: bytes) -> DecodedRequest:
    """An ExportTraceServiceRequest. InputError if `body` is none."""
    sink, errors = _receiving_sink()
    otlp_proto.decode(body, sink)
    return _decoded(sink, errors)


def decode_json_request(body: bytes) -> DecodedRequest:
    """The same in OTLP/JSON, ids strictly in hex. InputError if `body` is none."""
    sink, errors = _receiving_sink()
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    otlp_json.decode(document, sink, strict_ids=True)
    return _decoded(sink, errors)


def _receiving_sink() -> tuple[Sink, list[RecordError]]:
    errors: list[RecordError] = []
    return Sink(skip=errors.append), errors


def _decoded(sink: Sink, errors: list[RecordError]) -> DecodedRequest:
    shown = "; ".join(str(error) for error in errors[:_SHOWN_ERRORS])
    more = f"; and {len(errors) - _SHOWN_ERRORS} more" if len(errors) > _SHOWN_ERRORS else ""
    table = sink.rows.table()
    sink.diagnostics.add("end_before_start", count_reversed(table))
    return DecodedRequest(table, len(errors), shown + more, sink.diagnostics)
