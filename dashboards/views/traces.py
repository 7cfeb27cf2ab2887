"""Traces: a scatter to see them all, and a list to open one."""

from __future__ import annotations

from typing import Any

import streamlit as st

import tracelab
from dashboards import components
from dashboards.figures import scatter
from dashboards.store import View, store
from dashboards.views.common import empty_state, navigation, trace_link, window_choice
from tracelab import duration_text, time_text

MAX_POINTS = 5_000
MAX_ROWS = 200


def page() -> None:
    navigation("Traces")
    left, right = st.columns([5, 1], vertical_alignment="center")
    with left:
        since = window_choice()
    with right:
        st.button("refresh", width="stretch")
    view = store().view(since)
    if not view.summaries:
        components.panel("empty", empty_state(since))
        return
    search, error = _search(view)
    if error:
        st.warning(error)
    found = store().matching(view, search)
    st.caption(
        f"{len(found):,} of {len(view.summaries):,} traces"
        + (f", the latest {MAX_POINTS:,} drawn" if len(found) > MAX_POINTS else "")
    )
    if found:
        event = st.altair_chart(scatter(found[:MAX_POINTS]), on_select="rerun", key="scatter", width="stretch")
        components.panel("trace_list", [_table(_brushed(found, event)[:MAX_ROWS])])


def _search(view: View) -> tuple[tracelab.Search, str]:
    """The search as the widgets, and so the address, say; and what is wrong with it."""
    services = [name for name in view.traces.services if name is not None]
    service_box, operation_box, least, most, attribute_box, failed_box = st.columns(
        [2, 2, 1, 1, 2, 1], vertical_alignment="bottom"
    )
    service = service_box.selectbox(
        "service", services, index=None, key="service", bind="query-params", placeholder="any"
    )
    operations = _operations(view, service)
    operation = operation_box.selectbox(
        "operation", operations, index=None, key="operation", bind="query-params", placeholder="any"
    )
    low = least.text_input("at least", key="min", bind="query-params", placeholder="250ms")
    high = most.text_input("at most", key="max", bind="query-params", placeholder="2s")
    attribute = attribute_box.text_input(
        "attribute", key="attribute", bind="query-params", placeholder="http.route=/checkout"
    )
    failed = failed_box.toggle("failed", key="failed", bind="query-params")
    try:
        min_ns, max_ns = (tracelab.parse_duration_ns(text) if text else None for text in (low, high))
    except tracelab.UsageError as error:
        return tracelab.Search(service, operation), str(error)
    key, separator, value = (attribute or "").partition("=")
    if attribute and not separator:
        return tracelab.Search(service, operation, min_ns, max_ns, failed), "write an attribute as key=value"
    return tracelab.Search(service, operation, min_ns, max_ns, failed, [(key, value)] if attribute else []), ""


def _operations(view: View, service: str | None) -> list[str]:
    traces = view.traces
    names = traces.name if service is None else traces.name[traces.service == traces.services.index(service)]
    return sorted({traces.names[code] for code in set(names.tolist()) if code >= 0})


def _brushed(found: list[tracelab.TraceSummary], event: Any) -> list[tracelab.TraceSummary]:
    """The traces in the rectangle that was drawn on the scatter, all where there is none."""
    brush = (event.get("selection") or {}).get("brush") or {}
    if "time" not in brush or "duration_ms" not in brush:
        return found
    (since, until), (low, high) = sorted(brush["time"]), sorted(brush["duration_ms"])
    return [
        trace for trace in found if since <= trace.start_ns / 1e6 <= until and low <= trace.duration_ns / 1e6 <= high
    ]


def _table(found: list[tracelab.TraceSummary]) -> dict[str, Any]:
    rows = [
        [
            trace_link(trace.trace_id, f"{trace.root_service or '?'}  {trace.root_name or '(root not seen)'}"),
            time_text(trace.start_ns),
            duration_text(trace.duration_ns),
            f"{trace.span_count:,}",
            str(trace.service_count),
            {"text": f"✕ {trace.error_count}" if trace.failed else "", "tone": "bad"},
            {"text": "incomplete" if trace.incomplete else "", "tone": "warm"},
            trace_link(trace.trace_id),
        ]
        for trace in found
    ]
    columns = ["request", "start", "duration", "spans", "services", "errors", " ", "trace"]
    return {"type": "table", "columns": columns, "right": ["duration", "spans", "services"], "rows": rows}
