"""`tracelab export`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tracelab.commands.options import Source, lake_option, window_of


@click.command("export")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@lake_option
@click.option("--since", help="Traces with a span since then: 15m (ago), or an ISO time.")
@click.option("--until", help="Traces with a span before then.")
@click.option("--trace", "trace_ids", multiple=True, help="Only this trace; may be given again.")
@click.option("--format", "format_", type=click.Choice(["otlp-json", "jaeger"]), default="otlp-json", show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write. [default: standard output]"
)
@click.option("--force", is_flag=True, help="Write over an existing file.")
def command(
    files: tuple[Path, ...],
    lake_path: Path | None,
    since: str | None,
    until: str | None,
    trace_ids: tuple[str, ...],
    format_: str,
    output: Path | None,
    force: bool,
) -> None:
    """Write traces as OTLP JSON (a request a line) or Jaeger JSON, from the lake or from FILES.

    Importing an OTLP export gives the same spans, to the last attribute. Jaeger has microseconds.

    \b
    tracelab export --since 1h > traces.jsonl
    tracelab export --trace 4bf92f3577b34da6a3ce929d0e0e4736 --format jaeger --output trace.json
    """
    import pyarrow as pa

    from tracelab.codecs.export import exported
    from tracelab.commands.options import read_files
    from tracelab.diagnostics import Diagnostics
    from tracelab.errors import InputError, UsageError
    from tracelab.lake.choose import select_traces
    from tracelab.schema import TRACE_ID

    if output is not None and output.exists() and not force:
        raise UsageError(f"{output} is there already; --force writes over it")
    src = Source(files, lake_path, window_of(since, until, "--since", "--until"))
    table = read_files(files, Diagnostics()) if files else src.lake().scan(src.window.since_ns, src.window.until_ns)
    if trace_ids:
        try:
            wanted = [bytes.fromhex(trace_id.zfill(32)) for trace_id in trace_ids]
        except ValueError:
            raise UsageError(f"--trace takes whole trace ids of 32 hex digits, not {trace_ids}") from None
        table = select_traces([table], pa.array(wanted, TRACE_ID))
        if table.num_rows == 0:
            raise InputError("no such trace there (`tracelab traces` lists what is)")
    if output is None:
        sys.stdout.buffer.writelines(exported(table, format_))
        sys.stdout.buffer.flush()
        return
    with output.open("wb") as file:
        file.writelines(exported(table, format_))
    click.echo(f"{table.num_rows:,} spans written to {output}", err=True)
