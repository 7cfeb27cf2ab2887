"""Why an edge is missing, or is not what one expects: what the two services' spans say, with counts and examples."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tracelab.analysis.calls import Calls, collect_calls, service_node_name
from tracelab.analysis.peers import peers_of
from tracelab.analysis.sampling import adjusted_counts
from tracelab.diagnostics import Diagnostics
from tracelab.kernels.trees import self_ns
from tracelab.schema import CLIENT, CONSUMER, KINDS, PRODUCER, SERVER, STATUS_ERROR
from tracelab.traceset import I64, TraceSet
from tracelab.window import EVERYTHING, Window

LATE_NS = 10 * 10**9
"""Spans this near the newest one may still have relatives on their way."""
EXAMPLES = 3
_OPEN_CALLS = 32  # calls that began last before a root: of more at once time alone cannot tell which is its
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class SpanRef:
    """A span to look at."""

    trace_id: str
    span_id: str
    service_name: str | None
    name: str | None


@dataclass(frozen=True)
class Cause:
    """A reason why calls do not show as an edge, or show with one side only.

    Attributes:
        cause: callee_not_seen, caller_not_seen, lost_context, wrong_kind, missing_parent, sampled_away, late,
            clock_skew, outside_window, no_such_calls
        count: spans (or calls) that show it
        evidence, advice: in words
    """

    cause: str
    count: int
    evidence: str
    advice: str
    examples: tuple[SpanRef, ...] = ()


@dataclass(frozen=True)
class EdgeExplanation:
    """What is known of calls from `client` to `server`: causes by how many spans show them, `late` at the end."""

    client: str
    server: str
    calls: int
    client_seen: int
    server_seen: int
    client_spans: int
    server_spans: int
    causes: tuple[Cause, ...]
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


def explain_edge(traces: TraceSet, client: str, server: str, window: Window = EVERYTHING) -> EdgeExplanation:
    """Why `client` -> `server` is missing or incomplete (docs/how-it-works/explain-edge.md)."""
    facts = _Facts(traces, collect_calls(traces), client, server, window)
    causes = [
        *_unseen(facts), *_wrong_kinds(facts), *_lost_context(facts), *_missing_parents(facts), *_skew(facts),
        *_outside(facts),
    ]  # fmt: skip
    if not causes and not facts.inside.size:
        causes = [_no_calls(facts)]
    calls = facts.calls
    return EdgeExplanation(
        client,
        server,
        facts.inside.size,
        int((calls.client_row[facts.inside] >= 0).sum()),
        int((calls.server_row[facts.inside] >= 0).sum()),
        int(facts.by_client.sum()),
        int(facts.by_server.sum()),
        tuple(sorted(causes, key=lambda cause: (cause.cause == "late", -cause.count))),
        traces.diagnostics.merge(calls.diagnostics),
    )


class _Facts:
    """The spans of both sides, and the calls between them."""

    def __init__(self, traces: TraceSet, calls: Calls, client: str, server: str, window: Window) -> None:
        self.traces, self.calls, self.client, self.server = traces, calls, client, server
        self.inside_window = window.holds(traces.raw_start_ns) & ~traces.is_placeholder
        self.by_client, self.by_server = self._of(client), self._of(server)
        names = [node.id for node in calls.nodes]
        pair = np.array([name == client for name in names])[calls.client] if names else np.zeros(0, np.bool_)
        pair &= np.array([name == server for name in names])[calls.server] if names else pair
        inside = window.holds(calls.start_ns)
        self.inside = np.flatnonzero(pair & inside)
        self.outside = np.flatnonzero(pair & ~inside)
        # client spans that nobody answered: those whose call has no request
        lonely = (calls.client_row >= 0) & (calls.request_row < 0)
        self.unanswered = np.zeros(len(traces), np.bool_)
        self.unanswered[calls.client_row[lonely]] = True
        self.unanswered |= _unnamed_clients(traces, calls)
        self.unanswered &= self.by_client
        # users, databases, queues: nobody expects spans of theirs
        self.inferred = {node.id for node in calls.nodes if node.virtual}
        self.newest = int(traces.raw_start_ns[~traces.is_placeholder].max()) if len(traces) else 0
        self.counts = adjusted_counts(traces)[0]

    def _of(self, name: str) -> Bools:
        services = [service_node_name(service) == name for service in self.traces.services]
        found = np.array([*services, False])[self.traces.service]  # a placeholder's -1 is the last
        return found & self.inside_window

    def examples(self, rows: I64) -> tuple[SpanRef, ...]:
        traces = self.traces
        return tuple(
            SpanRef(
                traces.trace_id(int(traces.trace[row])), traces.span_id_hex(row), traces.service_name(row),
                traces.span_name(row),
            )
            for row in rows[:EXAMPLES].tolist()
        )  # fmt: skip


def _unnamed_clients(traces: TraceSet, calls: Calls) -> Bools:
    """CLIENT spans that lead nowhere, not even to an inferred node."""
    used = np.zeros(len(traces), np.bool_)
    used[calls.client_row[calls.client_row >= 0]] = True
    leaf = np.diff(traces.children[0]) == 0
    found: Bools = (traces.kind == CLIENT) & leaf & ~used & ~traces.is_placeholder
    return found


def _unseen(facts: _Facts) -> list[Cause]:
    causes = []
    there = ", ".join(sorted(service_node_name(name) for name in facts.traces.services)[:12])
    if not facts.by_server.any() and facts.server not in facts.inferred:
        rows = np.flatnonzero(facts.unanswered)
        names = sorted({facts.calls.nodes[code].id for code in facts.calls.server[_calls_of(facts, rows)]})
        towards = f"; they name {', '.join(names[:5])}" if names else ""
        causes.append(
            Cause(
                "callee_not_seen", max(int(rows.size), 1),
                f"{facts.server} has no span there. {rows.size:,} client spans of {facts.client} have no "
                f"answer{towards}.",
                f"Instrument {facts.server}, and check that its exporter reaches the collector and that its "
                f"service.name is the one you expect (there are: {there}).",
                facts.examples(rows),
            )
        )  # fmt: skip
    if not facts.by_client.any() and facts.client not in facts.inferred:
        rows = np.flatnonzero(facts.by_server & (facts.traces.parent_row < 0))
        causes.append(
            Cause(
                "caller_not_seen", max(int(rows.size), 1),
                f"{facts.client} has no span there. {rows.size:,} spans of {facts.server} begin a trace.",
                f"Instrument {facts.client} (there are: {there}); without its spans a call to {facts.server} is a "
                "user's, or an orphan.",
                facts.examples(rows),
            )
        )  # fmt: skip
    return causes


def _calls_of(facts: _Facts, rows: I64) -> I64:
    return np.flatnonzero(np.isin(facts.calls.client_row, rows))


def _lost_context(facts: _Facts) -> list[Cause]:
    """A root of the callee that lies in time within an unanswered call of the caller: two halves of one call."""
    traces = facts.traces
    roots = np.flatnonzero(facts.by_server & (traces.parent_row < 0))
    waiting = np.flatnonzero(facts.unanswered)
    leaves = np.flatnonzero(facts.by_client & (np.diff(traces.children[0]) == 0) & (traces.kind != CLIENT))
    found = _within(traces, roots, waiting)
    if not found.size:  # the caller may not have marked its calls as such
        own = self_ns(traces.start_ns, traces.end_ns, *traces.children)
        longest = leaves[own[leaves] > 0]
        found = _within(traces, roots, longest) if not waiting.size else found
    if not found.size:
        return []
    sampled = (facts.counts[roots] != 1).any() or (facts.counts[waiting] != 1).any() if waiting.size else False
    evidence = (
        f"{found.size:,} of {roots.size:,} traces that begin in {facts.server} lie in time within a call of "
        f"{facts.client} that has no answer ({waiting.size:,} such calls)."
    )
    hint = " Some of these spans are sampled; a sampler that starts anew loses the parent, too." if sampled else ""
    advice = (
        f"Pass the context on: inject it into the outgoing headers in {facts.client} (a client library without "
        f"instrumentation?) and extract it in {facts.server}; look at proxies and thread pools between them.{hint}"
    )
    return [Cause("lost_context", int(found.size), evidence, advice, facts.examples(found))]


def _within(traces: TraceSet, roots: I64, calls: I64) -> I64:
    """The roots that lie within one of these calls, each call taken once; both in the order of their start."""
    roots = roots[np.argsort(traces.start_ns[roots], kind="stable")]
    calls = calls[np.argsort(traces.start_ns[calls], kind="stable")]
    free = np.ones(calls.size, np.bool_)
    starts, ends = traces.start_ns[calls], traces.end_ns[calls]
    found = []
    for root in roots.tolist():
        last = int(np.searchsorted(starts, traces.start_ns[root], side="right"))
        for at in range(last - 1, max(last - 1 - _OPEN_CALLS, -1), -1):
            if free[at] and ends[at] >= traces.end_ns[root]:
                free[at] = False
                found.append(root)
                break
    return np.array(found, np.int64)


def _wrong_kinds(facts: _Facts) -> list[Cause]:
    """Requests that no SERVER or CONSUMER received, calls that no CLIENT or PRODUCER made."""
    traces, calls = facts.traces, facts.calls
    causes = []
    requests = calls.request_row[facts.inside]
    blind = facts.inside[(calls.client_row[facts.inside] < 0) & (requests >= 0)]
    rows = np.unique(traces.parent_row[calls.request_row[blind]])
    rows = rows[rows >= 0]
    if blind.size and calls.connection_type[blind[0]] == 0:
        kinds = ", ".join(sorted({KINDS[kind] for kind in traces.kind[rows]}))
        causes.append(
            Cause(
                "wrong_kind", int(blind.size),
                f"{blind.size:,} calls are there, but the span that made them is {kinds}, not CLIENT or PRODUCER: "
                "the caller's side has no latency.",
                f"In {facts.client}, start the span around an outgoing call with kind CLIENT.", facts.examples(rows),
            )
        )  # fmt: skip
    rows = np.unique(requests[(requests >= 0)])
    rows = rows[(traces.kind[rows] != SERVER) & (traces.kind[rows] != CONSUMER)]
    roots = np.flatnonzero(facts.by_server & (traces.parent_row < 0))
    roots = roots[(traces.kind[roots] != SERVER) & (traces.kind[roots] != CONSUMER)]
    strange = np.concatenate([rows, roots])
    if strange.size:
        kinds = ", ".join(sorted({KINDS[kind] for kind in traces.kind[strange]}))
        causes.append(
            Cause(
                "wrong_kind", int(strange.size),
                f"{strange.size:,} spans that enter {facts.server} are {kinds}, not SERVER or CONSUMER.",
                f"In {facts.server}, start the span of an incoming request with kind SERVER (CONSUMER for a message).",
                facts.examples(strange),
            )
        )  # fmt: skip
    return causes


def _missing_parents(facts: _Facts) -> list[Cause]:
    """Requests of the callee whose parent was not seen, and calls without an answer: late, sampled away, or lost."""
    traces = facts.traces
    parent = traces.parent_row
    orphans = np.flatnonzero(facts.by_server & (parent >= 0) & traces.is_placeholder[parent])
    late = orphans[traces.raw_start_ns[orphans] > facts.newest - LATE_NS]
    unanswered = _calls_to_server(facts) if facts.server not in facts.inferred else np.zeros(0, np.int64)
    unanswered = unanswered[traces.status_code[unanswered] != STATUS_ERROR]  # nobody may have been there to answer
    fresh = unanswered[traces.raw_start_ns[unanswered] > facts.newest - LATE_NS]
    causes = []
    if orphans.size:
        sampled = (facts.counts[facts.by_client] != 1).any() or (facts.counts[orphans] != 1).any()
        cause, advice = (
            ("sampled_away", f"Let {facts.client} and {facts.server} sample alike (parent-based, or one threshold).")
            if sampled
            else ("missing_parent", f"Look whether {facts.client} exports all its spans, and whether it stops cleanly.")
        )
        causes.append(
            Cause(
                cause, int(orphans.size),
                f"{orphans.size:,} spans of {facts.server} have a parent that was not seen"
                + ("; spans of the two are sampled with a threshold." if sampled else "."),
                advice, facts.examples(orphans),
            )
        )  # fmt: skip
    elif unanswered.size and facts.by_server.any():
        answered = int((facts.calls.server_row[facts.inside] >= 0).sum())
        if answered or facts.counts[unanswered].min() < facts.counts[facts.by_server].max():
            causes.append(
                Cause(
                    "sampled_away", int(unanswered.size),
                    f"{unanswered.size:,} calls of {facts.client} have no answer, {answered:,} like them have one: "
                    f"{facts.server} keeps fewer of its spans than its caller.",
                    f"Let {facts.client} and {facts.server} sample alike (parent-based, or one threshold).",
                    facts.examples(unanswered),
                )
            )  # fmt: skip
    waiting = np.concatenate([late, fresh])
    if waiting.size:
        causes.append(
            Cause(
                "late", int(waiting.size),
                f"{waiting.size:,} halves of calls began less than {LATE_NS // 10**9} s before the newest span: the "
                "other half may be on its way.",
                "Look again in a moment; exporters send in batches.", facts.examples(waiting),
            )
        )  # fmt: skip
    return causes


def _calls_to_server(facts: _Facts) -> I64:
    """The caller's unanswered calls that are meant for the callee.

    They name it, or say of their peer what calls say that it did answer; or nothing has a name for their peer.
    """
    calls, traces = facts.calls, facts.traces
    rows = np.flatnonzero(facts.unanswered)
    wanted = np.array([facts.server in (node.id, node.name) for node in calls.nodes], np.bool_)
    named = calls.client_row[wanted[calls.server]] if calls.client.size else calls.client_row
    answered = np.unique(calls.client_row[facts.inside[calls.client_row[facts.inside] >= 0]])
    _, said = peers_of(traces, np.concatenate([answered, rows]))
    alike = np.isin(said[answered.size :], said[: answered.size])
    nameless = _unnamed_clients(traces, calls)
    return rows[np.isin(rows, named) | alike | nameless[rows]]


def _skew(facts: _Facts) -> list[Cause]:
    traces, calls = facts.traces, facts.calls
    both = np.concatenate([facts.inside, facts.outside])
    servers = calls.server_row[both]
    servers = servers[servers >= 0]
    moved = servers[traces.shift_ns[servers] != 0]
    if not moved.size:
        return []
    shifts = np.abs(traces.shift_ns[moved])
    return [
        Cause(
            "clock_skew", int(moved.size),
            f"{moved.size:,} answers lay outside their call and were shifted, by up to {int(shifts.max()):,} ns: the "
            "clocks of the two hosts differ.",
            "Mend the hosts' clocks; a window that is cut by the wrong clock misses calls.", facts.examples(moved),
        )
    ]  # fmt: skip


def _outside(facts: _Facts) -> list[Cause]:
    if not facts.outside.size or facts.inside.size:
        return []
    calls = facts.calls
    rows = calls.seen_row[facts.outside]
    return [
        Cause(
            "outside_window", int(facts.outside.size),
            f"{facts.outside.size:,} such calls began outside the window.",
            "Choose a longer --since/--until.", facts.examples(rows[rows >= 0]),
        )
    ]  # fmt: skip


def _no_calls(facts: _Facts) -> Cause:
    traces = facts.traces
    calling = np.flatnonzero(facts.by_client & ((traces.kind == CLIENT) | (traces.kind == PRODUCER)))
    callees = sorted({facts.calls.nodes[code].id for code in facts.calls.server[_calls_of(facts, calling)]})
    towards = f"it calls {', '.join(callees[:8])}" if callees else "it makes no call that is recorded"
    return Cause(
        "no_such_calls", int(calling.size),
        f"Nothing says that {facts.client} calls {facts.server}: {towards}, and no root or orphan of {facts.server} "
        "fits one of its calls.",
        f"Check that {facts.client} really calls {facts.server} in this time, and that its client library is "
        "instrumented.",
    )  # fmt: skip
