"""The completion path: from a request's start to the end of the last thing it caused, across queues and links.

Walk back from that end: the effect that ends last is walked in its own window down to its start; from its cause (the
end of the PRODUCER that sent the message; for a span that went on after its parent, the moment it was started) to its
start is a section of kind `queue`; then on in the cause's own chain from that moment back, to the root's start.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tracelab.analysis.calls import Calls, link_targets
from tracelab.analysis.critical_path import walk_any_windows
from tracelab.analysis.samples import samples_of
from tracelab.analysis.service_graph import Latency
from tracelab.diagnostics import Diagnostics
from tracelab.schema import CONSUMER, PRODUCER
from tracelab.traceset import I64, TraceSet


@dataclass(frozen=True)
class CompletionSection:
    """A half-open piece of a completion path. kind `work`: the span's own; `queue`: before it could begin."""

    kind: str
    span_row: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class CompletionPath:
    """One root's: `sections` tile [root start, completion) in time order."""

    root_row: int
    response_ns: int
    completion_ns: int
    incomplete: bool
    sections: tuple[CompletionSection, ...]


@dataclass(frozen=True)
class QueueDelay:
    """How long messages to one destination waited: consumer start less producer end."""

    destination: str
    consumer: str
    messages: int
    delay: Latency


@dataclass(frozen=True)
class CompletionPaths:
    """Completion paths of `traces`, and the queue delays of every destination."""

    traces: TraceSet
    paths: tuple[CompletionPath, ...]
    destinations: tuple[QueueDelay, ...]
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    def only(self, paths: tuple[CompletionPath, ...]) -> CompletionPaths:
        """The same with fewer paths."""
        return replace(self, paths=paths)


def completion_paths(calls: Calls, roots: I64) -> CompletionPaths:
    """The completion paths of these roots (docs/how-it-works/completion-path.md)."""
    traces = calls.traces
    effects = _Effects(traces)
    plans = [_plan(effects, int(root)) for root in roots]
    tasks = [task for plan in plans for task in plan.walks]
    rows, starts, ends = (np.array([task[at] for task in tasks], np.int64) for at in range(3))
    offsets, section_row, section_start, section_end = walk_any_windows(traces, rows, starts, ends)
    headless = np.zeros(traces.trace_count, np.bool_)
    headless[traces.trace[traces.is_placeholder]] = True
    paths, task = [], 0
    for root, plan in zip(roots.tolist(), plans, strict=True):
        sections = list(plan.queues)
        for _ in plan.walks:
            part = slice(offsets[task], offsets[task + 1])
            pieces = zip(
                section_row[part].tolist(), section_start[part].tolist(), section_end[part].tolist(), strict=True
            )
            sections += [CompletionSection("work", *piece) for piece in pieces]
            task += 1
        start = int(traces.start_ns[root])
        sections.sort(key=lambda section: section.start_ns)
        paths.append(
            CompletionPath(
                root,
                int(traces.end_ns[root]) - start,
                plan.end_ns - start,
                bool(headless[traces.trace[root]]),
                tuple(sections),
            )
        )
    return CompletionPaths(traces, tuple(paths), _queue_delays(calls), traces.diagnostics)


@dataclass(frozen=True)
class _Plan:
    """What to walk for one root: (row, from, to) windows, and the queue sections between them."""

    end_ns: int
    walks: list[tuple[int, int, int]]
    queues: list[CompletionSection]


class _Effects:
    """Who caused whom: by parent, and by link from a CONSUMER to a PRODUCER, in whatever trace."""

    def __init__(self, traces: TraceSet) -> None:
        self.traces = traces
        owner, target = link_targets(traces, np.flatnonzero(~traces.is_placeholder))
        messages = (target >= 0) & (traces.kind[owner] == CONSUMER) & (traces.kind[target] == PRODUCER)
        self.consumers: dict[int, list[int]] = {}
        self.producers: dict[int, list[int]] = {}
        for consumer, producer in zip(owner[messages].tolist(), target[messages].tolist(), strict=True):
            self.consumers.setdefault(producer, []).append(consumer)
            self.producers.setdefault(consumer, []).append(producer)

    def subtree(self, root: int) -> list[int]:
        """The row and everything below it."""
        offsets, children = self.traces.children
        found, at = [root], 0
        while at < len(found):
            row = found[at]
            found += children[offsets[row] : offsets[row + 1]].tolist()
            at += 1
        return found

    def of(self, root: int) -> set[int]:
        """Every span that the root caused, itself included."""
        caused: set[int] = set()
        waiting = [root]
        while waiting:
            row = waiting.pop()
            if row in caused:
                continue
            below = self.subtree(row)
            caused.update(below)
            if self.consumers:
                waiting += [consumer for span in below for consumer in self.consumers.get(span, ())]
        return caused


