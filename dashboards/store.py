"""What the pages show, computed outside of them, so that a refresh never makes anybody wait.

One thread per server keeps the windows that somebody looks at up to date; a page takes what is there.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

import tracelab

EVERYTHING = "all"
REFRESH_S = 2.0
FORGET_S = 20.0
PARTS_KEPT = 64
DETAILS_EVERY_S = 6.0
"""Single traces of a live window are assembled less often than its graph is brought up to date: they cost more."""
AROUND_NS = 60 * 10**9
PAST_EVERY_S = 30.0
"""A comparison with the past stands still for so long: what is read should not change under the reader's eyes."""
SETTLE_NS = 3 * 10**9
"""A live window ends so long ago: of what began later, one side may have arrived and the other not yet."""

_log = logging.getLogger("tracelab.dashboard")


@dataclass(frozen=True)
class Details:
    """The traces of a window, assembled, one by one."""

    traces: tracelab.TraceSet
    paths: tracelab.CriticalPaths
    summaries: list[tracelab.TraceSummary]
    made_at: float

    @cached_property
    def calls(self) -> tracelab.Calls:
        return tracelab.collect_calls(self.traces)

    @cached_property
    def namespaces(self) -> dict[str, str]:
        """`service.namespace` by service name: the one that most of its spans say, of those that say one."""
        keys = ["service_name", "service_namespace"]
        spans = self.traces.table.select(keys).unify_dictionaries().group_by(keys).aggregate([([], "count_all")])
        said: dict[str, tuple[int, str]] = {}
        for row in spans.to_pylist():
            if row["service_name"] and row["service_namespace"]:
                best = (row["count_all"], row["service_namespace"])
                said[row["service_name"]] = max(best, said.get(row["service_name"], best))
        return {service: namespace for service, (_, namespace) in said.items()}

    def cohort(self, window: tracelab.Window, search: tracelab.Search | None = None) -> tracelab.Cohort:
        """Some of them. Paths and calls are computed once for all cohorts of these traces."""
        made = tracelab.cohort(self.traces, window, search or tracelab.Search())
        vars(made).update(paths=self.paths, calls=self.calls)
        return made

    def extent(self, window: tracelab.Window) -> tuple[int, int]:
        """From when to when; of an open window, as far as there are traces."""
        starts = [trace.start_ns for trace in self.summaries]
        since = window.since_ns if window.since_ns is not None else min(starts, default=0)
        until = window.until_ns if window.until_ns is not None else max(starts, default=0) + 1
        return since, until


@dataclass(frozen=True)
class View:
    """A window of the lake: its graph as it is now, and its traces as they were a few seconds ago."""

    window: tracelab.Window
    graph: tracelab.ServiceGraph
    details: Details
    segments: tuple[str, ...]

    @property
    def traces(self) -> tracelab.TraceSet:
        return self.details.traces

    def volume(self, edge: tracelab.Edge, buckets: int = 40) -> tuple[list[int], list[int]]:
        """Calls and failed calls of an edge over the window's time, in equal buckets."""
        calls = self.details.calls
        from_ns, to_ns = self.details.extent(self.window)
        ids = [node.id for node in calls.nodes]
        if edge.client not in ids or edge.server not in ids:
            return [0] * buckets, [0] * buckets
        mine = (calls.client == ids.index(edge.client)) & (calls.server == ids.index(edge.server))
        start = calls.start_ns[mine]
        inside = (start >= from_ns) & (start < to_ns)
        at = (start[inside] - from_ns) // -(-(to_ns - from_ns) // buckets)  # of all time, a product would overflow
        failed = (calls.failed_client | calls.failed_server)[mine][inside]
        count = np.bincount(at, minlength=buckets)[:buckets]
        return count.tolist(), np.bincount(at, weights=failed, minlength=buckets)[:buckets].astype(int).tolist()

    @property
    def summaries(self) -> list[tracelab.TraceSummary]:
        return self.details.summaries


def details_of(lake: tracelab.Lake, window: tracelab.Window) -> Details:
    """The traces of a window of the lake as it is now."""
    diagnostics = tracelab.Diagnostics()
    table = lake.scan(window.since_ns, window.until_ns, diagnostics, tracelab.ANALYSIS_COLUMNS)
    traces = tracelab.assemble(table).noting(**diagnostics)
    paths = tracelab.critical_paths(traces)
    return Details(traces, paths, tracelab.trace_summaries(traces, window), time.monotonic())


