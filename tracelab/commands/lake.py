"""`tracelab lake`."""

from __future__ import annotations

from pathlib import Path

import click

from tracelab.commands.options import json_option, lake_option, print_json


@click.group("lake")
def command() -> None:
    """Look after the lake.

    \b
    tracelab lake path       where it is
    tracelab lake info       what is in it
    tracelab lake compact    merge its small files
    """


@command.command("path")
@lake_option
def path_command(lake_path: Path | None) -> None:
    """Print where the lake is."""
    from tracelab.lake import default_lake_path

    click.echo(lake_path or default_lake_path())


@command.command("info")
@lake_option
@json_option
def info_command(lake_path: Path | None, as_json: bool) -> None:
    """Spans, traces, files, bytes, oldest and newest."""
    import pyarrow.compute as pc

    from tracelab.diagnostics import Diagnostics
    from tracelab.lake import Lake, default_lake_path
    from tracelab.schema import ANALYSIS_COLUMNS
    from tracelab.times import time_text

    lake = Lake.open(lake_path or default_lake_path())
    diagnostics = Diagnostics()
    table = lake.scan(diagnostics=diagnostics, columns=ANALYSIS_COLUMNS)
    segments = lake.segments()
    times = pc.min_max(table.column("start_ns")).as_py()
    info = {
        "path": str(lake.path),
        "spans": table.num_rows,
        "traces": len(table.column("trace_id").unique()),
        "services": sorted(name for name in table.column("service_name").unique().to_pylist() if name is not None),
        "segments": len(segments),
        "bytes": sum(path.stat().st_size for path in segments if path.exists()),
        "oldest_ns": times["min"],
        "newest_ns": times["max"],
        "diagnostics": dict(diagnostics),
    }
    if as_json:
        print_json(info)
        return
    for key, value in info.items():
        text = time_text(value) if key.endswith("_ns") and value is not None else value
        click.echo(f"{key.removesuffix('_ns'):12}{', '.join(text) if isinstance(text, list) else text}")


@command.command("compact")
@lake_option
def compact_command(lake_path: Path | None) -> None:
    """Merge small files into large ones; readers and writers go on meanwhile."""
    from tracelab.lake import Lake, compact, default_lake_path

    lake = Lake.open(lake_path or default_lake_path())
    click.echo(f"{compact(lake)} files merged; {len(lake.segments())} now")
