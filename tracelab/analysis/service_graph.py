"""The service graph: nodes and edges with what every call adds up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from tracelab.analysis.calls import Calls, Node, find_calls, service_node_name
from tracelab.analysis.critical_path import CriticalPaths, critical_paths
from tracelab.analysis.edge_sums import EdgeKey, EdgeSums, merge_edges, sum_edges, weight
from tracelab.analysis.samples import Samples
from tracelab.diagnostics import Diagnostics
from tracelab.traceset import TraceSet
from tracelab.window import EVERYTHING, Window

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Latency:
    """Percentiles by nearest rank; None for a side that was not seen."""

    p50_ns: int | None = None
    p90_ns: int | None = None
    p99_ns: int | None = None


@dataclass(frozen=True)
class Edge:
    """All calls of one (client, server, connection type).

    Attributes:
        calls, failed: adjusted counts; whole numbers where nothing was sampled
        failed_client, failed_server: of `failed`, how many that side reports (both may)
        client_latency, server_latency: as the client and as the server saw it
        queue_delay: consumer start less producer end, per paired message
        path_calls, path_ns: calls that the critical path went through, and how long it was there or below
        slowest_traces, failed_traces: trace ids to look at
    """

    client: str
    server: str
    connection_type: str
    calls: float
    failed: float
    failed_client: float
    failed_server: float
    success_rate: float
    calls_per_s: float | None
    client_latency: Latency
    server_latency: Latency
    queue_delay: Latency
    error_types: dict[str, float]
    self_call: bool
    protocols: tuple[str, ...]
    client_versions: tuple[str, ...]
    server_versions: tuple[str, ...]
    path_calls: int
    path_ns: int
    slowest_traces: tuple[str, ...]
    failed_traces: tuple[str, ...]


@dataclass(frozen=True)
class ServiceGraph:
    """Nodes and edges in a window, sorted by their keys."""

    window: Window
    seconds: float | None
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    def to_networkx(self) -> nx.MultiDiGraph:
        """A graph whose nodes and edges carry their figures; an edge's key is its connection type."""
        import networkx as nx  # 0.4 s to import, and most commands need it not

        graph = nx.MultiDiGraph()
        for node in self.nodes:
            graph.add_node(node.id, name=node.name, kind=node.kind, virtual=node.virtual)
        for edge in self.edges:
            graph.add_edge(
                edge.client, edge.server, key=edge.connection_type, calls=edge.calls, failed=edge.failed,
                success_rate=edge.success_rate, self_call=edge.self_call,
                **{f"{side}_{name}": value
                   for side, latency in (("client", edge.client_latency), ("server", edge.server_latency))
                   for name, value in vars(latency).items() if value is not None},
            )  # fmt: skip
        return graph


@dataclass(frozen=True)
class GraphSums:
    """A service graph before it is finished: parts of it merge.

    Attributes:
        edges: by (client, server, connection type); a peer with the name of a service is `external:NAME` as yet
        nodes: of those edges, and every service with a span that starts in the window
        services: names of the services in the traces that touch the window: what a peer's name may mean
        first_ns, last_ns: start of the first and the last span in the window
        diagnostics: of the traces that start in the window
    """

    window: Window
    edges: Mapping[EdgeKey, EdgeSums]
    nodes: Mapping[str, Node]
    services: frozenset[str]
    first_ns: int | None = None
    last_ns: int | None = None
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


def service_graph(traces: TraceSet, window: Window = EVERYTHING, paths: CriticalPaths | None = None) -> ServiceGraph:
    """The service graph of the calls that start in `window`.

    `traces` must be whole: all spans of every trace that touches the window, and of the traces they link to.
    """
    return finish_graph(sum_graph(traces, window, paths), traces.reading)


def sum_graph(traces: TraceSet, window: Window = EVERYTHING, paths: CriticalPaths | None = None) -> GraphSums:
    """What the calls that start in `window` add up to."""
    calls = find_calls(traces)
    edges = sum_edges(calls, paths or critical_paths(traces), np.flatnonzero(window.holds(calls.start_ns)))
    real = ~traces.is_placeholder
    inside = window.holds(traces.raw_start_ns) & real
    touched = np.zeros(traces.trace_count, np.bool_)
    touched[traces.trace[inside]] = True
    begun = window.holds(traces.trace_start_ns)
    noted = {**traces.noted, **calls.noted}
    starts = traces.raw_start_ns[inside]
    return GraphSums(
        window,
        edges,
        _nodes_in(calls, np.unique(traces.service[inside]).tolist(), edges),
        frozenset(
            service_node_name(traces.services[code]) for code in np.unique(traces.service[touched[traces.trace] & real])
        ),
        int(starts.min()) if starts.size else None,
        int(starts.max()) if starts.size else None,
        Diagnostics({name: int(begun[occurrences].sum()) for name, occurrences in noted.items()}),
    )


