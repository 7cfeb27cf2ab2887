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
    from tracelab.analysis.calls import Calls as Calls
    from tracelab.analysis.calls import Node as Node
    from tracelab.analysis.calls import collect_calls as collect_calls
    from tracelab.analysis.cohorts import Cohort as Cohort
    from tracelab.analysis.cohorts import cohort as cohort
    from tracelab.analysis.comparison import Change as Change
    from tracelab.analysis.comparison import Comparison as Comparison
    from tracelab.analysis.comparison import Figure as Figure
    from tracelab.analysis.comparison import compare as compare
    from tracelab.analysis.completion import CompletionPaths as CompletionPaths
    from tracelab.analysis.completion import completion_paths as completion_paths
    from tracelab.analysis.critical_path import CriticalPaths as CriticalPaths
    from tracelab.analysis.critical_path import critical_paths as critical_paths
    from tracelab.analysis.diagnosis import KINDS as KINDS
    from tracelab.analysis.diagnosis import Cause as Cause
    from tracelab.analysis.diagnosis import Diagnosis as Diagnosis
    from tracelab.analysis.diagnosis import diagnose as diagnose
    from tracelab.analysis.fanout import CallsPerTrace as CallsPerTrace
    from tracelab.analysis.fanout import calls_per_trace as calls_per_trace
    from tracelab.analysis.findings import Finding as Finding
    from tracelab.analysis.findings import Findings as Findings
    from tracelab.analysis.findings import find_all as find_all
    from tracelab.analysis.journey import Journey as Journey
    from tracelab.analysis.journey import journey as journey
    from tracelab.analysis.live import LiveGraph as LiveGraph
    from tracelab.analysis.missing_edge import EdgeExplanation as EdgeExplanation
    from tracelab.analysis.missing_edge import explain_edge as explain_edge
    from tracelab.analysis.order import LearnedOrders as LearnedOrders
    from tracelab.analysis.order import Order as Order
    from tracelab.analysis.order import learned_orders as learned_orders
    from tracelab.analysis.profile import PathProfile as PathProfile
    from tracelab.analysis.profile import finish_profile as finish_profile
    from tracelab.analysis.profile import path_profile as path_profile
    from tracelab.analysis.profile import sum_profile as sum_profile
    from tracelab.analysis.service_graph import Edge as Edge
    from tracelab.analysis.service_graph import GraphSums as GraphSums
    from tracelab.analysis.service_graph import Latency as Latency
    from tracelab.analysis.service_graph import ServiceGraph as ServiceGraph
    from tracelab.analysis.service_graph import finish_graph as finish_graph
    from tracelab.analysis.service_graph import merge_graphs as merge_graphs
    from tracelab.analysis.service_graph import service_graph as service_graph
    from tracelab.analysis.service_graph import sum_graph as sum_graph
    from tracelab.analysis.skew import ClockSkew as ClockSkew
    from tracelab.analysis.skew import clock_skews as clock_skews
    from tracelab.analysis.slow import SlowExplanation as SlowExplanation
    from tracelab.analysis.slow import explain_cohorts as explain_cohorts
    from tracelab.analysis.slow import explain_slow as explain_slow
    from tracelab.analysis.slow import requests_of as requests_of
    from tracelab.analysis.structure import Impact as Impact
    from tracelab.analysis.structure import Structure as Structure
    from tracelab.analysis.structure import impact_of as impact_of
    from tracelab.analysis.structure import structure as structure
    from tracelab.analysis.summaries import Search as Search
    from tracelab.analysis.summaries import TraceSummary as TraceSummary
    from tracelab.analysis.summaries import trace_summaries as trace_summaries
    from tracelab.analysis.suspects import Suspect as Suspect
    from tracelab.analysis.what_if import Supposition as Supposition
    from tracelab.analysis.what_if import WhatIf as WhatIf
    from tracelab.analysis.what_if import what_if as what_if
    from tracelab.codecs.export import exported as exported
    from tracelab.codecs.limits import Limits as Limits
    from tracelab.codecs.requests import Decoded as Decoded
    from tracelab.codecs.requests import Outcome as Outcome
    from tracelab.codecs.requests import decode_requests as decode_requests
    from tracelab.diagnostics import DIAGNOSTICS as DIAGNOSTICS
    from tracelab.diagnostics import Diagnostics as Diagnostics
    from tracelab.errors import InputError as InputError
    from tracelab.errors import LakeError as LakeError
    from tracelab.errors import TooLargeError as TooLargeError
    from tracelab.errors import TracelabError as TracelabError
    from tracelab.errors import UsageError as UsageError
    from tracelab.lab.checks import is_right as is_right
    from tracelab.lab.checks import truths as truths
    from tracelab.lab.lessons import Lesson as Lesson
    from tracelab.lab.lessons import LessonStep as LessonStep
    from tracelab.lab.lessons import lessons as lessons
    from tracelab.lab.room import answer_room as answer_room
    from tracelab.lab.room import close_room as close_room
    from tracelab.lab.room import open_room as open_room
    from tracelab.lab.room import reveal_room as reveal_room
    from tracelab.lab.room import room_answers as room_answers
    from tracelab.lab.room import room_of as room_of
    from tracelab.lab.room import room_places as room_places
    from tracelab.lab.scenarios import Scenario as Scenario
    from tracelab.lab.scenarios import scenario_named as scenario_named
    from tracelab.lab.scenarios import scenarios as scenarios
    from tracelab.lab.scenarios import start_scenario as start_scenario
    from tracelab.lab.scenarios import stop_scenarios as stop_scenarios
    from tracelab.lab.texts import kinds_of_fault as kinds_of_fault
    from tracelab.lab.texts import languages as languages
    from tracelab.lab.texts import words as words
    from tracelab.lake import Lake as Lake
    from tracelab.lake import compact as compact
    from tracelab.lake import default_lake_path as default_lake_path
    from tracelab.lake import prune as prune
    from tracelab.lake.annotations import Annotation as Annotation
    from tracelab.lake.annotations import annotate as annotate
    from tracelab.lake.annotations import read_annotations as read_annotations
    from tracelab.lake.info import lake_info as lake_info
    from tracelab.lake.stream import whole_traces as whole_traces
    from tracelab.memory import give_back_memory as give_back_memory
    from tracelab.release.run import releases as releases
    from tracelab.reporters.diagnosing import figure_text as figure_text
    from tracelab.reporters.diagnosing import where_text as where_text
    from tracelab.reporters.shapes import diagnostics_explained as diagnostics_explained
    from tracelab.reporters.shapes import span_details as span_details
    from tracelab.reporters.shapes import topology_shape as topology_shape
    from tracelab.schema import ANALYSIS_COLUMNS as ANALYSIS_COLUMNS
    from tracelab.shop_control import Control as Control
    from tracelab.shop_control import Running as Running
    from tracelab.shop_control import control_of as control_of
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
    "tracelab.memory": ("give_back_memory",),
    "tracelab.lab.texts": ("kinds_of_fault", "languages", "words"),
    "tracelab.analysis.diagnosis": (
        "Diagnosis",
        "Cause",
        "KINDS",
        "diagnose",
    ),
    "tracelab.shop_control": (
        "Control",
        "Running",
        "control_of",
    ),
    "tracelab.lab.scenarios": (
        "Scenario",
        "scenario_named",
        "scenarios",
        "start_scenario",
        "stop_scenarios",
    ),
    "tracelab.lab.lessons": (
        "Lesson",
        "LessonStep",
        "lessons",
    ),
    "tracelab.lab.checks": (
        "is_right",
        "truths",
    ),
    "tracelab.lab.room": (
        "answer_room",
        "close_room",
        "open_room",
        "reveal_room",
        "room_answers",
        "room_of",
        "room_places",
    ),
    "tracelab.lake.annotations": ("Annotation", "annotate", "read_annotations"),
    "tracelab.release.run": ("releases",),
    "tracelab.reporters.diagnosing": (
        "figure_text",
        "where_text",
    ),
    "tracelab.lake.stream": ("whole_traces",),
    "tracelab.analysis.what_if": ("Supposition", "WhatIf", "what_if"),
    "tracelab.analysis.suspects": ("Suspect",),
    "tracelab.analysis.structure": ("Impact", "Structure", "impact_of", "structure"),
    "tracelab.analysis.skew": ("ClockSkew", "clock_skews"),
    "tracelab.analysis.slow": ("SlowExplanation", "explain_cohorts", "explain_slow", "requests_of"),
    "tracelab.analysis.profile": ("PathProfile", "finish_profile", "path_profile", "sum_profile"),
    "tracelab.analysis.order": ("LearnedOrders", "Order", "learned_orders"),
    "tracelab.analysis.missing_edge": ("EdgeExplanation", "explain_edge"),
    "tracelab.analysis.findings": ("Finding", "Findings", "find_all"),
    "tracelab.analysis.fanout": ("CallsPerTrace", "calls_per_trace"),
    "tracelab.analysis.completion": ("CompletionPaths", "completion_paths"),
    "tracelab.analysis.comparison": ("Change", "Comparison", "Figure", "compare"),
    "tracelab.analysis.cohorts": ("Cohort", "cohort"),
    "tracelab.adjusters": ("assemble",),
    "tracelab.analysis.calls": ("Calls", "Node", "collect_calls"),
    "tracelab.analysis.critical_path": ("CriticalPaths", "critical_paths"),
    "tracelab.analysis.journey": ("Journey", "journey"),
    "tracelab.analysis.live": ("LiveGraph",),
    "tracelab.analysis.service_graph": (
        "Edge",
        "GraphSums",
        "Latency",
        "ServiceGraph",
        "finish_graph",
        "merge_graphs",
        "service_graph",
        "sum_graph",
    ),
    "tracelab.analysis.summaries": ("Search", "TraceSummary", "trace_summaries"),
    "tracelab.codecs.export": ("exported",),
    "tracelab.codecs.limits": ("Limits",),
    "tracelab.codecs.requests": ("Decoded", "Outcome", "decode_requests"),
    "tracelab.diagnostics": ("DIAGNOSTICS", "Diagnostics"),
    "tracelab.errors": ("InputError", "LakeError", "TooLargeError", "TracelabError", "UsageError"),
    "tracelab.lake.info": ("lake_info",),
    "tracelab.lake": ("Lake", "compact", "default_lake_path", "prune"),
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
