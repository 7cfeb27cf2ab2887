"""Files of traces: unpacked, recognised by looking, read in batches.

A file is JSON if its first character is `{` or `[`, else OTLP protobuf. JSON may be one document, a document a line
(NDJSON, as the OpenTelemetry Collector's file exporter writes), or several one after another.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
import zstandard

from tracelab.codecs import jaeger, otlp_json, otlp_proto, zipkin
from tracelab.codecs.sink import Sink
from tracelab.errors import InputError, RecordError, TracelabError

BATCH_SPANS = 20_000
_HEAD_BYTES = 4096
_SUFFIXES = (".json", ".jsonl", ".ndjson", ".pb", ".binpb", ".otlp")
_PACKED = (".gz", ".zst")


def find_files(paths: list[Path]) -> list[Path]:
    """The files that `paths` name; a folder stands for the trace files below it, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*")) if file.is_file() and _is_trace_file(file)]
            if not inside:
                raise InputError(f"{path}: no trace files inside (looked for {', '.join(_SUFFIXES)}, also .gz, .zst)")
            found += inside
        elif path.exists() or str(path) == "-":
            found.append(path)
        else:
            raise InputError(f"{path}: no such file")
    return found


def _is_trace_file(path: Path) -> bool:
    suffixes = [suffix for suffix in path.suffixes if suffix not in _PACKED]
    return bool(suffixes) and suffixes[-1] in _SUFFIXES


@contextmanager
def open_input(path: Path) -> Iterator[IO[bytes]]:
    """The unpacked bytes of a file, `-` being standard input; packing is seen by its first bytes."""
    try:
        raw = io.FileIO(sys.stdin.fileno(), closefd=False) if str(path) == "-" else io.FileIO(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    with io.BufferedReader(raw) as stream:
        magic = stream.peek(4)[:4]
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(stream) as unpacked:
                yield unpacked  # type: ignore[misc]  # it has all that is asked of it
        elif magic == b"\x28\xb5\x2f\xfd":
            unpacker = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
            with io.BufferedReader(unpacker) as unpacked_zstd:
                yield unpacked_zstd
        else:
            yield stream


def read_file(path: Path, sink: Sink, format_: str = "auto") -> Iterator[pa.Table]:
    """Span tables of about `BATCH_SPANS` rows each. Errors name the file."""
    try:
        with open_input(path) as stream:
            yield from read_stream(stream, sink, format_)
    except RecordError as error:
        raise RecordError(f"{path}: {error.where}", f"{error.expected} (--on-error=skip goes on without it)") from None
    except TracelabError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise InputError(f"{path}: cannot be unpacked or read: {error}") from None


def read_stream(stream: IO[bytes], sink: Sink, format_: str = "auto") -> Iterator[pa.Table]:
    """As `read_file`, of an open stream."""
    head = stream.read(_HEAD_BYTES)
    if not head.strip():
        raise InputError("empty: no spans inside")
    if format_ == "otlp-proto" or (format_ == "auto" and not _looks_like_json(head)):
        otlp_proto.decode(head + stream.read(), sink)
        yield sink.rows.table()
        return
    for where, document in _documents(head.removeprefix(b"\xef\xbb\xbf").lstrip(), stream, sink):
        _decode_document(document, where, sink, format_)
        if len(sink.rows) >= BATCH_SPANS:
            yield sink.rows.table()
    yield sink.rows.table()


def _looks_like_json(head: bytes) -> bool:
    """An OTLP protobuf request begins with byte 10, which is a line feed, too; but JSON has no other control bytes."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text[:1] in (b"{", b"[") and not any(byte < 32 and byte not in b"\t\r\n" for byte in head)


def _documents(head: bytes, stream: IO[bytes], sink: Sink) -> Iterator[tuple[str, Any]]:
    """(where, document): line by line if the first line is a document, else all at once."""
    line, newline, rest = head.partition(b"\n")
    if not newline:
        line += stream.readline()
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        yield from _whole(line + newline + rest + stream.read(), sink)
        return
    number = 1
    yield f"line {number}", document
    for line in _lines(rest, stream):
        number += 1
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            sink.wrong(RecordError(f"line {number}", f"not JSON: {error.msg} at character {error.pos + 1}"))
            continue
        yield f"line {number}", document


def _lines(rest: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    if rest:
        *whole, last = rest.split(b"\n")
        yield from whole
        yield last + stream.readline()
    yield from stream


def _whole(body: bytes, sink: Sink) -> Iterator[tuple[str, Any]]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as whole_error:
        yield from _concatenated(body, whole_error, sink)
        return
    yield "", document


def _concatenated(body: bytes, whole_error: orjson.JSONDecodeError, sink: Sink) -> Iterator[tuple[str, Any]]:
    """Several documents one after another; if not even the first one ends, the error of the whole stands."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8: {error.reason} at byte {error.start}") from None
    decoder = json.JSONDecoder()
    at, number = 0, 0
    while (at := _next_token(text, at)) < len(text):
        try:
            begin, at = at, decoder.raw_decode(text, at)[1]
            document = orjson.loads(text[begin:at])  # the same rules for all: no NaN, no half of a character
        except (json.JSONDecodeError, RecursionError) as error:
            line, column = (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (0, 0)
            message = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
            if number == 0:
                line, column, message = whole_error.lineno, whole_error.colno, whole_error.msg
            raise InputError(f"line {line}, column {column}: not JSON: {message}") from None
        number += 1
        if number == 2:
            sink.diagnostics.add("concatenated_documents")
        yield f"document {number}", document


def _next_token(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _decode_document(document: Any, where: str, sink: Sink, format_: str) -> None:
    try:
        decoder_of(document, format_)(document, sink)
    except RecordError as error:
        sink.wrong(RecordError(f"{where}: {error.where}" if where else error.where, error.expected))


def decoder_of(document: Any, format_: str = "auto") -> Callable[[Any, Sink], None]:
    """The decoder for a JSON document, by what it looks like unless `format_` says; InputError if by nothing."""
    if format_ != "auto":
        return {"otlp-json": otlp_json.decode, "jaeger": jaeger.decode, "zipkin": zipkin.decode}[format_]
    if isinstance(document, dict):
        if "resourceSpans" in document or "batches" in document or "trace" in document:
            return otlp_json.decode
        if jaeger.is_trace(document) or isinstance(document.get("data"), list):
            return jaeger.decode
        for key, signal in (("resourceLogs", "logs"), ("resourceMetrics", "metrics")):
            if key in document:
                raise InputError(f"this is OTLP {signal}, not traces")
        if not document:
            return otlp_json.decode
    if isinstance(document, list):
        first = document[0] if document else {}
        if jaeger.is_trace(first):
            return jaeger.decode
        return zipkin.decode
    keys = ", ".join(sorted(map(str, document))[:6]) if isinstance(document, dict) else type(document).__name__
    raise InputError(
        f"not a known trace format (it has: {keys}); "
        "expected OTLP (resourceSpans), Jaeger (data) or Zipkin v2 (a list of spans); --format says which"
    )
