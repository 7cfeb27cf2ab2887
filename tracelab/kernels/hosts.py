"""Hosts and their clocks: what is evidence of skew, and what moves with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel
from tracelab.schema import CLIENT, SERVER

UNKNOWN, SAME, DIFFERENT = range(3)


@kernel
def compare_hosts(hosts: NDArray[np.int32], a: int, b: int) -> int:
    """SAME, DIFFERENT or UNKNOWN: by the first kind of host id that both spans carry.

    `hosts[row]` has a code per kind (host.id, host.name, container.id, service.instance.id), -1 for none.
    """
    for at in range(hosts.shape[1]):
        if hosts[a, at] >= 0 and hosts[b, at] >= 0:
            return SAME if hosts[a, at] == hosts[b, at] else DIFFERENT
    return UNKNOWN


@kernel
def skew_shifts(
    roots: NDArray[np.int64],
    parent_row: NDArray[np.int64],
    offsets: NDArray[np.int64],
    children: NDArray[np.int64],
    start_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    kind: NDArray[np.int8],
    service: NDArray[np.int32],
    hosts: NDArray[np.int32],
    host_code: NDArray[np.int64],
    host_codes: int,
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """(shift_ns, verdict) per row; verdict 1: moved on evidence, 2: a server longer than its client, 0: neither.

    A row moves with its parent if it has the parent's clock (same host, or host unknown and service the same), else
    with its nearest ancestor on exactly its host (`host_code`). A SERVER under a CLIENT on another host that lies
    outside its adjusted parent is then moved by the least shift that contains it. Depth first, so that
    `nearest[code]` is the nearest ancestor on that host; a row is put back when its subtree is done.
    """
    count = parent_row.size
    shift = np.zeros(count, np.int64)
    verdict = np.zeros(count, np.int8)
    nearest = np.full(host_codes, -1, np.int64)
    outer = np.empty(count, np.int64)
    stack = np.empty(2 * count + 1, np.int64)
    for root in roots:
        stack[0] = root
        top = 1
        while top > 0:
            top -= 1
            row = stack[top]
            if row < 0:
                row = -row - 1
                nearest[host_code[row]] = outer[row]
                continue
            parent = parent_row[row]
            if parent >= 0:
                clock = compare_hosts(hosts, row, parent)
                if clock == SAME or (clock == UNKNOWN and service[row] == service[parent]):
                    shift[row] = shift[parent]
                elif nearest[host_code[row]] >= 0 and clock == DIFFERENT:
                    shift[row] = shift[nearest[host_code[row]]]
                if clock == DIFFERENT and kind[row] == SERVER and kind[parent] == CLIENT:
                    begin, finish = start_ns[row] + shift[row], end_ns[row] + shift[row]
                    low, high = start_ns[parent] + shift[parent], end_ns[parent] + shift[parent]
                    if begin < low or finish > high:
                        if finish - begin > high - low:
                            verdict[row] = 2
                        else:
                            verdict[row] = 1
                            shift[row] += low - begin if begin < low else high - finish
            outer[row] = nearest[host_code[row]]
            nearest[host_code[row]] = row
            stack[top] = -row - 1
            top += 1
            for child in range(offsets[row], offsets[row + 1]):
                stack[top] = children[child]
                top += 1
    return shift, verdict
