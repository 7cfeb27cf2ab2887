"""The service graph: nodes and edges with what every call adds up to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracelab.analysis.calls import CONNECTION_TYPES, Calls, Node, collect_calls
from tracelab.analysis.critical_path import CriticalPaths, critical_paths
from tracelab.analysis.errors import OTHER, error_types
from tracelab.analysis.quantiles import nearest_rank
from tracelab.diagnostics import Diagnostics
from tracelab.traceset import I64, TraceSet
from tracelab.window import EVERYTHING, Window

if TYPE_CHECKING:
    import networkx as nx

EXEMPLARS = 3


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


def service_graph(traces: TraceSet, window: Window = EVERYTHING, paths: CriticalPaths | None = None) -> ServiceGraph:
    """The service graph of the calls that start in `window`.

    `traces` must be whole: all spans of every trace that touches the window, and of the traces they link to.
    """
    calls = collect_calls(traces)
    paths = paths or critical_paths(traces)
    inside = np.flatnonzero(window.holds(calls.start_ns))
    seconds = _seconds(traces, window)
    edges = tuple(_edge(calls, paths, rows, seconds) for rows in _by_edge(calls, inside))
    return ServiceGraph(
        window,
        seconds,
        _nodes_in(calls, window, edges),
        tuple(sorted(edges, key=lambda edge: (edge.client, edge.server, edge.connection_type))),
        traces.diagnostics.merge(calls.diagnostics),
    )


def _seconds(traces: TraceSet, window: Window) -> float | None:
    """Length of the window, from the first span in it on: a system that began a minute ago has a minute's rate.

    An open end is the last span's start. None for less than a moment.
    """
    raw_start = (traces.start_ns - traces.shift_ns)[~traces.is_placeholder]
    inside = raw_start[window.holds(raw_start)]
    if inside.size == 0:
        return None
    since = int(inside.min())
    until = window.until_ns if window.until_ns is not None else int(inside.max())
    return (until - since) / 1e9 if until > since else None


def _nodes_in(calls: Calls, window: Window, edges: tuple[Edge, ...]) -> tuple[Node, ...]:
    traces = calls.traces
    seen = window.holds(traces.start_ns - traces.shift_ns) & ~traces.is_placeholder
    ids = {calls.nodes[code].id for code in np.unique(traces.service[seen])}
    ids |= {edge.client for edge in edges} | {edge.server for edge in edges}
    nodes = {node.id: node for node in calls.nodes if node.id in ids}
    return tuple(sorted(nodes.values(), key=lambda node: (node.virtual, node.id)))


def _by_edge(calls: Calls, inside: I64) -> list[I64]:
    if inside.size == 0:
        return []
    key = (calls.client[inside] * len(calls.nodes) + calls.server[inside]) * len(CONNECTION_TYPES)
    key += calls.connection_type[inside]
    order = np.argsort(key, kind="stable")
    cuts = np.flatnonzero(np.diff(key[order])) + 1
    return [inside[rows] for rows in np.split(order, cuts)]


def _latency(traces: TraceSet, rows: I64, counts: NDArray[np.float64]) -> Latency:
    """One sample per span: a client that called two servers (hedging) waited once."""
    seen = np.flatnonzero(rows >= 0)
    _, first = np.unique(rows[seen], return_index=True)
    seen = seen[first]
    return Latency(*nearest_rank(traces.end_ns[rows[seen]] - traces.start_ns[rows[seen]], counts[seen]))


def _count(value: float) -> float:
    """A whole number as one, so that unsampled counts read as what they are."""
    return int(value) if float(value).is_integer() else round(float(value), 6)


def _edge(calls: Calls, paths: CriticalPaths, rows: I64, seconds: float | None) -> Edge:
    traces, count = calls.traces, calls.count[rows]
    client_row, server_row = calls.client_row[rows], calls.server_row[rows]
    failed = calls.failed[rows]
    total = float(count.sum())
    bad = float(count[failed].sum())
    delays = np.flatnonzero(np.isin(calls.delay_call, rows))
    seen = np.where(server_row >= 0, server_row, client_row)
    on_path = np.unique(seen)
    path_ns = paths.path_to_ns[on_path] - paths.path_from_ns[on_path]
    client, server = calls.nodes[calls.client[rows[0]]], calls.nodes[calls.server[rows[0]]]
    return Edge(
        client=client.id,
        server=server.id,
        connection_type=CONNECTION_TYPES[calls.connection_type[rows[0]]],
        calls=_count(total),
        failed=_count(bad),
        failed_client=_count(count[calls.failed_client[rows]].sum()),
        failed_server=_count(count[calls.failed_server[rows]].sum()),
        success_rate=(total - bad) / total,
        calls_per_s=total / seconds if seconds else None,
        client_latency=_latency(traces, client_row, count),
        server_latency=_latency(traces, server_row, count),
        queue_delay=Latency(*nearest_rank(calls.delay_ns[delays], calls.count[calls.delay_call[delays]])),
        error_types=_error_types(calls, rows[failed]),
        self_call=client.id == server.id,
        protocols=_protocols(traces, np.where(client_row >= 0, client_row, server_row)),
        client_versions=_distinct(traces, "service_version", client_row),
        server_versions=_distinct(traces, "service_version", server_row),
        path_calls=int((path_ns > 0).sum()),
        path_ns=int(path_ns.sum()),
        slowest_traces=_exemplars(traces, np.where(client_row >= 0, client_row, server_row)),
        failed_traces=_exemplars(traces, np.where(client_row >= 0, client_row, server_row)[failed]),
    )


def _error_types(calls: Calls, rows: I64) -> dict[str, float]:
    """The server's word if it has one, else the client's, else _OTHER; a side counts only if it marks the error."""
    found: Counter[str] = Counter()
    server = np.where(calls.failed_server[rows], calls.server_row[rows], -1)
    client = np.where(calls.failed_client[rows], calls.client_row[rows], -1)
    words: list[list[str | None]] = []
    for side in (server, client):
        said: list[str | None] = [None] * rows.size
        at = np.flatnonzero(side >= 0)
        for place, word in zip(at.tolist(), error_types(calls.traces, side[at]), strict=True):
            said[place] = word
        words.append(said)
    for row, by_server, by_client in zip(rows.tolist(), *words, strict=True):
        found[by_server or by_client or OTHER] += calls.count[row]
    return {word: _count(count) for word, count in sorted(found.items())}


def _taken(traces: TraceSet, column: str, rows: I64) -> pa.ChunkedArray:
    return traces.table.column(column).take(pa.array(traces.source_row[rows[rows >= 0]]))


def _distinct(traces: TraceSet, column: str, rows: I64) -> tuple[str, ...]:
    return tuple(sorted(value for value in _taken(traces, column, rows).unique().to_pylist() if value is not None))


def _protocols(traces: TraceSet, rows: I64) -> tuple[str, ...]:
    """What the calls speak: the database, messaging or RPC system, or http."""
    http = pc.if_else(pc.is_valid(_taken(traces, "http_method", rows)), "http", None)
    systems = [_taken(traces, f"{column}_system", rows) for column in ("db", "messaging", "rpc")]
    spoken = pc.coalesce(*systems, http)
    return tuple(sorted(value for value in pc.unique(spoken).to_pylist() if value is not None))


def _exemplars(traces: TraceSet, rows: I64) -> tuple[str, ...]:
    """Ids of the traces with the longest of these spans."""
    order = np.lexsort((rows, traces.start_ns[rows] - traces.end_ns[rows]))
    ids = dict.fromkeys(traces.trace_id(trace) for trace in traces.trace[rows[order[: 4 * EXEMPLARS]]].tolist())
    return tuple(list(ids)[:EXEMPLARS])
