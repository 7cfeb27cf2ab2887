"""At whose door is it laid? News become parts of causes, each of one service or edge, with a kind.

Two rules keep effects from being taken for causes: times are own times and gaps, never those of callees; and whoever
calls more often than before answers for what that does to the called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tracelab.analysis.news import MISSING
from tracelab.analysis.signals import Sides, Signal

_SHOWS_IT = 0.25  # of the gap of the edge that shows most
_COVERED = 0.8  # of the calls
_SEEN_BEFORE = 30  # requests of a service, before a call of it can be new
_WEIGHTS = {"missing": 0.3, "shift": 0.2, "delay": 0.1, "new": 0.3}


@dataclass(frozen=True)
class Part:
    """What one signal adds to one service's account."""

    service: str
    kind: str
    score: float
    signal: Signal
    edge: tuple[str, str] | None = None
    operation: str | None = None


def parts_of(news: Iterable[Signal], signals: Iterable[Signal], sides: Sides) -> list[Part]:
    """What is news, each at somebody's door; `signals`, all that was measured, says how far others show the same."""
    news, signals = list(news), list(signals)
    parts = []
    gaps = [signal for signal in signals if signal.family == "gap"]
    orphaned = {signal.name[0] for signal in signals if signal.family == "roots" and signal.each > MISSING}
    for signal in news:
        time = signal.total / sides.typical_ns
        one, two = signal.name
        match signal.family:
            case "own":
                parts.append(Part(one, "slow", time, signal, operation=two))
            case "gap":
                parts.append(_gap_part(signal, gaps, time, sides))
            case "errors" | "timeouts":
                parts.append(Part(one, signal.family, signal.total, signal, operation=two))
            case "unreachable":
                parts.append(Part(two, "unreachable", signal.total, signal, edge=(one, two)))
            case "missing":
                kind, service = ("broken_context", one) if two in orphaned else ("missing_spans", two)
                score = _WEIGHTS["missing"] * signal.each
                parts.append(Part(service, kind, score, signal, edge=(one, two)))
            case "roots":
                caller = _usual_caller(sides, one)
                score = _WEIGHTS["missing"] * signal.each
                parts.append(
                    Part(caller or one, "broken_context", score, signal, edge=(caller, one) if caller else None)
                )
            case "calls":
                each_ns = _mean_call_ns(sides, signal.name)
                parts.append(
                    Part(one, "more_calls", signal.total * each_ns / sides.typical_ns, signal, edge=(one, two))
                )
            case "delay":
                score = _WEIGHTS["delay"] * min(signal.total / sides.typical_ns, 1.0)
                parts.append(Part(two, "queue", score, signal, edge=(one, two)))
            case "shift":
                parts.append(Part(one, "clock_skew", _WEIGHTS["shift"], signal, operation=two))
    return parts


def _gap_part(signal: Signal, gaps: list[Signal], score: float, sides: Sides) -> Part:
    """Whose gap is it? Of the end whose edges all show it; else of the callee, on this edge."""
    client, server = signal.name
    virtual = {node.id for node in sides.calls.nodes if node.virtual}
    if server in virtual:
        return Part(server, "slow_dependency", score, signal, edge=signal.name)
    real = [gap for gap in gaps if gap.name[1] not in virtual]
    calling = [gap for gap in real if gap.name[0] == client]
    called = [gap for gap in real if gap.name[1] == server and gap.name[0] not in virtual]
    if len(calling) > 1 and _coverage(calling) >= _COVERED:
        return Part(client, "slow_network", score, signal, edge=signal.name)
    if len(called) > 1 and _coverage(called) >= _COVERED:
        return Part(server, "slow_network", score, signal)
    return Part(server, "slow_network", score, signal, edge=signal.name)


def _coverage(edges: list[Signal]) -> float:
    """The share of calls on edges that show as much as the one that shows most."""
    largest = max(edge.each for edge in edges)
    shown = sum(edge.count for edge in edges if edge.each >= _SHOWS_IT * largest)
    return shown / max(sum(edge.count for edge in edges), 1)


