"""The canonical order of rows: by trace, then start, then span id. Linear for traces of the usual size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel

_INSERTION_ROWS = 64  # up to here insertion beats a merge sort that allocates


@kernel
def trace_changes(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> tuple[bool, NDArray[np.int32]]:
    """(whether the ids ascend, number of each row's trace if they do).

    A compacted segment is sorted by trace id; then no hash table is needed to tell the traces apart.
    """
    number = np.zeros(high.size, np.int32)
    for row in range(1, high.size):
        if high[row] == high[row - 1] and low[row] == low[row - 1]:
            number[row] = number[row - 1]
        elif high[row] > high[row - 1] or (high[row] == high[row - 1] and low[row] > low[row - 1]):
            number[row] = number[row - 1] + 1
        else:
            return False, number
    return True, number


@kernel
def canonical_order(
    trace: NDArray[np.int32], trace_count: int, start_ns: NDArray[np.int64], span_id: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """(rows sorted by (trace, start, span id), their start, their span id).

    A counting sort into traces, then each trace by itself.
    """
    count = trace.size
    offsets = np.zeros(trace_count + 1, np.int64)
    for row in range(count):
        offsets[trace[row] + 1] += 1
    for at in range(trace_count):
        offsets[at + 1] += offsets[at]
    fill = offsets[:-1].copy()
    order = np.empty(count, np.int64)
    start = np.empty(count, np.int64)
    span = np.empty(count, np.uint64)
    for row in range(count):
        at = fill[trace[row]]
        fill[trace[row]] = at + 1
        order[at] = row
        start[at] = start_ns[row]
        span[at] = span_id[row]
    for at in range(trace_count):
        first, last = offsets[at], offsets[at + 1]
        if last - first <= _INSERTION_ROWS:
            _insert(order, start, span, first, last)
            continue
        ascending = True
        for row in range(first + 1, last):
            if start[row] < start[row - 1] or (start[row] == start[row - 1] and span[row] < span[row - 1]):
                ascending = False
                break
        if not ascending:
            by_span = np.argsort(span[first:last], kind="mergesort")
            by_start = by_span[np.argsort(start[first:last][by_span], kind="mergesort")]
            order[first:last] = order[first:last][by_start]
            start[first:last] = start[first:last][by_start]
            span[first:last] = span[first:last][by_start]
    return order, start, span


@kernel
def _insert(
    order: NDArray[np.int64], start: NDArray[np.int64], span: NDArray[np.uint64], first: int, last: int
) -> None:
    for at in range(first + 1, last):
        row, begin, key = order[at], start[at], span[at]
        hole = at
        while hole > first and (start[hole - 1] > begin or (start[hole - 1] == begin and span[hole - 1] > key)):
            order[hole], start[hole], span[hole] = order[hole - 1], start[hole - 1], span[hole - 1]
            hole -= 1
        order[hole], start[hole], span[hole] = row, begin, key
