"""The service graph for other people's tools: Graphviz, Mermaid, GraphML. Names are data, never markup."""

from __future__ import annotations

import io

import networkx as nx

from tracelab.analysis.service_graph import Edge, ServiceGraph
from tracelab.times import count_text, duration_text, percent_text

_SHAPES = {"service": "box", "user": "oval", "database": "cylinder", "messaging": "cds", "external": "component"}
_MERMAID = {
    "service": '["{}"]',
    "user": '(["{}"])',
    "database": '[("{}")]',
    "messaging": '>"{}"]',
    "external": '[["{}"]]',
}


def _label(edge: Edge) -> str:
    p99 = edge.client_latency.p99_ns if edge.client_latency.p99_ns is not None else edge.server_latency.p99_ns
    return f"{count_text(edge.calls)} calls, {percent_text(edge.success_rate)}, p99 {duration_text(p99)}"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _dot_text(text: str) -> str:
    escaped = _printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def dot(graph: ServiceGraph) -> str:
    """Graphviz."""
    lines = [
        "digraph topology {",
        "  rankdir=LR;",
        '  node [fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
    ]
    for node in graph.nodes:
        style = ", style=dashed" if node.virtual else ""
        lines.append(f"  {_dot_text(node.id)} [label={_dot_text(node.name)}, shape={_SHAPES[node.kind]}{style}];")
    for edge in graph.edges:
        color = ", color=red" if edge.failed else ""
        lines.append(
            f"  {_dot_text(edge.client)} -> {_dot_text(edge.server)} [label={_dot_text(_label(edge))}{color}];"
        )
    return "\n".join([*lines, "}"]) + "\n"


def _mermaid_text(text: str) -> str:
    """Mermaid has no escapes but entity codes (`#35;`): everything that could be syntax becomes one."""
    return "".join(char if char.isalnum() or char in " .,-_/:%" else f"#{ord(char)};" for char in text)


def mermaid(graph: ServiceGraph) -> str:
    """Mermaid flowchart."""
    ids = {node.id: f"n{at}" for at, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    lines += [f"  {ids[node.id]}{_MERMAID[node.kind].format(_mermaid_text(node.name))}" for node in graph.nodes]
    lines += [f'  {ids[edge.client]} -->|"{_mermaid_text(_label(edge))}"| {ids[edge.server]}' for edge in graph.edges]
    return "\n".join(lines) + "\n"


def graphml(graph: ServiceGraph) -> str:
    """GraphML, as networkx writes it; control characters, which XML cannot hold, are spelled out."""
    exported = nx.relabel_nodes(graph.to_networkx(), {node.id: _printable(node.id) for node in graph.nodes})
    for _, data in exported.nodes(data=True):
        data["name"] = _printable(data["name"])
    buffer = io.BytesIO()
    nx.write_graphml(exported, buffer)
    return buffer.getvalue().decode() + "\n"
