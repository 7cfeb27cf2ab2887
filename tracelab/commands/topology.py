"""`tracelab topology`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from tracelab.commands.options import Source, print_json, reading_options


@click.command("topology")
@reading_options
@click.option("--dot", "form", flag_value="dot", help="Print Graphviz.")
@click.option("--mermaid", "form", flag_value="mermaid", help="Print a Mermaid flowchart.")
@click.option("--graphml", "form", flag_value="graphml", help="Print GraphML.")
def command(
    src: Source,
    as_json: bool,
    form: str | None,
) -> None:
    """Services, what they call, and how well that goes: from the lake, or from FILES.

    Every edge has its calls, success rate, latency as the client and as the server saw it, and error types.

    \b
    tracelab topology --since 15m
    tracelab topology --service api --json
    tracelab topology traces.json --dot | dot -Tsvg > topology.svg
    """
    from tracelab.analysis.derived import lake_graph
    from tracelab.analysis.service_graph import finish_graph, merge_graphs, sum_graph
    from tracelab.diagnostics import Diagnostics
    from tracelab.reporters import graphs
    from tracelab.reporters.shapes import topology_shape
    from tracelab.reporters.terminal import diagnostics_table, print_report, topology_table

    reading = Diagnostics()
    if src.files:
        sums = merge_graphs((sum_graph(traces, src.window) for traces in src.stream(reading)), src.window)
    else:
        sums = lake_graph(src.lake(), src.window, reading, src.skew_correction)
    graph = finish_graph(sums, reading)
    if src.service is not None:
        graph = _around(graph, src.service)
    if as_json:
        print_json(topology_shape(graph))
    elif form is not None:
        click.echo({"dot": graphs.dot, "mermaid": graphs.mermaid, "graphml": graphs.graphml}[form](graph), nl=False)
    else:
        print_report(topology_table(graph))
        print_report(diagnostics_table(graph.diagnostics))


def _around(graph: Any, service: str) -> Any:
    """Only the edges of one service, and their nodes."""
    edges = tuple(edge for edge in graph.edges if service in (edge.client, edge.server))
    ids = {edge.client for edge in edges} | {edge.server for edge in edges} | {service}
    return replace(graph, edges=edges, nodes=tuple(node for node in graph.nodes if node.id in ids))
