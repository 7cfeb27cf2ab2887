"""`tracelab traces`."""

from __future__ import annotations

import click

from tracelab.commands.options import Source, print_json, reading_options


@click.command("traces")
@reading_options
@click.option("--operation", help="Only traces with a span of this name (of --service, if given).")
@click.option("--min-duration", help="Only requests that took this long or longer: 250ms.")
@click.option("--max-duration", help="Only requests that took this long or less.")
@click.option("--failed", is_flag=True, help="Only traces in which a span reports an error.")
@click.option("--attribute", "attributes", multiple=True, help="Only traces with a span that has KEY=VALUE.")
@click.option("--sort", type=click.Choice(["time", "duration"]), default="time", help="Latest or slowest first.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many. [terminal: 20; --json: all]")
def command(
    src: Source,
    as_json: bool,
    operation: str | None,
    min_duration: str | None,
    max_duration: str | None,
    failed: bool,
    attributes: tuple[str, ...],
    sort: str,
    limit: int | None,
) -> None:
    """List and search traces: from the lake, or from FILES.

    \b
    tracelab traces --since 15m --failed
    tracelab traces --service api --min-duration 250ms --sort duration
    tracelab traces --attribute http.route=/checkout --json
    """
    from tracelab.analysis.summaries import Search, trace_summaries
    from tracelab.errors import UsageError
    from tracelab.reporters.shapes import traces_shape
    from tracelab.reporters.terminal import print_report, traces_table
    from tracelab.times import parse_duration_ns

    for text in attributes:
        if "=" not in text:
            raise UsageError(f"--attribute {text}: write KEY=VALUE")
    search = Search(
        src.service,
        operation,
        parse_duration_ns(min_duration) if min_duration else None,
        parse_duration_ns(max_duration) if max_duration else None,
        failed,
        [(text.partition("=")[0], text.partition("=")[2]) for text in attributes],
    )
    traces = src.load(whole_spans=bool(attributes))
    summaries = trace_summaries(traces, src.window, search)
    if sort == "duration":
        summaries.sort(key=lambda summary: -summary.duration_ns)
    if as_json:
        print_json(traces_shape(summaries[:limit], len(summaries), traces.diagnostics))
    else:
        print_report(traces_table(summaries[: limit or 20], len(summaries)))