def _plan(effects: _Effects, root: int) -> _Plan:
    traces = effects.traces
    start_ns, end_ns, parent = traces.start_ns, traces.end_ns, traces.parent_row
    caused = effects.of(root)
    begin = int(start_ns[root])
    at = max(caused, key=lambda row: (int(end_ns[row]), -int(start_ns[row]), -row))
    completion = max(int(end_ns[at]), begin)
    walks: list[tuple[int, int, int]] = []
    queues: list[CompletionSection] = []
    until = completion
    passed: set[int] = set()  # messages may cause each other in a ring
    while until > begin:
        at = _head(traces, at, root, until)
        if at in passed:
            break
        passed.add(at)
        until = _walked(walks, at, begin, max(begin, int(start_ns[at])), until)
        if at == root:
            break
        cause, moment = _cause(effects, at, caused, until)
        if moment < until:
            queues.append(CompletionSection("queue", at, max(moment, begin), until))
            until = max(moment, begin)
        # the cause itself up to that moment, then what was above it before it began
        while until > begin:
            until = _walked(walks, cause, begin, max(begin, min(int(start_ns[cause]), until)), until)
            if cause == root or _is_message(effects, cause, caused):
                break
            cause = int(parent[cause])
        at = cause
        if at == root:
            break
    if until > begin:  # what lies before the first cause that is known is the root's
        walks.append((root, begin, until))
    return _Plan(completion, walks, queues)


def _walked(walks: list[tuple[int, int, int]], row: int, begin: int, from_ns: int, until: int) -> int:
    if from_ns < until:
        walks.append((row, from_ns, until))
    return max(min(from_ns, until), begin)


def _head(traces: TraceSet, row: int, root: int, until: int) -> int:
    """The topmost span above `row` that was still open until then: the effect as a whole."""
    parent = traces.parent_row
    while row != root and parent[row] >= 0 and traces.end_ns[parent[row]] >= until:
        if traces.kind[row] == CONSUMER and traces.kind[parent[row]] == PRODUCER:
            break
        row = int(parent[row])
    return row


def _is_message(effects: _Effects, row: int, caused: set[int]) -> bool:
    """Whether a message, and not a call, began this span."""
    traces = effects.traces
    parent = int(traces.parent_row[row])
    by_parent = parent >= 0 and traces.kind[row] == CONSUMER and traces.kind[parent] == PRODUCER
    return by_parent or parent < 0 or any(producer in caused for producer in effects.producers.get(row, ()))


def _cause(effects: _Effects, row: int, caused: set[int], until: int) -> tuple[int, int]:
    """(span that caused this one, the moment from which it waited)."""
    traces = effects.traces
    parent = int(traces.parent_row[row])
    senders = [producer for producer in effects.producers.get(row, ()) if producer in caused]
    if parent >= 0 and traces.kind[row] == CONSUMER and traces.kind[parent] == PRODUCER:
        senders.append(parent)
    if senders:
        last = max(senders, key=lambda producer: (int(traces.end_ns[producer]), -producer))
        return last, min(int(traces.end_ns[last]), until)
    if parent < 0:
        return row, until
    return parent, min(int(traces.end_ns[parent]), until)  # started later than its parent ended: it waited, too


def _queue_delays(calls: Calls) -> tuple[QueueDelay, ...]:
    found: dict[tuple[str, str], list[int]] = {}
    for call, delay in zip(calls.delay_call.tolist(), calls.delay_ns.tolist(), strict=True):
        edge = calls.nodes[calls.client[call]].name, calls.nodes[calls.server[call]].name
        found.setdefault(edge, []).append(delay)
    return tuple(
        QueueDelay(*edge, len(delays), Latency(*samples_of(np.array(delays, np.int64)).percentiles()))
        for edge, delays in sorted(found.items())
    )
