"""Cohorts: traces that are looked at together, because of when they began, what they have, or how long they took."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracelab.analysis.calls import Calls, collect_calls
from tracelab.analysis.critical_path import CriticalPaths, critical_paths
from tracelab.analysis.service_times import ServiceTimes, service_times
from tracelab.analysis.summaries import ANY, Search, find_traces
from tracelab.traceset import I64, TraceSet
from tracelab.window import EVERYTHING, Window


@dataclass(frozen=True)
class Cohort:
    """Some traces of a set. `chosen`: [t] which; `window`: in which they begin."""

    traces: TraceSet
    chosen: NDArray[np.bool_]
    window: Window = EVERYTHING

    @property
    def size(self) -> int:
        return int(self.chosen.sum())

    def without(self, other: Cohort) -> Cohort:
        """Those that are not in the other cohort (of the same traces)."""
        return replace(self, chosen=self.chosen & ~other.chosen)

    def of_trace(self, beginning: str) -> Cohort:
        """Those whose trace id begins so."""
        ids = [self.traces.trace_id(trace).startswith(beginning.lower()) for trace in range(self.chosen.size)]
        return replace(self, chosen=self.chosen & np.array(ids, np.bool_))

    def of_version(self, service_name: str, version: str) -> Cohort:
        """Those with a span of this version of the service."""
        traces = self.traces
        service = pc.fill_null(pc.equal(traces.table.column("service_name"), service_name), False)
        same = pc.fill_null(pc.equal(traces.table.column("service_version"), version), False)
        rows = np.flatnonzero(~traces.is_placeholder)
        rows = rows[pc.and_(service, same).to_numpy()[traces.source_row[rows]]]
        of_it = np.zeros(self.chosen.size, np.bool_)
        of_it[traces.trace[rows]] = True
        return replace(self, chosen=self.chosen & of_it)

    @cached_property
    def calls(self) -> Calls:
        return collect_calls(self.traces)

    @cached_property
    def paths(self) -> CriticalPaths:
        return critical_paths(self.traces)

    @cached_property
    def times(self) -> ServiceTimes:
        return service_times(self.traces, self.calls)

    @cached_property
    def rows(self) -> NDArray[np.bool_]:
        """[n] whether the span belongs to a chosen trace and was seen."""
        return self.chosen[self.traces.trace] & ~self.traces.is_placeholder

    @cached_property
    def number(self) -> I64:
        """[t] number of each chosen trace among the chosen, -1 for the others."""
        return np.where(self.chosen, np.cumsum(self.chosen) - 1, -1)

    @cached_property
    def call_trace(self) -> I64:
        """[c] number of each call's trace among the chosen, -1 for calls of others."""
        seen = self.calls.any_row
        return self.number[self.traces.trace[seen]] if seen.size else seen

    @cached_property
    def root_ns(self) -> I64:
        """[size] duration of each chosen trace's roots, added up."""
        roots = self.paths.roots
        total = np.zeros(self.traces.trace_count, np.int64)
        np.add.at(total, self.traces.trace[roots], self.traces.end_ns[roots] - self.traces.start_ns[roots])
        return total[self.chosen]


def cohort(traces: TraceSet, window: Window = EVERYTHING, search: Search = ANY) -> Cohort:
    """The traces that begin in `window` and match."""
    return Cohort(traces, find_traces(traces, window, search), window)
