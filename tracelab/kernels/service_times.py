"""A service's own time: from the moment a request enters it, less the time in which it waits for others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel
from tracelab.schema import CLIENT, CONSUMER, PRODUCER

CALLS, IS_CALLED = 1, 2


@kernel
def entries(
    order: NDArray[np.int64], parent_row: NDArray[np.int64], service: NDArray[np.int32], placeholder: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Per row the row at which the request entered its service: the topmost span of the same service above it.

    A placeholder is nobody's entry (-1) and never part of a service. `order`: parents first.
    """
    entry = np.full(parent_row.size, -1, np.int64)
    for row in order:
        if placeholder[row]:
            continue
        parent = parent_row[row]
        inside = parent >= 0 and not placeholder[parent] and service[parent] == service[row]
        entry[row] = entry[parent] if inside else row
    return entry


@kernel
def waits(
    entry: NDArray[np.int64],
    offsets: NDArray[np.int64],
    children: NDArray[np.int64],
    kind: NDArray[np.int8],
) -> NDArray[np.int8]:
    """Flags per row: who waits for another service during it.

    CALLS: a span that stands for one call: CLIENT or PRODUCER, or below a request's entry with other services' spans
    alone below it (instrumentation that knows no kinds). IS_CALLED: an entry whose caller has no such span of its own.
    A CONSUMER under a PRODUCER is not waited for.
    """
    found = np.zeros(entry.size, np.int8)
    for row in range(entry.size):
        if entry[row] < 0:
            continue
        first, last = offsets[row], offsets[row + 1]
        foreign = 0
        for at in range(first, last):
            if entry[children[at]] == children[at]:
                foreign += 1
        is_call = kind[row] == CLIENT or kind[row] == PRODUCER
        if (is_call and (foreign > 0 or first == last)) or (
            not is_call and entry[row] != row and foreign > 0 and foreign == last - first
        ):
            found[row] |= CALLS
        elif foreign > 0:
            for at in range(first, last):
                child = children[at]
                if entry[child] == child and not (kind[child] == CONSUMER and kind[row] == PRODUCER):
                    found[child] |= IS_CALLED
    return found


@kernel
def own_ns(
    waited: NDArray[np.int64],
    owner: NDArray[np.int64],
    start_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
) -> NDArray[np.int64]:
    """[n] duration of each row less the union of the waits that it owns, each clipped to it.

    `waited` are rows in the order of (owner, start).
    """
    result = end_ns - start_ns
    current = -1
    covered_to = np.int64(0)
    for at in range(waited.size):
        row, over = waited[at], owner[at]
        if over != current:
            current, covered_to = over, start_ns[over]
        begin = max(start_ns[row], covered_to)
        finish = min(end_ns[row], end_ns[over])
        if finish > begin:
            result[over] -= finish - begin
            covered_to = finish
    return result
