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


def critical_paths(traces: TraceSet) -> CriticalPaths:
    """The critical path of every root (docs/how-it-works/critical-path.md)."""
    offsets, row, start, end, path_from, path_to = walk(
        traces.roots,
        *traces.children,
        traces.start_ns,
        traces.end_ns,
        traces.kind,
        traces.service,
        traces.hosts,
        traces.span_id,
    )
    headless = np.zeros(traces.trace_count, np.bool_)
    headless[traces.trace[traces.is_placeholder]] = True
    return CriticalPaths(
        traces, traces.roots, offsets, row, start, end, path_from, path_to, headless[traces.trace[traces.roots]]
    )
