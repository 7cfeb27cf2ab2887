"""Requests and where they came from, for every row in one pass from the roots down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel
from tracelab.schema import INTERNAL, UNSPECIFIED


@kernel
def stops(
    order: NDArray[np.int64],
    parent_row: NDArray[np.int64],
    kind: NDArray[np.int8],
    entered: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Per row, where a walk up from it stops (itself included).

    The walk goes over INTERNAL and unspecified spans that did not enter their service (`entered`: the parent is of
    another service), and so never leaves the service. It stops at any other span, and at a root.
    """
    stop = np.empty(parent_row.size, np.int64)
    for row in order:
        walks_on = (kind[row] == INTERNAL or kind[row] == UNSPECIFIED) and not entered[row] and parent_row[row] >= 0
        stop[row] = stop[parent_row[row]] if walks_on else row
    return stop
