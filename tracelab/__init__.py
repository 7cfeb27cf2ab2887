"""tracelab: see where requests go, what they wait for, and what fails on the way.

    import tracelab

    lake = tracelab.Lake.open(Path("lake"))
    traces = tracelab.assemble(lake.scan())
    graph = tracelab.service_graph(traces)
    paths = tracelab.critical_paths(traces)

Names are loaded when they are first used, so `import tracelab` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracelab.adjusters import assemble as assemble
    from tracelab.analysis.calls import Node as Node
    from tracelab.analysis.critical_path import CriticalPaths as CriticalPaths
    from tracelab.analysis.critical_path import critical_paths as critical_paths
    from tracelab.analysis.journey import Journey as Journey
    from tracelab.analysis.journey import journey as journey
    from tracelab.analysis.service_graph import Edge as Edge
    from tracelab.analysis.service_graph import Latency as Latency
    from tracelab.analysis.service_graph import ServiceGraph as ServiceGraph
    from tracelab.analysis.service_graph import service_graph as service_graph
    from tracelab.analysis.summaries import Search as Search
    from tracelab.analysis.summaries import TraceSummary as TraceSummary
    from tracelab.analysis.summaries import trace_summaries as trace_summaries
    from tracelab.codecs.requests import DecodedRequest as DecodedRequest
    from tracelab.codecs.requests import decode_json_request as decode_json_request
    from tracelab.codecs.requests import decode_protobuf_request as decode_protobuf_request
    from tracelab.diagnostics import DIAGNOSTICS as DIAGNOSTICS
    from tracelab.diagnostics import Diagnostics as Diagnostics
    from tracelab.errors import InputError as InputError
    from tracelab.errors import LakeError as LakeError
    from tracelab.errors import TracelabError as TracelabError
    from tracelab.errors import UsageError as UsageError
    from tracelab.lake import Lake as Lake
    from tracelab.lake import compact as compact
    from tracelab.lake import default_lake_path as default_lake_path
    from tracelab.reporters.shapes import diagnostics_explained as diagnostics_explained
    from tracelab.reporters.shapes import span_details as span_details
    from tracelab.reporters.shapes import topology_shape as topology_shape
    from tracelab.schema import ANALYSIS_COLUMNS as ANALYSIS_COLUMNS
    from tracelab.times import count_text as count_text
    from tracelab.times import duration_text as duration_text
    from tracelab.times import parse_duration_ns as parse_duration_ns
    from tracelab.times import parse_time_ns as parse_time_ns
    from tracelab.times import percent_text as percent_text
    from tracelab.times import rate_text as rate_text
    from tracelab.times import time_text as time_text
    from tracelab.traceset import TraceSet as TraceSet
    from tracelab.window import Window as Window

_WHERE = {
    "tracelab.adjusters": ("assemble",),
    "tracelab.analysis.calls": ("Node",),
    "tracelab.analysis.critical_path": ("CriticalPaths", "critical_paths"),
    "tracelab.analysis.journey": ("Journey", "journey"),
    "tracelab.analysis.service_graph": ("Edge", "Latency", "ServiceGraph", "service_graph"),
    "tracelab.analysis.summaries": ("Search", "TraceSummary", "trace_summaries"),
    "tracelab.codecs.requests": ("DecodedRequest", "decode_json_request", "decode_protobuf_request"),
    "tracelab.diagnostics": ("DIAGNOSTICS", "Diagnostics"),
    "tracelab.errors": ("InputError", "LakeError", "TracelabError", "UsageError"),
    "tracelab.lake": ("Lake", "compact", "default_lake_path"),
    "tracelab.reporters.shapes": ("diagnostics_explained", "span_details", "topology_shape"),
    "tracelab.schema": ("ANALYSIS_COLUMNS",),
    "tracelab.times": (
        "count_text",
        "duration_text",
        "parse_duration_ns",
        "parse_time_ns",
        "percent_text",
        "rate_text",
        "time_text",
    ),
    "tracelab.traceset": ("TraceSet",),
    "tracelab.window": ("Window",),
}
_ORIGIN = {name: (module, name) for module, names in _WHERE.items() for name in names}
__all__ = sorted(_ORIGIN)  # noqa: PLE0605  a list, and the test of the public names reads it


def __getattr__(name: str) -> Any:
    if name not in _ORIGIN:
        raise AttributeError(f"module 'tracelab' has no attribute {name!r}")
    module, original = _ORIGIN[name]
    value = getattr(importlib.import_module(module), original)
    globals()[name] = value
    return value
