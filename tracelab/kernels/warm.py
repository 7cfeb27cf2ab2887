"""Compile every kernel, so that nobody waits for it later: `python -m tracelab.kernels.warm`."""

from __future__ import annotations

import sys

import numpy as np

from tracelab.kernels import call_paths, calls, groups, hosts, keys, otlp, paths, retime, service_times, siblings, trees
from tracelab.kernels import order as orders


def warm() -> None:
    """Call each kernel once with the types that the product uses."""
    ids = np.arange(1, 4, dtype=np.uint64)
    parent = np.array([-1, 0, 0], np.int64)
    start, end = np.array([0, 10, 20], np.int64), np.array([100, 20, 30], np.int64)
    kind, service = np.ones(3, np.int8), np.zeros(3, np.int32)
    no_hosts = np.full((3, 4), -1, np.int32)
    roots = np.array([0], np.int64)
    keys.first_rows(ids, ids)
    keys.rows_of(ids, ids, ids, ids)
    keys.first_rows_in_traces(np.array([0, 3]), ids)
    keys.rows_in_traces(np.array([0, 3]), ids, ids)
    orders.trace_changes(ids, ids)
    orders.canonical_order(service, 1, start, ids)
    trees.ring_roots(parent, start, ids)
    offsets, children = trees.children_of(parent)
    order = trees.parents_first(parent, offsets, children)
    trees.pre_order(roots, offsets, children)
    trees.self_ns(start, end, offsets, children)
    hosts.skew_shifts(roots, parent, offsets, children, start, end, kind, service, no_hosts, order, 3)
    paths.walk(
        roots, start[roots], end[roots], offsets, children, start, end, kind, service, no_hosts, ids, service, start, 9
    )
    paths.walk(
        roots, start[roots], end[roots], offsets, children, start, end, kind, service, no_hosts, ids, service, None, 9
    )
    factor, no_rows = np.ones(3), parent > 3
    retime.retimed_ns(order, offsets, children, start, end, kind, service, no_hosts, factor, start, no_rows, start)
    siblings.sibling_orders(offsets, children, start, end, service, no_rows)
    groups.first_in_group(parent, order, 3)
    groups.merge_runs(*groups.run_lengths(start), start, end)
    groups.sums(order, start, 3)
    node, _, _ = call_paths.merge_call_paths(order, parent, service, parent < 3)
    call_paths.traces_of(node, service, 2)
    entry = service_times.entries(order, parent, service, parent > 3)
    service_times.waits(entry, offsets, children, kind)
    service_times.own_ns(children, children, start, end)
    calls.stops(order, parent, kind, parent > 0)
    otlp.warm()


if __name__ == "__main__":
    sys.stderr.write("compiling kernels, once per machine\n")
    warm()
