"""`tracelab demo`."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from tracelab.commands.options import lake_option
from tracelab.commands.shop import Shop
from tracelab.commands.supervise import (
    Child,
    Children,
    Stopped,
    answers_http,
    memory_mb,
    stopping_on_signals,
    wait_until,
)
from tracelab.errors import CheckError, UsageError
from tracelab.shop_control import control_of

SUMMARY_EVERY_S = 3.0
QUIET_EVERY_S = 5.0
TEND_EVERY_S = 0.3
SETTLE_NS = 3 * 10**9  # of what began later, one side of a call may have arrived and the other not yet


@click.command("demo")
@lake_option
@click.option("--duration", type=click.FloatRange(min=1), help="Seconds of load; until Ctrl-C by default.")
@click.option("--rate", type=click.FloatRange(min=0.1), default=8.0, show_default=True, help="Requests a second.")
@click.option("--seed", type=int, default=1, show_default=True, help="What the users do.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="SERVICE:NAME=VALUE",
    help="Give one service another environment variable: break its instrumentation, slow it down.",
)
@click.option("--no-dashboard", is_flag=True, help="Leave out the dashboard.")
@click.option("--grpc-port", type=int, default=4317, show_default=True, help="Collector's; another one if it is taken.")
@click.option("--http-port", type=int, default=4318, show_default=True, help="Collector's; another one if it is taken.")
@click.option(
    "--gateway-port", type=int, default=8080, show_default=True, help="The shop's; another one if it is taken."
)
@click.option("--dashboard-port", type=int, default=8501, show_default=True, help="Another one if it is taken.")
def command(
    lake_path: Path | None,
    duration: float | None,
    rate: float,
    seed: int,
    settings: tuple[str, ...],
    no_dashboard: bool,
    grpc_port: int,
    http_port: int,
    gateway_port: int,
    dashboard_port: int,
) -> None:
    """Run a shop of eight services with users, a collector and the dashboard; see its traces.

    Exits 1 if no complete request journey arrived. A second run goes on with the same lake.

    \b
    tracelab demo
    tracelab demo --duration 30 --no-dashboard --lake ./lake
    tracelab demo --set auth:OTEL_SDK_DISABLED=true          a service without instrumentation
    tracelab demo --set orders:OTEL_PROPAGATORS=baggage         lost context
    tracelab demo --set payment:SHOP_EXTRA_WORK_MS=40        a slower service
    """
    from demo_services.processes import free_port
    from tracelab.lake import Lake, default_lake_path
    from tracelab.reporters.terminal import print_report

    lake = Lake.create(lake_path or default_lake_path())
    threading.Thread(target=_warm_kernels, daemon=True).start()
    ports = {
        "grpc": free_port(wanted=grpc_port),
        "http": free_port(wanted=http_port),
        "gateway": free_port(wanted=gateway_port),
        "dashboard": free_port(wanted=dashboard_port),
    }
    dashboard = None if no_dashboard else ports["dashboard"]
    run = _Run(lake, ports, rate, seed, dashboard, time.time_ns(), _settings(settings))
    with _stopped_cleanly():
        run.go(duration)
    summary = run.summary()
    print_report(summary.report)
    if not summary.complete:
        raise CheckError("no complete request journey arrived; the logs are in " + str(run.folder))


@contextmanager
def _stopped_cleanly() -> Iterator[None]:
    try:
        with stopping_on_signals():
            yield
    except Stopped:
        pass


def _settings(texts: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Environment variables by service."""
    from demo_services.processes import PROCESSES

    names = [process.name for process in PROCESSES]
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        service, _, variable = text.partition(":")
        name, is_set, value = variable.partition("=")
        if service not in names or not name or not is_set:
            raise UsageError(f"--set {text}: write SERVICE:NAME=VALUE, SERVICE one of {', '.join(names)}")
        found.setdefault(service, {})[name] = value
    return found


def _warm_kernels() -> None:
    from tracelab.kernels.warm import warm

    warm()


@dataclass(frozen=True)
class _Summary:
    report: RenderableType
    complete: int


