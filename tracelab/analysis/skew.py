"""Clock skew as a result: which hosts disagree, on what evidence, and what was shifted by how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracelab.schema import CLIENT, SERVER
from tracelab.semconv import HOST_COLUMNS
from tracelab.traceset import I64, TraceSet


@dataclass(frozen=True)
class ClockSkew:
    """Calls between two hosts whose answers lay outside them.

    Attributes:
        client, server: the services; client_host, server_host: the first host ids that both carry
        calls: how often; spans: how many spans moved with those servers
        least_ns, most_ns: by how much; positive: later, the server's clock is behind
        examples: (trace id, span id) of servers that were moved, the furthest first
    """

    client: str | None
    server: str | None
    client_host: str
    server_host: str
    calls: int
    spans: int
    least_ns: int
    most_ns: int
    examples: tuple[tuple[str, str], ...]


def clock_skews(traces: TraceSet) -> tuple[ClockSkew, ...]:
    """All pairs of hosts between which clock skew was corrected in these traces."""
    parent, shift = traces.parent_row, traces.shift_ns
    moved = np.flatnonzero(
        (parent >= 0) & (traces.kind == SERVER) & (traces.kind[parent] == CLIENT) & (shift != shift[parent])
    )
    if moved.size == 0:
        return ()
    follows = _moved_with(traces, moved)
    hosts = {column: (traces.values(column, parent[moved]), traces.values(column, moved)) for column in HOST_COLUMNS}
    groups: dict[tuple[str | None, str | None, str, str], list[int]] = {}
    for at, row in enumerate(moved.tolist()):
        pairs = ((hosts[column][0][at], hosts[column][1][at]) for column in HOST_COLUMNS)
        ends = next((pair for pair in pairs if None not in pair), ("?", "?"))
        key = (traces.service_name(int(parent[row])), traces.service_name(row), *ends)
        groups.setdefault(key, []).append(at)
    found = []
    for key, places in groups.items():
        rows = moved[places]
        by = shift[rows] - shift[parent[rows]]
        furthest = rows[np.lexsort((rows, -np.abs(by)))][:3]
        examples = tuple((traces.trace_id(int(traces.trace[row])), traces.span_id_hex(row)) for row in furthest)
        found.append(ClockSkew(*key, rows.size, int(follows[places].sum()), int(by.min()), int(by.max()), examples))
    return tuple(sorted(found, key=lambda skew: (-skew.calls, str(skew.client), str(skew.server), skew.server_host)))


def _moved_with(traces: TraceSet, moved: I64) -> I64:
    """Per moved server how many spans have its shift from it: itself, and what is below it with the same shift."""
    place = np.full(len(traces), -1, np.int64)
    place[moved] = np.arange(moved.size)
    order = traces.parents_first
    for row in order[traces.shift_ns[order] != 0].tolist():
        above = traces.parent_row[row]
        if place[row] < 0 and above >= 0 and traces.shift_ns[above] == traces.shift_ns[row]:
            place[row] = place[above]
    return np.bincount(place[place >= 0], minlength=moved.size)
