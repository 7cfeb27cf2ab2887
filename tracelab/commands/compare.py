"""`tracelab compare`."""

from __future__ import annotations

from dataclasses import replace

import click

from tracelab.commands.cohorts import chosen_search, where_option
from tracelab.commands.options import Source, print_json, reading_options, window_of
from tracelab.errors import UsageError
from tracelab.window import Window


@click.command("compare")
@reading_options
@click.option("--base-since", help="Start of the window to compare with. [default: as long a window just before]")
@click.option("--base-until", help="End of the window to compare with.")
@where_option("--where", "Only traces with a span that has KEY=VALUE (attribute or resource).")
@where_option("--base-where", "The same of what to compare with: --base-where service.version=1.0.")
def command(
    src: Source,
    as_json: bool,
    base_since: str | None,
    base_until: str | None,
    where: tuple[str, ...],
    base_where: tuple[str, ...],
) -> None:
    """What changed, and where it comes from: two files (BASE OTHER), or two windows or filters of one lake.

    Edges and operations that appeared, vanished or changed, each figure with an interval and a test; then services,
    the most likely cause first. The trace is the unit of chance, and false alarms are held at 5 % over all figures.

    \b
    tracelab compare before.json after.json
    tracelab compare --since 10m --base-since 1h --base-until 10m
    tracelab compare --base-where service.version=1.3.0 --where service.version=1.4.0
    """
    from tracelab.analysis.cohorts import Cohort, cohort
    from tracelab.analysis.comparison import compare
    from tracelab.reporters.comparing import comparison_report, comparison_shape
    from tracelab.reporters.terminal import diagnostics_table, print_report

    base_src, other_src = _sources(src, base_since, base_until, bool(base_where or where))
    cohorts: list[Cohort] = []
    for source, words in ((base_src, base_where), (other_src, where)):
        search = chosen_search(words, src.service)
        loaded = source.load(whole_spans=bool(words))
        cohorts.append(cohort(loaded, source.window, search))
    comparison = compare(*cohorts)
    for name, found in zip(("compare with", "look at"), cohorts, strict=True):
        if found.size == 0:
            click.echo(f"tracelab: no traces to {name}: nothing is in that window or filter", err=True)
    if as_json:
        print_json(comparison_shape(comparison))
    else:
        print_report(comparison_report(comparison))
        print_report(diagnostics_table(comparison.diagnostics))


def _sources(src: Source, base_since: str | None, base_until: str | None, filtered: bool) -> tuple[Source, Source]:
    if len(src.files) == 2:
        if base_since or base_until:
            raise UsageError("two files are compared as they are; --base-since and --base-until are for one lake")
        return replace(src, files=src.files[:1]), replace(src, files=src.files[1:])
    if len(src.files) > 2:
        raise UsageError(f"compare takes two files, BASE and OTHER, not {len(src.files)}")
    if base_since or base_until:
        return replace(src, window=window_of(base_since, base_until, "--base-since", "--base-until")), src
    if filtered:
        return src, src
    since, until = src.window.since_ns, src.window.until_ns
    if since is None:
        raise UsageError(
            "compare what? Two files (`tracelab compare before.json after.json`), two windows "
            "(--since 10m --base-since 1h --base-until 10m) or two filters (--base-where, --where)"
        )
    if until is None:
        import time

        until = time.time_ns()
    return replace(src, window=Window(since - (until - since), since)), src
