"""What the shape of the system says: cycles, single points of failure, shared databases, what hurts if one dies."""

from __future__ import annotations

from dataclasses import dataclass, field

import networkx as nx
import numpy as np

from tracelab.analysis.calls import service_node_name
from tracelab.analysis.cohorts import Cohort
from tracelab.analysis.quantiles import nearest_rank
from tracelab.analysis.summaries import first_roots
from tracelab.diagnostics import Diagnostics
from tracelab.errors import InputError
from tracelab.traceset import I64


@dataclass(frozen=True)
class Impact:
    """What is hurt if a node dies.

    Attributes:
        traces, share: traces that pass through it, and what part of all that is
        callers: nodes from which a call, or what it calls, reaches it; dominated: nodes that nobody reaches without it
        operations: the user's operations that pass through it, and in what part of their traces
    """

    node: str
    traces: int
    share: float
    callers: tuple[str, ...]
    dominated: tuple[str, ...]
    operations: dict[str, float]


@dataclass(frozen=True)
class Spread:
    """A distribution over traces."""

    p50: int
    p90: int
    p99: int
    most: int


@dataclass(frozen=True)
class Structure:
    """Answers to questions about the graph.

    Attributes:
        cycles: services that call each other in a ring, messages included; a self-call is a ring of one
        single_points: nodes without which others cannot be reached, by how much traffic passes through them
        articulation_points: nodes without which the graph falls apart, whoever calls whom
        shared_databases: databases with more than one service, and which
        depth: services one after another in a trace; span_depth: spans; fan_out: most calls from one span's request
    """

    traces: int
    nodes: int
    edges: int
    cycles: tuple[tuple[str, ...], ...]
    single_points: tuple[Impact, ...]
    articulation_points: tuple[str, ...]
    shared_databases: dict[str, tuple[str, ...]]
    depth: Spread
    span_depth: Spread
    fan_out: Spread
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


def structure(cohort: Cohort) -> Structure:
    """The shape of the system that these traces show (docs/how-it-works/structure.md)."""
    graph = _graph(cohort)
    kinds = {node.id: node.kind for node in cohort.calls.nodes}
    shared = {
        node: tuple(sorted(graph.predecessors(node)))
        for node in sorted(graph)
        if kinds.get(node) == "database" and graph.in_degree(node) > 1
    }
    dominators = _dominated(graph)
    points = [_impact(cohort, graph, dominators, node) for node in sorted(dominators) if dominators[node]]
    rings = [tuple(sorted(part)) for part in nx.strongly_connected_components(graph) if len(part) > 1]
    rings += [(node,) for node in graph if graph.has_edge(node, node)]
    undirected = nx.Graph(graph.subgraph([node for node in graph if kinds.get(node) != "user"]))
    return Structure(
        cohort.size,
        graph.number_of_nodes(),
        graph.number_of_edges(),
        tuple(sorted(rings)),
        tuple(sorted(points, key=lambda point: (-point.traces, point.node))),
        tuple(sorted(nx.articulation_points(undirected))),
        shared,
        *_spreads(cohort),
        cohort.traces.diagnostics,
    )


def impact_of(cohort: Cohort, node: str) -> Impact:
    """What is hurt if this node dies, weighted by the traffic of these traces."""
    graph = _graph(cohort)
    if node not in graph:
        raise InputError(f"no node {node} in the topology; there are: {', '.join(sorted(graph))}")
    return _impact(cohort, graph, _dominated(graph), node)


def _graph(cohort: Cohort) -> nx.DiGraph:
    calls = cohort.calls
    graph = nx.DiGraph()
    rows = cohort.traces.service[cohort.rows]
    graph.add_nodes_from(service_node_name(cohort.traces.services[code]) for code in np.unique(rows))
    chosen = cohort.call_trace >= 0
    for client, server in np.unique(np.stack([calls.client[chosen], calls.server[chosen]]), axis=1).T.tolist():
        graph.add_edge(calls.nodes[client].id, calls.nodes[server].id)
    return graph


def _dominated(graph: nx.DiGraph) -> dict[str, tuple[str, ...]]:
    """Per node the nodes that no request reaches without it. Requests come from users, or from nodes nobody calls."""
    start = object()
    rooted = graph.copy()
    entries = [node for node in graph if graph.in_degree(node) == 0] or list(graph)[:1]
    rooted.add_edges_from((start, node) for node in entries)
    above = dict(nx.immediate_dominators(rooted, start)) if len(graph) else {}
    found: dict[str, set[str]] = {node: set() for node in graph if node != "user:user"}
    for node in graph:
        at = above.get(node, start)
        while at is not start and at is not None:
            if at in found and at != node:
                found[at].add(node)
            following = above.get(at, start)
            at = start if following == at else following
    return {node: tuple(sorted(nodes)) for node, nodes in found.items()}


def _traces_through(cohort: Cohort, node: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """[size] which of the chosen traces pass through a node."""
    calls = cohort.calls
    codes = [code for code, found in enumerate(calls.nodes) if found.id == node]
    chosen = (np.isin(calls.client, codes) | np.isin(calls.server, codes)) & (cohort.call_trace >= 0)
    through = np.zeros(cohort.size, np.bool_)
    through[cohort.call_trace[chosen]] = True
    inside = cohort.rows & np.isin(
        cohort.traces.service, [code for code in codes if code < len(cohort.traces.services)]
    )
    through[cohort.number[cohort.traces.trace[inside]]] = True
    return through


def _impact(cohort: Cohort, graph: nx.DiGraph, dominated: dict[str, tuple[str, ...]], node: str) -> Impact:
    traces = cohort.traces
    through = _traces_through(cohort, node)
    roots = first_roots(traces)[cohort.chosen] if len(traces) else np.zeros(0, np.int64)
    codes, operations = traces.operations
    operation = codes[roots]
    totals = np.bincount(operation, minlength=len(operations))
    hurt = np.bincount(operation[through], minlength=len(operations))
    names = {
        "  ".join(str(part) for part in operations[code]): float(hurt[code] / totals[code])
        for code in np.flatnonzero(hurt).tolist()
    }
    return Impact(
        node, int(through.sum()), float(through.mean()) if through.size else 0.0,
        tuple(sorted(nx.ancestors(graph, node))), dominated.get(node, ()), names,
    )  # fmt: skip


def _spreads(cohort: Cohort) -> tuple[Spread, Spread, Spread]:
    traces = cohort.traces
    if cohort.size == 0:
        nothing = Spread(0, 0, 0, 0)
        return nothing, nothing, nothing
    depth = np.ones(len(traces), np.int64)
    services = np.ones(len(traces), np.int64)
    parent, service = traces.parent_row, traces.service
    order = traces.parents_first
    for row in order[parent[order] >= 0].tolist():
        above = parent[row]
        depth[row] = depth[above] + 1
        services[row] = services[above] + (service[above] != service[row])
    fan = np.diff(traces.children[0])
    return tuple(_spread(cohort, values) for values in (services, depth, fan))  # type: ignore[return-value]  # three


def _spread(cohort: Cohort, values: I64) -> Spread:
    most = np.zeros(cohort.traces.trace_count, np.int64)
    rows = cohort.rows
    np.maximum.at(most, cohort.traces.trace[rows], values[rows])
    most = most[cohort.chosen]
    p50, p90, p99 = (value or 0 for value in nearest_rank(most, np.ones(most.size)))
    return Spread(p50, p90, p99, int(most.max()))
