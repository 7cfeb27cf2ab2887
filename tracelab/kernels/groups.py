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
