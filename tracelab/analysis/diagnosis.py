"""What is wrong, where, since when? The most likely causes of what is not as it was (docs/how-it-works/diagnosis.md).

Signals are told apart from weather (`news`), laid at the door of one service or edge (`blame`), and a service's parts
add up to its account: when it began, what it costs, whom it strikes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tracelab.analysis.attributes import attribute_lifts
from tracelab.analysis.blame import Part, blame_the_caller, new_edges, parts_of
from tracelab.analysis.cohorts import Cohort, cohort
from tracelab.analysis.news import in_common, is_news
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
    common = in_common(signals)
    news = [signal for signal in signals if is_news(signal, len(signals), sides.typical_ns, common)]
    parts = [*parts_of(news, signals, sides), *new_edges(sides)]
    parts = blame_the_caller(parts)
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


def _by_service(parts: list[Part]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    for part in parts:
        found.setdefault(part.service, []).append(part)
    return found


def _cause(service: str, parts: list[Part], sides: Sides) -> Cause:
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
