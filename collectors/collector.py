"""The collector: both receivers over one export path into one lake, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from collectors.binding import bind
from collectors.commit import Committer
from collectors.exports import Encoding, ExportPath
from collectors.grpc_receiver import serve_grpc
from collectors.http_receiver import make_app
from collectors.metrics import Metrics
from tracelab import Lake, TracelabError, compact

COMPACT_EVERY_S = 15.0
COMPACT_AT_LEAST = 64
GRACE_S = 10
_log = logging.getLogger("tracelab.collector")


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: it would end the process before the last commit."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _compact_now_and_then(lake: Lake, ending: threading.Event) -> None:
    while not ending.wait(COMPACT_EVERY_S):
        try:
            compact(lake, COMPACT_AT_LEAST)
        except (TracelabError, OSError) as error:
            _log.warning("compaction failed, will be tried again: %s", error)


def run(
    lake_path: Path,
    host: str = "127.0.0.1",
    grpc_port: int = 4317,
    http_port: int = 4318,
    cors_origins: tuple[str, ...] = (),
    ready: Callable[[int, int], None] | None = None,
) -> None:
    """Receive until SIGTERM or SIGINT, then finish what was received.

    Args:
        ready: called once both ports serve, with the gRPC and the HTTP port (of use where 0 was asked for)
    Raises:
        UsageError: a port is taken; LakeError: the lake cannot be written
    """
    lake = Lake.create(lake_path)
    metrics = Metrics()
    with ExitStack() as stack:  # whatever happens, what was started is ended, the last first
        http_socket = stack.enter_context(bind(host, http_port, "--http-port"))
        committer = Committer(lake, metrics)
        stack.callback(committer.close)
        path = ExportPath(committer, metrics)
        path.export(b"", Encoding.PROTOBUF, "warm")  # loads what is loaded at first use: no client waits for it
        grpc_server, bound_grpc = serve_grpc(path, host, grpc_port)
        stack.callback(lambda: grpc_server.stop(GRACE_S).wait())
        ending = threading.Event()
        compactor = threading.Thread(target=_compact_now_and_then, args=(lake, ending), name="compactor")
        compactor.start()
        stack.callback(compactor.join)
        stack.callback(ending.set)
        config = uvicorn.Config(
            make_app(path, cors_origins), log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S
        )
        server = _Server(config)

        def stop(_signal: int, _frame: FrameType | None) -> None:
            server.should_exit = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        http_socket.listen(config.backlog)  # from here on a client that connects is served
        if ready is not None:
            ready(bound_grpc, http_socket.getsockname()[1])
        server.run(sockets=[http_socket])
