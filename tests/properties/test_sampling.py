"""Sampled traffic against the full run of the same traffic: the estimate is as good as theory says."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.inputs import traces as make_traces
from tracelab.adjusters import assemble
from tracelab.analysis.service_graph import ServiceGraph, service_graph


def graph_of(table: pa.Table) -> ServiceGraph:
    return service_graph(assemble(table))


def sampled(table: pa.Table, probabilities: dict[bytes, float]) -> pa.Table:
    """Whole traces kept with their probability, as a consistent sampler would: by 56 random bits of the trace id."""
    ids = table.column("trace_id").to_pylist()
    keep, states = [], []
    for trace_id in ids:
        threshold = int((1 - probabilities[trace_id]) * 2**56)
        keep.append(hash_bits(trace_id) >= threshold)
        states.append(f"ot=th:{threshold:014x}".rstrip("0") if threshold else "ot=th:0")
    at = table.schema.get_field_index("trace_state")
    return table.set_column(at, table.schema.field(at), pa.array(states, pa.string())).filter(pa.array(keep))


def hash_bits(trace_id: bytes) -> int:
    return int(np.random.default_rng(int.from_bytes(trace_id, "big")).integers(0, 2**56))


@pytest.mark.parametrize("shares", [(0.25,), (1.0, 0.5, 0.1)], ids=["one", "mixed"])
def test_adjusted_counts_estimate_the_full_run(shares: tuple[float, ...]) -> None:
    full = make_traces(3000, 8, seed=9, services=4)
    distinct = full.column("trace_id").unique().to_pylist()
    probabilities = {trace_id: shares[at % len(shares)] for at, trace_id in enumerate(distinct)}
    truth = {(edge.client, edge.server): edge for edge in graph_of(full).edges}
    estimate = graph_of(sampled(full, probabilities))
    assert estimate.diagnostics["sampled_spans"] > 0
    for edge in estimate.edges:
        real = truth[edge.client, edge.server]
        if real.calls < 300:
            continue
        # Horvitz and Thompson's estimator: its variance is at most the sum of (1 - p) / p over calls, times the calls
        # of one trace that come and go together
        variance = real.calls * sum((1 - p) / p for p in shares) / len(shares) * 4
        assert abs(edge.calls - real.calls) <= 4 * math.sqrt(variance)
        for name in ("p50_ns", "p90_ns"):
            got, expected = getattr(edge.server_latency, name), getattr(real.server_latency, name)
            if expected is not None:
                assert got == pytest.approx(expected, rel=0.5)


def test_a_probability_of_one_changes_nothing() -> None:
    full = make_traces(50, 8, seed=2)
    ones = dict.fromkeys(full.column("trace_id").unique().to_pylist(), 1.0)
    assert graph_of(sampled(full, ones)).edges == graph_of(full).edges
