"""OTLP export requests, as receivers get them: many at once, good spans kept, bad ones refused one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
import pyarrow as pa

from tracelab.codecs import otlp_json, otlp_proto
from tracelab.codecs.limits import Limits
from tracelab.codecs.otlp_columns import decode_columns
from tracelab.codecs.rows import count_reversed
from tracelab.codecs.sink import Sink
from tracelab.diagnostics import Diagnostics
from tracelab.errors import InputError, RecordError, TooLargeError

_SHOWN_ERRORS = 5


@dataclass(frozen=True)
class Outcome:
    """What became of one request: spans taken, spans refused and why; or the error that refuses all of it."""

    spans: int = 0
    rejected_spans: int = 0
    message: str = ""
    error: InputError | None = None


@dataclass(frozen=True)
class Decoded:
    """The spans of many requests, as one or two tables, and the outcome of each request in its place."""

    tables: tuple[pa.Table, ...]
    outcomes: tuple[Outcome, ...]
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


def decode_requests(bodies: Sequence[bytes], is_json: Sequence[bool], limits: Limits | None = None) -> Decoded:
    """ExportTraceServiceRequests in protobuf, or in OTLP/JSON with ids strictly in hex.

    The tables lack nullable columns that nobody fills, and have dictionary arrays where texts repeat.
    """
    limits = limits or Limits()
    diagnostics = Diagnostics()
    outcomes: list[Outcome | None] = [None] * len(bodies)
    tables = []
    packed = [at for at, json in enumerate(is_json) if not json and bodies[at]]
    if packed:
        table, counts, backwards = decode_columns([bodies[at] for at in packed], limits)
        diagnostics.add("end_before_start", backwards)
        if table.num_rows:
            tables.append(table)
        for at, count in zip(packed, counts, strict=True):
            outcomes[at] = None if count < 0 else Outcome(count)
    one_by_one = []
    for at, known in enumerate(outcomes):
        if known is None:
            table, outcomes[at] = _decode_one(bodies[at], is_json[at], limits, diagnostics)
            if table is not None and table.num_rows:
                one_by_one.append(table)
    if one_by_one:
        tables.append(pa.concat_tables(one_by_one))
    return Decoded(tuple(tables), tuple(known or Outcome() for known in outcomes), diagnostics)


def _decode_one(
    body: bytes, is_json: bool, limits: Limits, diagnostics: Diagnostics
) -> tuple[pa.Table | None, Outcome]:
    """A request through protobuf's classes or as JSON: slower, but every oddity has a name."""
    errors: list[RecordError] = []
    sink = Sink(skip=errors.append, limits=limits)
    try:
        if is_json:
            otlp_json.decode(_document(body), sink, strict_ids=True)
        else:
            otlp_proto.decode(body, sink)
    except InputError as error:
        return None, Outcome(error=error)
    count = len(sink.rows) + len(errors)
    if count > limits.spans:
        return None, Outcome(error=TooLargeError(f"{count:,} spans, a request may have {limits.spans:,}"))
    shown = "; ".join(str(error) for error in errors[:_SHOWN_ERRORS])
    more = f"; and {len(errors) - _SHOWN_ERRORS} more" if len(errors) > _SHOWN_ERRORS else ""
    table = sink.rows.table()
    sink.diagnostics.add("end_before_start", count_reversed(table))
    for name, times in sink.diagnostics.items():
        diagnostics.add(name, times)
    return table, Outcome(table.num_rows, len(errors), shown + more)


def _document(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