class Store:
    """Views by their window's text (`15m`, `all`), kept fresh while they are looked at."""

    def __init__(self, lake: tracelab.Lake) -> None:
        self.lake = lake
        self._views: dict[str, View] = {}
        self._live: dict[str, tracelab.LiveGraph] = {}
        self._wanted: dict[str, float] = {}
        self._with_past: dict[str, View] = {}
        self._parts: dict[tuple[float, tracelab.Window], View] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._keep_fresh, daemon=True, name="store").start()

    def matching(self, view: View, search: tracelab.Search) -> list[tracelab.TraceSummary]:
        """The traces of a view that match. Attributes are not kept in memory: they are read when they are asked for."""
        traces = view.traces
        if search.attributes:
            traces = tracelab.assemble(self.lake.scan(view.window.since_ns, view.window.until_ns))
        return tracelab.trace_summaries(traces, view.window, search)

    def part(self, view: View, part: tracelab.Window) -> View:
        """A part of a view's time, from the traces that are in memory."""
        key = (view.details.made_at, part)
        if key not in self._parts:
            if len(self._parts) >= PARTS_KEPT:
                self._parts.pop(next(iter(self._parts)), None)
            details = view.details
            graph = tracelab.service_graph(details.traces, part, details.paths)
            starts = np.array([trace.start_ns for trace in details.summaries], np.int64)
            summaries = [details.summaries[at] for at in np.flatnonzero(part.holds(starts)).tolist()]
            own = Details(details.traces, details.paths, summaries, details.made_at)
            self._parts[key] = View(part, graph, own, view.segments)
        return self._parts[key]

    def with_past(self, since: str) -> View:
        """A window twice as long: the time before the window is what it is compared with."""
        if since == EVERYTHING:
            return self.view(EVERYTHING)
        kept = self._with_past.get(since)
        if kept is None or time.monotonic() - kept.details.made_at > PAST_EVERY_S:
            until = time.time_ns() - SETTLE_NS
            window = tracelab.Window(2 * tracelab.parse_time_ns(since) - until, until)
            details = details_of(self.lake, window)
            graph = tracelab.service_graph(details.traces, window, details.paths)
            kept = self._with_past[since] = View(window, graph, details, self._segments())
        return kept

    def around(self, at_ns: int) -> Details:
        """Traces from about that time: of a view that is in memory, else of a minute before and after."""
        for view in list(self._views.values()):
            since, until = view.details.extent(view.window)
            if since <= at_ns < until:
                return view.details
        near: Details = _minutes_around(self, at_ns // AROUND_NS)
        return near

    def diagnosis(self, lasts: str) -> tracelab.Diagnosis:
        """Now, for so long, against five times as long before, from the traces alone."""
        until = time.time_ns() - SETTLE_NS
        length = tracelab.parse_duration_ns(lasts)
        base = tracelab.Window(until - 6 * length, until - length)
        now = tracelab.Window(until - length, until)
        columns = (*tracelab.ANALYSIS_COLUMNS, "attributes", "resource")
        traces = tracelab.assemble(self.lake.scan(base.since_ns, until, columns=columns))
        return tracelab.diagnose(tracelab.cohort(traces, base), tracelab.cohort(traces, now))

    def view(self, since: str) -> View:
        """The view of a window; computed at once if nobody has looked at it lately."""
        self._wanted[since] = time.monotonic()
        view = self._views.get(since)
        if view is None:
            with self._lock:
                view = self._views.get(since) or self._refresh(since)
        return view

    def _refresh(self, since: str) -> View:
        segments, before = self._segments(), self._views.get(since)
        if since == EVERYTHING:
            window = tracelab.Window()
            details = details_of(self.lake, window)
            graph = tracelab.service_graph(details.traces, window, details.paths)
        else:
            window = tracelab.Window(tracelab.parse_time_ns(since), time.time_ns() - SETTLE_NS)
            noted = tracelab.Diagnostics()
            live = self._live.setdefault(since, tracelab.LiveGraph(self.lake))
            graph = tracelab.finish_graph(live.refresh(window, noted), noted)
            is_young = before is not None and time.monotonic() - before.details.made_at < DETAILS_EVERY_S
            details = before.details if before is not None and is_young else details_of(self.lake, window)
        view = View(window, graph, details, segments)
        self._views[since] = view
        return view

    def _segments(self) -> tuple[str, ...]:
        return tuple(path.name for path in self.lake.segments())

    def _keep_fresh(self) -> None:
        while True:
            time.sleep(REFRESH_S)
            tracelab.give_back_memory()  # of the refresh before: new views have taken the place of old ones by now
            for since, asked in list(self._wanted.items()):
                try:
                    self._keep(since, time.monotonic() - asked)
                except (tracelab.TracelabError, OSError) as error:  # pages keep what they have until it comes back
                    _log.warning("the lake cannot be read, will be tried again: %s", error)
                except Exception:  # whatever it is: without this thread every page would stand still, and not say so
                    _log.exception("%s could not be refreshed, will be tried again", since)

    def _keep(self, since: str, unasked_s: float) -> None:
        if unasked_s > FORGET_S:
            self._wanted.pop(since, None)
            self._views.pop(since, None)
            self._live.pop(since, None)
        elif self._stale(since):
            with self._lock:
                self._refresh(since)

    def _stale(self, since: str) -> bool:
        """A window that moves with time changes by itself; everything only with the lake's files."""
        view = self._views.get(since)
        return view is None or since != EVERYTHING or view.segments != self._segments()


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """The server's one store, over the lake that TRACELAB_LAKE names."""
    return Store(tracelab.Lake.create(Path(tracelab.default_lake_path())))


@st.cache_resource(show_spinner=False, max_entries=4, ttl=60)
def _minutes_around(_store: Store, minute: int) -> Details:
    return details_of(_store.lake, tracelab.Window((minute - 1) * AROUND_NS, (minute + 2) * AROUND_NS))


@st.cache_data(show_spinner=False, max_entries=32, ttl=5)
def trace_paths(trace_id: str) -> Any:
    """The critical paths of one trace, alone and whole."""
    table = store().lake.traces([bytes.fromhex(trace_id)])
    return tracelab.critical_paths(tracelab.assemble(table))


def load_trace(trace_id: str) -> tracelab.CriticalPaths | None:
    """One trace, alone and whole; None for what is no id or not in the lake."""
    trace_id = trace_id.strip().lower()
    try:
        whole = len(bytes.fromhex(trace_id)) == 16
    except ValueError:
        whole = False
    paths: tracelab.CriticalPaths | None = trace_paths(trace_id) if whole else None
    return paths if paths is not None and len(paths.traces) else None


def exported(trace_id: str, format_: str) -> bytes:
    """A trace as `tracelab export` writes it: otlp-json or jaeger."""
    return b"".join(tracelab.exported(store().lake.traces([bytes.fromhex(trace_id)]), format_))
