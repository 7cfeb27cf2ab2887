"""`tracelab what-if`."""

from __future__ import annotations

import click

from tracelab.commands.cohorts import chosen_search, where_option
from tracelab.commands.options import Source, print_json, reading_options
from tracelab.errors import UsageError
from tracelab.times import parse_duration_ns


@click.command("what-if")
@reading_options
@click.option("--operation", help="The spans of this name (of --service, if given) are what is supposed about.")
@where_option("--where", "Only traces with a span that has KEY=VALUE (attribute or resource).")
@click.option("--faster", type=float, default=1.0, help="So many times as fast: 2 halves its own time, 0.5 doubles it.")
@click.option("--add", "added", help="So much more of its own time: 20ms.")
@click.option("--remove", is_flag=True, help="As if it took no time, nor what it calls.")
@click.option("--parallel", is_flag=True, help="As if those below one parent all started with the first.")
def command(
    src: Source,
    as_json: bool,
    operation: str | None,
    where: tuple[str, ...],
    faster: float,
    added: str | None,
    remove: bool,
    parallel: bool,
) -> None:
    """What p50 and p99 would be if a service or an operation were faster, slower, gone, or called at once.

    Every request is re-timed in the order that was seen: what waited then, waits still.

    \b
    tracelab what-if --service payment --faster 2
    tracelab what-if --service inventory --operation "SELECT stock" --parallel
    tracelab what-if --service auth --remove --json
    """
    from tracelab.analysis.cohorts import cohort
    from tracelab.analysis.what_if import Supposition, what_if
    from tracelab.reporters.answers import what_if_report
    from tracelab.reporters.plain import plain
    from tracelab.reporters.terminal import diagnostics_table, print_report

    if src.service is None and operation is None:
        raise UsageError("what if what? Say --service, or --operation, or both")
    if faster == 1.0 and not added and not remove and not parallel:
        raise UsageError("what if what? Say --faster 2, --add 20ms, --remove or --parallel")
    supposition = Supposition(
        src.service, operation, faster, parse_duration_ns(added) if added else 0, remove, parallel
    )
    traces = src.load(whole_spans=bool(where))
    answer = what_if(cohort(traces, src.window, chosen_search(where)), supposition)
    if as_json:
        print_json({**plain(answer), "diagnostics": dict(traces.diagnostics)})
    else:
        print_report(what_if_report(answer))
        print_report(diagnostics_table(traces.diagnostics))
