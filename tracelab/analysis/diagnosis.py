"""What is wrong, where, since when? The most likely causes of what is not as it was (docs/how-it-works/diagnosis.md).

Signals become parts of causes: each is laid at the door of one service or edge, with a kind; a service's parts add up.
Two rules keep effects from being taken for causes: times are own times and gaps, never those of callees; and whoever
calls more often than before answers for what that does to the called.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tracelab.analysis.attributes import attribute_lifts
from tracelab.analysis.cohorts import Cohort, cohort
from tracelab.analysis.signals import Sides, Signal
from tracelab.analysis.summaries import first_roots
from tracelab.traceset import TraceSet
from tracelab.window import Window

KINDS = {
    "slow": "the service itself works longer on a request",
    "slow_dependency": "a database, queue or other people's service takes longer to answer",
    "slow_network": "time passes between caller and callee, in neither of them",
    "errors": "more requests fail, and the failure begins here",
    "timeouts": "the caller loses patience before the answer comes",
    "unreachable": "calls end without an answer",
    "more_calls": "more calls for the same request",
    "retries": "calls fail and are repeated",
    "queue": "messages wait longer",
    "clock_skew": "a host's clock is wrong",
    "broken_context": "traces break in two: the context is not passed on",
    "missing_spans": "calls go well, and the callee's spans are missing",
    "new_edge": "a call that was not made before",
}
_EXPECT = {
    "slow": "requests that do not touch it are as quick as ever; the time moves with deploys or load",
    "slow_dependency": "the client spans are long, and the caller's own time is as ever",
    "slow_network": "the callee's server spans are as short as ever; only the caller's client spans are long",
    "errors": "its callees answer well in the failed requests",
    "timeouts": "failed calls end after the same time, and the callee's span goes on after that",
    "unreachable": "the callee has no spans at those moments; others that call it fail as well",
    "more_calls": "each call is as quick as ever; their number in one trace is not",
    "retries": "several calls of the same kind follow each other in one trace, all but the last failed",
    "queue": "producers are as quick as ever; consumers are busy all the time, or away",
    "clock_skew": "spans lie outside their parents by the same amount; users notice nothing",
    "broken_context": "the callee has as many requests as before, in their own traces",
    "missing_spans": "users notice nothing; the callee reports fewer requests than its callers send",
    "new_edge": "it began with a deploy of the caller",
}
# Most of these tests are made on every look: chance alone must not raise an alarm in an hour of them.
_SURE = 1e-3
_LONGER = 0.25  # of what it was: less is weather
_COSTS = 0.02  # of a typical trace
_LEAST_NS = 1e6
_FAR_OUT = 3.0  # spreads
_LEAST_SPREAD = 0.08
_FEWEST_TIMES = 6  # of fewer it cannot be said what they have in common
_SPREAD_OF = 20
_FAILS = 0.02
_MORE = 1.3
_MISSING = 0.05
_SHIFTED_NS = 5e6
_SHOWS_IT = 0.25
_COVERED = 0.8
_SEEN_BEFORE = 30
_WEIGHTS = {"missing": 0.3, "shift": 0.2, "delay": 0.1, "new": 0.3}
_EXAMPLES = 3
_EFFECTS = ("error.", "http.response.", "rpc.grpc.status", "http.status_code", "exception.", "otel.status")
"""Attributes that say that it failed, which is known: what is asked is whom it struck."""


@dataclass(frozen=True)
class Evidence:
    """One figure that changed: means before and now in `unit` (ns, share, calls), and traces to look at."""

    what: str
    before: float
    after: float
    unit: str
    p_value: float
    count: int
    traces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cause:
    """A suspected cause.

    Attributes:
        service_name: where it lies: a service, or a virtual node by its id
        edge: (client, server) if it shows on one edge; operation: if in one operation
        kind: one of KINDS
        since_ns: when it began
        score: what it costs, in requests a trace: 1 is as much time as a whole request took, or one failure for each
        expect: what would be seen if it were true
        attributes: (key, value) that set the affected requests apart
    """

    service_name: str
    edge: tuple[str, str] | None
    operation: str | None
    kind: str
    since_ns: int
    score: float
    evidence: tuple[Evidence, ...]
    expect: str
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Part:
    """What one signal adds to one service's account."""

    service: str
    kind: str
    score: float
    signal: Signal
    edge: tuple[str, str] | None = None
    operation: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """The causes, the most likely first; empty when all is well, or when there is too little to say."""

    causes: tuple[Cause, ...]
    base_traces: int
    now_traces: int
    signals: int
    base: Window = field(default_factory=Window)
    now: Window = field(default_factory=Window)


