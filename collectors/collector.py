"""The collector: both receivers over one export path into one lake, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvicorn
from opentelemetry.trace import NoOpTracer, Tracer

from collectors.binding import bind
from collectors.commit import Committer
from collectors.exports import ExportPath
from collectors.grpc_receiver import serve_grpc
from collectors.http_receiver import make_app, timed_protocol
from collectors.metrics import Metrics
from collectors.settings import Settings
from collectors.upkeep import Upkeep
from tracelab import Lake

GRACE_S = 10
Ready = Callable[[int, int], None]


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: it would end the process before the last commit."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(settings: Settings, ready: Ready | None = None, reuse_port: bool = False) -> None:
    """Receive until SIGTERM or SIGINT, then finish what was received.

    Args:
        ready: called once both ports serve, with the gRPC and the HTTP port (of use where 0 was asked for)
        reuse_port: other processes serve the same ports
    Raises:
        UsageError: a port is taken; LakeError: the lake cannot be written
    """
    lake = Lake.create(settings.lake_path)
    metrics = Metrics()
    with ExitStack() as stack:  # whatever happens, what was started is ended, the last first
        http_socket = stack.enter_context(bind(settings.host, settings.http_port, "--http-port", reuse_port))
        committer = Committer(lake, metrics, settings.limits, settings.max_waiting_bytes)
        stack.callback(committer.close)
        committer.commit(b"\n\x00")  # an empty request loads what is loaded at first use: no client waits for it
        if settings.compacts:
            upkeep = Upkeep(lake, settings, metrics)
            upkeep.start()
            stack.callback(upkeep.stop)
        tracer: Tracer = NoOpTracer()
        if settings.own_traces:
            from collectors.own_traces import start_own_traces  # the SDK is loaded only where it is wanted

            provider = start_own_traces(committer, settings.own_traces)
            stack.callback(provider.shutdown)
            tracer = provider.get_tracer("tracelab")
        asyncio.run(_serve(ExportPath(committer, metrics, tracer), settings, http_socket, ready, reuse_port))


async def _serve(
    path: ExportPath, settings: Settings, http_socket: socket.socket, ready: Ready | None, reuse_port: bool
) -> None:
    grpc_server, grpc_port = await serve_grpc(path, settings, reuse_port)
    config = uvicorn.Config(
        make_app(path, settings),
        http=timed_protocol(settings),
        log_level="warning",
        access_log=False,
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=GRACE_S,
        **_tls_options(settings),
    )
    server = _Server(config)

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    http_socket.listen(config.backlog)  # from here on a client that connects is served
    if ready is not None:
        ready(grpc_port, http_socket.getsockname()[1])
    try:
        await server.serve(sockets=[http_socket])
    finally:
        await grpc_server.stop(GRACE_S)


def _tls_options(settings: Settings) -> dict[str, Any]:
    if settings.tls is None:
        return {}
    options: dict[str, Any] = {"ssl_certfile": settings.tls.certificate, "ssl_keyfile": settings.tls.key}
    if settings.tls.client_ca is not None:
        options |= {"ssl_ca_certs": str(settings.tls.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return options
