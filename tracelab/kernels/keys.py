"""Find rows by key: an open-addressing hash table over (trace, span id), and dense codes for trace ids.

Linear in the number of rows, whatever the traces look like; no sort.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel


@kernel
def _mix(high: np.uint64, low: np.uint64) -> np.uint64:
    """A 64-bit finaliser (splitmix64), so that ids that count up do not cluster."""
    h = high ^ (low * np.uint64(0x9E3779B97F4A7C15))
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@kernel
def first_rows(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each row the first row with the same (high, low); itself if it is the first."""
    count = high.size
    size = 16
    while size < 2 * count:
        size *= 2
    mask = np.uint64(size - 1)
    slots = np.full(size, -1, np.int64)
    first = np.empty(count, np.int64)
    for row in range(count):
        slot = np.int64(_mix(high[row], low[row]) & mask)
        while True:
            other = slots[slot]
            if other < 0:
                slots[slot] = row
                first[row] = row
                break
            if high[other] == high[row] and low[other] == low[row]:
                first[row] = other
                break
            slot = np.int64(np.uint64(slot + 1) & mask)
    return first


@kernel
def rows_of(
    high: NDArray[np.uint64], low: NDArray[np.uint64], want_high: NDArray[np.uint64], want_low: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """For each wanted key the row that has it, -1 if none. The keys (high, low) are distinct."""
    count = high.size
    size = 16
    while size < 2 * count:
        size *= 2
    mask = np.uint64(size - 1)
    slots = np.full(size, -1, np.int64)
    for row in range(count):
        slot = np.int64(_mix(high[row], low[row]) & mask)
        while slots[slot] >= 0:
            slot = np.int64(np.uint64(slot + 1) & mask)
        slots[slot] = row
    found = np.full(want_high.size, -1, np.int64)
    for at in range(want_high.size):
        slot = np.int64(_mix(want_high[at], want_low[at]) & mask)
        while slots[slot] >= 0:
            row = slots[slot]
            if high[row] == want_high[at] and low[row] == want_low[at]:
                found[at] = row
                break
            slot = np.int64(np.uint64(slot + 1) & mask)
    return found


@kernel
def first_rows_in_traces(offsets: NDArray[np.int64], span_id: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each row the first row of its trace with the same span id; trace t is rows offsets[t]:offsets[t + 1].

    A hash table a trace, in the same memory: it stays in the processor's cache, where one for all rows would not.
    """
    first = np.empty(span_id.size, np.int64)
    slots = np.empty(_table_size(_longest(offsets)), np.int64)
    for trace in range(offsets.size - 1):
        begin, end = offsets[trace], offsets[trace + 1]
        size = _table_size(end - begin)
        mask = np.uint64(size - 1)
        slots[:size] = -1
        for row in range(begin, end):
            slot = np.int64(_mix(np.uint64(0), span_id[row]) & mask)
            while slots[slot] >= 0 and span_id[slots[slot]] != span_id[row]:
                slot = np.int64(np.uint64(slot + 1) & mask)
            if slots[slot] < 0:
                slots[slot] = row
            first[row] = slots[slot]
    return first


@kernel
def rows_in_traces(
    offsets: NDArray[np.int64], span_id: NDArray[np.uint64], wanted: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """For each row the row of its trace with the span id `wanted`, -1 if none. Span ids of a trace are distinct."""
    found = np.full(span_id.size, -1, np.int64)
    slots = np.empty(_table_size(_longest(offsets)), np.int64)
    for trace in range(offsets.size - 1):
        begin, end = offsets[trace], offsets[trace + 1]
        size = _table_size(end - begin)
        mask = np.uint64(size - 1)
        slots[:size] = -1
        for row in range(begin, end):
            slot = np.int64(_mix(np.uint64(0), span_id[row]) & mask)
            while slots[slot] >= 0:
                slot = np.int64(np.uint64(slot + 1) & mask)
            slots[slot] = row
        for row in range(begin, end):
            slot = np.int64(_mix(np.uint64(0), wanted[row]) & mask)
            while slots[slot] >= 0:
                if span_id[slots[slot]] == wanted[row]:
                    found[row] = slots[slot]
                    break
                slot = np.int64(np.uint64(slot + 1) & mask)
    return found


@kernel
def _longest(offsets: NDArray[np.int64]) -> np.int64:
    longest = np.int64(0)
    for trace in range(offsets.size - 1):
        longest = max(longest, offsets[trace + 1] - offsets[trace])
    return longest


@kernel
def _table_size(rows: np.int64) -> int:
    size = 4
    while size < 2 * rows:
        size *= 2
    return size
