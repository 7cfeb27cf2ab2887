"""Less of a service graph, so that what is left can be read: around one node, without what is noise, or by groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from tracelab import Edge, Latency, Node, ServiceGraph

GROUP = "group:"
BUSY_SHARE = 0.001
_FEWEST = 3  # members of a group; fewer stand for themselves


@dataclass(frozen=True)
class Grouping:
    """Which group each node is in (only those that are in one)."""

    group_of: Mapping[str, str]

    def members(self, group: str) -> list[str]:
        """Sorted ids of its nodes."""
        return sorted(node for node, its in self.group_of.items() if its == group)


def around(graph: ServiceGraph, node_id: str, hops: int) -> ServiceGraph:
    """The nodes that callers and callees lead to in so many steps, each in its own direction, and their edges."""
    near = {node_id}
    for one, other in (("client", "server"), ("server", "client")):
        reached = {node_id}
        for _ in range(hops):
            reached |= {getattr(edge, other) for edge in graph.edges if getattr(edge, one) in reached}
        near |= reached
    return _only(graph, near)


def services_only(graph: ServiceGraph) -> ServiceGraph:
    """Without databases, queues and what is outside."""
    return _only(graph, {node.id for node in graph.nodes if node.kind in ("service", "user")})


def busy_only(graph: ServiceGraph) -> ServiceGraph:
    """Without edges that have fewer than one in a thousand of all calls and no failure, and what they alone led to."""
    total = sum(edge.calls for edge in graph.edges)
    edges = [edge for edge in graph.edges if edge.failed or edge.calls >= BUSY_SHARE * total]
    ends = {end for edge in edges for end in (edge.client, edge.server)}
    return replace(graph, nodes=tuple(node for node in graph.nodes if node.id in ends), edges=tuple(edges))


def _only(graph: ServiceGraph, ids: Collection[str]) -> ServiceGraph:
    return replace(
        graph,
        nodes=tuple(node for node in graph.nodes if node.id in ids),
        edges=tuple(edge for edge in graph.edges if edge.client in ids and edge.server in ids),
    )


def grouping(nodes: Iterable[Node], namespaces: Mapping[str, str] | None = None) -> Grouping:
    """Services by their namespace; where all have the same or none, by what stands before the name's first `/.-`.

    Args:
        namespaces: `service.namespace` by service name, of those that say it
    """
    said = namespaces if namespaces is not None and len(set(namespaces.values())) > 1 else {}
    first = {node.id: said.get(node.name) or _first_word(node.name) for node in nodes if node.kind == "service"}
    sizes = Counter(word for word in first.values() if word)
    return Grouping({node: word for node, word in first.items() if word and sizes[word] >= _FEWEST})


def _first_word(name: str) -> str:
    places = [at for at in (name.find(sign) for sign in "/.-") if at > 0]
    return name[: min(places)] if places else ""


def with_owners(graph: ServiceGraph, groups: Grouping) -> Grouping:
    """Databases and queues that one group alone uses belong to it."""
    users: dict[str, set[str | None]] = defaultdict(set)
    kinds = {node.id: node.kind for node in graph.nodes}
    for edge in graph.edges:
        for one, other in ((edge.client, edge.server), (edge.server, edge.client)):
            if kinds[one] not in ("service", "user"):
                users[one].add(groups.group_of.get(other))
    owned = {node: next(iter(its)) for node, its in users.items() if len(its) == 1}
    return Grouping({**groups.group_of, **{node: group for node, group in owned.items() if group is not None}})


def grouped(graph: ServiceGraph, groups: Grouping, open_: Collection[str]) -> ServiceGraph:
    """Each closed group as one node. Calls inside of it are not shown; those across are added up by its edges."""
    closed = {node: GROUP + group for node, group in groups.group_of.items() if group not in open_}
    nodes = [node for node in graph.nodes if node.id not in closed]
    sizes = Counter(closed.values())
    nodes += [
        Node(group, f"{group.removeprefix(GROUP)} ({size})", "group", False) for group, size in sorted(sizes.items())
    ]
    together: dict[tuple[str, str], list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        client, server = closed.get(edge.client, edge.client), closed.get(edge.server, edge.server)
        if client != server or edge.self_call:
            together[client, server].append(edge)
    edges = [
        edges[0] if ends == (edges[0].client, edges[0].server) and len(edges) == 1 else _sum_edges(ends, edges)
        for ends, edges in sorted(together.items())
    ]
    return replace(graph, nodes=tuple(nodes), edges=tuple(edges))


def _sum_edges(ends: tuple[str, str], edges: list[Edge]) -> Edge:
    """Counts add up; of percentiles the largest stands for all, for they do not."""
    calls, failed = sum(edge.calls for edge in edges), sum(edge.failed for edge in edges)
    rates = [edge.calls_per_s for edge in edges if edge.calls_per_s is not None]
    errors: Counter[str] = Counter()
    for edge in edges:
        errors.update(edge.error_types)
    worst = sorted(edges, key=lambda edge: -(edge.client_latency.p99_ns or edge.server_latency.p99_ns or 0))
    return replace(
        edges[0],
        client=ends[0],
        server=ends[1],
        connection_type="",
        calls=calls,
        failed=failed,
        failed_client=sum(edge.failed_client for edge in edges),
        failed_server=sum(edge.failed_server for edge in edges),
        success_rate=1 - failed / calls if calls else 1.0,
        calls_per_s=sum(rates) if rates else None,
        client_latency=_largest(edge.client_latency for edge in edges),
        server_latency=_largest(edge.server_latency for edge in edges),
        error_types=dict(errors),
        self_call=ends[0] == ends[1],
        protocols=tuple(sorted({name for edge in edges for name in edge.protocols})),
        client_versions=(),
        server_versions=(),
        path_calls=sum(edge.path_calls for edge in edges),
        path_ns=sum(edge.path_ns for edge in edges),
        slowest_traces=worst[0].slowest_traces,
        failed_traces=tuple(trace for edge in edges for trace in edge.failed_traces)[:3],
    )


def _largest(latencies: Iterable[Latency]) -> Latency:
    known = [latency for latency in latencies if latency.p99_ns is not None]
    return max(known, key=lambda latency: latency.p99_ns or 0) if known else Latency(None, None, None)
