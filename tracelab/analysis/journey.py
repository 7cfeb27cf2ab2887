"""One request's way through the services, read off its critical path."""

from __future__ import annotations

from dataclasses import dataclass

from tracelab.analysis.critical_path import CriticalPaths
from tracelab.schema import SERVER
from tracelab.traceset import TraceSet


@dataclass(frozen=True)
class Stop:
    """A service on the path: how long it held the time, and that as a share of the root's duration."""

    service_name: str | None
    on_path_ns: int
    share: float


@dataclass(frozen=True)
class Journey:
    """The path of one root: from whom it came, and the services in the order in which the path reached them."""

    trace_id: str
    duration_ns: int
    from_user: bool
    stops: tuple[Stop, ...]


def journey(paths: CriticalPaths, root_at: int) -> Journey:
    """The journey along the path of `paths.roots[root_at]`."""
    traces: TraceSet = paths.traces
    root = int(paths.roots[root_at])
    sections = slice(paths.section_offsets[root_at], paths.section_offsets[root_at + 1])
    held: dict[str | None, int] = {}
    lengths = paths.section_end_ns[sections] - paths.section_start_ns[sections]
    for row, length in zip(paths.section_row[sections].tolist(), lengths.tolist(), strict=True):
        service = traces.service_name(row)
        held[service] = held.get(service, 0) + length
    duration = int(traces.end_ns[root] - traces.start_ns[root])
    return Journey(
        traces.trace_id(int(traces.trace[root])),
        duration,
        bool(traces.kind[root] == SERVER and not traces.is_placeholder[root]),
        tuple(Stop(service, ns, ns / duration) for service, ns in held.items()),
    )