def diagnose(base: Cohort, now: Cohort) -> Diagnosis:
    """Compare two cohorts of one set of traces: how it was, and how it is."""
    if base.size == 0 or now.size == 0:
        return Diagnosis((), base.size, now.size, 0, base.window, now.window)
    sides = Sides(base, now)
    signals = sides.signals()
    common = _in_common(signals)
    news = [signal for signal in signals if _is_news(signal, len(signals), sides.typical_ns, common)]
    parts = [*_parts(news, signals, sides), *_new_edges(sides)]
    parts = _blame_the_caller(parts)
    causes = [_cause(name, mine, sides) for name, mine in _by_service(parts).items()]
    ordered = sorted(causes, key=lambda cause: (-cause.score, cause.service_name))
    return Diagnosis(tuple(ordered), base.size, now.size, len(signals), base.window, now.window)


_SPLITS = (0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def diagnose_everything(traces: TraceSet) -> Diagnosis:
    """Of traces of which nobody said when it began: of a few ways to cut them in two, the one that explains most."""
    starts = np.sort(traces.trace_start_ns)
    if starts.size == 0:
        return diagnose(cohort(traces), cohort(traces))
    found = []
    for share in _SPLITS:
        at = int(starts[int(share * (starts.size - 1))])
        found.append(diagnose(cohort(traces, Window(None, at)), cohort(traces, Window(at, None))))
    return max(found, key=lambda diagnosis: sum(cause.score for cause in diagnosis.causes))


@dataclass(frozen=True)
class _Common:
    """What all times have in common: the middle of log(after / before), and how far they are spread around it."""

    middle: float = 0.0
    spread: float = 0.0

    def stands_out(self, signal: Signal) -> bool:
        """Whether a time grew by more than the others did and than they differ."""
        return signal.before <= 0 or math.log(signal.after / signal.before) >= self.middle + _FAR_OUT * self.spread


def _in_common(signals: Iterable[Signal]) -> _Common:
    """Of own times and gaps, where there are enough: a busy machine makes all of them longer, not by the same factor.

    Median and median absolute deviation, scaled to a standard deviation (Hampel 1974): the outliers that are looked
    for do not move them.
    """
    times = [signal for signal in signals if signal.family in ("own", "gap") and signal.count >= _SPREAD_OF]
    growth = np.array([math.log(signal.after / signal.before) for signal in times if signal.before > 0 < signal.after])
    if growth.size < _FEWEST_TIMES:
        return _Common()
    middle = float(np.median(growth))
    return _Common(middle, max(1.4826 * float(np.median(np.abs(growth - middle))), _LEAST_SPREAD))


def _is_news(signal: Signal, tests: int, typical_ns: float, common: _Common) -> bool:
    """Whether it is both sure and large enough to matter."""
    if signal.each <= 0 or signal.p_value * max(tests, 1) > _SURE:
        return False
    match signal.family:
        case "own" | "gap":
            before = signal.after - signal.each
            costs = signal.total >= _COSTS * typical_ns
            return costs and signal.each >= max(_LONGER * before, _LEAST_NS) and common.stands_out(signal)
        case "delay":
            return signal.each >= max(signal.before, 50 * _LEAST_NS)
        case "errors" | "timeouts" | "unreachable":
            return signal.each >= _FAILS
        case "missing" | "roots":
            return signal.each >= _MISSING
        case "calls":
            return signal.after >= max(_MORE * signal.before, signal.before + 0.3)
        case _:
            return signal.each >= _SHIFTED_NS


def _parts(news: Iterable[Signal], signals: Iterable[Signal], sides: Sides) -> list[_Part]:
    news, signals = list(news), list(signals)
    parts = []
    gaps = [signal for signal in signals if signal.family == "gap"]
    roots = _root_shares(sides)
    for signal in news:
        time = signal.total / sides.typical_ns
        one, two = signal.name
        match signal.family:
            case "own":
                parts.append(_Part(one, "slow", time, signal, operation=two))
            case "gap":
                parts.append(_gap_part(signal, gaps, time, sides))
            case "errors" | "timeouts":
                parts.append(_Part(one, signal.family, signal.total, signal, operation=two))
            case "unreachable":
                parts.append(_Part(two, "unreachable", signal.total, signal, edge=(one, two)))
            case "missing":
                lost = roots.get(two, 0.0) > 0.05
                kind, service = ("broken_context", one) if lost else ("missing_spans", two)
                score = _WEIGHTS["missing"] * signal.each
                parts.append(_Part(service, kind, score, signal, edge=(one, two)))
            case "roots":
                caller = _usual_caller(sides, one)
                score = _WEIGHTS["missing"] * signal.each
                parts.append(
                    _Part(caller or one, "broken_context", score, signal, edge=(caller, one) if caller else None)
                )
            case "calls":
                each_ns = _mean_call_ns(sides, signal.name)
                parts.append(
                    _Part(one, "more_calls", signal.total * each_ns / sides.typical_ns, signal, edge=(one, two))
                )
            case "delay":
                score = _WEIGHTS["delay"] * min(signal.total / sides.typical_ns, 1.0)
                parts.append(_Part(two, "queue", score, signal, edge=(one, two)))
            case "shift":
                parts.append(_Part(one, "clock_skew", _WEIGHTS["shift"], signal, operation=two))
    return parts


def _gap_part(signal: Signal, gaps: list[Signal], score: float, sides: Sides) -> _Part:
    """Whose gap is it? Of the end whose edges all show it; else of the callee, on this edge."""
    client, server = signal.name
    virtual = {node.id for node in sides.calls.nodes if node.virtual}
    if server in virtual:
        return _Part(server, "slow_dependency", score, signal, edge=signal.name)
    real = [gap for gap in gaps if gap.name[1] not in virtual]
    calling = [gap for gap in real if gap.name[0] == client]
    called = [gap for gap in real if gap.name[1] == server and gap.name[0] not in virtual]
    if len(calling) > 1 and _coverage(calling) >= _COVERED:
        return _Part(client, "slow_network", score, signal, edge=signal.name)
    if len(called) > 1 and _coverage(called) >= _COVERED:
        return _Part(server, "slow_network", score, signal)
    return _Part(server, "slow_network", score, signal, edge=signal.name)


def _coverage(edges: list[Signal]) -> float:
    """The share of calls on edges that show as much as the one that shows most."""
    largest = max(edge.each for edge in edges)
    shown = sum(edge.count for edge in edges if edge.each >= _SHOWS_IT * largest)
    return shown / max(sum(edge.count for edge in edges), 1)


def _root_shares(sides: Sides) -> dict[str, float]:
    """Per service the share of its requests that are roots now, less what it was."""
    rows = sides.base.times.request_row
    traces = sides.traces
    found = {}
    for code, service in enumerate(traces.services):
        mine = rows[traces.service[rows] == code]
        side = sides.side[traces.trace[mine]]
        is_root = traces.parent_row[mine] < 0
        shares = [float(is_root[side == which].mean()) if (side == which).any() else 0.0 for which in (0, 1)]
        found[service or "unknown_service"] = shares[1] - shares[0]
    return found


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


def _new_edges(sides: Sides) -> list[_Part]:
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
            _Part(name[0], "new_edge", _WEIGHTS["new"] * circle * min(1.0, float(share) * 2), signal, edge=name)
        )
    return parts


