"""`tracelab collect`."""

from __future__ import annotations

from pathlib import Path

import click

from tracelab.commands.options import lake_option


def warn_if_public(host: str) -> None:
    """Said wherever something listens beyond this machine."""
    if host not in ("127.0.0.1", "localhost", "::1"):
        click.echo(f"note: {host} can be reached from other machines, without a password", err=True)


@click.command("collect")
@lake_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--grpc-port", type=int, default=4317, show_default=True, help="OTLP over gRPC; 0 takes a free one.")
@click.option("--http-port", type=int, default=4318, show_default=True, help="OTLP over HTTP; 0 takes a free one.")
@click.option("--cors-origin", "cors_origins", multiple=True, help="Browser origin that may send; may be given again.")
def command(lake_path: Path | None, host: str, grpc_port: int, http_port: int, cors_origins: tuple[str, ...]) -> None:
    """Receive OTLP over gRPC and HTTP into the lake.

    A request is answered when its spans are durable. SIGTERM or Ctrl-C finishes what was received. /healthz and
    /metrics are on the HTTP port.

    \b
    tracelab collect --lake ./lake
    OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 opentelemetry-instrument python app.py
    """
    from collectors.collector import run
    from tracelab.lake import default_lake_path

    lake = lake_path or default_lake_path()
    warn_if_public(host)

    def ready(grpc_bound: int, http_bound: int) -> None:
        click.echo(f"OTLP/gRPC {host}:{grpc_bound}   OTLP/HTTP http://{host}:{http_bound}/v1/traces   lake {lake}")

    run(lake, host, grpc_port, http_port, cors_origins, ready)
