"""The critical path: which span held the response up, at every moment of a root's time.

Half-open intervals in ns. A span S walked in a window [from, to) has as blocking children those that S waited for;
walk back with a cursor from `to`: the blocking child that ends last, at or before the cursor, held S up until then.
What lies between its end and the cursor is a section of S; go on inside the child; put the cursor at its start.
An end that is past the cursor by no more than the tolerance, min(1 % of the window, 1 ms), counts as the cursor.
docs/how-it-works/critical-path.md has the whole rule.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel
from tracelab.kernels.hosts import DIFFERENT, compare_hosts
from tracelab.schema import CONSUMER, PRODUCER, SERVER

MAX_TOLERANCE_NS = 1_000_000


@kernel
def tolerance_ns(window_ns: int) -> int:
    """1 % of the window, rounded down, and 1 ms at most."""
    return min(window_ns // 100, MAX_TOLERANCE_NS)


@kernel
def _latest_end_first(rows: NDArray[np.int64], end_ns: NDArray[np.int64], first: int, last: int) -> None:
    """Sort rows[first:last] by end, latest first; insertion for the usual handful, else a merge sort."""
    if last - first > 32:
        part = rows[first:last].copy()
        rows[first:last] = part[np.argsort(-end_ns[part], kind="mergesort")]
        return
    for at in range(first + 1, last):
        row = rows[at]
        hole = at
        while hole > first and end_ns[rows[hole - 1]] < end_ns[row]:
            rows[hole] = rows[hole - 1]
            hole -= 1
        rows[hole] = row


@kernel
def _blocks(
    child: int,
    parent: int,
    from_ns: int,
    to_ns: int,
    tolerance: int,
    start_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    kind: NDArray[np.int8],
    service: NDArray[np.int32],
    hosts: NDArray[np.int32],
) -> bool:
    """Whether the parent may have waited for the child."""
    if max(start_ns[child], from_ns) >= min(end_ns[child], to_ns):
        return False
    if kind[child] == CONSUMER and kind[parent] == PRODUCER:
        return False
    in_process = service[child] == service[parent] and kind[child] != SERVER and kind[child] != CONSUMER
    if in_process and end_ns[child] > end_ns[parent] + tolerance:
        return compare_hosts(hosts, child, parent) == DIFFERENT
    return True


@kernel
def _refuted(first: int, then: int, row: int, operation: NDArray[np.int32], refuted: NDArray[np.int64]) -> bool:
    """Whether many traces have shown that `then` does not wait for `first` below an operation like `row`."""
    if then < 0:
        return False
    key = order_key(operation[row], operation[first], operation[then])
    at = np.searchsorted(refuted, key)
    return bool(at < refuted.size and refuted[at] == key)


@kernel
def order_key(parent: int, first: int, then: int) -> np.int64:
    """Three operation codes (below 2^21 each) as one number."""
    return (np.int64(parent) << np.int64(42)) | (np.int64(first) << np.int64(21)) | np.int64(then)


@kernel
def walk(
    roots: NDArray[np.int64],
    root_from: NDArray[np.int64],
    root_to: NDArray[np.int64],
    offsets: NDArray[np.int64],
    children: NDArray[np.int64],
    start_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    kind: NDArray[np.int8],
    service: NDArray[np.int32],
    hosts: NDArray[np.int32],
    span_id: NDArray[np.uint64],
    operation: NDArray[np.int32],
    refuted: NDArray[np.int64] | None,
    room: int,
) -> tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]
]:
    """(section_offsets, section_row, section_start_ns, section_end_ns, path_from_ns, path_to_ns).

    Each of `roots` is walked from root_to back to root_from (for a response path its end and start). The sections of
    roots[i] are section_offsets[i]:section_offsets[i + 1], in time order. path_from/to_ns is, per
    row, the window in which the walk went through it (equal where it did not): the path's time in it and below.

    `refuted` has the orders (`order_key`, sorted) that do not hold: a child whose order before the next one on the
    path is refuted does not hold that one up, and is passed over. None: numba leaves the question out.

    There is `room` for so many sections; a root that does not fit ends the walk, and section_offsets with it. Of
    distinct roots each row is walked once: 2 * rows + roots is room enough.

    Children are sorted by end once. Each is looked at once: of a group that ends together, the one that starts first
    is taken, and all others start at or after the new cursor, so none of them can be taken later.

    One long loop on purpose: a part of it would take and give a dozen arrays, and calls with so many cost more than
    the work that they do.
    """
    count = start_ns.size
    rows = children.copy()
    section_offsets = np.zeros(roots.size + 1, np.int64)
    section_row = np.empty(room, np.int64)
    section_start = np.empty(room, np.int64)
    section_end = np.empty(room, np.int64)
    path_from = np.zeros(count, np.int64)
    path_to = np.zeros(count, np.int64)
    stack = np.empty(count + 1, np.int64)
    cursor = np.empty(count + 1, np.int64)
    pointer = np.empty(count + 1, np.int64)
    next_child = np.empty(count + 1, np.int64)
    sections = 0
    for root_at in range(roots.size):
        first_section = sections
        row = roots[root_at]
        stack[0] = row
        path_from[row], path_to[row] = root_from[root_at], root_to[root_at]
        cursor[0] = root_to[root_at]
        pointer[0] = offsets[row]
        next_child[0] = -1
        _latest_end_first(rows, end_ns, offsets[row], offsets[row + 1])
        top = 0
        while top >= 0:
            row = stack[top]
            from_ns, to_ns, now = path_from[row], path_to[row], cursor[top]
            tolerance = tolerance_ns(to_ns - from_ns)
            at, last = pointer[top], offsets[row + 1]
            taken = -1
            taken_start = 0
            group_end = np.int64(0)
            while at < last and taken < 0:
                child = rows[at]
                passed_over = False
                if refuted is not None:
                    passed_over = _refuted(child, next_child[top], row, operation, refuted)
                if (
                    passed_over
                    or not _blocks(child, row, from_ns, to_ns, tolerance, start_ns, end_ns, kind, service, hosts)
                    or min(end_ns[child], to_ns) > now + tolerance
                ):
                    at += 1
                    continue
                group_end = min(end_ns[child], now)
                while at < last:
                    child = rows[at]
                    if min(end_ns[child], now) != group_end:
                        break
                    at += 1
                    begin = max(start_ns[child], from_ns)
                    if begin >= now or not _blocks(
                        child, row, from_ns, to_ns, tolerance, start_ns, end_ns, kind, service, hosts
                    ):
                        continue
                    passed_over = False
                    if refuted is not None:
                        passed_over = _refuted(child, next_child[top], row, operation, refuted)
                    if passed_over:
                        continue
                    if taken < 0 or begin < taken_start or (begin == taken_start and span_id[child] < span_id[taken]):
                        taken, taken_start = child, begin
            pointer[top] = at
            section_from = from_ns if taken < 0 else group_end
            if section_from < now:
                if sections == room:
                    return (
                        section_offsets[: root_at + 1].copy(),
                        section_row[:first_section].copy(),
                        section_start[:first_section].copy(),
                        section_end[:first_section].copy(),
                        path_from,
                        path_to,
                    )
                section_row[sections] = row
                section_start[sections] = section_from
                section_end[sections] = now
                sections += 1
            if taken < 0:
                top -= 1
                continue
            cursor[top] = taken_start
            next_child[top] = taken
            top += 1
            stack[top] = taken
            path_from[taken], path_to[taken] = taken_start, group_end
            cursor[top] = group_end
            pointer[top] = offsets[taken]
            next_child[top] = -1
            _latest_end_first(rows, end_ns, offsets[taken], offsets[taken + 1])
        section_row[first_section:sections] = section_row[first_section:sections][::-1].copy()
        section_start[first_section:sections] = section_start[first_section:sections][::-1].copy()
        section_end[first_section:sections] = section_end[first_section:sections][::-1].copy()
        section_offsets[root_at + 1] = sections
    return (
        section_offsets,
        section_row[:sections].copy(),
        section_start[:sections].copy(),
        section_end[:sections].copy(),
        path_from,
        path_to,
    )
