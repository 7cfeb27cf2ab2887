"""`tracelab explain-edge`."""

from __future__ import annotations

import click

from tracelab.commands.options import Source, print_json, reading_options


@click.command("explain-edge")
@click.argument("client")
@click.argument("server")
@reading_options
def command(client: str, server: str, src: Source, as_json: bool) -> None:
    """Why calls from CLIENT to SERVER do not show as an edge, or with one side only: causes, counts, examples.

    \b
    tracelab explain-edge orders payment
    tracelab explain-edge orders payment traces.json --json
    """
    from tracelab.analysis.missing_edge import explain_edge
    from tracelab.reporters.answers import edge_report
    from tracelab.reporters.plain import plain
    from tracelab.reporters.terminal import diagnostics_table, print_report

    answer = explain_edge(src.load(), client, server, src.window)
    if as_json:
        print_json(plain(answer))
    else:
        print_report(edge_report(answer))
        print_report(diagnostics_table(answer.diagnostics))
