"""`tracelab critical-path`."""

from __future__ import annotations

import click

from tracelab.commands.options import Source, print_json, reading_options


@click.command("critical-path")
@reading_options
@click.option("--trace", "trace_id", help="Only this trace (an id, or the beginning of one).")
@click.option(
    "--order",
    type=click.Choice(["plain", "learned"]),
    default="plain",
    show_default=True,
    help="Learned: siblings that ran at once in other traces do not hold each other up.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many traces, the slowest first. [terminal: 5]")
def command(
    src: Source,
    as_json: bool,
    trace_id: str | None,
    order: str,
    limit: int | None,
) -> None:
    """What held each request up, moment by moment: from the lake, or from FILES.

    The sections of a critical path tile the root's time without gap or overlap.

    \b
    tracelab critical-path trace.json
    tracelab critical-path --since 15m --service api --limit 3
    tracelab critical-path traces.json --order learned
    tracelab critical-path --json | jq '.traces[0].sections'
    """
    import numpy as np

    from tracelab.analysis.critical_path import critical_paths
    from tracelab.analysis.order import learned_orders
    from tracelab.analysis.summaries import Search, trace_summaries
    from tracelab.errors import InputError
    from tracelab.reporters.shapes import critical_path_shape, learned_path_shape
    from tracelab.reporters.terminal import diagnostics_table, path_report, print_report

    paths = critical_paths(src.load())
    traces = paths.traces
    learned = learned_orders(traces) if order == "learned" else None
    wanted = {
        summary.trace_id
        for summary in trace_summaries(traces, src.window, Search(service=src.service))
        if trace_id is None or summary.trace_id.startswith(trace_id.lower())
    }
    if trace_id is not None and not wanted:
        raise InputError(f"no trace {trace_id} there (`tracelab traces` lists what is)")
    chosen = np.array([traces.trace_id(trace) in wanted for trace in range(traces.trace_count)], np.bool_)
    root_ats = np.flatnonzero(chosen[traces.trace[paths.roots]]) if len(traces) else np.zeros(0, np.int64)
    if limit is not None or not as_json:
        duration = traces.end_ns[paths.roots] - traces.start_ns[paths.roots]
        root_ats = root_ats[np.argsort(-duration[root_ats], kind="stable")][: limit or 5]
    if learned is not None:
        by_order = critical_paths(traces, learned.refuted)
        if as_json:
            print_json(learned_path_shape(by_order, paths, learned, root_ats.tolist()))
        else:
            from tracelab.reporters.answers import orders_report

            print_report(orders_report(learned))
            print_report(path_report(by_order, root_ats.tolist(), plain=paths))
            print_report(diagnostics_table(traces.diagnostics))
        return
    if as_json:
        print_json(critical_path_shape(paths, root_ats.tolist()))
    else:
        print_report(path_report(paths, root_ats.tolist()))
        print_report(diagnostics_table(traces.diagnostics))
