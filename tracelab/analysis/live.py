"""The service graph of a window that moves: each refresh takes in only what is new.

Traces are kept in groups by the minute in which they start, those that links connect in one group. What a group adds up
to is remembered; new spans change the groups of their traces alone, and the groups at the window's border are summed
anew. So a refresh costs what is new and two minutes, not the window.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracelab.adjusters import assemble
from tracelab.analysis.service_graph import GraphSums, merge_graphs, sum_graph
from tracelab.diagnostics import Diagnostics
from tracelab.errors import LakeError
from tracelab.lake.choose import linked_traces
from tracelab.lake.lake import Lake
from tracelab.lake.segments import Merged, merged_from, read_segment
from tracelab.lake.trace_index import trace_keys
from tracelab.schema import ANALYSIS_COLUMNS
from tracelab.window import EVERYTHING, Window

MINUTE_NS = 60 * 10**9
KEPT_BEFORE_NS = 10 * MINUTE_NS
"""How long before the window groups are kept: what lies in them may be linked to, or go on in the window."""


class _Group:
    """Traces that are summed together: tables of rows, by the segment that they were read from."""

    def __init__(self) -> None:
        self.tables: dict[str, list[pa.Table]] = {}
        self.first_ns, self.last_ns = 2**63 - 1, -(2**63)
        self.sums: GraphSums | None = None

    def add(self, source: str, table: pa.Table) -> None:
        start = table.column("start_ns").to_numpy()
        self.tables.setdefault(source, []).append(table)
        self.first_ns, self.last_ns = min(self.first_ns, int(start.min())), max(self.last_ns, int(start.max()))
        self.sums = None

    def drop(self, sources: frozenset[str]) -> None:
        """Forget the rows of these segments: another one has them now."""
        for source in sources & self.tables.keys():
            del self.tables[source]
            self.sums = None

    def put_together(self, sources: frozenset[str], name: str) -> None:
        """The same rows, in one table under one name."""
        tables = [table for source in sorted(sources & self.tables.keys()) for table in self.tables.pop(source)]
        if tables:
            self.tables[name] = [pa.concat_tables(tables).unify_dictionaries().combine_chunks()]

    def take_out(self, key: int) -> dict[str, pa.Table]:
        """The rows of one trace, which are no longer its own."""
        taken = {}
        for source, tables in self.tables.items():
            table = pa.concat_tables(tables)
            here = pa.array(trace_keys(table.column("trace_id")) == np.uint64(key))
            self.tables[source] = [table.filter(pc.invert(here))]
            taken[source] = table.filter(here)
        self.sums = None
        return {source: rows for source, rows in taken.items() if rows.num_rows}

    def table(self) -> pa.Table | None:
        """All rows; None if there are none."""
        tables = [table for tables in self.tables.values() for table in tables if table.num_rows]
        return pa.concat_tables(tables) if tables else None


class LiveGraph:
    """Service graphs of a lake's latest spans. One thread at a time may refresh it."""

    def __init__(self, lake: Lake, skew_correction: bool = True) -> None:
        self._lake = lake
        self._skew_correction = skew_correction
        self.decoded_segments = 0
        self._begin(None)

    def _begin(self, from_ns: int | None) -> None:
        """With nothing read yet."""
        self._from_ns = from_ns
        self._sources: dict[str, frozenset[str]] = {}  # of a segment, those that its rows were read from
        self._groups: dict[int, _Group] = {}
        self._group_of: dict[int, int] = {}
        self._awaited: dict[int, int] = {}
        self._linked: dict[int, set[int]] = {}

    def refresh(self, window: Window, diagnostics: Diagnostics | None = None) -> GraphSums:
        """What the calls that start in `window` add up to; `since_ns` must be given, and not go back."""
        assert window.since_ns is not None  # noqa: S101  without it there is nothing to forget
        from_ns = window.since_ns - KEPT_BEFORE_NS
        if self._from_ns is None or from_ns < self._from_ns:
            self._begin(from_ns)
        while not self._take_in(from_ns, diagnostics or Diagnostics()):
            continue
        self._forget(from_ns)
        return merge_graphs((self._sums(group, window) for group in self._groups.values()), window)

    def _take_in(self, from_ns: int, noted: Diagnostics) -> bool:
        """Read the segments that are new; False if the lake was compacted meanwhile.

        A compacted segment says of which it was made. If their rows are all here, so are its own.
        """
        new: list[tuple[str, pa.Table | None, Merged]] = []
        replaced: set[str] = set()
        paths = self._lake.segments()
        for path in paths:
            if path.name in self._sources:
                continue
            try:
                merged = merged_from(path) if path.parent == self._lake.compacted else {}
                if merged and all(self._has(name, below) for name, below in merged.items()):
                    new.append((path.name, None, merged))
                    continue
                replaced |= self._sources_of(merged)
                if self._lake.touches(path, from_ns, None):
                    new.append((path.name, read_segment(path, ANALYSIS_COLUMNS), {}))
            except LakeError:
                noted.add("damaged_segments")
            except FileNotFoundError:
                return False
        self._drop(frozenset(replaced))
        for name, table, merged in new:
            self._sources[name] = self._sources_of(merged)
            if table is not None:
                self._sources[name] = frozenset([name])
                self.decoded_segments += 1
                self._add(name, table)
            elif len(self._sources[name]) > 1:
                self._put_together(self._sources[name], name)
        if new:
            self._drop_what_is_gone(frozenset(path.name for path in paths) & self._sources.keys())
        return True

    def _put_together(self, sources: frozenset[str], name: str) -> None:
        """Rows of segments that were merged, as those of one: many small tables cost more than what is in them."""
        for group in self._groups.values():
            group.put_together(sources, name)
        for other, its in self._sources.items():
            if its & sources:
                self._sources[other] = its - sources | {name}

    def _drop(self, sources: frozenset[str]) -> None:
        for group in self._groups.values():
            group.drop(sources)

    def _drop_what_is_gone(self, visible: frozenset[str]) -> None:
        """Forget rows for which no segment stands: pruned, or merged so long ago that nobody says."""
        here = frozenset[str]().union(*(self._sources[name] for name in visible))
        self._drop(frozenset(name for group in self._groups.values() for name in group.tables) - here)

    def _has(self, name: str, merged: Merged) -> bool:
        """Whether the rows of a segment are here: from itself, or from all of which it was merged."""
        return name in self._sources or (bool(merged) and all(self._has(*below) for below in merged.items()))

    def _sources_of(self, merged: Merged) -> frozenset[str]:
        found: set[str] = set()
        for name, below in merged.items():
            found |= self._sources.get(name) or self._sources_of(below)
        return frozenset(found)

    def _add(self, source: str, table: pa.Table) -> None:
        """Give each row the group of its trace."""
        if table.num_rows == 0:
            return
        keys = trace_keys(table.column("trace_id"))
        distinct, number = np.unique(keys, return_inverse=True)
        earliest = np.full(distinct.size, 2**63 - 1, np.int64)
        np.minimum.at(earliest, number, table.column("start_ns").to_numpy())
        for key, start in zip(distinct.tolist(), earliest.tolist(), strict=True):
            if key not in self._group_of:
                self._group_of[key] = self._awaited.pop(key, start // MINUTE_NS)
        self._join_linked(table)
        group = np.array([self._group_of[key] for key in distinct.tolist()])[number]
        for minute in np.unique(group).tolist():
            part = table.filter(pa.array(group == minute))
            self._groups.setdefault(minute, _Group()).add(source, part)

    def _join_linked(self, table: pa.Table) -> None:
        """Traces that links connect, by any number of steps, go into one group: the earliest of theirs."""
        links = linked_traces(table)
        ends = (trace_keys(links.column(name)).tolist() for name in ("trace_id", "linked"))
        for one, other in zip(*ends, strict=True):
            if one == other:
                continue
            self._linked.setdefault(one, set()).add(other)
            self._linked.setdefault(other, set()).add(one)
            together = self._component(one)
            groups = {self._group_of[key] for key in together if key in self._group_of}
            for key in together:
                self._move(key, min(groups))

    def _component(self, key: int) -> set[int]:
        found, waiting = {key}, [key]
        while waiting:
            more = self._linked.get(waiting.pop(), set()) - found
            found |= more
            waiting += more
        return found

    def _move(self, key: int, to: int) -> None:
        """A trace into a group; one that is not here yet will come there."""
        at = self._group_of.get(key)
        if at is None:
            self._awaited[key] = to
            return
        self._group_of[key] = to
        if at != to and at in self._groups:
            for source, rows in self._groups[at].take_out(key).items():
                self._groups.setdefault(to, _Group()).add(source, rows)

    def _forget(self, from_ns: int) -> None:
        gone = [minute for minute, group in self._groups.items() if group.last_ns < from_ns]
        if not gone:
            return
        for minute in gone:
            del self._groups[minute]
        alive = self._groups.keys()
        self._group_of = {key: minute for key, minute in self._group_of.items() if minute in alive}
        self._awaited = {key: minute for key, minute in self._awaited.items() if minute in alive}
        known = self._group_of.keys() | self._awaited.keys()
        self._linked = {key: others & known for key, others in self._linked.items() if key in known}
        here = {path.name for path in self._lake.segments()}
        self._sources = {name: sources for name, sources in self._sources.items() if name in here}

    def _sums(self, group: _Group, window: Window) -> GraphSums:
        if not window.touches(group.first_ns, group.last_ns):
            return GraphSums(window, {}, {}, frozenset())
        whole = window.holds_all(group.first_ns, group.last_ns)
        if whole and group.sums is not None:
            return replace(group.sums, window=window)
        table = group.table()
        if table is None:
            return GraphSums(window, {}, {}, frozenset())
        sums = sum_graph(assemble(table, self._skew_correction), EVERYTHING if whole else window)
        if whole:
            group.sums = sums
        return replace(sums, window=window)
