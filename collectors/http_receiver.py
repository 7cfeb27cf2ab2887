"""OTLP over HTTP: POST /v1/traces in protobuf or JSON, gzip or not; /healthz and /metrics beside it."""

from __future__ import annotations

import asyncio
from typing import Any

from google.protobuf.json_format import MessageToJson
from google.rpc import code_pb2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from collectors.exports import RETRY_AFTER_S, Answer, Encoding, ExportPath, refusal, refusal_of
from collectors.settings import Settings
from collectors.unpack import Unpacker
from tracelab import InputError

_HTTP_STATUS = {
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.UNAUTHENTICATED: 401,
    code_pb2.RESOURCE_EXHAUSTED: 413,
    code_pb2.UNAVAILABLE: 503,
}


def timed_protocol(settings: Settings) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, which closes a connection whose first request does not come."""

    class Timed(HttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._first = self.loop.call_later(settings.slow_client_s, transport.close)

        def on_headers_complete(self) -> None:
            self._first.cancel()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._first.cancel()
            super().connection_lost(exc)

    return Timed


def _respond(answer: Answer, encoding: Encoding, status: int | None = None) -> Response:
    """In the request's own encoding, as the OTLP specification asks."""
    message: Any = answer.response if answer.status is None else answer.status
    body = message.SerializeToString() if encoding is Encoding.PROTOBUF else MessageToJson(message, indent=None)
    code = 200 if answer.status is None else status or _HTTP_STATUS.get(answer.status.code, 500)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if answer.retry else None
    return Response(body, code, headers, media_type=encoding.value)


async def _read_body(request: Request, limit: int) -> bytes:
    """The unpacked body."""
    unpacker = Unpacker(limit, request.headers.get("content-encoding", "identity") == "gzip")
    async for piece in request.stream():
        unpacker.feed(piece)
    return unpacker.body()


class _Traces:
    """POST /v1/traces."""

    def __init__(self, path: ExportPath, settings: Settings) -> None:
        self._path, self._settings = path, settings

    def _refuse(self, code: int, message: str, encoding: Encoding, status: int | None = None) -> Response:
        answer = refusal(code, message)
        self._path.count(answer, "http")
        return _respond(answer, encoding, status)

    async def __call__(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            encoding = Encoding(content_type)
        except ValueError:
            expected = "send application/x-protobuf or application/json"
            return PlainTextResponse(f"Content-Type {content_type or '(none)'}: {expected}\n", 415)
        if not self._settings.admits(request.headers.get("authorization")):
            return self._refuse(
                code_pb2.UNAUTHENTICATED, "send an `Authorization: Bearer TOKEN` that is known", encoding
            )
        if request.headers.get("content-encoding", "identity") not in ("identity", "gzip", ""):
            return self._refuse(code_pb2.INVALID_ARGUMENT, "Content-Encoding may be gzip or none", encoding, 415)
        try:
            async with asyncio.timeout(self._settings.slow_client_s):
                body = await _read_body(request, self._settings.limits.body_bytes)
        except TimeoutError:
            return self._refuse(code_pb2.DEADLINE_EXCEEDED, "the request took too long to arrive", encoding, 408)
        except InputError as error:
            answer = refusal_of(error)
            self._path.count(answer, "http")
            return _respond(answer, encoding)
        except ClientDisconnect:
            return Response(status_code=499)
        return _respond(await self._path.export(body, encoding, "http"), encoding)


def make_app(path: ExportPath, settings: Settings) -> Starlette:
    """The HTTP receiver as an ASGI application."""
    traces = _Traces(path, settings)

    async def receive(request: Request) -> Response:
        return await traces(request)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def metrics(request: Request) -> Response:
        if not settings.admits(request.headers.get("authorization")):
            return PlainTextResponse("send an `Authorization: Bearer TOKEN` that is known\n", 401)
        return Response(path.metrics.text(), media_type="text/plain; version=0.0.4")

    cors = Middleware(
        CORSMiddleware, allow_origins=list(settings.cors_origins), allow_methods=["POST"], allow_headers=["*"]
    )
    return Starlette(
        routes=[
            Route("/v1/traces", receive, methods=["POST"]),
            Route("/healthz", healthz),
            Route("/metrics", metrics),
        ],
        middleware=[cors] if settings.cors_origins else [],
    )