def _of_side(sides: Sides, side: int) -> Any:
    return sides.side[sides.traces.trace[sides.base.times.request_row]] == side


def _reach(edges: set[tuple[int, int]]) -> dict[int, set[int]]:
    """Per node what can be reached from it."""
    import networkx as nx

    graph = nx.DiGraph(list(edges))
    return {node: set(nx.descendants(graph, node)) for node in graph}


def _blame_the_caller(parts: list[_Part]) -> list[_Part]:
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


def _more_edge(more: Mapping[tuple[str, str], _Part], client: str) -> tuple[str, str]:
    """The client's edge that carries most of the additional calls."""
    return max((edge for edge in more if edge[0] == client), key=lambda edge: more[edge].score)


def _by_service(parts: list[_Part]) -> dict[str, list[_Part]]:
    found: dict[str, list[_Part]] = {}
    for part in parts:
        found.setdefault(part.service, []).append(part)
    return found


def _cause(service: str, parts: list[_Part], sides: Sides) -> Cause:
    """One service's account."""
    weights: dict[str, float] = {}
    for part in parts:
        weights[part.kind] = weights.get(part.kind, 0.0) + part.score
    kind = max(weights, key=lambda name: weights[name])
    main = max((part for part in parts if part.kind == kind), key=lambda part: part.score)
    ordered = sorted(parts, key=lambda part: -part.score)
    return Cause(
        service,
        main.edge,
        main.operation,
        kind,
        _since(main.signal, sides),
        sum(part.score for part in parts),
        tuple(_evidence(part.signal, sides.traces) for part in ordered[:6]),
        _EXPECT[kind],
        _apart(main.signal, sides),
    )


