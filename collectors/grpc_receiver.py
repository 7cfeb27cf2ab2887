"""OTLP over gRPC. Requests arrive as bytes, so that decoding happens in one place for both transports."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from collectors.binding import bind
from collectors.exports import MAX_BODY_BYTES, Encoding, ExportPath
from tracelab import UsageError

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
_THREADS = 16  # each waits for its commit most of the time


def _export_handler(path: ExportPath) -> Any:
    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        answer = path.export(body, Encoding.PROTOBUF, "grpc")
        if answer.status is not None:
            context.set_trailing_metadata([("grpc-status-details-bin", answer.status.SerializeToString())])
            context.abort(_STATUS_CODES[answer.status.code], answer.status.message)
        assert answer.response is not None  # noqa: S101  an answer is one or the other
        serialized: bytes = answer.response.SerializeToString()
        return serialized

    return grpc.unary_unary_rpc_method_handler(export)


_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


def serve_grpc(path: ExportPath, host: str, port: int) -> tuple[grpc.Server, int]:
    """A started server and its port. UsageError if the port is taken."""
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc"),
        options=[("grpc.max_receive_message_length", MAX_BODY_BYTES), ("grpc.so_reuseport", 0)],
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, {"Export": _export_handler(path)})])
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if port:
        bind(host, port, "--grpc-port").close()  # says why in words; grpc itself would only write to its log
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError:
        bound = 0
    if bound == 0:
        raise UsageError(f"port {port} on {host}: cannot be bound; --grpc-port takes another one")
    server.start()
    return server, bound
