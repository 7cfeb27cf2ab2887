"""`tracelab lake`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracelab.commands.collect import SIZE
from tracelab.commands.options import json_option, lake_option, print_json, progress
from tracelab.errors import CheckError, UsageError

if TYPE_CHECKING:
    from tracelab.lake import Lake


@click.group("lake")
def command() -> None:
    """Look after the lake.

    \b
    tracelab lake path                       where it is
    tracelab lake info                       what is in it
    tracelab lake verify                     read every file
    tracelab lake compact                    merge its small files
    tracelab lake prune --keep-for 30d --dry-run
    """


def _open(lake_path: Path | None) -> Lake:
    from tracelab.lake import Lake, default_lake_path

    return Lake.open(lake_path or default_lake_path())


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
    from tracelab.lake.info import lake_info
    from tracelab.reporters.terminal import clean
    from tracelab.times import time_text

    info = lake_info(_open(lake_path))
    if as_json:
        print_json(info)
        return
    for key, value in info.items():
        text: Any = time_text(value) if key.endswith("_ns") and value is not None else value
        if isinstance(value, list):
            text = ", ".join(clean(name) for name in value)
        elif isinstance(value, dict):
            text = ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
        click.echo(f"{key.removesuffix('_ns'):16}{text}")


@command.command("verify")
@lake_option
@json_option
def verify_command(lake_path: Path | None, as_json: bool) -> None:
    """Read every file, every column; exit code 1 if one cannot be read.

    \b
    tracelab lake verify --json | jq .damaged
    """
    from tracelab.lake.keep import verify
    from tracelab.reporters.plain import plain
    from tracelab.reporters.terminal import clean

    lake = _open(lake_path)
    verdict = verify(lake, lambda done, files: progress(f"{done} of {files} files"))
    progress("")
    if as_json:
        print_json(plain(verdict))
    else:
        click.echo(f"{verdict.segments} files, {verdict.spans:,} spans, {verdict.bytes:,} bytes")
        click.echo(f"{verdict.split_traces} traces in more than one partition")
        for name in verdict.unfinished:
            click.echo(f"unfinished: {name}; the next compaction removes it")
        for damage in verdict.damaged:
            click.echo(f"damaged: {clean(damage.file)}: {clean(damage.why, limit=300)}")
    if verdict.damaged:
        raise CheckError(f"{len(verdict.damaged)} files cannot be read; the others are read without them")


@command.command("compact")
@lake_option
@json_option
def compact_command(lake_path: Path | None, as_json: bool) -> None:
    """Merge small files into large ones; readers and writers go on meanwhile."""
    from tracelab.lake import compact

    lake = _open(lake_path)
    merged = compact(lake)
    if as_json:
        print_json({"merged": merged, "segments": len(lake.segments())})
    else:
        click.echo(f"{merged} files merged; {len(lake.segments())} now")


@command.command("prune")
@lake_option
@click.option("--keep-for", help="Remove files whose newest span is older than this, as 30d.")
@click.option("--keep-bytes", type=SIZE, help="Then remove the oldest files beyond this size, as 20GiB.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
def prune_command(
    lake_path: Path | None, keep_for: str | None, keep_bytes: int | None, dry_run: bool, as_json: bool
) -> None:
    """Remove old spans, whole files at a time, the oldest first.

    \b
    tracelab lake prune --keep-for 30d --dry-run
    tracelab lake prune --keep-bytes 20GiB
    """
    from tracelab.lake import prune
    from tracelab.reporters.plain import plain
    from tracelab.times import parse_duration_ns, time_text

    if keep_for is None and keep_bytes is None:
        raise UsageError("say what to keep: --keep-for 30d, --keep-bytes 20GiB, or both")
    removed = prune(_open(lake_path), parse_duration_ns(keep_for) if keep_for else None, keep_bytes, dry_run)
    if as_json:
        print_json({"dry_run": dry_run, "removed": plain(removed)})
        return
    for gone in removed:
        newest = "empty" if gone.newest_ns is None else f"newest {time_text(gone.newest_ns)}"
        click.echo(f"{gone.name}  {gone.spans:,} spans, {gone.bytes:,} bytes, {newest}")
    would = "would be removed" if dry_run else "removed"
    spans, size = sum(gone.spans for gone in removed), sum(gone.bytes for gone in removed)
    click.echo(f"{len(removed)} files, {spans:,} spans, {size:,} bytes {would}")
