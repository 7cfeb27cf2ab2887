"""Rows in groups, and what they add up to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel


@kernel
def first_in_group(group: NDArray[np.int64], rows: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Whether each is the first of its group with that row; -1 is no row. `group` ascends, rows are below `count`."""
    last_group = np.full(count, -1, np.int64)
    first = np.zeros(group.size, np.bool_)
    for at in range(group.size):
        row = rows[at]
        if row >= 0 and last_group[row] != group[at]:
            last_group[row] = group[at]
            first[at] = True
    return first


@kernel
def sums(codes: NDArray[np.int64], values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """[size] sum of the values of each code, as whole numbers."""
    total = np.zeros(size, np.int64)
    for at in range(codes.size):
        total[codes[at]] += values[at]
    return total


@kernel
def run_lengths(ordered: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(distinct values, how often each comes) of values in ascending order."""
    values = np.empty(ordered.size, np.int64)
    counts = np.empty(ordered.size, np.int64)
    runs = 0
    for value in ordered:
        if runs > 0 and values[runs - 1] == value:
            counts[runs - 1] += 1
        else:
            values[runs] = value
            counts[runs] = 1
            runs += 1
    return values[:runs].copy(), counts[:runs].copy()


@kernel
def merge_runs(
    values: NDArray[np.int64], counts: NDArray[np.int64], others: NDArray[np.int64], other_counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(distinct values, how often each comes) of two such lists, each in ascending order."""
    merged = np.empty(values.size + others.size, np.int64)
    merged_counts = np.empty(values.size + others.size, np.int64)
    one, other, end = 0, 0, 0
    while one < values.size or other < others.size:
        if other >= others.size or (one < values.size and values[one] < others[other]):
            merged[end], merged_counts[end] = values[one], counts[one]
            one += 1
        elif one >= values.size or others[other] < values[one]:
            merged[end], merged_counts[end] = others[other], other_counts[other]
            other += 1
        else:
            merged[end], merged_counts[end] = values[one], counts[one] + other_counts[other]
            one += 1
            other += 1
        end += 1
    return merged[:end].copy(), merged_counts[:end].copy()
