"""`tracelab trace`."""

from __future__ import annotations

import click

from tracelab.commands.options import Source, print_json, reading_options


@click.command("trace")
@click.argument("trace_id")
@reading_options
def command(
    trace_id: str,
    src: Source,
    as_json: bool,
) -> None:
    """Show one trace as a tree with its critical path; TRACE_ID may be the beginning of an id.

    Filled circles and thick bars are on the critical path.

    \b
    tracelab trace 4bf92f35
    tracelab trace 4bf92f35 trace.json --json
    """
    from tracelab.adjusters import assemble
    from tracelab.analysis.critical_path import critical_paths
    from tracelab.analysis.summaries import Search, trace_summaries
    from tracelab.errors import InputError
    from tracelab.reporters.shapes import trace_shape
    from tracelab.reporters.terminal import diagnostics_table, print_report, trace_report

    traces = src.load()
    found = [
        summary.trace_id
        for summary in trace_summaries(traces, src.window, Search(service=src.service))
        if summary.trace_id.startswith(trace_id.lower())
    ]
    if len(found) != 1:
        hint = (
            f"{len(found)} traces begin with it; write more of the id"
            if found
            else "`tracelab traces` lists what is there"
        )
        raise InputError(f"trace {trace_id}: {hint}")
    alone = src.whole_trace(traces, bytes.fromhex(found[0]))
    paths = critical_paths(assemble(alone, src.skew_correction))
    if as_json:
        print_json(trace_shape(paths))
    else:
        print_report(trace_report(paths))
        print_report(diagnostics_table(paths.traces.diagnostics))
