"""`tracelab structure`."""

from __future__ import annotations

import click

from tracelab.commands.cohorts import chosen_search
from tracelab.commands.options import Source, print_json, reading_options


@click.command("structure")
@reading_options
@click.option("--if-dies", "node", help="What is hurt if this node dies, weighted by traffic.")
def command(src: Source, as_json: bool, node: str | None) -> None:
    """The shape of the system: cycles, single points of failure, shared databases, depth and fan-out of requests.

    \b
    tracelab structure --since 1h
    tracelab structure --if-dies inventory
    """
    from tracelab.analysis.cohorts import cohort
    from tracelab.analysis.structure import Impact, Structure, impact_of, structure
    from tracelab.reporters.answers import impact_report, structure_report
    from tracelab.reporters.plain import plain
    from tracelab.reporters.terminal import diagnostics_table, print_report

    chosen = cohort(src.load(), src.window, chosen_search((), src.service))
    answer: Structure | Impact
    if node is None:
        answer = structure(chosen)
        report = structure_report(answer)
    else:
        answer = impact_of(chosen, node)
        report = impact_report(answer)
    if as_json:
        print_json({**plain(answer), "diagnostics": dict(chosen.traces.diagnostics)})
    else:
        print_report(report)
        print_report(diagnostics_table(chosen.traces.diagnostics))
