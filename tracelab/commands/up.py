"""`tracelab up`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from tracelab.commands.options import lake_option
from tracelab.commands.supervise import Child, Children, Stopped, answers_http, stopping_on_signals, wait_until


@click.command("up")
@lake_option
@click.option("--grpc-port", type=int, default=4317, show_default=True, help="OTLP over gRPC.")
@click.option("--http-port", type=int, default=4318, show_default=True, help="OTLP over HTTP.")
@click.option("--dashboard-port", type=int, default=8501, show_default=True, help="Port of the dashboard.")
def command(lake_path: Path | None, grpc_port: int, http_port: int, dashboard_port: int) -> None:
    """Run collector and dashboard for your own services, until Ctrl-C.

    \b
    tracelab up
    OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 opentelemetry-instrument python app.py
    """
    from collectors.binding import bind
    from tracelab.lake import Lake, default_lake_path

    lake = Lake.create(lake_path or default_lake_path()).path.resolve()
    for port, option in ((grpc_port, "--grpc-port"), (http_port, "--http-port"), (dashboard_port, "--dashboard-port")):
        bind("127.0.0.1", port, option).close()
    try:
        with stopping_on_signals(), Children(lake / "logs") as children:
            collector = start_collector(children, lake, grpc_port, http_port)
            dashboard = start_dashboard(children, lake, dashboard_port, http_port)
            wait_until(answers_http(f"http://127.0.0.1:{http_port}/healthz"), collector)
            click.echo(f"collector  OTLP/gRPC localhost:{grpc_port}   OTLP/HTTP http://localhost:{http_port}")
            wait_until(answers_http(f"http://127.0.0.1:{dashboard_port}/_stcore/health"), dashboard)
            click.echo(f"dashboard  http://localhost:{dashboard_port}")
            click.echo(f"lake       {lake}")
            click.echo(
                "Send spans: OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:" + str(grpc_port) + "   Ctrl-C stops."
            )
            while True:
                time.sleep(0.5)
                children.check()
    except Stopped:
        pass


def start_collector(children: Children, lake: Path, grpc_port: int, http_port: int) -> Child:
    """A collector as a child process."""
    ports = ["--grpc-port", str(grpc_port), "--http-port", str(http_port)]
    return children.start("collector", [sys.executable, "-m", "tracelab", "collect", "--lake", str(lake), *ports])


def start_dashboard(children: Children, lake: Path, port: int, collector_port: int) -> Child:
    """A dashboard as a child process."""
    from tracelab.commands.dashboard import dashboard_command

    environment = {"TRACELAB_LAKE": str(lake), "TRACELAB_COLLECTOR": f"http://localhost:{collector_port}"}
    return children.start("dashboard", dashboard_command("127.0.0.1", port), environment)
