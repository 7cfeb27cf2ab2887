"""Critical paths as results. The walk itself is `kernels.paths.walk`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracelab.kernels.groups import sums
from tracelab.kernels.paths import walk
from tracelab.traceset import TraceSet

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class CriticalPaths:
    """The path of every root of `traces`.

    Attributes:
        roots: [r] rows of the roots: by trace; real ones by (start, span id), then placeholders
        section_offsets: [r + 1]; the sections of root i are section_offsets[i]:section_offsets[i + 1], in time order
        section_row, section_start_ns, section_end_ns: [s] half-open, tiling the root without gap or overlap
        path_from_ns, path_to_ns: [n] per span, when the path was in it or below it; equal where it never was
        incomplete: [r] whether the root's trace lacks a parent
    """

    traces: TraceSet
    roots: I64
    section_offsets: I64
    section_row: I64
    section_start_ns: I64
    section_end_ns: I64
    path_from_ns: I64
    path_to_ns: I64
    incomplete: NDArray[np.bool_]

    def on_path_ns(self) -> I64:
        """[n] time that each span itself holds the path: the sum of its sections."""
        return sums(self.section_row, self.section_end_ns - self.section_start_ns, len(self.traces))


def critical_paths(traces: TraceSet, refuted: I64 | None = None) -> CriticalPaths:
    """The critical path of every root (docs/how-it-works/critical-path.md).

    `refuted`: orders between siblings that do not hold, from `learned_orders`.
    """
    roots = traces.roots
    offsets, row, start, end, path_from, path_to = walk_windows(
        traces, roots, traces.start_ns[roots], traces.end_ns[roots], refuted
    )
    headless = np.zeros(traces.trace_count, np.bool_)
    headless[traces.trace[traces.is_placeholder]] = True
    return CriticalPaths(traces, roots, offsets, row, start, end, path_from, path_to, headless[traces.trace[roots]])


def walk_windows(
    traces: TraceSet, rows: I64, from_ns: I64, to_ns: I64, refuted: I64 | None = None, room: int | None = None
) -> tuple[I64, I64, I64, I64, I64, I64]:
    """`kernels.paths.walk` of these rows, each from to_ns back to from_ns; there is always room enough."""
    return walk(
        rows,
        from_ns,
        to_ns,
        *traces.children,
        traces.start_ns,
        traces.end_ns,
        traces.kind,
        traces.service,
        traces.hosts,
        traces.span_id,
        traces.service if refuted is None else traces.operations[0],
        refuted,
        2 * len(traces) + rows.size + 1 if room is None else room,
    )


def walk_any_windows(traces: TraceSet, rows: I64, from_ns: I64, to_ns: I64) -> tuple[I64, I64, I64, I64]:
    """(section_offsets, section_row, section_start_ns, section_end_ns), where rows may be walked several times."""
    offsets, columns = [np.zeros(1, np.int64)], []
    done, room = 0, 2 * len(traces) + rows.size + 1
    while done < rows.size:
        part = slice(done, None)
        found, *sections, _, _ = walk_windows(traces, rows[part], from_ns[part], to_ns[part], room=room)
        offsets.append(found[1:] + offsets[-1][-1])
        columns.append(sections)
        done += found.size - 1
        room *= 2
    row, start, end = (np.concatenate([np.zeros(0, np.int64), *(part[at] for part in columns)]) for at in range(3))
    return np.concatenate(offsets), row, start, end
