"""What if an operation were faster, gone, or its calls ran at once: requests re-timed in the order that was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracelab.analysis.cohorts import Cohort
from tracelab.analysis.quantiles import nearest_rank
from tracelab.errors import InputError
from tracelab.kernels.retime import retimed_ns
from tracelab.traceset import I64, TraceSet


@dataclass(frozen=True)
class Supposition:
    """What is supposed of the spans of a service, or of one operation of it.

    Attributes:
        faster: how many times as fast its own time would be; 0.5 is half as fast
        added_ns: more own time for each span
        removed: its spans take no time, nor does what is below them
        parallel: its spans below one parent all start with the first of them
    """

    service_name: str | None = None
    operation: str | None = None
    faster: float = 1.0
    added_ns: int = 0
    removed: bool = False
    parallel: bool = False


@dataclass(frozen=True)
class Durations:
    """Of requests, by nearest rank, and their mean."""

    p50_ns: int | None
    p90_ns: int | None
    p99_ns: int | None
    mean_ns: float | None


@dataclass(frozen=True)
class WhatIf:
    """The requests as they were and as they would be.

    Attributes:
        spans: how many spans the supposition is about; affected: how many requests take another time
        saved_ns: per request, on average; negative if they would take longer
    """

    requests: int
    spans: int
    affected: int
    before: Durations
    after: Durations
    saved_ns: float


def what_if(cohort: Cohort, supposition: Supposition) -> WhatIf:
    """Re-time the requests of a cohort (docs/how-it-works/what-if.md). A request is a root that was seen."""
    if supposition.faster <= 0:
        raise InputError("faster: a factor above 0, please (2: twice as fast)")
    traces = cohort.traces
    about = _spans(traces, supposition) & cohort.rows
    if not about.any():
        raise InputError(
            f"no span of service {supposition.service_name or '(any)'}, operation {supposition.operation or '(any)'} "
            "there (`tracelab profile` lists operations)"
        )
    new = retimed(traces, supposition, about)
    roots = cohort.paths.roots
    roots = roots[cohort.rows[roots]]
    before, after = traces.end_ns[roots] - traces.start_ns[roots], new[roots]
    return WhatIf(
        roots.size,
        int(about.sum()),
        int((before != after).sum()),
        _durations(before),
        _durations(after),
        float((before - after).mean()) if roots.size else 0.0,
    )


def retimed(traces: TraceSet, supposition: Supposition, about: NDArray[np.bool_]) -> I64:
    """[n] the duration of every span if the supposition held for the spans in `about`."""
    count = len(traces)
    number = np.zeros(count, np.int64)
    if supposition.parallel:
        number[about] = traces.operations[0][about] + 1
    return retimed_ns(
        traces.parents_first,
        *traces.children,
        traces.start_ns,
        traces.end_ns,
        traces.kind,
        traces.service,
        traces.hosts,
        np.where(about, 1 / supposition.faster, 1.0),
        np.where(about, supposition.added_ns, 0),
        about & supposition.removed,
        number,
    )


def _spans(traces: TraceSet, supposition: Supposition) -> NDArray[np.bool_]:
    about = ~traces.is_placeholder
    if supposition.service_name is not None:
        about = about & (traces.service == _code(traces.services, supposition.service_name))
    if supposition.operation is not None:
        about = about & (traces.name == _code(traces.names, supposition.operation))
    return about


def _code(values: tuple[str | None, ...] | tuple[str, ...], wanted: str) -> int:
    return values.index(wanted) if wanted in values else -2


def _durations(values: I64) -> Durations:
    p50, p90, p99 = nearest_rank(values, np.ones(values.size))
    return Durations(p50, p90, p99, float(values.mean()) if values.size else None)
