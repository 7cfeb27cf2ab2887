"""Is an answer right? Worked out from the live data, so that a lesson is about what is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

from tracelab.analysis.critical_path import CriticalPaths
from tracelab.analysis.diagnosis import KINDS
from tracelab.analysis.service_graph import Edge, ServiceGraph
from tracelab.lab.lessons import LessonStep
from tracelab.lab.scenarios import Truth, scenarios
from tracelab.release.run import releases
from tracelab.shop_control import Control

_FEWEST = 10


def truths(control: Control) -> list[Truth]:
    """What is behind the faults that are on."""
    known = scenarios()
    return [known[one.name].truth for one in control.running() if one.name in known]


def is_right(
    step: LessonStep, given: str | int, graph: ServiceGraph, paths: CriticalPaths, control: Control, lake: Path
) -> bool:
    """Whether an answer to a step's check is right now."""
    match step.ask:
        case "choice":
            return given == step.answer
        case "service":
            return str(given) in _services(step.answer, paths, control)
        case "kind":
            return any(str(given) in truth.kinds for truth in truths(control))
        case "link":
            return _link_shows(str(given), str(step.answer), graph)
        case "done":
            return any(one["outcome"] == "rolled back" for one in releases(lake)[:1])
        case _:
            return True


def _services(answer: object, paths: CriticalPaths, control: Control) -> set[str]:
    names = answer if isinstance(answer, tuple) else (str(answer),)
    found: set[str] = set()
    for name in names:
        if name == "@fault_service":
            found |= {service for truth in truths(control) for service in truth.services}
        elif name == "@path_service":
            found |= set(most_on_path(paths)[:1])
        else:
            found.add(str(name))
    return found


def most_on_path(paths: CriticalPaths) -> list[str]:
    """Services by the time that they hold on critical paths, the most first."""
    traces = paths.traces
    known = traces.service >= 0
    held = np.bincount(traces.service[known], paths.on_path_ns()[known], len(traces.services))
    return [traces.services[code] or "unknown_service" for code in np.argsort(-held).tolist() if held[code] > 0]


def _link_shows(link: str, wanted: str, graph: ServiceGraph) -> bool:
    asked = parse_qs(urlsplit(link.strip()).query)
    if wanted == "@trace":
        return bool(asked.get("trace_id"))
    selected = asked.get("selected", [""])[0]
    edges = _queue_edges(graph) if wanted == "@queue_edge" else _failing_edges(graph)
    return any(edge.client in selected and edge.server in selected for edge in edges)


def _queue_edges(graph: ServiceGraph) -> Sequence[Edge]:
    return [edge for edge in graph.edges if edge.connection_type == "messaging_system"]


def _failing_edges(graph: ServiceGraph) -> Sequence[Edge]:
    """The edge with the highest share of failures, of those with enough calls; and those that fail nearly as often."""
    enough = [edge for edge in graph.edges if edge.calls >= _FEWEST and edge.failed]
    worst = max((edge.failed / edge.calls for edge in enough), default=0.0)
    return [edge for edge in enough if edge.failed / edge.calls >= 0.8 * worst]


def kinds() -> dict[str, str]:
    """The kinds of fault that can be answered, with what each means."""
    return dict(KINDS)
