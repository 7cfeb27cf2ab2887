"""Clock skew, corrected only where the evidence forces it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tracelab.kernels.hosts import skew_shifts
from tracelab.traceset import TraceSet, dense_codes


def correct_clock_skew(traces: TraceSet) -> TraceSet:
    """Move a SERVER that lies outside its CLIENT on another host by the least shift that contains it.

    Everything below it on that host moves along. `shift_ns` says by how much; the raw times stay in the table.
    """
    if len(traces) == 0 or (traces.hosts < 0).all():
        return traces
    hosts, host_code = 1, np.zeros(len(traces), np.int64)
    for column in traces.hosts.T:  # a column at a time: to sort whole rows would cost half of all that is done here
        size = int(column.max()) + 2
        distinct, host_code = dense_codes(host_code * size + column + 1, hosts * size)
        hosts = distinct.size
    shift, verdict = skew_shifts(
        traces.roots,
        traces.parent_row,
        *traces.children,
        traces.start_ns,
        traces.end_ns,
        traces.kind,
        traces.service,
        traces.hosts,
        host_code,
        hosts,
    )
    return replace(traces, start_ns=traces.start_ns + shift, end_ns=traces.end_ns + shift, shift_ns=shift).noting_at(
        skew_corrected=np.flatnonzero(verdict == 1),
        skew_spans_shifted=np.flatnonzero(shift),
        server_longer_than_client=np.flatnonzero(verdict == 2),
    )
