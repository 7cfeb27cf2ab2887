"""Equal call paths merged into one tree, however many traces they come from: flame graph data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel


@kernel
def merge_call_paths(
    order: NDArray[np.int64],
    parent_row: NDArray[np.int64],
    operation: NDArray[np.int32],
    wanted: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """(node of each row, parent of each node, operation of each node); -1 for none.

    Two rows have one node if their operations are the same and their parents have one node. `order`: parents first.
    A wanted row's parent is wanted, too, or it has none.
    """
    size = 16
    while size < 2 * order.size:
        size *= 2
    mask = np.uint64(size - 1)
    slots = np.full(size, -1, np.int64)
    node = np.full(parent_row.size, -1, np.int64)
    node_parent = np.empty(order.size, np.int64)
    node_operation = np.empty(order.size, np.int32)
    nodes = 0
    for row in order:
        if not wanted[row]:
            continue
        above = node[parent_row[row]] if parent_row[row] >= 0 else np.int64(-1)
        key = np.uint64(above + 1) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(operation[row] + 1)
        key = (key ^ (key >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        slot = np.int64((key ^ (key >> np.uint64(32))) & mask)
        while slots[slot] >= 0:
            found = slots[slot]
            if node_parent[found] == above and node_operation[found] == operation[row]:
                break
            slot = np.int64(np.uint64(slot + 1) & mask)
        if slots[slot] < 0:
            slots[slot] = nodes
            node_parent[nodes] = above
            node_operation[nodes] = operation[row]
            nodes += 1
        node[row] = slots[slot]
    return node, node_parent[:nodes].copy(), node_operation[:nodes].copy()


@kernel
def traces_of(codes: NDArray[np.int64], trace: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """[size] in how many traces each code is; codes below 0 are none. Rows of a trace lie together."""
    last = np.full(size, -1, np.int64)
    found = np.zeros(size, np.int64)
    for row in range(codes.size):
        code = codes[row]
        if code >= 0 and last[code] != trace[row]:
            last[code] = trace[row]
            found[code] += 1
    return found
