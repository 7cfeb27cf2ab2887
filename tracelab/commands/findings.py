"""`tracelab findings`."""

from __future__ import annotations

import click

from tracelab.commands.cohorts import chosen_search, operation_option, where_option
from tracelab.commands.options import Source, print_json, reading_options


@click.command("findings")
@reading_options
@operation_option
@where_option("--where", "Only traces with a span that has KEY=VALUE (attribute or resource).")
@click.option("--trace", "trace_id", help="Only this trace (an id, or the beginning of one).")
def command(src: Source, as_json: bool, operation: str | None, where: tuple[str, ...], trace_id: str | None) -> None:
    """What is known to make requests slow or fail: N+1 queries, retries, time-outs, reads that could run at once …

    Each with what it costs, where to look, and what to do.

    \b
    tracelab findings --since 1h
    tracelab findings --trace 4bf92f35 trace.json --json
    """
    from tracelab.analysis.cohorts import cohort
    from tracelab.analysis.findings import find_all
    from tracelab.errors import InputError
    from tracelab.reporters.answers import findings_report
    from tracelab.reporters.plain import plain
    from tracelab.reporters.terminal import diagnostics_table, print_report

    traces = src.load(with_attributes=True)
    chosen = cohort(traces, src.window, chosen_search(where, src.service, operation))
    if trace_id is not None:
        chosen = chosen.of_trace(trace_id)
        if chosen.size == 0:
            raise InputError(f"no trace {trace_id} there (`tracelab traces` lists what is)")
    answer = find_all(chosen)
    if as_json:
        print_json(plain(answer))
    else:
        print_report(findings_report(answer))
        print_report(diagnostics_table(answer.diagnostics))
