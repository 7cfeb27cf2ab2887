"""How long each service worked on a request itself, and what lies between the two sides of a call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracelab.analysis.calls import Calls
from tracelab.kernels.service_times import CALLS, IS_CALLED, entries, own_ns, waits
from tracelab.traceset import I64, TraceSet


@dataclass(frozen=True)
class ServiceTimes:
    """The requests that entered a service, and its calls to others.

    Attributes:
        request_row, own_ns: [r] per request its duration less the union of the waits for other services
        call: [g] row of the call in `calls`
        gap_ns: [g] what the caller saw less what the callee saw: network, queueing, a starved host. Of a callee that
            reports nothing, all that the caller saw
    """

    traces: TraceSet
    calls: Calls
    request_row: I64
    own_ns: I64
    call: I64
    gap_ns: I64


def service_times(traces: TraceSet, calls: Calls) -> ServiceTimes:
    """Own times and gaps of all requests (docs/how-it-works/compare.md)."""
    entry = entries(traces.parents_first, traces.parent_row, traces.service, traces.is_placeholder)
    kind_of_wait = waits(entry, *traces.children, traces.kind)
    calling = np.flatnonzero(kind_of_wait & CALLS)
    called = np.flatnonzero(kind_of_wait & IS_CALLED)
    waited = np.concatenate([calling, called])
    owner = entry[np.concatenate([calling, traces.parent_row[called]])]
    order = np.lexsort((traces.start_ns[waited], owner))
    own = own_ns(waited[order], owner[order], traces.start_ns, traces.end_ns)
    requests = np.flatnonzero(entry == np.arange(len(traces)))
    duration = traces.end_ns - traces.start_ns
    caller = _caller_rows(traces, calls, kind_of_wait)
    callee = np.where(calls.server_row >= 0, calls.server_row, calls.request_row)
    seen = np.flatnonzero(caller >= 0)
    inside = np.where(callee[seen] >= 0, duration[callee[seen]], 0)
    return ServiceTimes(traces, calls, requests, own[requests], seen, np.maximum(duration[caller[seen]] - inside, 0))


def _caller_rows(traces: TraceSet, calls: Calls, kind_of_wait: NDArray[np.int8]) -> I64:
    """Per call the row that stands for it at the caller's, -1 where none does, or where it stands for several."""
    parent = np.where(calls.request_row >= 0, traces.parent_row[calls.request_row], -1)
    rows = np.where(calls.client_row >= 0, calls.client_row, parent)
    stands = (rows >= 0) & ((kind_of_wait[rows] & CALLS) != 0) if len(traces) else rows >= 0
    used = np.bincount(rows[stands], minlength=len(traces))
    stands[stands] = used[rows[stands]] == 1
    return np.where(stands, rows, -1)
