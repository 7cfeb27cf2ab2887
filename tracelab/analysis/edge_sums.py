"""What the calls of an edge add up to, so that parts merge: accumulate, merge, finish.

A part is the calls of some whole traces in some window. Parts of other traces, or of other windows, merge to exactly
what would have come out of all at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracelab.analysis.calls import CONNECTION_TYPES, Calls
from tracelab.analysis.critical_path import CriticalPaths
from tracelab.analysis.errors import OTHER, error_types, says_errors
from tracelab.analysis.samples import EMPTY, Samples, merge_samples, samples_of
from tracelab.kernels.groups import first_in_group
from tracelab.traceset import I64, TraceSet, dense_codes

EXEMPLARS = 3
EdgeKey = tuple[str, str, str]
Weighed = Counter[float]
"""How many calls there were of each adjusted count; added up only at the end, so that no order of adding shows."""


def weight(tally: Weighed) -> float:
    """The sum of adjusted counts; a whole number as one."""
    total = sum(count * times for count, times in sorted(tally.items()))
    return int(total) if float(total).is_integer() else round(float(total), 6)


@dataclass(frozen=True)
class EdgeSums:
    """All that is kept of an edge's calls. `slowest` and `broken` are ((-duration_ns, trace id), …), the first few."""

    calls: Weighed = field(default_factory=Counter)
    failed: Weighed = field(default_factory=Counter)
    failed_client: Weighed = field(default_factory=Counter)
    failed_server: Weighed = field(default_factory=Counter)
    errors: Counter[tuple[str, float]] = field(default_factory=Counter)
    client: Samples = EMPTY
    server: Samples = EMPTY
    delay: Samples = EMPTY
    protocols: frozenset[str] = frozenset()
    client_versions: frozenset[str] = frozenset()
    server_versions: frozenset[str] = frozenset()
    path_calls: int = 0
    path_ns: int = 0
    slowest: tuple[tuple[int, str], ...] = ()
    broken: tuple[tuple[int, str], ...] = ()


def merge_edges(parts: Sequence[EdgeSums]) -> EdgeSums:
    """The sums of all their calls."""
    if len(parts) == 1:
        return parts[0]

    def added(name: str) -> Counter[float]:
        total: Counter[float] = Counter()
        for part in parts:
            total.update(getattr(part, name))
        return total

    errors: Counter[tuple[str, float]] = Counter()
    for part in parts:
        errors.update(part.errors)
    return EdgeSums(
        added("calls"), added("failed"), added("failed_client"), added("failed_server"), errors,
        merge_samples(part.client for part in parts),
        merge_samples(part.server for part in parts),
        merge_samples(part.delay for part in parts),
        frozenset().union(*(part.protocols for part in parts)),
        frozenset().union(*(part.client_versions for part in parts)),
        frozenset().union(*(part.server_versions for part in parts)),
        sum(part.path_calls for part in parts),
        sum(part.path_ns for part in parts),
        _first_distinct([entry for part in parts for entry in part.slowest]),
        _first_distinct([entry for part in parts for entry in part.broken]),
    )  # fmt: skip


