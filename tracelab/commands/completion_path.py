"""`tracelab completion-path`."""

from __future__ import annotations

import click
import numpy as np

from tracelab.commands.cohorts import chosen_search, operation_option
from tracelab.commands.options import Source, print_json, reading_options


@click.command("completion-path")
@reading_options
@operation_option
@click.option(
    "--limit", type=click.IntRange(min=1), help="At most so many traces, the last to complete first. [terminal: 5]"
)
def command(src: Source, as_json: bool, operation: str | None, limit: int | None) -> None:
    """From a request's start to the end of the last thing it caused, across queues and links.

    Sections of kind `queue` are the time before an effect could begin; all sections together tile the whole.

    \b
    tracelab completion-path --since 15m --limit 3
    tracelab completion-path trace.json --json
    """
    from tracelab.analysis.cohorts import cohort
    from tracelab.analysis.completion import completion_paths
    from tracelab.reporters.answers import completion_report
    from tracelab.reporters.shapes import completion_shape
    from tracelab.reporters.terminal import diagnostics_table, print_report

    chosen = cohort(src.load(), src.window, chosen_search((), src.service, operation))
    traces = chosen.traces
    roots = traces.roots[chosen.chosen[traces.trace[traces.roots]]] if len(traces) else np.zeros(0, np.int64)
    answer = completion_paths(chosen.calls, roots)
    if limit is not None or not as_json:
        paths = sorted(answer.paths, key=lambda path: -path.completion_ns)[: limit or 5]
        answer = answer.only(tuple(paths))
    if as_json:
        print_json(completion_shape(answer))
    else:
        print_report(completion_report(answer, limit or 5))
        print_report(diagnostics_table(traces.diagnostics))