def _usual_caller(sides: Sides, service: str) -> str | None:
    """Who called it most, before."""
    calls, traces = sides.calls, sides.traces
    if calls.client.size == 0:
        return None
    codes = [code for code, node in enumerate(calls.nodes) if node.id == service]
    mine = np.isin(sides.server, codes) & (sides.side[traces.trace[calls.any_row]] == 0)
    clients = [code for code in calls.client[mine].tolist() if not calls.nodes[code].virtual]
    return sides.node(max(set(clients), key=clients.count)) if clients else None


def _mean_call_ns(sides: Sides, edge: tuple[str, str]) -> float:
    calls, traces = sides.calls, sides.traces
    codes = {node.id: code for code, node in enumerate(calls.nodes)}
    rows = calls.any_row[(calls.client == codes[edge[0]]) & (sides.server == codes[edge[1]])]
    rows = rows[sides.side[traces.trace[rows]] == 1]
    return float((traces.end_ns[rows] - traces.start_ns[rows]).mean()) if rows.size else 0.0


def new_edges(sides: Sides) -> list[Part]:
    """Edges that were not there though there was every chance, between services that were."""
    calls, traces = sides.calls, sides.traces
    virtual = np.array([node.virtual for node in calls.nodes], np.bool_)
    real = np.flatnonzero(~virtual[calls.client] & ~virtual[sides.server]) if calls.client.size else calls.client
    side = sides.side[traces.trace[calls.any_row[real]]]
    count = len(calls.nodes)
    key = calls.client[real] * count + sides.server[real]
    before, after = set(key[side == 0].tolist()), key[side == 1]
    reach = _reach({divmod(code, count) for code in before})
    requests = np.bincount(traces.service[sides.base.times.request_row[_of_side(sides, 0)]], minlength=count)
    parts = []
    for code, times in zip(*np.unique(after, return_counts=True), strict=True):
        client, server = divmod(int(code), count)
        known = client < requests.size and requests[client] >= _SEEN_BEFORE
        if code in before or times < 5 or not known or client == server:
            continue
        rows = calls.any_row[real[(key == code) & (side == 1)]]
        share = times / max(sides.now.size, 1)
        name = (sides.node(client), sides.node(server))
        signal = Signal("new", name, 0.0, float(share), float(share), float(share), int(times), 0.0, rows)
        circle = 1.0 if client in reach.get(server, set()) else 0.5
        parts.append(
            Part(name[0], "new_edge", _WEIGHTS["new"] * circle * min(1.0, float(share) * 2), signal, edge=name)
        )
    return parts


def _of_side(sides: Sides, side: int) -> Any:
    return sides.side[sides.traces.trace[sides.base.times.request_row]] == side


def _reach(edges: set[tuple[int, int]]) -> dict[int, set[int]]:
    """Per node what can be reached from it."""
    import networkx as nx

    graph = nx.DiGraph(list(edges))
    return {node: set(nx.descendants(graph, node)) for node in graph}


def blame_the_caller(parts: list[Part]) -> list[Part]:
    """Whoever calls more often answers for the time that the called needs more; failing calls that are repeated."""
    more = {part.edge: part for part in parts if part.kind == "more_calls" and part.edge}
    failing = {part.service for part in parts if part.kind in ("errors", "unreachable")}
    found = []
    for part in parts:
        callers = [edge[0] for edge in more if edge[1] == part.service or edge == part.edge]
        calls_more = any(edge[0] == part.service for edge in more)
        if part.kind == "more_calls" and part.edge and part.edge[1] in failing:
            found.append(replace(part, kind="retries"))
        elif part.kind in ("slow", "slow_network", "slow_dependency") and callers and callers[0] != part.service:
            found.append(replace(part, service=callers[0], kind="more_calls", edge=_more_edge(more, callers[0])))
        elif part.kind == "slow" and calls_more:
            found.append(replace(part, kind="more_calls", edge=_more_edge(more, part.service)))
        else:
            found.append(part)
    return found


def _more_edge(more: Mapping[tuple[str, str], Part], client: str) -> tuple[str, str]:
    """The client's edge that carries most of the additional calls."""
    return max((edge for edge in more if edge[0] == client), key=lambda edge: more[edge].score)
