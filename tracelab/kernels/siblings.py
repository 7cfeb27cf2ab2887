"""In which order siblings ran, parent by parent: what tells one that waited from one that merely came later."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel
from tracelab.kernels.paths import order_key, tolerance_ns

_NEAR, _MANY, _NEAREST = 64, 1_000, 8  # pairs are looked at one by one: of many siblings only those close in time


@kernel
def sibling_orders(
    offsets: NDArray[np.int64],
    children: NDArray[np.int64],
    start_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    operation: NDArray[np.int32],
    skipped: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """(keys, parents, refutes): what each parent says of "first, then": that it holds, or that it does not.

    Of two siblings of different operations, each there once: it holds if the first ends before the other starts, and
    else it does not. Where an operation is there several times: only siblings that overlap refute, since a loop of
    A B A B runs in order, too. Within the tolerance of the parent's window ends count as starts. Each parent says a
    thing once; a refutation wins.
    """
    room = 1024
    keys = np.empty(room, np.int64)
    parents = np.empty(room, np.int64)
    refutes = np.empty(room, np.bool_)
    said = 0
    for row in range(offsets.size - 1):
        first, last = offsets[row], offsets[row + 1]
        if last - first < 2 or skipped[row]:
            continue
        some = children[first:last]
        some = some[np.argsort(start_ns[some], kind="mergesort")]
        tolerance = tolerance_ns(end_ns[row] - start_ns[row])
        lone = _lone(operation[some])
        near = _NEAR if some.size <= _MANY else _NEAREST
        for at in range(some.size):
            one = some[at]
            if start_ns[one] >= end_ns[one]:
                continue
            for other_at in range(at + 1, min(some.size, at + near)):
                other = some[other_at]
                if start_ns[other] >= end_ns[other]:
                    continue
                if said + 2 > room:
                    room *= 2
                    keys = np.concatenate((keys, keys))
                    parents = np.concatenate((parents, parents))
                    refutes = np.concatenate((refutes, refutes))
                overlap = start_ns[other] < end_ns[one] - tolerance
                keys[said] = order_key(operation[row], operation[one], operation[other])
                parents[said] = row
                refutes[said] = overlap
                said += 1
                if operation[one] != operation[other] and (overlap or (lone[at] and lone[other_at])):
                    keys[said] = order_key(operation[row], operation[other], operation[one])
                    parents[said] = row
                    refutes[said] = True
                    said += 1
    return keys[:said].copy(), parents[:said].copy(), refutes[:said].copy()


@kernel
def _lone(operation: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each is the only one of its operation."""
    order = np.argsort(operation, kind="mergesort")
    lone = np.ones(operation.size, np.bool_)
    for at in range(1, order.size):
        if operation[order[at]] == operation[order[at - 1]]:
            lone[order[at]] = False
            lone[order[at - 1]] = False
    return lone