def merge_graphs(parts: Iterable[GraphSums], window: Window = EVERYTHING) -> GraphSums:
    """The sums of all parts: of different traces in one window, or of neighbouring windows.

    Parts are merged as they come, those of like size with each other, so that each is looked at few times.
    `window` says of what, if there are none.
    """
    levels: list[GraphSums | None] = []
    for part in parts:
        level = 0
        while level < len(levels) and (waiting := levels[level]) is not None:
            part = _merge([waiting, part])  # noqa: PLW2901
            levels[level] = None
            level += 1
        levels[level : level + 1] = [part]
    found = [part for part in levels if part is not None]
    return _merge(found) if found else GraphSums(window, {}, {}, frozenset())


def _merge(parts: list[GraphSums]) -> GraphSums:
    edges: dict[EdgeKey, list[EdgeSums]] = {}
    nodes: dict[str, Node] = {}
    diagnostics = Diagnostics()
    for part in parts:
        nodes.update(part.nodes)
        diagnostics = diagnostics.merge(part.diagnostics)
        for key, sums in part.edges.items():
            edges.setdefault(key, []).append(sums)
    return GraphSums(
        reduce(Window.hull, (part.window for part in parts)),
        {key: merge_edges(sums) for key, sums in edges.items()},
        nodes,
        frozenset().union(*(part.services for part in parts)),
        min((part.first_ns for part in parts if part.first_ns is not None), default=None),
        max((part.last_ns for part in parts if part.last_ns is not None), default=None),
        diagnostics,
    )


def _nodes_in(calls: Calls, services: list[int], edges: Mapping[EdgeKey, EdgeSums]) -> dict[str, Node]:
    ids = {calls.nodes[code].id for code in services}
    ids |= {end for client, server, _ in edges for end in (client, server)}
    return {node.id: node for node in reversed(calls.nodes) if node.id in ids}


def finish_graph(sums: GraphSums, reading: Mapping[str, int] | None = None) -> ServiceGraph:
    """Figures from sums; `reading` is what was odd about the source."""
    seconds = _seconds(sums)
    by_key: dict[EdgeKey, list[EdgeSums]] = {}
    for key, part in sums.edges.items():
        by_key.setdefault(_settled(key, sums), []).append(part)
    edges = [_edge(key, merge_edges(parts), seconds) for key, parts in by_key.items()]
    used = {end for edge in edges for end in (edge.client, edge.server)}
    nodes = {node.id: node for node in sums.nodes.values() if not node.virtual or node.id in used}
    for node_id in used - nodes.keys():  # a service that is only known in the window as somebody's peer
        nodes[node_id] = Node(node_id, node_id, "service", False)
    return ServiceGraph(
        sums.window,
        seconds,
        tuple(sorted(nodes.values(), key=lambda node: (node.virtual, node.id))),
        tuple(sorted(edges, key=lambda edge: (edge.client, edge.server, edge.connection_type))),
        sums.diagnostics.merge(reading or {}),
    )


def _settled(key: EdgeKey, sums: GraphSums) -> EdgeKey:
    """A peer with the name of a service that was seen is that service, its side unseen."""
    client, server, _ = key
    node = sums.nodes[server]
    return (client, node.name, "") if node.kind == "external" and node.name in sums.services else key


def _seconds(sums: GraphSums) -> float | None:
    """Length of the window, from the first span in it on: a system that began a minute ago has a minute's rate.

    An open end is the last span's start. None for less than a moment.
    """
    if sums.first_ns is None:
        return None
    until = sums.window.until_ns if sums.window.until_ns is not None else sums.last_ns
    return (until - sums.first_ns) / 1e9 if until is not None and until > sums.first_ns else None


def _latency(samples: Samples) -> Latency:
    return Latency(*samples.percentiles())


def _edge(key: EdgeKey, sums: EdgeSums, seconds: float | None) -> Edge:
    client, server, type_ = key
    total, bad = weight(sums.calls), weight(sums.failed)
    words = sorted({word for word, _ in sums.errors})
    return Edge(
        client=client,
        server=server,
        connection_type=type_,
        calls=total,
        failed=bad,
        failed_client=weight(sums.failed_client),
        failed_server=weight(sums.failed_server),
        success_rate=(total - bad) / total,
        calls_per_s=total / seconds if seconds else None,
        client_latency=_latency(sums.client),
        server_latency=_latency(sums.server),
        queue_delay=_latency(sums.delay),
        error_types={word: weight(_only(word, sums)) for word in words},
        self_call=client == server,
        protocols=tuple(sorted(sums.protocols)),
        client_versions=tuple(sorted(sums.client_versions)),
        server_versions=tuple(sorted(sums.server_versions)),
        path_calls=sums.path_calls,
        path_ns=sums.path_ns,
        slowest_traces=tuple(trace_id for _, trace_id in sums.slowest),
        failed_traces=tuple(trace_id for _, trace_id in sums.broken),
    )


def _only(word: str, sums: EdgeSums) -> Counter[float]:
    return Counter({count: times for (said, count), times in sums.errors.items() if said == word})
