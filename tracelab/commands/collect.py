"""`tracelab collect`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from tracelab.commands.options import lake_option, warn_of_public
from tracelab.errors import UsageError

_WORKERS_AT_MOST = 4
_FILE = click.Path(path_type=Path, dir_okay=False)


def default_workers() -> int:
    """A worker for every second core: each keeps about one busy, and its clients need some, too."""
    return max(1, min(_WORKERS_AT_MOST, len(os.sched_getaffinity(0)) // 2 if hasattr(os, "sched_getaffinity") else 1))


def parse_bytes(text: str) -> int:
    """`64MiB`, `2g`, `500_000`: bytes, by powers of 1,024."""
    number = text.strip().lower().removesuffix("b").removesuffix("i").replace("_", "")
    power = "kmgt".find(number[-1:]) + 1 if number[-1:] else 0
    try:
        value = float(number[:-1] if power else number) * 1024**power
    except ValueError:
        value = -1
    if not 1 <= value < 2**60:
        raise UsageError(f"{text}: expected a size such as 64MiB or 20GiB")
    return int(value)


class _Size(click.ParamType):  # type: ignore[type-arg]
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_bytes(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


SIZE = _Size()


@click.command("collect")
@lake_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--grpc-port", type=int, default=4317, show_default=True, help="OTLP over gRPC; 0 takes a free one.")
@click.option("--http-port", type=int, default=4318, show_default=True, help="OTLP over HTTP; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that receive. [default: by cores, at most 4]")
@click.option("--cors-origin", "cors_origins", multiple=True, help="Browser origin that may send; may be given again.")
@click.option("--tls-cert", type=_FILE, help="Certificate in PEM: clients must use TLS. With --tls-key.")
@click.option("--tls-key", type=_FILE, help="Its private key in PEM.")
@click.option("--tls-client-ca", type=_FILE, help="Only clients with a certificate of this CA may send.")
@click.option("--token-file", type=_FILE, help="Bearer tokens, one a line: a client must send one of them.")
@click.option("--max-body", type=SIZE, default="64MiB", show_default=True, help="Size of a request, also unpacked.")
@click.option("--max-spans", type=click.IntRange(1), default=100_000, show_default=True, help="Spans of a request.")
@click.option(
    "--max-attributes",
    type=click.IntRange(1),
    default=1_000,
    show_default=True,
    help="Attributes of a span, event, link or resource; those behind are dropped and counted.",
)
@click.option(
    "--max-text",
    type=SIZE,
    default="256KiB",
    show_default=True,
    help="Size of a name or value; longer ones are cut, marked and counted.",
)
@click.option(
    "--max-depth",
    type=click.IntRange(1, 40),
    default=32,
    show_default=True,
    help="Of lists in attribute values; deeper ones are cut, marked and counted.",
)
@click.option(
    "--max-waiting",
    type=SIZE,
    default="256MiB",
    show_default=True,
    help="Requests not yet written; beyond it clients are told to come back.",
)
@click.option(
    "--max-connections",
    type=click.IntRange(1),
    default=1_000,
    show_default=True,
    help="Open at once, per transport and worker.",
)
@click.option(
    "--slow-client",
    type=click.FloatRange(0.1),
    default=30.0,
    show_default=True,
    help="Seconds that a client may take to send a request over HTTP.",
)
@click.option("--keep-for", help="Remove spans older than this, as 30d. [default: keep all]")
@click.option("--keep-bytes", type=SIZE, help="Remove the oldest beyond this size, as 20GiB. [default: keep all]")
@click.option(
    "--own-traces",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Fraction of requests of which the collector writes a span of its own, as service tracelab-collector.",
)
def command(lake_path: Path | None, host: str, workers: int | None, **options: Any) -> None:  # fmt: skip
    """Receive OTLP over gRPC and HTTP into the lake.

    A request is answered when its spans are durable. SIGTERM or Ctrl-C finishes what was received. /healthz and
    /metrics are on the HTTP port.

    \b
    tracelab collect --lake ./lake
    OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 opentelemetry-instrument python app.py
    tracelab collect --host 0.0.0.0 --tls-cert c.pem --tls-key k.pem --token-file tokens
    tracelab collect --keep-for 30d --keep-bytes 20GiB
    """
    from collectors.allocation import keep_memory

    keep_memory()
    from collectors.settings import Settings, Tls, check_tls, read_tokens
    from tracelab.codecs.limits import Limits
    from tracelab.lake import default_lake_path
    from tracelab.times import parse_duration_ns

    tls = None
    if options["tls_cert"] or options["tls_key"] or options["tls_client_ca"]:
        if not (options["tls_cert"] and options["tls_key"]):
            raise UsageError("--tls-cert and --tls-key go together; --tls-client-ca needs both")
        tls = Tls(options["tls_cert"], options["tls_key"], options["tls_client_ca"])
        check_tls(tls)
    settings = Settings(
        lake_path or default_lake_path(),
        host,
        options["grpc_port"],
        options["http_port"],
        options["cors_origins"],
        Limits(
            options["max_body"],
            options["max_spans"],
            options["max_attributes"],
            options["max_text"],
            options["max_depth"],
        ),
        tls,
        read_tokens(options["token_file"]) if options["token_file"] else (),
        options["max_connections"],
        options["slow_client"],
        options["max_waiting"],
        workers or default_workers(),
        max_age_ns=parse_duration_ns(options["keep_for"]) if options["keep_for"] else None,
        max_bytes=options["keep_bytes"],
        own_traces=options["own_traces"],
    )
    if settings.is_public:
        warn_of_public(host, "--tls-client-ca or --token-file keeps others out")
    _run(settings)


def _run(settings: Any) -> None:
    scheme = "http" if settings.tls is None else "https"

    def ready(grpc_bound: int, http_bound: int) -> None:
        click.echo(
            f"OTLP/gRPC {settings.host}:{grpc_bound}   OTLP/HTTP {scheme}://{settings.host}:{http_bound}/v1/traces   "
            f"lake {settings.lake_path}"
        )

    if settings.workers == 1:
        from collectors.collector import run

        run(settings, ready)
    else:
        from collectors.workers import run_workers

        run_workers(settings, ready)
