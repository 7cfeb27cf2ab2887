"""The demo shop's processes: started, watched, started again when they crash, with releases beside them on demand."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from tracelab.commands.supervise import Child, Children, answers_http, answers_tcp, wait_until
from tracelab.shop_control import Control

if TYPE_CHECKING:
    from demo_services.processes import Process

_CRASHES, _WITHIN_S = 5, 10.0
"""A process that crashes more often than this in so many seconds is not started again: something else is wrong."""


class Shop:
    """The processes of the shop.

    `settings` are environment variables by service, `endpoints` the collector's (gRPC, HTTP), `control` the folder in
    which faults, releases and the split of traffic are asked for.
    """

    def __init__(
        self,
        children: Children,
        gateway_port: int,
        endpoints: tuple[str, str],
        settings: Mapping[str, Mapping[str, str]],
        control: Control,
    ) -> None:
        from demo_services.processes import PROCESSES, free_port

        self._children = children
        self._endpoints = endpoints
        self._settings = settings
        self._control = control
        self._ports = {process.id: free_port() for process in PROCESSES} | {"gateway": gateway_port}
        self._running: dict[str, tuple[Process, Child]] = {}
        self._crashes: dict[str, list[float]] = {}

    def start(self) -> None:
        """Start all processes; they come up side by side."""
        from demo_services.processes import PROCESSES

        for process in PROCESSES:
            self._start(process)

    def wait(self) -> None:
        """Until each answers, with a line for each."""
        for process, child in self._running.values():
            self._wait(process, child)
            port = self._ports[process.id]
            address = {"http": f"http://localhost:{port}", "nothing": "reads the queue"}
            click.echo(
                f"{process.id:<12}{address.get(process.serves, f'localhost:{port}'):<26}version {process.version}"
            )

    def tend(self) -> None:
        """Start again what has crashed; start and stop what is asked for."""
        from demo_services.processes import free_port, release

        wanted = {process.id: process for process in (release(*pair) for pair in self._control.deployments())}
        released = [
            id_ for id_, (process, _) in self._running.items() if process.id == f"{process.name}-{process.version}"
        ]
        for id_ in released:
            if id_ not in wanted:
                self._children.stop(self._running.pop(id_)[1])
        for id_, process in wanted.items():
            if id_ not in self._running:
                self._ports[id_] = free_port()
                self._start(process)
                click.echo(f"{id_} starts, asked for by a release")
        for process, child in list(self._running.values()):
            if child.process.poll() is not None:
                self._again(process, child)

    def _again(self, process: Process, child: Child) -> None:
        now = time.monotonic()
        recent = [at for at in self._crashes.get(process.id, []) if at > now - _WITHIN_S]
        if len(recent) >= _CRASHES:
            child.check()
        self._crashes[process.id] = [*recent, now]
        click.echo(f"{process.id} ended with {child.process.returncode}; it is started again")
        self._children.forget(child)
        self._start(process)

    def _start(self, process: Process) -> None:
        from demo_services.processes import environment

        variables = environment(process, self._ports, *self._endpoints, self._control.folder)
        command = [sys.executable, "-m", "demo_services", process.name]
        child = self._children.start(process.id, command, {**variables, **self._settings.get(process.name, {})})
        self._running[process.id] = (process, child)

    def _wait(self, process: Process, child: Child) -> None:
        port = self._ports[process.id]
        if process.serves == "http":
            wait_until(answers_http(f"http://127.0.0.1:{port}/healthz"), child)
        elif process.serves != "nothing":
            wait_until(answers_tcp(port), child)

    def check(self) -> None:
        """ChildError if a process that is not the shop's has ended on its own."""
        mine = [child for _, child in self._running.values()]
        for child in self._children.children:
            if child not in mine:
                child.check()
