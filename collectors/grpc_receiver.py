"""OTLP over gRPC. Requests arrive as bytes, so that decoding happens in one place for both transports."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc import code_pb2

from collectors.binding import bind
from collectors.exports import Encoding, ExportPath, refusal, refusal_of
from collectors.settings import Settings, Tls
from collectors.unpack import unpack
from tracelab import InputError, UsageError

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_DEAD_AFTER_S = 20
_IDENTITY_OR_GZIP = 0b101  # not deflate, the bit between; a client that asks for it hears UNIMPLEMENTED
_STREAMS = 256  # requests at once on a connection


def _export_handler(path: ExportPath, settings: Settings) -> Any:
    async def export(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if settings.tokens:
            given = dict(context.invocation_metadata() or ()).get("authorization")
            if not settings.admits(given if isinstance(given, str) else None):
                path.count(refusal(code_pb2.UNAUTHENTICATED, ""), "grpc")
                await context.abort(
                    grpc.StatusCode.UNAUTHENTICATED, "send an `authorization: Bearer TOKEN` that is known"
                )
        try:
            answer = await path.export(unpack(body, settings.limits.body_bytes), Encoding.PROTOBUF, "grpc")
        except InputError as error:
            answer = refusal_of(error)
            path.count(answer, "grpc")
        if answer.status is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", answer.status.SerializeToString()),))
            await context.abort(_CODES[answer.status.code], answer.status.message)
        assert answer.response is not None  # noqa: S101  an answer is one or the other
        serialized: bytes = answer.response.SerializeToString()
        return serialized

    return grpc.unary_unary_rpc_method_handler(export)


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    client_ca = None if tls.client_ca is None else tls.client_ca.read_bytes()
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    return grpc.ssl_server_credentials([pair], client_ca, require_client_auth=client_ca is not None)


async def serve_grpc(path: ExportPath, settings: Settings, reuse_port: bool) -> tuple[grpc.aio.Server, int]:
    """A started server and its port. UsageError if the port is taken."""
    host, port = settings.host, settings.grpc_port
    server = grpc.aio.server(
        options=[
            ("grpc.per_message_decompression", 0),  # we unpack: faster, and within a limit
            ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_OR_GZIP),
            ("grpc.max_receive_message_length", settings.limits.body_bytes),
            ("grpc.so_reuseport", int(reuse_port)),
            ("grpc.max_concurrent_streams", _STREAMS),
            ("grpc.max_allowed_incoming_connections", settings.connections),
            ("grpc.keepalive_time_ms", 3 * _DEAD_AFTER_S * 1000),
            ("grpc.keepalive_timeout_ms", _DEAD_AFTER_S * 1000),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ]
    )
    handlers = {"Export": _export_handler(path, settings)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if port and not reuse_port:
        bind(host, port, "--grpc-port").close()  # says why in words; grpc itself would only write to its log
    try:
        if settings.tls is None:
            bound = server.add_insecure_port(address)
        else:
            bound = server.add_secure_port(address, _credentials(settings.tls))
    except RuntimeError:
        bound = 0
    if bound == 0:
        raise UsageError(f"port {port} on {host}: cannot be bound; --grpc-port takes another one")
    await server.start()
    return server, bound
