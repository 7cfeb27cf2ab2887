"""Where the nodes of a service graph stand: in layers from left to right, with few crossings.

The steps are Sugiyama's: turn the edges of cycles around (greedy, after Eades, Lin and Smyth, by calls), give each
node the layer of its longest path, put dummies where an edge crosses a layer, order each layer by medians, swap
neighbours where that saves crossings, and set heights by least squares. A node that has its place keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from statistics import median

Place = tuple[float, float]  # (layer, height), in units of the grid
_SWEEPS = 12
_LINE = 0.3
"""Height that an edge passing through a layer takes up; a node takes 1."""


@dataclass(frozen=True)
class Layout:
    """Places of the nodes, and the points that a long edge goes through on its way."""

    places: dict[str, Place]
    bends: dict[tuple[str, str], list[Place]] = field(default_factory=dict)


def lay_out(
    nodes: Sequence[str], edges: Mapping[tuple[str, str], float], known: Mapping[str, Place] | None = None
) -> Layout:
    """Place all nodes. `edges` are weighted by calls; nodes in `known` stay where they are."""
    kept = {node: place for node, place in (known or {}).items() if node in set(nodes)}
    if kept:
        return Layout(_squeeze_in(nodes, edges, kept))
    forward = _acyclic(nodes, {edge: weight for edge, weight in edges.items() if edge[0] != edge[1]})
    layer = _layers(nodes, forward)
    chains = {edge: _chain(edge, layer) for edge in forward}
    columns = _ordered(nodes, layer, chains)
    height = _heights(columns, chains)
    bends = {
        (edge if edge in edges else edge[::-1]): [(float(layer_of), height[dummy]) for dummy, layer_of in chain]
        for edge, chain in chains.items()
        if chain
    }
    return Layout(
        {node: (float(layer[node]), height[node]) for node in nodes},
        {edge: points if edge in forward else points[::-1] for edge, points in bends.items()},
    )


def _acyclic(nodes: Sequence[str], edges: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """The edges, those that run against the greedy order turned around. Sources first, then sinks, then by balance."""
    left: list[str] = []
    right: list[str] = []
    rest = sorted(nodes)
    while rest:
        inside = set(rest)
        out = dict.fromkeys(rest, 0.0)
        into = dict.fromkeys(rest, 0.0)
        for (client, server), weight in edges.items():
            if client in inside and server in inside:
                out[client] += weight
                into[server] += weight
        sinks = [node for node in rest if out[node] == 0]
        sources = [node for node in rest if into[node] == 0 and out[node] > 0]
        if sinks:
            right += reversed(sinks)
            chosen = set(sinks)
        elif sources:
            left += sources
            chosen = set(sources)
        else:
            best = max(rest, key=lambda node: out[node] - into[node])
            left.append(best)
            chosen = {best}
        rest = [node for node in rest if node not in chosen]
    position = {node: at for at, node in enumerate([*left, *reversed(right)])}
    turned: dict[tuple[str, str], float] = {}
    for (client, server), weight in edges.items():
        key = (client, server) if position[client] < position[server] else (server, client)
        turned[key] = turned.get(key, 0.0) + weight
    return turned


def _layers(nodes: Sequence[str], edges: Mapping[tuple[str, str], float]) -> dict[str, int]:
    """Longest path from a source."""
    layer = dict.fromkeys(nodes, 0)
    waiting = {node: sum(1 for edge in edges if edge[1] == node) for node in nodes}
    ready = sorted(node for node in nodes if waiting[node] == 0)
    while ready:
        node = ready.pop()
        for client, server in edges:
            if client == node:
                layer[server] = max(layer[server], layer[node] + 1)
                waiting[server] -= 1
                if waiting[server] == 0:
                    ready.append(server)
    return layer


def _chain(edge: tuple[str, str], layer: Mapping[str, int]) -> list[tuple[str, int]]:
    client, server = edge
    return [(f"{client}\0{server}\0{at}", at) for at in range(layer[client] + 1, layer[server])]


def _links(chains: Mapping[tuple[str, str], list[tuple[str, int]]]) -> list[tuple[str, str]]:
    links = []
    for (client, server), chain in chains.items():
        stops = [client, *(dummy for dummy, _ in chain), server]
        links += list(pairwise(stops))
    return links


def _crossings(upper: Sequence[str], lower: Sequence[str], links: Sequence[tuple[str, str]]) -> int:
    """Pairs of links between two neighbouring layers that cross."""
    first, second = ({node: at for at, node in enumerate(column)} for column in (upper, lower))
    ends = sorted((first[a], second[b]) for a, b in links if a in first and b in second)
    return sum(1 for at, (a, b) in enumerate(ends) for c, d in ends[at + 1 :] if a < c and b > d)


def _ordered(
    nodes: Sequence[str], layer: Mapping[str, int], chains: Mapping[tuple[str, str], list[tuple[str, int]]]
) -> list[list[str]]:
    columns: list[list[str]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for node in sorted(nodes):
        columns[layer[node]].append(node)
    for chain in chains.values():
        for dummy, at in chain:
            columns[at].append(dummy)
    links = _links(chains)
    best, best_count = [list(column) for column in columns], _all_crossings(columns, links)
    for sweep in range(_SWEEPS):
        rightward = sweep % 2 == 0
        for at in range(1, len(columns)) if rightward else range(len(columns) - 2, -1, -1):
            _by_median(columns, at, at - 1 if rightward else at + 1, links)
        count = _all_crossings(columns, links)
        if count < best_count:
            best, best_count = [list(column) for column in columns], count
    return best


def _all_crossings(columns: Sequence[Sequence[str]], links: Sequence[tuple[str, str]]) -> int:
    return sum(_crossings(columns[at], columns[at + 1], links) for at in range(len(columns) - 1))


def _by_median(columns: list[list[str]], at: int, fixed: int, links: Sequence[tuple[str, str]]) -> None:
    place = {node: index for index, node in enumerate(columns[fixed])}
    neighbours: dict[str, list[int]] = {node: [] for node in columns[at]}
    for a, b in links:
        for mine, other in ((a, b), (b, a)):
            if mine in neighbours and other in place:
                neighbours[mine].append(place[other])
    own = {node: index for index, node in enumerate(columns[at])}
    columns[at].sort(key=lambda node: (median(neighbours[node]) if neighbours[node] else own[node], own[node]))


def _heights(
    columns: Sequence[Sequence[str]], chains: Mapping[tuple[str, str], list[tuple[str, int]]]
) -> dict[str, float]:
    """As near to the mean of the neighbours as the order and what each takes up allow."""
    offsets = [_offsets(column) for column in columns]
    height = {
        node: at - offset[-1] / 2
        for column, offset in zip(columns, offsets, strict=True)
        for node, at in zip(column, offset, strict=True)
    }
    neighbours: dict[str, list[str]] = {node: [] for node in height}
    for a, b in _links(chains):
        neighbours[a].append(b)
        neighbours[b].append(a)
    for _ in range(_SWEEPS):
        for column, offset in zip(columns, offsets, strict=True):
            wanted = [
                sum(height[other] for other in neighbours[node]) / len(neighbours[node])
                if neighbours[node]
                else height[node]
                for node in column
            ]
            height.update(zip(column, _spread(wanted, offset), strict=True))
    return height


def _offsets(column: Sequence[str]) -> list[float]:
    """How far from the first of a layer each of it stands at least."""
    sizes = [_LINE if "\0" in node else 1.0 for node in column]
    return list(accumulate(((a + b) / 2 for a, b in pairwise(sizes)), initial=0.0)) if sizes else []


def _spread(wanted: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """Heights that keep their distances, in this order, with the least sum of squares: pool adjacent violators."""
    blocks: list[tuple[float, int]] = []
    for value, offset in zip(wanted, offsets, strict=True):
        mean, size = value - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        blocks.append((mean, size))
    flat = [mean for mean, size in blocks for _ in range(size)]
    return [value + offset for value, offset in zip(flat, offsets, strict=True)]


def _squeeze_in(
    nodes: Sequence[str], edges: Mapping[tuple[str, str], float], kept: dict[str, Place]
) -> dict[str, Place]:
    """New nodes beside their callers, in the nearest free place; nobody else moves."""
    places = dict(kept)
    waiting = [node for node in sorted(nodes) if node not in places]
    while waiting:
        node = next((n for n in waiting if any(b == n and a in places for a, b in edges)), waiting[0])
        waiting.remove(node)
        callers = [places[a] for a, b in edges if b == node and a in places]
        layer = max((place[0] for place in callers), default=-1.0) + 1
        wish = sum(place[1] for place in callers) / len(callers) if callers else 0.0
        taken = [place[1] for place in places.values() if place[0] == layer]
        steps = sorted(
            (wish + sign * step / 2 for step in range(4 * len(taken) + 2) for sign in (1, -1)),
            key=lambda y: abs(y - wish),
        )
        places[node] = (layer, next(y for y in steps if all(abs(y - other) >= 1 for other in taken)))
    return places
