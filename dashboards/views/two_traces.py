"""Two traces side by side: their time lines, and operation by operation how often and how long."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import streamlit as st

from dashboards import components
from dashboards.figures import address, pack_timeline
from dashboards.store import load_trace
from tracelab import CriticalPaths, duration_text

HEIGHT = 320
ROWS = 60


def two_traces() -> None:
    """The traces `a` and `b` of the address."""
    boxes = st.columns(2)
    sides: list[CriticalPaths | None] = []
    for name, box in zip(("a", "b"), boxes, strict=True):
        text = box.text_input(f"trace {name}", key=name, bind="query-params", placeholder="a trace id of 32 digits")
        sides.append(load_trace(text or ""))
    for name, box, paths in zip(("a", "b"), boxes, sides, strict=True):
        with box:
            if paths is None:
                components.panel(f"none_{name}", _missing(name))
            else:
                components.panel(f"head_{name}", _head(paths))
                components.timeline(f"timeline_{name}", pack_timeline(paths), paths.traces.trace_id(0), "", HEIGHT)
    one, two = sides
    if one is not None and two is not None:
        components.panel("two_traces", _differences(one, two))


def _missing(name: str) -> list[dict[str, Any]]:
    given = st.query_params.get(name, "")
    text = "No such trace in this lake." if given else "Paste a trace id, or choose “compare” on a trace's page."
    return [{"type": "text", "tone": "warm" if given else "dim", "text": text}]


def _head(paths: CriticalPaths) -> list[dict[str, Any]]:
    traces, root = paths.traces, int(paths.roots[0])
    name = f"{traces.service_name(root) or '?'}  {traces.span_name(root) or '(root not seen)'}"
    length = duration_text(int(traces.end_ns[root] - traces.start_ns[root]))
    spans = int((~traces.is_placeholder).sum())
    trace_id = traces.trace_id(0)
    return [
        {"type": "links", "items": [{"text": f"{length}  {name}", "href": address("trace", trace_id=trace_id)}]},
        {"type": "text", "tone": "dim", "text": f"{spans:,} spans"},
    ]


def _per_operation(paths: CriticalPaths) -> dict[tuple[str, str], list[int]]:
    """[spans, failed ones, time on the critical path in ns] by service and operation."""
    traces = paths.traces
    codes, operations = traces.operations
    on_path = paths.on_path_ns()
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in range(len(traces)):
        if traces.is_placeholder[row]:
            continue
        service, name = operations[int(codes[row])]
        sums = found[service or "?", name or "?"]
        sums[0] += 1
        sums[1] += int(traces.status_code[row] == 2)
        sums[2] += int(on_path[row])
    return found


def _differences(one: CriticalPaths, two: CriticalPaths) -> list[dict[str, Any]]:
    a, b = _per_operation(one), _per_operation(two)
    nothing = [0, 0, 0]
    keys = sorted({*a, *b}, key=lambda key: (-abs(b.get(key, nothing)[2] - a.get(key, nothing)[2]), key))
    rows = []
    for key in keys[:ROWS]:
        left, right = a.get(key, nothing), b.get(key, nothing)
        more = right[2] - left[2]
        sign = "+" if more > 0 else "−" if more < 0 else ""
        only = "only in a" if not right[0] else "only in b" if not left[0] else ""
        rows.append(
            [
                f"{key[0]}  {key[1]}", f"{left[0]:,}", f"{right[0]:,}", duration_text(left[2]), duration_text(right[2]),
                {"text": sign + duration_text(abs(more)), "tone": "bad" if more > 0 else "good" if more < 0 else ""},
                {"text": f"✕ {right[1] - left[1]:+,}" if right[1] != left[1] else "", "tone": "bad"},
                {"text": only, "tone": "warm"},
            ]
        )  # fmt: skip
    columns = ["operation", "spans in a", "in b", "on the path in a", "path in b", "b against a", "failed", " "]
    return [
        {"type": "title", "text": "b against a", "sub": "by what it changes on the critical path"},
        {"type": "table", "columns": columns, "right": columns[1:6], "rows": rows},
    ]
