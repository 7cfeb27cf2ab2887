"""One request's journey: its spans in time, the critical path through them, and everything about a span."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from dashboards import components
from dashboards.figures import address, colour, pack_timeline, signed_text, topology_data
from dashboards.layout import lay_out
from dashboards.store import exported, load_trace, store
from dashboards.views.common import navigation, trace_link
from tracelab import (
    DIAGNOSTICS,
    CriticalPaths,
    Search,
    Window,
    cohort,
    duration_text,
    explain_cohorts,
    find_all,
    journey,
    percent_text,
    requests_of,
    service_graph,
    span_details,
)  # fmt: skip

KEY = "timeline"
MAX_HEIGHT, ROW, FRAME = 660, 24, 118
FEWEST = 8
"""Requests of a kind below which none of them is called typical."""


def page() -> None:
    navigation("Trace")
    trace_id = st.query_params.get("trace_id", "").lower()
    paths = load_trace(trace_id)
    if paths is None:
        components.panel(
            "no_trace",
            [
                {
                    "type": "title",
                    "text": "No such trace" if trace_id else "Which trace?",
                    "sub": trace_id or "Open one from the list.",
                },
                {"type": "links", "items": [{"text": "Traces", "href": address("traces", since="all")}]},
            ],
        )
        return
    selected = st.query_params.get("span_id", "")
    components.panel("trace_head", _head(paths))
    drawn = _actions(trace_id)
    picture, side = st.columns([2.7, 1])
    with picture:
        if drawn == "topology":
            graph = service_graph(paths.traces, paths=paths)
            calls = {(edge.client, edge.server): float(edge.calls) for edge in graph.edges}
            placed = lay_out([node.id for node in graph.nodes], calls)
            components.topology("own_topology", topology_data(graph, placed, "", "critical path"), MAX_HEIGHT)
        else:
            height = max(220, min(MAX_HEIGHT, len(paths.traces) * ROW + FRAME))
            components.timeline(KEY, pack_timeline(paths), trace_id, selected, height)
    with side:
        components.panel("trace_side", _side(paths, selected))


def _actions(trace_id: str) -> str:
    as_, otlp, jaeger, rest = st.columns([2, 1, 1, 5], vertical_alignment="center")
    drawn = as_.segmented_control(
        "as", ("timeline", "topology"), default="timeline", key="as", bind="query-params", label_visibility="collapsed"
    )
    for box, name, format_, ending in ((otlp, "OTLP", "otlp-json", "jsonl"), (jaeger, "Jaeger", "jaeger", "json")):
        box.download_button(
            f"↓ {name}", partial(exported, trace_id, format_), f"{trace_id}.{ending}",
            "application/json", on_click="ignore", help=f"Download this trace as {name} JSON", width="stretch",
        )  # fmt: skip
    with rest:
        others = [
            {"text": f"{name} ↗", "href": url.replace("{trace_id}", trace_id), "title": f"Open this trace in {name}"}
            for name, url in json.loads(os.environ.get("TRACELAB_OPEN_IN", "{}")).items()
        ]
        components.panel("trace_actions", [{"type": "actions", "items": [{"text": "copy link"}, *others]}])
    return drawn or "timeline"


def _head(paths: CriticalPaths) -> list[dict[str, Any]]:
    traces = paths.traces
    root = int(paths.roots[0])
    errors = int((traces.status_code == 2).sum())
    services = len({code for code in traces.service.tolist() if code >= 0})
    trip = journey(paths, 0)
    chain = (["user"] if trip.from_user else []) + [stop.service_name or "?" for stop in trip.stops]
    blocks: list[dict[str, Any]] = [
        {
            "type": "title",
            "text": f"{traces.service_name(root) or '?'}  {traces.span_name(root) or '(root not seen)'}",
            "sub": f"trace {traces.trace_id(0)}",
        },
        {
            "type": "figures",
            "items": [
                ["began", {"time_ms": int(traces.start_ns[root]) / 1e6, "short": True}],
                ["duration", duration_text(int(traces.end_ns[root] - traces.start_ns[root]))],
                ["spans", f"{int((~traces.is_placeholder).sum()):,}"],
                ["services", str(services)],
                ["errors", str(errors), "bad" if errors else ""],
                ["critical path", " → ".join(chain)],
            ],
        },
    ]
    odd = [
        f"{count:,}× {DIAGNOSTICS[name].meaning}"
        for name, count in traces.diagnostics.items()
        if DIAGNOSTICS[name].severity != "info"
    ]
    return blocks + [{"type": "text", "tone": "warm", "text": text} for text in odd]


def _side(paths: CriticalPaths, selected: str) -> list[dict[str, Any]]:
    rows = [row for row in range(len(paths.traces)) if paths.traces.span_id_hex(row) == selected] if selected else []
    return _span_blocks(paths, rows[0]) if rows else _path_blocks(paths)


def _path_blocks(paths: CriticalPaths) -> list[dict[str, Any]]:
    """Who holds the time: services, then the longest sections."""
    trip = journey(paths, 0)
    items = [
        {
            "label": stop.service_name or "?",
            "value": f"{duration_text(stop.on_path_ns)}  {100 * stop.share:.1f} %",
            "share": stop.share,
            "color": colour(stop.service_name),
        }
        for stop in trip.stops
    ]
    traces = paths.traces
    first, last = int(paths.section_offsets[0]), int(paths.section_offsets[1])
    sections = sorted(range(first, last), key=lambda at: int(paths.section_start_ns[at] - paths.section_end_ns[at]))[
        :12
    ]
    rows = [
        [
            traces.service_name(int(paths.section_row[at])) or "?",
            traces.span_name(int(paths.section_row[at])) or "?",
            duration_text(int(paths.section_end_ns[at] - paths.section_start_ns[at])),
        ]
        for at in sections
    ]
    return [
        {
            "type": "title",
            "text": "who holds the time",
            "sub": "the critical path by service; click a span for its details",
        },
        {"type": "bars", "items": items},
        {"type": "heading", "text": "longest sections of the path"},
        {"type": "table", "columns": ["service", "operation", "for"], "right": ["for"], "rows": rows},
        *_findings(paths),
        *_against_typical(paths),
    ]


def _findings(paths: CriticalPaths) -> list[dict[str, Any]]:
    """What the rules find in it, with what to do."""
    found = find_all(cohort(paths.traces)).findings
    blocks: list[dict[str, Any]] = [{"type": "heading", "text": "findings"}] if found else []
    for finding in found[:6]:
        blocks += [
            {"type": "text", "tone": "warm", "text": f"{finding.service_name}: {finding.what}"},
            {"type": "text", "tone": "dim", "text": finding.advice},
        ]
    return blocks


def _against_typical(paths: CriticalPaths) -> list[dict[str, Any]]:
    """Its place among requests of its kind around that time, and where it spends more than the middle half of them."""
    traces, root = paths.traces, int(paths.roots[0])
    service, name = traces.service_name(root), traces.span_name(root)
    if service is None or name is None:
        return []
    alike = store().around(int(traces.start_ns[root])).cohort(Window(), Search(service, name))
    rows, durations = requests_of(alike)
    mine = alike.of_trace(traces.trace_id(0))
    if rows.size < FEWEST or not mine.size:
        return []
    length = int(traces.end_ns[root] - traces.start_ns[root])
    order = np.argsort(durations, kind="stable")
    middle = rows[order[rows.size // 4 : 3 * rows.size // 4 + 1]]
    typical_id = alike.traces.trace_id(int(alike.traces.trace[rows[order[rows.size // 2]]]))
    chosen = np.zeros(alike.chosen.size, np.bool_)
    chosen[alike.traces.trace[middle]] = True
    found = explain_cohorts(mine, replace(alike, chosen=chosen))
    parts = [
        [f"{part.service_name or '?'}  {part.name or '?'}", signed_text(part.gap_ns)]
        for part in found.parts[:6]
        if abs(part.gap_ns) >= 0.02 * length
    ]
    slower = float((durations < length).mean())
    return [
        {"type": "heading", "text": "against the typical one of its kind"},
        {
            "type": "text",
            "text": f"slower than {percent_text(slower)} of {rows.size:,} requests like it around that time; "
            f"their median is {duration_text(int(np.median(durations)))}",
        },
        {"type": "table", "columns": ["operation", "more"], "right": ["more"], "rows": parts},
        {
            "type": "links",
            "items": [
                {
                    "text": "side by side with a typical one",
                    "href": address("compare", way="two traces", a=typical_id, b=traces.trace_id(0)),
                }
            ],
        },
    ]


def _span_blocks(paths: CriticalPaths, row: int) -> list[dict[str, Any]]:
    """Everything about a span."""
    traces = paths.traces
    span = span_details(traces, [row])[0]
    if span["placeholder"]:
        text = "Its children name it as their parent, but it was never received: late, sampled away, or not reported."
        return [
            {"type": "title", "text": "a span that was not seen", "sub": span["span_id"]},
            {"type": "text", "text": text},
        ]
    begin = int(traces.start_ns.min())
    failed = span["status_code"] == "ERROR"
    blocks: list[dict[str, Any]] = [
        {
            "type": "title",
            "text": span["name"],
            "sub": " · ".join(filter(None, [span["service_name"], span["service_version"], span["kind"].lower()])),
        },
        {
            "type": "figures",
            "items": [
                ["duration", duration_text(span["duration_ns"])],
                ["starts at", duration_text(int(traces.start_ns[row]) - begin)],
                ["on the path", duration_text(int(paths.on_path_ns()[row]))],
                ["status", span["status_code"].lower(), "bad" if failed else ""],
            ],
        },
    ]
    if span["status_message"]:
        blocks.append({"type": "text", "tone": "bad", "text": span["status_message"]})
    if span["shift_ns"]:
        blocks.append(
            {"type": "text", "tone": "warm", "text": f"clock skew: moved by {duration_text(span['shift_ns'])}"}
        )
    return blocks + _span_contents(span)


def _span_contents(span: dict[str, Any]) -> list[dict[str, Any]]:
    """What the span carries: events, links, attributes, resource, ids."""
    blocks = _events(span["events"], span["start_ns"])
    if span["links"]:
        blocks += [
            {"type": "heading", "text": "links"},
            {
                "type": "links",
                "items": [trace_link(link["trace_id"], f"span {link['span_id']}") for link in span["links"]],
            },
        ]
    for title in ("attributes", "resource"):
        if span[title]:
            blocks += [
                {"type": "heading", "text": title},
                {"type": "pairs", "items": [[key, _text(value)] for key, value in span[title].items()]},
            ]
    return [
        *blocks,
        {"type": "heading", "text": "ids"},
        {
            "type": "pairs",
            "items": [
                ["span", span["span_id"]],
                ["parent", span["parent_span_id"] or "none"],
                ["scope", span["scope_name"] or ""],
            ],
        },
    ]


def _events(events: list[dict[str, Any]], start_ns: int) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for event in events:
        attributes = dict(event["attributes"])
        stack = attributes.pop("exception.stacktrace", None)
        blocks.append({"type": "heading", "text": f"{event['name']} at {duration_text(event['time_ns'] - start_ns)}"})
        if attributes:
            blocks.append({"type": "pairs", "items": [[key, _text(value)] for key, value in attributes.items()]})
        if stack:
            blocks.append({"type": "code", "text": str(stack)})
    return blocks


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
