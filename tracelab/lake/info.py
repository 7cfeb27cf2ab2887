"""What is in a lake, at a glance: from names, footers and two columns, never from all of it at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracelab.diagnostics import Diagnostics
from tracelab.errors import LakeError
from tracelab.lake.lake import Lake
from tracelab.lake.segments import read_segment, span_of_time


def lake_info(lake: Lake) -> dict[str, Any]:
    """Path, spans (rows, a span that came twice counts twice), traces, services, segments, bytes, oldest and newest."""
    diagnostics = Diagnostics()
    keys: list[np.ndarray] = []
    services: set[str] = set()
    times: list[tuple[int, int]] = []
    segments = lake.segments()
    spans = size = fresh = 0
    for path in segments:
        try:
            table = read_segment(path, ("service_name",))
            keys.append(lake.index.keys(path))
            between = span_of_time(path)
            size += path.stat().st_size
        except LakeError:
            diagnostics.add("damaged_segments")
            continue
        except FileNotFoundError:
            continue  # compacted meanwhile: its rows are in another
        spans += table.num_rows
        fresh += path.parent == lake.fresh
        services |= set(table.column("service_name").unique().to_pylist())
        times += [between] if between else []
    return {
        "path": str(lake.path),
        "format": lake.format(),
        "spans": spans,
        "traces": int(np.unique(np.concatenate(keys)).size) if keys else 0,
        "services": sorted(name for name in services if name is not None),
        "segments": len(segments),
        "fresh_segments": fresh,
        "bytes": size,
        "bytes_a_span": round(size / spans, 1) if spans else None,
        "oldest_ns": min((first for first, _ in times), default=None),
        "newest_ns": max((last for _, last in times), default=None),
        "diagnostics": dict(diagnostics),
    }
