"""`tracelab calls-per-trace`."""

from __future__ import annotations

import click

from tracelab.commands.cohorts import chosen_search, operation_option, where_option
from tracelab.commands.options import Source, print_json, reading_options


@click.command("calls-per-trace")
@reading_options
@operation_option
@where_option("--where", "Only traces with a span that has KEY=VALUE (attribute or resource).")
def command(src: Source, as_json: bool, operation: str | None, where: tuple[str, ...]) -> None:
    """How often one trace uses each edge: a distribution, and the traces with the most calls.

    `tracelab compare` says how it changed between two windows, `tracelab explain-slow` what slow requests do more of.

    \b
    tracelab calls-per-trace --since 1h
    tracelab calls-per-trace --operation "POST /checkout" --json
    """
    from tracelab.analysis.cohorts import cohort
    from tracelab.analysis.fanout import calls_per_trace
    from tracelab.reporters.answers import calls_report
    from tracelab.reporters.plain import plain
    from tracelab.reporters.terminal import diagnostics_table, print_report

    traces = src.load(whole_spans=bool(where))
    edges = calls_per_trace(cohort(traces, src.window, chosen_search(where, src.service, operation)))
    if as_json:
        print_json({"edges": plain(edges), "diagnostics": dict(traces.diagnostics)})
    else:
        print_report(calls_report(edges))
        print_report(diagnostics_table(traces.diagnostics))
