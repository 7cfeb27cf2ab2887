"""Findings: what is known to make requests slow or fail, with evidence and what to do.

Each rule asks for more than one sign, so that what it says is rarely wrong: an N+1 query is five or more queries of
one kind, one after another, below one span. Where a rule cannot know, it stays silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracelab.analysis.advice import ADVICE
from tracelab.analysis.calls import service_node_name
from tracelab.analysis.cohorts import Cohort
from tracelab.analysis.errors import error_types
from tracelab.diagnostics import Diagnostics
from tracelab.kernels.service_times import CALLS, entries, waits
from tracelab.schema import CLIENT, SERVER, STATUS_ERROR
from tracelab.traceset import I64, TraceSet

N_PLUS_ONE = 5
CHATTY = 10
STORM = 3
IN_SEQUENCE = 3
WORTH_IT = 0.1
"""Of a request's duration: less saving than that is not worth the change."""
EXAMPLES = 3
_SLACK_NS = 1_000_000
"""Servers end their span a little after the answer is out."""
_TIMEOUT = re.compile(r"time.?out|timed.?out|deadline", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\?|\$\d|%s|%\(|:\w")


@dataclass(frozen=True)
class Example:
    """Where to look: some spans of a trace."""

    trace_id: str
    span_ids: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """Something that was found in one service, again and again.

    Attributes:
        name: the operation, or the callee
        occurrences, traces: how often, in how many traces
        cost_ns: time that it takes, or that could be saved, in all these traces
        most: of one occurrence: calls, attempts
    """

    kind: str
    service_name: str
    name: str
    what: str
    advice: str
    traces: int
    occurrences: int
    cost_ns: int
    most: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Findings:
    """What was found in these traces, the costliest first."""

    traces: int
    findings: tuple[Finding, ...]
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


@dataclass(frozen=True)
class _Seen:
    """One occurrence."""

    kind: str
    service: int
    name: str
    trace: int
    rows: tuple[int, ...]
    cost_ns: int
    most: int


def find_all(cohort: Cohort) -> Findings:
    """Everything that the rules find in these traces (docs/how-it-works/findings.md)."""
    spans = _Spans(cohort)
    seen = [
        *_repeated(spans),
        *_same_calls(spans),
        *_time_outs(spans),
        *_orphans(cohort),
        *_skewed(cohort),
    ]
    return Findings(cohort.size, tuple(_gathered(cohort.traces, seen)), cohort.traces.diagnostics)


class _Spans:
    """Columns that the rules ask."""

    def __init__(self, cohort: Cohort) -> None:
        traces = cohort.traces
        self.traces, self.chosen = traces, cohort.rows
        self.failed = (traces.status_code == STATUS_ERROR) & cohort.rows
        entry = entries(traces.parents_first, traces.parent_row, traces.service, traces.is_placeholder)
        self.is_call = ((waits(entry, *traces.children, traces.kind) & CALLS) != 0) & cohort.rows
        self.is_query = self._valid("db_system") & (traces.kind == CLIENT)
        reads = self._equals("http_method", ("GET", "HEAD")) | self._equals("db_operation", ("SELECT",))
        self.is_read = reads | (self.is_query & self._named("select"))
        self.root_ns = np.zeros(traces.trace_count, np.int64)
        np.maximum.at(
            self.root_ns, traces.trace[traces.roots], traces.end_ns[traces.roots] - traces.start_ns[traces.roots]
        )
        self.on_path = cohort.paths.path_to_ns > cohort.paths.path_from_ns

    def _column(self, mask: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        by_source = pc.fill_null(mask, False).to_numpy()
        found = np.zeros(len(self.traces), np.bool_)
        real = np.flatnonzero(~self.traces.is_placeholder)
        found[real] = by_source[self.traces.source_row[real]]
        return found

    def _valid(self, column: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return self._column(pc.is_valid(self.traces.table.column(column)))

    def _equals(self, column: str, values: tuple[str, ...]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        upper = pc.utf8_upper(self.traces.table.column(column))
        return self._column(pc.is_in(upper, value_set=pa.array(values)))

    def _named(self, beginning: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return self._column(pc.starts_with(self.traces.table.column("name"), beginning, ignore_case=True))


def _sibling_groups(spans: _Spans) -> Iterator[I64]:
    """Calls of one operation, to one operation, below one parent: two or more, in the order of their start."""
    traces = spans.traces
    rows = np.flatnonzero(spans.is_call & (traces.parent_row >= 0))
    offsets, children = traces.children
    operation = traces.operations[0].astype(np.int64)
    called = offsets[rows + 1] > offsets[rows]
    callee = np.full(rows.size, -1, np.int64)
    callee[called] = operation[children[offsets[rows[called]]]]
    order = np.lexsort((traces.start_ns[rows], callee, operation[rows], traces.parent_row[rows]))
    rows, callee = rows[order], callee[order]
    key = np.stack([traces.parent_row[rows], operation[rows], callee])
    cuts = np.flatnonzero((np.diff(key) != 0).any(axis=0)) + 1
    for group in np.split(rows, cuts):
        if group.size > 1:
            yield group


def _repeated(spans: _Spans) -> Iterator[_Seen]:
    """N+1 queries, chatty edges, retries, and reads that could run at once: all are siblings of one operation."""
    traces = spans.traces
    for rows in _sibling_groups(spans):
        start, end = traces.start_ns[rows], traces.end_ns[rows]
        after = start[1:] >= np.maximum.accumulate(end)[:-1]
        first = int(rows[0])
        trace = int(traces.trace[first])

        again = np.flatnonzero(after & spans.failed[rows[:-1]]) + 1
        if again.size:
            attempts = np.unique(np.concatenate([again - 1, again]))
            lost = int((end - start)[again - 1].sum())
            kind = "retry_storm" if again.size + 1 > STORM else "retries"
            yield _siblings(spans, kind, rows[attempts], lost, again.size + 1)
            continue
        run = int(after.sum()) + 1
        spent, saved = int((end - start).sum()), int((end - start).sum() - (end - start).max())
        if spans.is_query[first]:
            if run >= N_PLUS_ONE:
                yield _siblings(spans, "n_plus_one", rows, saved, rows.size)
                continue
        elif rows.size >= CHATTY:
            yield _siblings(spans, "chatty", rows, spent, rows.size)
            continue
        in_sequence = bool(after.all()) and rows.size >= IN_SEQUENCE and bool(spans.is_read[rows].all())
        on_path = bool(spans.on_path[rows].all())
        if in_sequence and on_path and saved >= WORTH_IT * spans.root_ns[trace]:
            yield _siblings(spans, "could_be_parallel", rows, saved, rows.size)


def _siblings(spans: _Spans, kind: str, rows: I64, cost_ns: int, most: int) -> _Seen:
    traces, first = spans.traces, int(rows[0])
    name = traces.span_name(first) or ""
    return _Seen(kind, int(traces.service[first]), name, int(traces.trace[first]), tuple(rows.tolist()), cost_ns, most)


def _same_calls(spans: _Spans) -> Iterator[_Seen]:
    """The same URL fetched, or the same statement run, twice by one service in one trace: without its values, no."""
    traces = spans.traces
    if "attributes" not in traces.table.column_names:
        return
    rows = np.flatnonzero(spans.is_call & spans.is_read & ~spans.failed)
    if rows.size == 0:
        return
    maps = traces.table.column("attributes").take(pa.array(traces.source_row[rows])).combine_chunks()
    maps = maps.combine_chunks() if isinstance(maps, pa.ChunkedArray) else maps
    texts: list[str | None] = [None] * rows.size
    for key in ("db.statement", "db.query.text", "http.url", "url.full"):
        for at, text in enumerate(pc.map_lookup(maps, key, "first").to_pylist()):
            if text and not (key.startswith("db") and _PLACEHOLDER.search(text)):
                texts[at] = text
    found: dict[tuple[int, int, str], list[int]] = {}
    for row, text in zip(rows.tolist(), texts, strict=True):
        if text is not None:
            found.setdefault((int(traces.trace[row]), int(traces.service[row]), text), []).append(row)
    for (trace, service, _), same in found.items():
        if len(same) > 1:
            cost = int((traces.end_ns[same] - traces.start_ns[same]).sum() * (len(same) - 1) / len(same))
            yield _Seen(
                "same_call_twice", service, traces.span_name(same[0]) or "", trace, tuple(same), cost, len(same)
            )


def _time_outs(spans: _Spans) -> Iterator[_Seen]:
    """Failed calls that say so, or whose server went on after the client had given up."""
    traces = spans.traces
    rows = np.flatnonzero(spans.failed & (traces.kind == CLIENT))
    statuses = traces.values("http_status_code", rows)
    offsets, children = traces.children
    for row, word, status in zip(rows.tolist(), error_types(traces, rows), statuses, strict=True):
        below = children[offsets[row] : offsets[row + 1]]
        servers = below[traces.kind[below] == SERVER]
        patience = max((traces.end_ns[row] - traces.start_ns[row]) // 10, _SLACK_NS)
        outlasted = servers[(traces.end_ns[servers] > traces.end_ns[row] + patience) & (status is None)]
        if _TIMEOUT.search(word or "") or status in (408, 504) or outlasted.size:
            yield _Seen(
                "time_out", int(traces.service[row]), traces.span_name(row) or "", int(traces.trace[row]),
                (row, *outlasted.tolist()), int(traces.end_ns[row] - traces.start_ns[row]), 1,
            )  # fmt: skip


def _orphans(cohort: Cohort) -> Iterator[_Seen]:
    traces = cohort.traces
    parent = traces.parent_row
    for row in np.flatnonzero(cohort.rows & (parent >= 0) & traces.is_placeholder[parent]).tolist():
        name = traces.span_name(row) or ""
        yield _Seen("orphan_spans", int(traces.service[row]), name, int(traces.trace[row]), (row,), 0, 1)


def _skewed(cohort: Cohort) -> Iterator[_Seen]:
    traces = cohort.traces
    parent = traces.parent_row
    moved = cohort.rows & (parent >= 0) & (traces.shift_ns != 0) & (traces.shift_ns != traces.shift_ns[parent])
    for row in np.flatnonzero(moved).tolist():
        callee = f"below {service_node_name(traces.service_name(int(parent[row])))}"
        shift = abs(int(traces.shift_ns[row]))
        yield _Seen("clock_skew", int(traces.service[row]), callee, int(traces.trace[row]), (row,), shift, 1)


def _gathered(traces: TraceSet, seen: Iterable[_Seen]) -> list[Finding]:
    groups: dict[tuple[str, int, str], list[_Seen]] = {}
    for one in seen:
        groups.setdefault((one.kind, one.service, one.name), []).append(one)
    findings = []
    for (kind, service, name), all_ in groups.items():
        worst = sorted(all_, key=lambda one: (-one.cost_ns, one.trace, one.rows))
        examples = {one.trace: one for one in reversed(worst[: 4 * EXAMPLES])}
        shown = sorted(examples.values(), key=lambda one: (-one.cost_ns, one.trace))[:EXAMPLES]
        findings.append(
            Finding(
                kind, service_node_name(traces.services[service]), name, *ADVICE[kind],
                len({one.trace for one in all_}), len(all_), sum(one.cost_ns for one in all_),
                max(one.most for one in all_),
                tuple(
                    Example(traces.trace_id(one.trace), tuple(traces.span_id_hex(row) for row in one.rows[:10]))
                    for one in shown
                ),
            )
        )  # fmt: skip
    order = list(ADVICE)
    return sorted(findings, key=lambda f: (-f.cost_ns, order.index(f.kind), -f.traces, f.service_name, f.name))
