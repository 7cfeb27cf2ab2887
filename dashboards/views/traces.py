"""Traces: a scatter to see them all, and a list to open one."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import Any

import streamlit as st

import tracelab
from dashboards import components
from dashboards.figures import colour, heat_map, scatter
from dashboards.store import View, store
from dashboards.views.common import empty_state, here, navigation, trace_link, window_choice
from tracelab import duration_text

MAX_POINTS = 2_000
"""More are counted in the cells of a heat map."""
SAMPLE = 200
"""Latest traces whose attributes are offered for completion."""
FACETS = 10
WORDS, LONGEST_WORD = 400, 80
_DURATIONS_NS = tuple(size * 1_000_000 for size in (1, 10, 50, 100, 500, 1_000, 10_000))
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
    st.caption(f"{len(found):,} of {len(view.summaries):,} traces")
    if not found:
        return
    facets, picture = st.columns([1, 3.6])
    with facets:
        components.panel("facets", _facets(found))
    with picture:
        chart = scatter(found) if len(found) <= MAX_POINTS else heat_map(found)
        event = st.altair_chart(chart, on_select="rerun", key="scatter", width="stretch")
        brushed = _brushed(found, event)
        components.panel("trace_list", [_table(brushed[:MAX_ROWS]), *_more(len(brushed))])


def _more(count: int) -> list[dict[str, Any]]:
    if count <= MAX_ROWS:
        return []
    text = f"the latest {MAX_ROWS:,} of {count:,}: draw a rectangle above, or search, to see others"
    return [{"type": "text", "tone": "dim", "text": text}]


def _facets(found: list[tracelab.TraceSummary]) -> list[dict[str, Any]]:
    """Kinds of requests among what was found, and how they ended: each narrows the search by a click."""
    kinds = Counter((trace.root_service, trace.root_name) for trace in found)
    results = Counter(trace.failed for trace in found)
    durations = Counter(bisect_right(_DURATIONS_NS, trace.duration_ns) for trace in found)
    total = len(found)
    blocks: list[dict[str, Any]] = [
        {"type": "heading", "text": "request"},
        {
            "type": "bars",
            "stacked": True,
            "items": [
                {
                    "label": f"{service or '?'}  {name or '(root not seen)'}",
                    "href": here(service=service, operation=name),
                    "value": f"{count:,}",
                    "share": count / total,
                    "color": colour(service),
                }
                for (service, name), count in kinds.most_common(FACETS)
            ],
        },
    ]
    if len(kinds) > FACETS:
        blocks.append({"type": "text", "tone": "dim", "text": f"and {len(kinds) - FACETS:,} more kinds"})
    bars = [
        {
            "label": "failed" if failed else "good",
            "href": here(failed="true" if failed else None),
            "value": f"{count:,}",
            "share": count / total,
            "color": "#d1383d" if failed else "#7b8da6",
        }
        for failed, count in sorted(results.items())
    ]
    blocks += [{"type": "heading", "text": "result"}, {"type": "bars", "stacked": True, "items": bars}]
    bars = []
    for at, count in sorted(durations.items()):
        low = duration_text(_DURATIONS_NS[at - 1]) if at else None
        high = duration_text(_DURATIONS_NS[at]) if at < len(_DURATIONS_NS) else None
        href = here(min=low and low.replace(" ", ""), max=high and high.replace(" ", ""))
        text = f"below {high}" if low is None else f"from {low}" if high is None else f"{low} – {high}"
        bars.append({"label": text, "href": href, "value": f"{count:,}", "share": count / total, "color": "#7b8da6"})
    return [*blocks, {"type": "heading", "text": "duration"}, {"type": "bars", "stacked": True, "items": bars}]


@st.cache_data(show_spinner=False, ttl=30, max_entries=8)
def _attribute_words(trace_ids: tuple[str, ...]) -> list[str]:
    """key=value of span and resource attributes of some traces, the most common first."""
    table = store().lake.traces([bytes.fromhex(trace_id) for trace_id in trace_ids])
    words: Counter[str] = Counter()
    for column in ("attributes", "resource"):
        for pairs in table.column(column).to_pylist():
            words.update(f"{key}={value}" for key, value in pairs or () if len(str(value)) <= LONGEST_WORD)
    return [word for word, _ in words.most_common(WORDS)]


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
    words = _attribute_words(tuple(trace.trace_id for trace in view.summaries[:SAMPLE]))
    given = st.query_params.get("attribute")
    attribute = attribute_box.selectbox(
        "attribute",
        words if given is None or given in words else [given, *words],
        index=None,
        key="attribute",
        bind="query-params",
        placeholder="http.route=/checkout",
        accept_new_options=True,
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
            {"time_ms": trace.start_ns / 1e6},
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
