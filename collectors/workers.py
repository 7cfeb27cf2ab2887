"""Several collectors on the same ports and the same lake: the kernel gives each connection to one of them."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from collectors.allocation import keep_memory
from collectors.binding import bind
from collectors.settings import Settings
from tracelab import Lake, LakeError

if TYPE_CHECKING:
    from collectors.collector import Ready

_PR_SET_PDEATHSIG = 1
_READY_WITHIN_S = 60
_log = logging.getLogger("tracelab.collector")


def run_workers(settings: Settings, ready: Ready | None = None) -> None:
    """`settings.workers` processes that receive, and this one, which compacts. Ends as `collector.run` does.

    A worker that dies is started again.
    """
    lake = Lake.create(settings.lake_path)
    with ExitStack() as stack:
        for port, option in ((settings.grpc_port, "--grpc-port"), (settings.http_port, "--http-port")):
            bind(settings.host, port, option).close()  # nobody else has it
        grpc_held = stack.enter_context(bind(settings.host, settings.grpc_port, "--grpc-port", reuse_port=True))
        http_held = stack.enter_context(bind(settings.host, settings.http_port, "--http-port", reuse_port=True))
        ports = grpc_held.getsockname()[1], http_held.getsockname()[1]
        shared = stack.enter_context(tempfile.TemporaryDirectory(prefix="tracelab-metrics-"))
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        own = replace(settings, grpc_port=ports[0], http_port=ports[1], compacts=False)
        ending = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ending.set())
        workers = [_start(own) for _ in range(settings.workers)]
        stack.callback(_stop, workers)
        from collectors.metrics import Metrics  # only now: prometheus_client looks for the shared folder at import
        from collectors.upkeep import Upkeep

        if settings.compacts:
            upkeep = Upkeep(lake, settings, Metrics())
            upkeep.start()
            stack.callback(upkeep.stop)
        if ready is not None:
            ready(*ports)
        while not ending.wait(0.2):
            for at, worker in enumerate(workers):
                if worker.exitcode is not None:
                    _log.warning("a worker ended with %s; another one is started", worker.exitcode)
                    workers[at] = _start(own)


def _start(settings: Settings) -> BaseProcess:
    """A worker that serves. LakeError if it does not come up."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(settings, theirs), name="collector")
    worker.start()
    theirs.close()
    if not wait([ours, worker.sentinel], _READY_WITHIN_S) or not ours.poll():
        worker.kill()
        raise LakeError(f"a worker of the collector did not start (it ended with {worker.exitcode})")
    return worker


def _work(settings: Settings, told: Connection) -> None:
    if sys.platform == "linux":  # die with the parent, however that dies
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    keep_memory()
    from collectors.collector import run

    run(settings, lambda *_: told.send(True), reuse_port=True)


def _stop(workers: list[BaseProcess]) -> None:
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()
