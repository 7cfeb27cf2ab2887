"""The panel beside the topology: of an edge, a node, a group, or the window."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards.figures import edge_id, health, node_calls
from dashboards.reduce import GROUP, Grouping
from dashboards.store import View
from dashboards.views.common import diagnostics_blocks, here, trace_link
from tracelab import Edge, Latency, Node, ServiceGraph, count_text, duration_text, percent_text, rate_text


def side_blocks(view: View, shown: ServiceGraph, groups: Grouping, selected: str) -> list[dict[str, Any]]:
    """The panel beside the graph: of the edge or node that is selected, else of the window."""
    calls_of_all = sum(edge.path_ns for edge in view.graph.edges)
    for graph in (view.graph, shown):  # a node's figures are those of the whole graph; groups are only in what is shown
        for edge in graph.edges:
            if edge_id(edge) == selected:
                return edge_blocks(edge, view, calls_of_all)
        for node in graph.nodes:
            if node.id == selected:
                if node.kind == "group":
                    return _group_blocks(shown, node, groups.members(node.id.removeprefix(GROUP)))
                return node_blocks(graph, node.id)
    return _window_blocks(view)


def _group_blocks(graph: ServiceGraph, node: Node, members: list[str]) -> list[dict[str, Any]]:
    """A closed group: who is in it, and the way into it."""
    name = node.id.removeprefix(GROUP)
    opened = [*filter(None, st.query_params.get("open", "").split(",")), name]
    calls, failed = node_calls(graph, node.id)
    return [
        {"type": "title", "text": name, "sub": f"{len(members)} nodes as one; figures are of calls from outside"},
        {"type": "links", "items": [{"text": "open the group", "href": here(open=",".join(opened), selected=None)}]},
        _call_figures(calls, failed, graph.seconds),
        {"type": "heading", "text": "in it"},
        {
            "type": "links",
            "items": [{"text": member, "href": here(focus=member, selected=member)} for member in members],
        },
    ]


def _call_figures(calls: float, failed: float, seconds: float | None) -> dict[str, Any]:
    return {
        "type": "figures",
        "items": [
            ["success", percent_text(1 - failed / calls) if calls else "–", _tone(calls, failed)],
            ["calls", count_text(calls)],
            ["rate", rate_text(calls / seconds if seconds else None)],
        ],
    }


def _tone(calls: float, failed: float) -> str:
    return {"bad": "bad", "warm": "warm"}.get(health(calls, failed), "")


def _latency_rows(*sides: tuple[str, Latency]) -> dict[str, Any]:
    rows = [
        [name, *(duration_text(value) for value in (latency.p50_ns, latency.p90_ns, latency.p99_ns))]
        for name, latency in sides
        if latency.p50_ns is not None
    ]
    return {"type": "table", "columns": ["", "p50", "p90", "p99"], "right": ["p50", "p90", "p99"], "rows": rows}


def edge_blocks(edge: Edge, view: View, path_ns_of_all: int) -> list[dict[str, Any]]:
    """Everything about an edge."""
    kind = {"": "call", "database": "database", "messaging_system": "message", "virtual_node": "inferred"}[
        edge.connection_type
    ]
    blocks: list[dict[str, Any]] = [
        {
            "type": "title",
            "text": f"{edge.client} → {edge.server}",
            "sub": ", ".join([kind, *edge.protocols]) + (" · calls itself" if edge.self_call else ""),
        },
        {
            "type": "figures",
            "items": [
                ["success", percent_text(edge.success_rate), _tone(edge.calls, edge.failed)],
                ["calls", count_text(edge.calls)],
                ["rate", rate_text(edge.calls_per_s)],
                ["failed", count_text(edge.failed), "bad" if edge.failed else ""],
            ],
        },
        {"type": "heading", "text": "latency"},
        _latency_rows(
            ("client saw", edge.client_latency), ("server saw", edge.server_latency), ("in the queue", edge.queue_delay)
        ),
        *_gap(edge),
        *_volume(edge, view),
    ]
    if edge.error_types:
        items = [
            {"label": name, "value": count_text(count), "share": count / edge.failed, "color": "#d1383d"}
            for name, count in edge.error_types.items()
        ]
        blocks += [{"type": "heading", "text": "error types"}, {"type": "bars", "items": items}]
    versions = [["caller", ", ".join(edge.client_versions)], ["callee", ", ".join(edge.server_versions)]]
    blocks += [
        {"type": "heading", "text": "critical path"},
        {
            "type": "text",
            "text": f"on it in {edge.path_calls:,} calls, for {duration_text(edge.path_ns)} in all"
            + (f", {100 * edge.path_ns / path_ns_of_all:.1f} % of all edges' time" if path_ns_of_all else ""),
        },
        {"type": "heading", "text": "versions"},
        {"type": "pairs", "items": [pair for pair in versions if pair[1]] or [["", "not said"]]},
    ]
    return blocks + _examples(edge.slowest_traces, edge.failed_traces)


def _gap(edge: Edge) -> list[dict[str, Any]]:
    """What lies between the two sides: the network, queues in front of the server, the client's own work."""
    client, server = edge.client_latency.p50_ns, edge.server_latency.p50_ns
    if client is None or server is None or edge.connection_type == "messaging_system":
        return []
    return [
        {"type": "text", "tone": "dim", "text": f"between the two, p50 against p50: {duration_text(client - server)}"}
    ]


