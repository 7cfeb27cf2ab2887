"""`tracelab explain-slow`."""

from __future__ import annotations

import click

from tracelab.commands.cohorts import chosen_search, operation_option, where_option
from tracelab.commands.options import Source, print_json, reading_options
from tracelab.errors import UsageError


@click.command("explain-slow")
@reading_options
@operation_option
@where_option("--where", "Only traces with a span that has KEY=VALUE (attribute or resource).")
@click.option(
    "--slow", type=click.IntRange(1, 100), default=99, show_default=True, help="Slow: from this percentile on."
)
@click.option("--typical", default="25-75", show_default=True, help="Typical: between these percentiles.")
@where_option("--slow-where", "Slow are the traces with KEY=VALUE, whatever they took … [default: all others]")
@where_option("--typical-where", "… and typical those with KEY=VALUE. [default: all others]")
def command(
    src: Source,
    as_json: bool,
    operation: str | None,
    where: tuple[str, ...],
    slow: int,
    typical: str,
    slow_where: tuple[str, ...],
    typical_where: tuple[str, ...],
) -> None:
    """What the p99 is made of: slow requests against typical ones, part by part, and what sets them apart.

    The parts are critical-path time per operation; they add up to the gap between the two.

    \b
    tracelab explain-slow --since 1h --operation "POST /checkout"
    tracelab explain-slow --slow 95 --json
    tracelab explain-slow --slow-where service.version=1.4.0 --typical-where service.version=1.3.0
    """
    from tracelab.analysis.cohorts import cohort
    from tracelab.analysis.slow import explain_cohorts, explain_slow
    from tracelab.reporters.answers import slow_report
    from tracelab.reporters.plain import plain
    from tracelab.reporters.terminal import diagnostics_table, print_report

    traces = src.load(with_attributes=True)
    search = chosen_search(where, src.service, operation)
    everything = cohort(traces, src.window, search)
    if slow_where or typical_where:
        one, other = (
            cohort(traces, src.window, chosen_search((*where, *words), src.service, operation)) if words else None
            for words in (slow_where, typical_where)
        )
        if one is None:
            one = everything.without(other or everything)
        answer = explain_cohorts(one, (other or everything).without(one))
    else:
        answer = explain_slow(everything, slow, _percentiles(typical))
    if as_json:
        print_json(plain(answer))
    else:
        print_report(slow_report(answer))
        print_report(diagnostics_table(answer.diagnostics))


def _percentiles(text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    if not dash or not low.isdigit() or not high.isdigit() or not 0 <= int(low) <= int(high) <= 100:
        raise UsageError(f"--typical {text}: write two percentiles, as in 25-75")
    return int(low), int(high)