class _Run:
    """One run of the demo: its processes, and what can be said of its traces."""

    def __init__(
        self,
        lake: Any,
        ports: dict[str, int],
        rate: float,
        seed: int,
        dashboard: int | None,
        since_ns: int,
        settings: dict[str, dict[str, str]],
    ) -> None:
        self.lake = lake
        self.folder = lake.path.resolve() / "demo"
        self.ports = ports
        self.rate = rate
        self.seed = seed
        self.dashboard_port = dashboard
        self.since_ns = since_ns
        self.settings = settings
        self.report_file = self.folder / "load.json"
        self.memory: float | None = None

    def go(self, duration: float | None) -> None:
        """Start everything, watch it for as long as asked, stop everything."""
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.report_file.unlink(missing_ok=True)
        with Children(self.folder) as children:
            shop = self._start(children)
            load = self._start_load(children)
            click.echo(f"ready in {time.monotonic() - began:.1f} s; Ctrl-C stops")
            end = None if duration is None else time.monotonic() + duration
            try:
                self._watch(shop, end)
            finally:
                self.memory = memory_mb([child.process.pid for child in children.children])
                children.stop(load)  # first the users, then the shop, at last the collector: nothing is lost
                children.stop(*[child for child in reversed(children.children) if child.name != "collector"])

    def _start(self, children: Children) -> Shop:
        from tracelab.commands.up import start_collector, start_dashboard

        collector: Any = start_collector(children, self.lake.path.resolve(), self.ports["grpc"], self.ports["http"])
        endpoints = (f"http://127.0.0.1:{self.ports['grpc']}", f"http://127.0.0.1:{self.ports['http']}")
        wait_until(answers_http(f"{endpoints[1]}/healthz"), collector)
        click.echo(f"collector   OTLP/gRPC localhost:{self.ports['grpc']}   OTLP/HTTP {endpoints[1]}/v1/traces")
        control = control_of(self.lake.path)
        control.clear()
        shop = Shop(children, self.ports["gateway"], endpoints, self.settings, control)
        shop.start()
        dashboard: Any = None
        if self.dashboard_port is not None:
            dashboard = start_dashboard(children, self.lake.path.resolve(), self.dashboard_port, self.ports["http"])
        shop.wait()
        if dashboard is not None:
            wait_until(answers_http(f"http://127.0.0.1:{self.dashboard_port}/_stcore/health"), dashboard)
            click.echo(f"dashboard   http://localhost:{self.dashboard_port}      <- look here")
        click.echo(f"lake        {self.lake.path}")
        return shop

    def _start_load(self, children: Children) -> Child:
        command = [sys.executable, "-m", "demo_services", "load", "--rate", str(self.rate), "--seed", str(self.seed)]
        command += ["--url", f"http://127.0.0.1:{self.ports['gateway']}", "--report", str(self.report_file)]
        click.echo(f"load        {self.rate:g} requests/s, seed {self.seed}")
        return children.start("load", command)

    def _watch(self, shop: Shop, end: float | None) -> None:
        console = Console(highlight=False)
        if not console.is_terminal:
            self._watch_quietly(shop, end)
            return
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            while end is None or time.monotonic() < end:
                _tend_until(shop, end, SUMMARY_EVERY_S)
                live.update(self.summary(time.time_ns() - SETTLE_NS).report, refresh=True)

    def _watch_quietly(self, shop: Shop, end: float | None) -> None:
        """A line now and then, where nobody looks at a screen."""
        while end is None or time.monotonic() < end:
            _tend_until(shop, end, QUIET_EVERY_S)
            sent = self._load_account()
            requests, failed = sent.get("requests", 0), sent.get("failed", 0)
            click.echo(f"{sent.get('seconds', 0):6.0f} s  {requests:,} requests sent, {failed} failed")

    def _load_account(self) -> dict[str, Any]:
        try:
            account: dict[str, Any] = json.loads(self.report_file.read_text())
        except (OSError, ValueError):
            return {}
        return account

    def summary(self, until_ns: int | None = None) -> _Summary:
        """What arrived since this run began, of the requests that began before `until_ns`."""
        from tracelab.adjusters import assemble
        from tracelab.analysis.critical_path import critical_paths
        from tracelab.analysis.journey import journey
        from tracelab.analysis.service_graph import service_graph
        from tracelab.analysis.summaries import trace_summaries
        from tracelab.reporters.terminal import journey_line, journey_table, topology_table
        from tracelab.schema import ANALYSIS_COLUMNS
        from tracelab.window import Window

        window = Window(self.since_ns, until_ns)
        traces = assemble(self.lake.scan(self.since_ns, columns=ANALYSIS_COLUMNS))
        paths = critical_paths(traces)
        graph = service_graph(traces, window, paths)
        found = trace_summaries(traces, window)
        complete = [
            trace
            for trace in found
            if not trace.incomplete and trace.root_service == "gateway" and trace.service_count >= 3
        ]
        parts: list[RenderableType] = [Text(""), self._figures(len(traces), len(found), len(complete)), Text("")]
        parts += [topology_table(graph), self._agreement(graph), Text("")]
        if complete:
            slowest = max(complete, key=lambda trace: trace.duration_ns)
            root_at = next(
                at
                for at, root in enumerate(paths.roots)
                if traces.trace_id(int(traces.trace[root])) == slowest.trace_id
            )
            trip = journey(paths, root_at)
            parts += [
                Text(f"slowest request  {slowest.root_name}  trace {slowest.trace_id}", style="bold"),
                journey_line(trip),
                journey_table(trip),
            ]
        parts.append(Text(self._where_to_look(), style="dim"))
        return _Summary(Group(*parts), len(complete))

    def _figures(self, spans: int, traces: int, complete: int) -> Text:
        seconds = max((time.time_ns() - self.since_ns) / 1e9, 1e-9)
        memory = f"   memory {self.memory:,.0f} MB" if self.memory is not None else ""
        return Text(
            f"{spans:,} spans ({spans / seconds:,.0f}/s)   {traces:,} traces, {complete:,} complete journeys{memory}",
            style="bold",
        )

    def _agreement(self, graph: Any) -> Text:
        """The users' account beside the topology's: at the end the two must be one."""
        sent = self._load_account()
        entry = next((edge for edge in graph.edges if edge.client == "user:user" and edge.server == "gateway"), None)
        calls, failed = (entry.calls, entry.failed) if entry else (0, 0)
        agree = (sent.get("requests"), sent.get("failed")) == (calls, failed)
        shown = f"user -> gateway shows {calls:,} ({failed} failed)"
        text = f"users sent {sent.get('requests', 0):,} ({sent.get('failed', 0)} failed); {shown}"
        return Text(text + (": they agree" if agree else ""), style="green" if agree else "dim")

    def _where_to_look(self) -> str:
        look = f"dashboard http://localhost:{self.dashboard_port}   " if self.dashboard_port is not None else ""
        return f"{look}tracelab topology --lake {self.lake.path}   tracelab traces --failed --lake {self.lake.path}"


def _tend_until(shop: Shop, end: float | None, at_most: float) -> None:
    """Look after the shop for so many seconds."""
    until = time.monotonic() + at_most
    while (now := time.monotonic()) < (until if end is None else min(until, end)):
        shop.check()
        shop.tend()
        time.sleep(min(TEND_EVERY_S, max(0.0, until - now)))
