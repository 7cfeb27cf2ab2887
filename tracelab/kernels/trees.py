"""Trees as arrays: `parent_row[row]` is the parent's row, -1 for a root."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel


@kernel
def ring_roots(
    parent_row: NDArray[np.int64], start_ns: NDArray[np.int64], span_id: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """For each ring of parents, the row of its earliest span (start, then span id).

    Every row is walked once: a walk stops at a row that an earlier walk has seen, or closes its own ring.
    """
    count = parent_row.size
    walk_of = np.full(count, -1, np.int64)
    found = np.empty(count, np.int64)
    rings = 0
    for first in range(count):
        row = first
        while row >= 0 and walk_of[row] < 0:
            walk_of[row] = first
            row = parent_row[row]
        if row >= 0 and walk_of[row] == first:
            best = row
            at = parent_row[row]
            while at != row:
                if start_ns[at] < start_ns[best] or (start_ns[at] == start_ns[best] and span_id[at] < span_id[best]):
                    best = at
                at = parent_row[at]
            found[rings] = best
            rings += 1
    return found[:rings].copy()


@kernel
def children_of(parent_row: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(offsets, rows): the children of row r are rows[offsets[r]:offsets[r + 1]], in row order."""
    count = parent_row.size
    offsets = np.zeros(count + 1, np.int64)
    for row in range(count):
        if parent_row[row] >= 0:
            offsets[parent_row[row] + 1] += 1
    for row in range(count):
        offsets[row + 1] += offsets[row]
    fill = offsets[:-1].copy()
    rows = np.empty(offsets[count], np.int64)
    for row in range(count):
        parent = parent_row[row]
        if parent >= 0:
            rows[fill[parent]] = row
            fill[parent] += 1
    return offsets, rows


@kernel
def parents_first(
    parent_row: NDArray[np.int64], offsets: NDArray[np.int64], children: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Every row once, each after its parent (breadth first)."""
    count = parent_row.size
    order = np.empty(count, np.int64)
    end = 0
    for row in range(count):
        if parent_row[row] < 0:
            order[end] = row
            end += 1
    at = 0
    while at < end:
        row = order[at]
        for child in range(offsets[row], offsets[row + 1]):
            order[end] = children[child]
            end += 1
        at += 1
    return order[:end]


@kernel
def pre_order(
    roots: NDArray[np.int64], offsets: NDArray[np.int64], children: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows, depths) below `roots`, a parent before its children, children in their order, as a tree is printed."""
    count = offsets.size - 1
    rows = np.empty(count, np.int64)
    depths = np.empty(count, np.int64)
    stack = np.empty(count, np.int64)
    stack_depth = np.empty(count, np.int64)
    end = 0
    for root in roots:
        stack[0] = root
        stack_depth[0] = 0
        top = 1
        while top > 0:
            top -= 1
            row = stack[top]
            depth = stack_depth[top]
            rows[end] = row
            depths[end] = depth
            end += 1
            for child in range(offsets[row + 1] - 1, offsets[row] - 1, -1):
                stack[top] = children[child]
                stack_depth[top] = depth + 1
                top += 1
    return rows[:end], depths[:end]


@kernel
def self_ns(
    start_ns: NDArray[np.int64], end_ns: NDArray[np.int64], offsets: NDArray[np.int64], children: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Duration less the union (not the sum) of the children, each clipped to its parent."""
    result = end_ns - start_ns
    for row in range(start_ns.size):
        first, last = offsets[row], offsets[row + 1]
        if first == last:
            continue
        own = children[first:last]
        own = own[np.argsort(start_ns[own], kind="mergesort")]
        covered_to = start_ns[row]
        for child in own:
            begin = max(start_ns[child], covered_to)
            finish = min(end_ns[child], end_ns[row])
            if finish > begin:
                result[row] -= finish - begin
                covered_to = finish
    return result
