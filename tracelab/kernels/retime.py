"""Re-timing: how long a span would take if parts of it were faster, everything else waiting as it waited.

What is kept is the order that was seen. A child starts when the sibling that ended last before it has ended, plus the
time that passed between the two then; and not before any other sibling that had ended before it. A span ends likewise
after its last child. Siblings that overlapped stay independent. Each rule takes the latest of earlier moments, so
making anything shorter never makes anything longer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.compile import kernel
from tracelab.kernels.hosts import DIFFERENT, compare_hosts
from tracelab.kernels.paths import tolerance_ns
from tracelab.schema import CONSUMER, PRODUCER, SERVER


@kernel
def retimed_ns(
    order: NDArray[np.int64],
    offsets: NDArray[np.int64],
    children: NDArray[np.int64],
    start_ns: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    kind: NDArray[np.int8],
    service: NDArray[np.int32],
    hosts: NDArray[np.int32],
    own_factor: NDArray[np.float64],
    added_ns: NDArray[np.int64],
    removed: NDArray[np.bool_],
    parallel: NDArray[np.int64],
) -> NDArray[np.int64]:
    """[n] the new duration of each row.

    own_factor scales a row's own time, added_ns is more of it, removed rows take no time, and siblings with the same
    `parallel` number (0: none) all start with the first of them. `order`: parents first; it is gone through backwards.

    One long loop on purpose, as in `paths.walk`: calls with so many arrays cost more than the work that they do.
    """
    count = start_ns.size
    duration = np.empty(count, np.int64)
    new_end = np.empty(count, np.int64)
    for at in range(order.size - 1, -1, -1):
        row = order[at]
        if removed[row]:
            duration[row] = 0
            continue
        begin, end = start_ns[row], end_ns[row]
        factor = own_factor[row]
        tolerance = tolerance_ns(end - begin)
        some = children[offsets[row] : offsets[row + 1]]
        if some.size > 1:
            some = some[np.argsort(start_ns[some], kind="mergesort")]
        waited = np.zeros(some.size, np.bool_)
        for place in range(some.size):
            child = some[place]
            message = kind[child] == CONSUMER and kind[row] == PRODUCER
            in_process = service[child] == service[row] and kind[child] != SERVER and kind[child] != CONSUMER
            went_on = in_process and end_ns[child] > end + tolerance and compare_hosts(hosts, child, row) != DIFFERENT
            waited[place] = not message and not went_on and start_ns[child] < end and end_ns[child] > begin
        by_end = some[np.argsort(end_ns[some], kind="mergesort")] if some.size > 1 else some
        ended = 0
        last_end, last_new = begin, np.int64(0)  # of the sibling that ended last: when, and when it would now
        latest_new = np.int64(0)
        first_parallel = np.int64(-1)
        parallel_number = np.int64(0)
        for place in range(some.size):
            child = some[place]
            child_start = max(start_ns[child], begin)
            while ended < by_end.size:
                before = by_end[ended]
                if end_ns[before] > child_start + tolerance or start_ns[before] >= start_ns[child]:
                    break
                if new_end[before] >= 0:
                    last_end, last_new = end_ns[before], new_end[before]
                    latest_new = max(latest_new, new_end[before] + min(np.int64(0), child_start - end_ns[before]))
                ended += 1
            if not waited[place]:
                new_end[child] = -1
                continue
            gap = child_start - last_end
            scaled = np.int64(np.rint(gap * factor)) if gap > 0 else gap
            start = max(last_new + scaled, latest_new, np.int64(0))
            if parallel[child] > 0:
                if parallel[child] == parallel_number:
                    start = min(start, first_parallel)
                else:
                    parallel_number, first_parallel = parallel[child], start
            hidden = max(np.int64(0), end_ns[child] - end) + max(np.int64(0), begin - start_ns[child])
            new_end[child] = start + max(np.int64(0), duration[child] - hidden)
        last_end, last_new, latest_new = begin, np.int64(0), np.int64(0)
        for place in range(by_end.size):
            child = by_end[place]
            if new_end[child] >= 0:
                last_end, last_new = min(end_ns[child], end), new_end[child]
                latest_new = max(latest_new, new_end[child])
        scaled = np.int64(np.rint((end - last_end) * factor))
        duration[row] = max(last_new + scaled, latest_new) + added_ns[row]
    return duration