def _volume(edge: Edge, view: View) -> list[dict[str, Any]]:
    """Its calls over the window, failures among them."""
    calls, failed = view.volume(edge)
    return [{"type": "heading", "text": "calls over the window"}, {"type": "spark", "calls": calls, "failed": failed}]


def _examples(slowest: tuple[str, ...], failed: tuple[str, ...]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for title, ids in (("slowest traces", slowest), ("failed traces", failed)):
        if ids:
            blocks += [
                {"type": "heading", "text": title},
                {"type": "links", "items": [trace_link(trace_id) for trace_id in ids]},
            ]
    return blocks


def node_blocks(graph: ServiceGraph, node_id: str) -> list[dict[str, Any]]:
    """Everything about a node: its figures, who calls it, whom it calls."""
    node = next(node for node in graph.nodes if node.id == node_id)
    calls, failed = node_calls(graph, node_id)
    callers = [edge for edge in graph.edges if edge.server == node_id]
    called = [edge for edge in graph.edges if edge.client == node_id]
    versions = sorted({version for edge in callers for version in edge.server_versions})
    sub = (
        f"{node.kind}, not instrumented; known from: {node.reason}"
        if node.virtual
        else " · ".join([node.kind, *versions])
    )
    blocks: list[dict[str, Any]] = [
        {"type": "title", "text": node.name, "sub": sub},
        _call_figures(calls, failed, graph.seconds),
        {"type": "links", "items": [{"text": "show its neighbours only", "href": here(focus=node_id)}]},
    ]
    for title, edges, other in (("called by", callers, "client"), ("calls", called, "server")):
        if edges:
            rows = [_edge_row(edge, getattr(edge, other)) for edge in edges]
            blocks += [
                {"type": "heading", "text": title},
                {
                    "type": "table",
                    "columns": ["", "calls", "success", "p50", "p99"],
                    "right": ["calls", "success", "p50", "p99"],
                    "rows": rows,
                },
            ]
    slowest = dict.fromkeys(trace for edge in callers or called for trace in edge.slowest_traces)
    failing = dict.fromkeys(trace for edge in callers or called for trace in edge.failed_traces)
    return blocks + _examples(tuple(slowest)[:4], tuple(failing)[:4])


def _edge_row(edge: Edge, name: str, short: bool = False) -> list[Any]:
    latency = edge.client_latency if edge.client_latency.p50_ns is not None else edge.server_latency
    tone = _tone(edge.calls, edge.failed)
    success = {"text": percent_text(edge.success_rate), "tone": tone}
    if short:
        return [name, success, duration_text(latency.p99_ns)]
    return [name, count_text(edge.calls), success, duration_text(latency.p50_ns), duration_text(latency.p99_ns)]


def _window_blocks(view: View) -> list[dict[str, Any]]:
    graph = view.graph
    entries = [edge for edge in graph.edges if edge.client.startswith("user:")]
    calls, failed = sum(edge.calls for edge in entries), sum(edge.failed for edge in entries)
    rows = [
        _edge_row(edge, f"{edge.client} → {edge.server}", short=True)
        for edge in sorted(graph.edges, key=lambda edge: (-edge.failed, -edge.path_ns))[:8]
    ]
    slowest = sorted(view.summaries, key=lambda trace: -trace.duration_ns)[:3]
    return [
        {"type": "title", "text": "this window", "sub": "click a node or an edge"},
        {
            "type": "figures",
            "items": [
                ["requests", count_text(calls)],
                ["success", percent_text(1 - failed / calls) if calls else "–", _tone(calls, failed)],
                ["rate", rate_text(calls / graph.seconds if graph.seconds else None)],
                ["traces", f"{len(view.summaries):,}"],
            ],
        },
        {"type": "heading", "text": "worth a look"},
        {
            "type": "table",
            "columns": ["", "success", "p99"],
            "right": ["success", "p99"],
            "rows": rows,
        },
        {"type": "heading", "text": "slowest requests"},
        {
            "type": "links",
            "items": [
                trace_link(
                    trace.trace_id,
                    f"{duration_text(trace.duration_ns)}   {trace.root_service or '?'}  {trace.root_name or '?'}",
                )
                for trace in slowest
            ],
        },
        *diagnostics_blocks(view),
    ]