def _first_distinct(entries: list[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    """The slowest traces, each once."""
    chosen: dict[str, int] = {}
    for duration, trace_id in sorted(entries):
        chosen.setdefault(trace_id, duration)
        if len(chosen) == EXEMPLARS:
            break
    return tuple((duration, trace_id) for trace_id, duration in chosen.items())


def sum_edges(calls: Calls, paths: CriticalPaths, inside: I64) -> dict[EdgeKey, EdgeSums]:
    """What these calls (`inside`) add up to, edge by edge."""
    if inside.size == 0:
        return {}
    key = (calls.client[inside] * len(calls.nodes) + calls.server[inside]) * len(CONNECTION_TYPES)
    key += calls.connection_type[inside]
    distinct, edge = dense_codes(key, len(calls.nodes) ** 2 * len(CONNECTION_TYPES))
    order = np.argsort(edge.astype(np.int16 if distinct.size < 2**15 else np.int64), kind="stable")
    columns = _Columns(calls, paths, inside[order], edge[order])
    begins = np.searchsorted(columns.edge, np.arange(distinct.size + 1))
    found = {}
    for at, (first, last) in enumerate(zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True)):
        type_ = int(distinct[at]) % len(CONNECTION_TYPES)
        client, server = divmod(int(distinct[at]) // len(CONNECTION_TYPES), len(calls.nodes))
        edge_key = (calls.nodes[client].id, calls.nodes[server].id, CONNECTION_TYPES[type_])
        found[edge_key] = columns.sums(at, first, last)
    return found


class _Columns:
    """Calls sorted by edge, with everything that is added up of each."""

    def __init__(self, calls: Calls, paths: CriticalPaths, rows: I64, edge: I64) -> None:
        traces = calls.traces
        duration = traces.end_ns - traces.start_ns
        self.calls, self.traces, self.edge, self.rows = calls, traces, edge, rows
        self.client_row, self.server_row = calls.client_row[rows], calls.server_row[rows]
        self.count = calls.count[rows]
        self.unweighted = bool((self.count == 1).all())
        self.failed_client, self.failed_server = calls.failed_client[rows], calls.failed_server[rows]
        self.failed = self.failed_client | self.failed_server
        self.client_once = first_in_group(edge, self.client_row, len(traces))
        self.client_ns, self.server_ns = duration[self.client_row], duration[self.server_row]
        seen = calls.any_row[rows]
        self.seen_ns, self.seen_trace = duration[seen], traces.trace[seen]
        request_row = calls.request_row[rows]
        reached = np.where(request_row >= 0, request_row, self.client_row)
        on_path = paths.path_to_ns[reached] - paths.path_from_ns[reached]
        self.path_ns = np.where(first_in_group(edge, reached, len(traces)), on_path, 0)
        self.errors = _error_counts(calls, rows, edge, self.failed)
        edges = int(edge[-1]) + 1
        self.protocols = _texts_by_edge(*_protocols(traces), traces, seen, edge, edges)
        versions = _codes(traces, "service_version")
        self.client_versions = _texts_by_edge(*versions, traces, self.client_row, edge, edges)
        self.server_versions = _texts_by_edge(*versions, traces, self.server_row, edge, edges)
        call_edge = np.full(calls.client.size, -1, np.int64)
        call_edge[rows] = edge
        self.delay_edge = call_edge[calls.delay_call]

    def sums(self, edge: int, first: int, last: int) -> EdgeSums:
        part = slice(first, last)
        count = self.count[part]
        failed = self.failed[part]
        delays = np.flatnonzero(self.delay_edge == edge) if self.delay_edge.size else self.delay_edge
        path_ns = self.path_ns[part]
        return EdgeSums(
            self._tally(count),
            self._tally(count[failed]),
            self._tally(count[self.failed_client[part]]),
            self._tally(count[self.failed_server[part]]),
            self.errors.get(edge, Counter()),
            self._samples(self.client_ns[part], count, (self.client_row[part] >= 0) & self.client_once[part]),
            self._samples(self.server_ns[part], count, self.server_row[part] >= 0),
            samples_of(self.calls.delay_ns[delays], self.calls.count[self.calls.delay_call[delays]]),
            self.protocols[edge],
            self.client_versions[edge],
            self.server_versions[edge],
            int((path_ns > 0).sum()),
            int(path_ns.sum()),
            self._slowest(self.seen_ns[part], self.seen_trace[part]),
            self._slowest(self.seen_ns[part][failed], self.seen_trace[part][failed]) if failed.any() else (),
        )

    def _tally(self, counts: NDArray[np.float64]) -> Weighed:
        if self.unweighted:
            return Counter({1.0: counts.size}) if counts.size else Counter()
        values, times = np.unique(counts, return_counts=True)
        return Counter(dict(zip(values.tolist(), times.tolist(), strict=True)))

    def _samples(self, values: I64, counts: NDArray[np.float64], chosen: NDArray[np.bool_]) -> Samples:
        return samples_of(values[chosen], None if self.unweighted else counts[chosen])

    def _slowest(self, duration: I64, trace: NDArray[np.int32]) -> tuple[tuple[int, str], ...]:
        """The traces of the longest calls: of a few at first, of all where those are too few traces."""
        enough = 8 * EXEMPLARS
        at = np.arange(duration.size)
        if duration.size > enough:
            least = np.partition(duration, duration.size - enough)[duration.size - enough]
            some = np.flatnonzero(duration >= least)
            at = some if some.size < 4 * enough and len(set(trace[some].tolist())) >= EXEMPLARS else at
        order = at[np.lexsort((trace[at], -duration[at]))]
        _, first = np.unique(trace[order], return_index=True)  # trace numbers ascend with the ids
        chosen = order[np.sort(first)[:EXEMPLARS]]
        return tuple((-int(duration[row]), self.traces.trace_id(int(trace[row]))) for row in chosen)


def _error_counts(
    calls: Calls, rows: I64, edge: I64, failed: NDArray[np.bool_]
) -> dict[int, Counter[tuple[str, float]]]:
    """The server's word if it has one, else the client's, else _OTHER; a side counts only if it marks the error."""
    at = np.flatnonzero(failed)
    if at.size == 0:
        return {}
    words: list[list[str | None]] = []
    if not says_errors(calls.traces):
        return _alike(edge[at], calls.count[rows[at]])
    for marked, side in ((calls.failed_server, calls.server_row), (calls.failed_client, calls.client_row)):
        chosen = np.where(marked[rows[at]], side[rows[at]], -1)
        said: list[str | None] = [None] * at.size
        seen = np.flatnonzero(chosen >= 0)
        for place, word in zip(seen.tolist(), error_types(calls.traces, chosen[seen]), strict=True):
            said[place] = word
        words.append(said)
    found: dict[int, Counter[tuple[str, float]]] = {}
    counts = calls.count[rows[at]].tolist()
    for number, count, by_server, by_client in zip(edge[at].tolist(), counts, *words, strict=True):
        found.setdefault(number, Counter())[by_server or by_client or OTHER, count] += 1
    return found


def _alike(edge: I64, counts: NDArray[np.float64]) -> dict[int, Counter[tuple[str, float]]]:
    """Errors of which nothing more is known."""
    found: dict[int, Counter[tuple[str, float]]] = {}
    pairs, times = np.unique(np.stack([edge, counts]), axis=1, return_counts=True)
    for (number, count), often in zip(pairs.T.tolist(), times.tolist(), strict=True):
        found.setdefault(int(number), Counter())[OTHER, count] = often
    return found


Coded = tuple[NDArray[np.int32], list[str]]


def _encoded(column: pa.ChunkedArray) -> Coded:
    encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def _codes(traces: TraceSet, column: str) -> Coded:
    """(code per row of the table, -1 for null; texts)."""
    values = traces.table.column(column)
    return (np.zeros(0, np.int32), []) if values.null_count == len(values) else _encoded(values)


def _protocols(traces: TraceSet) -> Coded:
    """What a span speaks: the database, messaging or RPC system, or http."""
    spoken = [traces.table.column(f"{name}_system") for name in ("db", "messaging", "rpc")]
    http = traces.table.column("http_method")
    spoken = [column for column in spoken if column.null_count < len(column)]
    if http.null_count < len(http):
        spoken.append(pc.if_else(pc.is_valid(http), pa.scalar("http"), pa.scalar(None, pa.string())))
    return _encoded(pc.coalesce(*spoken)) if spoken else (np.zeros(0, np.int32), [])


def _texts_by_edge(
    codes: NDArray[np.int32], texts: list[str], traces: TraceSet, rows: I64, edge: I64, edges: int
) -> list[frozenset[str]]:
    """Per edge the distinct texts of its rows."""
    if not texts:
        return [frozenset()] * edges
    seen = np.flatnonzero(rows >= 0)
    code = codes[traces.source_row[rows[seen]]]
    present = np.unique((edge[seen] * len(texts) + code)[code >= 0])
    found: list[set[str]] = [set() for _ in range(edges)]
    for number, at in zip(*np.divmod(present, len(texts)), strict=True):
        found[number].add(texts[at])
    return [frozenset(part) for part in found]
