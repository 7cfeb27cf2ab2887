"""Percentiles by nearest rank, weighted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PERCENTS = (50, 90, 99)


def nearest_rank(
    values: NDArray[np.int64], counts: NDArray[np.float64], percents: Sequence[int] = PERCENTS
) -> list[int | None]:
    """Per percent p the smallest value that at least p % of the values (each `counts` times) do not exceed.

    None where there are no values. 100 * cumulative >= p * total is exact for counts that are whole numbers.
    """
    if values.size == 0:
        return [None] * len(percents)
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(counts[order])
    ranks = np.searchsorted(100 * cumulative, [percent * cumulative[-1] for percent in percents])
    return [int(values[order[min(rank, values.size - 1)]]) for rank in ranks]
