"""`tracelab import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracelab.commands.options import json_option, lake_option, print_json, progress

if TYPE_CHECKING:
    from tracelab.codecs.sink import Sink
    from tracelab.lake import Lake


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@lake_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(["auto", "otlp-json", "otlp-proto", "jaeger", "zipkin"]),
    default="auto",
    show_default=True,
    help="What the files are; auto finds out by looking.",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="What cannot be read: end without importing its file, or leave out that record (or file) and count it.",
)
@json_option
def command(files: tuple[Path, ...], lake_path: Path | None, format_: str, on_error: str, as_json: bool) -> None:
    """Read trace files into the lake.

    FILES are OTLP (JSON, NDJSON, protobuf), Jaeger JSON or Zipkin v2 JSON, also packed as .gz or .zst; a folder stands
    for the trace files inside, - for standard input. Importing a file twice changes nothing.

    \b
    tracelab import traces.json
    tracelab import exported/ --lake ./lake --on-error skip
    curl -s localhost:16686/api/traces?service=web | tracelab import -
    """
    from tracelab.codecs.files import find_files
    from tracelab.codecs.sink import Sink
    from tracelab.diagnostics import Diagnostics
    from tracelab.errors import InputError, RecordError
    from tracelab.lake import Lake, default_lake_path
    from tracelab.reporters.terminal import diagnostics_table, print_report

    def skip(error: RecordError) -> None:
        click.echo(f"skipped: {path}: {error}", err=True)

    skipped = 0
    diagnostics = Diagnostics()
    paths = find_files(list(files))
    lake = Lake.create(lake_path or default_lake_path())
    spans = 0
    trace_ids: set[bytes] = set()
    for path in paths:
        sink = Sink(diagnostics=diagnostics, skip=skip if on_error == "skip" else None)
        try:
            count, seen = _take_in(lake, path, sink, format_)
        except InputError as error:
            if on_error == "fail":
                raise
            skipped += 1
            click.echo(f"skipped: {error}", err=True)
            continue
        spans += count
        trace_ids |= seen
    progress("")
    if skipped == len(paths) > 0:
        raise InputError("none of the files could be read")
    if as_json:
        print_json(
            {
                "files": len(paths) - skipped,
                "skipped_files": skipped,
                "spans": spans,
                "traces": len(trace_ids),
                "lake": str(lake.path),
                "diagnostics": dict(diagnostics),
            }
        )
        return
    click.echo(f"{spans:,} spans of {len(trace_ids):,} traces from {len(paths) - skipped} files are in {lake.path}")
    if len(diagnostics):
        print_report(diagnostics_table(diagnostics))


def _take_in(lake: Lake, path: Path, sink: Sink, format_: str) -> tuple[int, set[bytes]]:
    """(spans, ids of their traces) of a file, all of it in the lake or nothing."""
    from tracelab.codecs.files import read_file
    from tracelab.codecs.rows import count_reversed

    seen: set[bytes] = set()
    with lake.staged() as staged:
        for table in read_file(path, sink, format_):
            staged.append(table)
            sink.diagnostics.add("end_before_start", count_reversed(table))
            seen.update(table.column("trace_id").unique().to_pylist())
            progress(f"{path}: {staged.rows:,} spans")
    return staged.rows, seen
