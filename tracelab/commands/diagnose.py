"""`tracelab diagnose`."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from tracelab.commands.options import Source, print_json, reading_options, window_of
from tracelab.errors import UsageError
from tracelab.window import EVERYTHING, Window

if TYPE_CHECKING:
    from tracelab.analysis.cohorts import Cohort

_NOW_NS = 120 * 10**9
_HOUR_NS = 3600 * 10**9
_LIVE_NS = 600 * 10**9
_BEFORE = 5  # times as long a window before, to know how it usually is


@click.command("diagnose")
@reading_options
@click.option("--base-since", help="Start of the window of how it usually is. [default: 5 times as long, just before]")
@click.option("--base-until", help="End of that window. [default: where --since begins]")
def command(src: Source, as_json: bool, base_since: str | None, base_until: str | None) -> None:
    """What is wrong, where, since when: the most likely causes first, from the traces alone.

    Compares now (--since, the last two minutes by default) with before. Names nothing where nothing stands out. Two
    files are compared as they are: how it was, how it is. Of one file, or of a lake into which nothing comes any more,
    without a window: the last hour, cut in two where that explains most. Exits 0 whatever it finds.

    \b
    tracelab diagnose
    tracelab diagnose --since 5m --base-since 1h
    tracelab diagnose before.json now.json
    tracelab diagnose incident.json
    """
    from tracelab.analysis.diagnosis import diagnose, diagnose_everything
    from tracelab.reporters.diagnosing import diagnosis_report, diagnosis_shape
    from tracelab.reporters.terminal import print_report

    unsaid = src.window == EVERYTHING and not (base_since or base_until)
    if unsaid and len(src.files) < 2 and (newest := _newest_if_old(src)) is not None:
        diagnosis = diagnose_everything(replace(src, window=Window(newest - _HOUR_NS, None)).load(with_attributes=True))
    else:
        diagnosis = diagnose(*_cohorts(src, base_since, base_until))
    for name, found in (("how it usually is", diagnosis.base_traces), ("now", diagnosis.now_traces)):
        if not found:
            click.echo(f"tracelab: no traces to tell {name} from: nothing is in that window", err=True)
    if as_json:
        print_json(diagnosis_shape(diagnosis))
    else:
        print_report(diagnosis_report(diagnosis))


def _newest_if_old(src: Source) -> int | None:
    """When the last trace began, of a file or of a lake into which nothing has come for a while; else None."""
    if src.files:
        return _HOUR_NS  # all of it
    from tracelab.lake.info import lake_info

    newest: int | None = lake_info(src.lake())["newest_ns"]
    return newest if newest is not None and newest < time.time_ns() - _LIVE_NS else None


def _cohorts(src: Source, base_since: str | None, base_until: str | None) -> tuple[Cohort, Cohort]:
    from tracelab.analysis.cohorts import cohort
    from tracelab.analysis.summaries import Search

    search = Search(service=src.service)
    if len(src.files) == 2:
        return _of_files(src, base_since or base_until)
    if len(src.files) > 2:
        raise UsageError(
            f"diagnose takes one file with a window, or two, how it was and how it is; not {len(src.files)}"
        )
    now, base = windows(src.window, base_since, base_until, time.time_ns())
    traces = replace(src, window=base.hull(now)).load(with_attributes=True)
    return cohort(traces, base, search), cohort(traces, now, search)


def windows(now: Window, base_since: str | None, base_until: str | None, time_ns: int) -> tuple[Window, Window]:
    """(now, before): what is not said is the last two minutes, and five times as long before that."""
    until = now.until_ns if now.until_ns is not None else time_ns
    since = now.since_ns if now.since_ns is not None else until - _NOW_NS
    said = window_of(base_since, base_until, "--base-since", "--base-until")
    before_until = said.until_ns if said.until_ns is not None else since
    before = said.since_ns if said.since_ns is not None else before_until - _BEFORE * (until - since)
    if before >= before_until:
        raise UsageError("--base-since must be before --base-until and before --since")
    return Window(since, until), Window(before, before_until)


def _of_files(src: Source, windowed: str | None) -> tuple[Cohort, Cohort]:
    """Both files as one set of traces, each trace on the side of the file that it came from; the later one wins."""
    import numpy as np
    import pyarrow as pa

    from tracelab.adjusters import assemble
    from tracelab.analysis.cohorts import Cohort
    from tracelab.commands.options import read_files
    from tracelab.diagnostics import Diagnostics

    if windowed:
        raise UsageError("two files are compared as they are; --base-since and --base-until are for one lake")
    diagnostics = Diagnostics()
    tables = [read_files((file,), diagnostics) for file in src.files]
    traces = assemble(pa.concat_tables(tables), src.skew_correction).noting(**diagnostics)
    real = np.flatnonzero(~traces.is_placeholder)
    is_now = np.zeros(traces.trace_count, np.bool_)
    is_now[traces.trace[real[traces.source_row[real] >= tables[0].num_rows]]] = True
    return Cohort(traces, ~is_now), Cohort(traces, is_now)