_WORDS = {
    "own": ("own time in {}: {}", "ns"),
    "gap": ("between caller and callee, {} -> {}", "ns"),
    "delay": ("wait in the queue, {} -> {}", "ns"),
    "errors": ("failures that begin in {}: {}", "share"),
    "timeouts": ("patience lost in {}: {}", "share"),
    "unreachable": ("calls without an answer, {} -> {}", "share"),
    "missing": ("calls that go well without a span of the callee, {} -> {}", "share"),
    "roots": ("requests that nobody seems to have made, {}: {}", "share"),
    "calls": ("calls a request, {} -> {}", "calls"),
    "shift": ("clock of {} corrected: {}", "ns"),
    "new": ("calls that were not made before, a trace, {} -> {}", "calls"),
}


def _evidence(signal: Signal, traces: TraceSet) -> Evidence:
    words, unit = _WORDS[signal.family]
    seen: dict[str, None] = {}
    for row in signal.rows[:50].tolist():
        seen.setdefault(traces.trace_id(int(traces.trace[row])))
    examples = tuple(list(seen)[:_EXAMPLES])
    return Evidence(
        words.format(*signal.name), signal.before, signal.after, unit, signal.p_value, signal.count, examples
    )


def _since(signal: Signal, sides: Sides) -> int:
    """When it began: the start of the first trace after the change point.

    The point at which the ranks before and after differ most. Pettitt (1979), "A non-parametric approach to the
    change-point problem".
    """
    traces = sides.traces
    if signal.family == "new":
        return int(traces.raw_start_ns[signal.rows].min())
    measure = sides.measure(signal.family)
    keys = [number for number, name in enumerate(measure.names) if name == signal.name]
    mine = np.isin(measure.key, keys) & (sides.side[traces.trace[measure.row]] >= 0)
    start, value = traces.raw_start_ns[measure.row[mine]], measure.value[mine]
    is_now = sides.side[traces.trace[measure.row[mine]]] == 1
    order = np.lexsort((value, start))
    order = order[-2 * max(int(is_now.sum()), 10) :]  # as much of before as of now: what drifted earlier is not asked
    start, value = start[order], value[order]
    _, rank, counts = np.unique(value, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - (counts - 1) / 2)[rank]
    drift = np.cumsum((value.size + 1) / 2 - middle)
    now_begins = int(np.argmax(is_now[order]))  # how it was is what it is compared with: it did not begin there
    drift[: max(now_begins - 1, 0)] = -np.inf
    at = int(np.argmax(drift[:-1])) + 1 if value.size > 1 else 0  # where the values before are the smallest
    return int(start[at])


def _apart(signal: Signal, sides: Sides) -> tuple[tuple[str, str], ...]:
    """Attributes that set the traces that are affected most apart from the other ones now."""
    traces = sides.traces
    if signal.family not in ("own", "gap", "errors") or "attributes" not in traces.table.column_names:
        return ()
    measure = sides.measure(signal.family)
    keys = [number for number, name in enumerate(measure.names) if name == signal.name]
    mine = np.isin(measure.key, keys)
    rows, value = measure.row[mine], measure.value[mine]
    side = sides.side[traces.trace[rows]]
    base, now = value[side == 0], value[side == 1]
    limit = 0.5 if signal.family == "errors" else max(np.quantile(base, 0.95), float(base.mean() + now.mean()) / 2)
    slow, typical = np.zeros(traces.trace_count, np.bool_), np.zeros(traces.trace_count, np.bool_)
    trace = traces.trace[rows]
    slow[trace[(side == 1) & (value > limit)]] = True
    typical[trace[(side == 1) & (value <= limit)]] = True
    kind = traces.operations[0][first_roots(traces)]  # like is compared with like: requests of the same kind
    common = np.bincount(kind[slow]).argmax() if slow.any() else -1
    slow, typical = slow & (kind == common), typical & ~slow & (kind == common)
    if min(slow.sum(), typical.sum()) < 5:
        return ()
    lifts = attribute_lifts(traces, slow, typical, 6)
    telling = [
        lift
        for lift in lifts
        if lift.support >= 0.5 and lift.support >= 2 * lift.typical_support and not lift.key.startswith(_EFFECTS)
    ]
    return tuple((lift.key, lift.value) for lift in telling[:3])
