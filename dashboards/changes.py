"""Changes between two cohorts, as the views draw them: pure functions, no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dashboards.figures import edge_id, topology_data
from dashboards.layout import Layout
from tracelab import Change, Comparison, Figure, ServiceGraph, duration_text, percent_text

_COLOURS = {
    "worse": "#d1383d",
    "better": "#12805c",
    "appeared": "#2f62b5",
    "vanished": "#9aa5b1",
    "other": "#8c6bb1",
    "same": "#b8c0ca",
}
_FIGURES = {
    "latency_ns": "latency",
    "self_ns": "own time",
    "failures": "failures",
    "calls_per_trace": "calls a trace",
    "critical_path_share": "share of critical path",
    "traces": "in traces",
}
_BAD_WHEN_MORE = ("failures", "latency_ns", "self_ns")


def direction(change: Change | None) -> str:
    """worse or better by failures, else by time; appeared, vanished, other (volume, share) or same."""
    if change is None:
        return "same"
    if change.status in ("appeared", "vanished", "same"):
        return change.status
    for name in _BAD_WHEN_MORE:
        figure = change.figures.get(name)
        if figure is not None and figure.is_news and figure.change:
            return "worse" if figure.change > 0 else "better"
    return "other"


def changed_graph(base: ServiceGraph, other: ServiceGraph, comparison: Comparison) -> ServiceGraph:
    """The graph as it is now, and what vanished."""
    gone = {change.name for change in comparison.edges if change.status == "vanished"}
    edges = [edge for edge in base.edges if (edge.client, edge.server, edge.connection_type) in gone]
    here = {edge_id(edge) for edge in other.edges}
    edges = [*other.edges, *(edge for edge in edges if edge_id(edge) not in here)]
    seen = {change.name for change in comparison.edges}
    edges = [edge for edge in edges if (edge.client, edge.server, edge.connection_type) in seen]
    ends = {end for edge in edges for end in (edge.client, edge.server)}
    nodes = {node.id: node for node in (*base.nodes, *other.nodes) if node.id in ends}
    return replace(other, nodes=tuple(nodes[name] for name in sorted(nodes)), edges=tuple(edges))


def changed_topology(
    graph: ServiceGraph, placed: Layout, selected: str, changes: Mapping[tuple[str | None, ...], Change]
) -> dict[str, Any]:
    """topology_data, its edges coloured and labelled by their change."""
    data = topology_data(graph, placed, selected)
    for drawn, edge in zip(data["edges"], graph.edges, strict=True):
        change = changes.get((edge.client, edge.server, edge.connection_type))
        kind = direction(change)
        drawn["tone"], drawn["colour"] = f"scaled {kind}", _COLOURS[kind]
        told = [] if change is None else [row for row in figure_rows(change, news_only=True) if row[1] != "in traces"]
        if kind in ("appeared", "vanished"):
            drawn["label"] = ["new" if kind == "appeared" else "gone"]
        else:
            drawn["label"] = [told[0][1], told[0][4]["text"]] if told else []
        drawn["showLabel"] = bool(drawn["label"])
        drawn["label"] = drawn["label"] or ["as before"]
        drawn["tip"] = [drawn["tip"][0], kind, *(f"{row[1]}: {row[2]} → {row[3]} ({row[5]})" for row in told)]
    return data


def figure_rows(change: Change, news_only: bool = False) -> list[list[Any]]:
    """[what, figure, before, after, change, interval, q] of each figure."""
    what = (
        f"{change.name[0] or '?'} → {change.name[1] or '?'}"
        if len(change.name) == 3
        else f"{change.name[0] or '?'}  {change.name[1] or '?'}"
    )
    rows = []
    for name, title in _FIGURES.items():
        figure = change.figures.get(name)
        if figure is None or (news_only and not figure.is_news):
            continue
        tone = ""
        if figure.is_news and name in _BAD_WHEN_MORE and figure.change:
            tone = "bad" if figure.change > 0 else "good"
        interval = f"{_change(name, figure.low)} to {_change(name, figure.high)}"
        rows.append(
            [
                what, title, _value(name, figure.base), _value(name, figure.other),
                {"text": _change(name, figure.change), "tone": tone}, interval, _chance(figure),
            ]
        )  # fmt: skip
    return rows


def _chance(figure: Figure) -> str:
    return "< 0.1 %" if figure.q_value < 0.001 else f"{100 * figure.q_value:.1f} %"


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name.endswith("_ns"):
        return duration_text(value)
    return f"{value:.2f}" if name == "calls_per_trace" else percent_text(value)


def _change(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    sign = "+" if value > 0 else "−" if value < 0 else ""
    if name.endswith("_ns"):
        return sign + duration_text(abs(value))
    return f"{sign}{abs(value):.2f}" if name == "calls_per_trace" else f"{sign}{100 * abs(value):.1f} points"
