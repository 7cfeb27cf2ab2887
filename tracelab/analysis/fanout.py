"""Calls per request: how often one trace uses an edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracelab.analysis.calls import CONNECTION_TYPES
from tracelab.analysis.cohorts import Cohort
from tracelab.analysis.quantiles import nearest_rank


@dataclass(frozen=True)
class CallsPerTrace:
    """An edge: in how many traces, and how often in those that use it.

    Attributes:
        traces, share: traces with such a call, and what part of all that is
        mean: calls per trace over all traces; p50, p90, p99, most: over those that use the edge
        distribution: traces by number of calls, up to 10 calls and then by powers of two (the key is the least)
        most_traces: ids of those with the most calls
    """

    client: str
    server: str
    connection_type: str
    calls: int
    traces: int
    share: float
    mean: float
    p50: int
    p90: int
    p99: int
    most: int
    distribution: dict[int, int]
    most_traces: tuple[str, ...]


def calls_per_trace(cohort: Cohort) -> tuple[CallsPerTrace, ...]:
    """Every edge's calls per trace, those with the most first (docs/how-it-works/service-graph.md)."""
    calls, nodes = cohort.calls, cohort.calls.nodes
    rows = np.flatnonzero(cohort.call_trace >= 0)
    if rows.size == 0:
        return ()
    key = (calls.client[rows] * len(nodes) + calls.server[rows]) * len(CONNECTION_TYPES) + calls.connection_type[rows]
    groups, counts = np.unique(key * cohort.size + cohort.call_trace[rows], return_counts=True)
    group_key, group_trace = np.divmod(groups, cohort.size)
    numbers = np.flatnonzero(cohort.chosen)
    found = []
    for code in np.unique(group_key).tolist():
        mine = group_key == code
        times = counts[mine]
        ends, type_ = divmod(code, len(CONNECTION_TYPES))
        client, server = divmod(ends, len(nodes))
        p50, p90, p99 = (value or 0 for value in nearest_rank(times, np.ones(times.size)))
        most = numbers[group_trace[mine][np.argsort(-times, kind="stable")[:3]]]
        found.append(
            CallsPerTrace(
                nodes[client].id, nodes[server].id, CONNECTION_TYPES[type_], int(times.sum()), times.size,
                times.size / cohort.size, float(times.sum() / cohort.size), p50, p90, p99, int(times.max()),
                _distribution(times.tolist()), tuple(cohort.traces.trace_id(int(trace)) for trace in most),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda edge: (-edge.mean, edge.client, edge.server, edge.connection_type)))


def _distribution(times: list[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for count in times:
        bucket = count if count <= 10 else 1 << (count.bit_length() - 1)
        found[bucket] = found.get(bucket, 0) + 1
    return dict(sorted(found.items()))
