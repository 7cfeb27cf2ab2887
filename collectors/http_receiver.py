"""OTLP over HTTP: POST /v1/traces in protobuf or JSON, gzip or not; /healthz and /metrics beside it."""

from __future__ import annotations

import zlib
from typing import Any

from google.protobuf.json_format import MessageToJson
from google.rpc import code_pb2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from collectors.exports import MAX_BODY_BYTES, RETRY_AFTER_S, Answer, Encoding, ExportPath, refusal

_HTTP_STATUS = {code_pb2.INVALID_ARGUMENT: 400, code_pb2.RESOURCE_EXHAUSTED: 413, code_pb2.UNAVAILABLE: 503}


class _TooLarge(Exception):  # noqa: N818  not an error of ours: the client hears of it
    """The body is larger than allowed, packed or unpacked."""


def _respond(answer: Answer, encoding: Encoding, status: int | None = None) -> Response:
    """In the request's own encoding, as the OTLP specification asks."""
    message: Any = answer.response if answer.status is None else answer.status
    body = message.SerializeToString() if encoding is Encoding.PROTOBUF else MessageToJson(message, indent=None)
    code = 200 if answer.status is None else status or _HTTP_STATUS.get(answer.status.code, 500)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if answer.retry else None
    return Response(body, code, headers, media_type=encoding.value)


async def _read_body(request: Request) -> bytes:
    """The unpacked body. A gzip bomb costs no more memory than the largest allowed body."""
    unpack = zlib.decompressobj(wbits=31) if request.headers.get("content-encoding", "identity") == "gzip" else None
    body = bytearray()
    async for chunk in request.stream():
        rest = chunk
        while rest:
            if unpack is None:
                body += rest
                rest = b""
            else:
                body += unpack.decompress(rest, MAX_BODY_BYTES + 1 - len(body))
                rest = unpack.unconsumed_tail or unpack.unused_data
                if unpack.eof and rest:  # gzip members may follow one another
                    unpack = zlib.decompressobj(wbits=31)
            if len(body) > MAX_BODY_BYTES:
                raise _TooLarge
    if unpack is not None and not unpack.eof:
        raise zlib.error("the gzip stream ends too early")
    return bytes(body)


def make_app(path: ExportPath, cors_origins: tuple[str, ...] = ()) -> Starlette:
    """The HTTP receiver as an ASGI application."""

    async def traces(request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            encoding = Encoding(content_type)
        except ValueError:
            return PlainTextResponse(
                f"Content-Type {content_type or '(none)'}: send application/x-protobuf or application/json\n",
                415,
            )
        if request.headers.get("content-encoding", "identity") not in ("identity", "gzip", ""):
            return _respond(refusal(code_pb2.INVALID_ARGUMENT, "Content-Encoding may be gzip or none"), encoding, 415)
        try:
            body = await _read_body(request)
        except _TooLarge:
            return _respond(
                refusal(code_pb2.RESOURCE_EXHAUSTED, f"a request may have {MAX_BODY_BYTES:,} bytes"), encoding
            )
        except zlib.error as error:
            return _respond(refusal(code_pb2.INVALID_ARGUMENT, f"not gzip: {error}"), encoding)
        except ClientDisconnect:
            return Response(status_code=499)
        return _respond(await run_in_threadpool(path.export, body, encoding, "http"), encoding)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def metrics(_: Request) -> Response:
        return Response(path.metrics.text(), media_type="text/plain; version=0.0.4")

    cors = Middleware(CORSMiddleware, allow_origins=list(cors_origins), allow_methods=["POST"], allow_headers=["*"])
    return Starlette(
        routes=[
            Route("/v1/traces", traces, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/metrics", metrics),
        ],
        middleware=[cors] if cors_origins else [],
    )
