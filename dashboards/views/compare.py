"""Compare: now with before, one version with another, or one trace with another."""

from __future__ import annotations

from typing import Any

import streamlit as st

import tracelab
from dashboards import components
from dashboards.changes import changed_graph, changed_topology, figure_rows
from dashboards.figures import edge_id, histogram_data, strip_data
from dashboards.layout import lay_out
from dashboards.store import View, store
from dashboards.views.common import empty_state, navigation, part_of, window_choice
from dashboards.views.two_traces import two_traces
from tracelab import Change, Cohort, Comparison, ServiceGraph, Window, duration_text

HEIGHT = 460
ROWS = 40
_WAYS = ("now and before", "two versions", "two traces")


def page() -> None:
    navigation("Compare")
    left, right = st.columns([2, 3], vertical_alignment="center")
    with left:
        way = st.segmented_control(
            "compare", _WAYS, default=_WAYS[0], key="way", bind="query-params", label_visibility="collapsed"
        )
    if way == "two traces":
        two_traces()
        return
    with right:
        since = window_choice()
    view = store().view(since) if way == "two versions" else store().with_past(since)
    if not view.summaries:
        components.panel("empty", empty_state(since))
        return
    pair = _versions(view) if way == "two versions" else _times(view)
    if pair is not None:
        _compared(view, *pair)


def _times(view: View) -> tuple[Cohort, Cohort, str]:
    """What began in the part that is chosen on the strip, against all that began before it."""
    since, until = view.details.extent(view.window)
    part = part_of()
    if part is None:
        middle = since + (until - since) // 2
        starts = [trace.start_ns for trace in view.summaries]
        if min(starts) >= middle:  # nothing before: what there is, in two halves
            middle = (min(starts) + max(starts)) // 2
        part = Window(middle, until)
    components.strip("strip", strip_data(view, part))
    first, last = part.since_ns or since, part.until_ns or until
    text = f"what is chosen above, {duration_text(last - first)}, against the {duration_text(first - since)} before it"
    return view.details.cohort(Window(since, first)), view.details.cohort(part), text


def _versions(view: View) -> tuple[Cohort, Cohort, str] | None:
    versions: dict[str, set[str]] = {}
    for edge in view.graph.edges:
        versions.setdefault(edge.client, set()).update(edge.client_versions)
        versions.setdefault(edge.server, set()).update(edge.server_versions)
    services = sorted((name for name in versions if versions[name]), key=lambda name: (-len(versions[name]), name))
    if not services:
        st.info("No span says its service.version in this window: set it in the service's resource attributes.")
        return None
    which, one, two = st.columns([2, 1, 1])
    service = which.selectbox("service", services, key="service", bind="query-params") or services[0]
    known = sorted(versions[service])
    base = one.selectbox("version", known, index=0, key="base", bind="query-params") or known[0]
    other = two.selectbox("against", known, index=len(known) - 1, key="other", bind="query-params") or known[-1]
    if base == other:
        st.info(f"{service} has one version in this window, {base}: a second one is needed to compare it with.")
        return None
    everything = view.details.cohort(view.window)
    text = f"requests through {service} {other}, against those through {base}"
    return everything.of_version(service, base), everything.of_version(service, other), text


def _compared(view: View, base: Cohort, other: Cohort, text: str) -> None:
    if not base.size or not other.size:
        st.info("One side is empty: choose another part on the strip, or a longer window.")
        return
    details = view.details
    for side in (base, other):
        vars(side).update(paths=details.paths, calls=details.calls)
    comparison = tracelab.compare(base, other)
    before, after = (tracelab.service_graph(side.traces, side.window, details.paths) for side in (base, other))
    graph, changes = changed_graph(before, after, comparison), {change.name: change for change in comparison.edges}
    selected = st.query_params.get("selected", "")
    components.panel("compared", [{"type": "text", "text": text}])
    picture, side_by = st.columns([2.2, 1])
    with picture:
        calls = {(edge.client, edge.server): float(edge.calls) for edge in graph.edges}
        placed = lay_out([node.id for node in graph.nodes], calls)
        components.topology("changed", changed_topology(graph, placed, selected, changes), HEIGHT)
        durations = [tracelab.requests_of(side)[1] for side in (base, other)]
        if all(values.size for values in durations):
            series = list(zip(("before" if base.window != other.window else "base", "after"), durations, strict=True))
            components.histogram("two_durations", histogram_data(series), "")
    with side_by:
        components.panel("compare_side", _side(comparison, graph, changes, selected))
    components.panel("changes", _table(comparison))


def _side(
    comparison: Comparison, graph: ServiceGraph, changes: dict[Any, Change], selected: str
) -> list[dict[str, Any]]:
    for edge in graph.edges:
        if edge_id(edge) == selected:
            change = changes.get((edge.client, edge.server, edge.connection_type))
            rows = figure_rows(change) if change is not None else []
            return [
                {"type": "title", "text": f"{edge.client} → {edge.server}", "sub": change.status if change else "same"},
                _figures_table([row[1:] for row in rows], [""]),
            ]
    suspects = [
        [f"{at}. {suspect.service_name}", suspect.why, f"{suspect.score:.2f}"]
        for at, suspect in enumerate(comparison.suspects[:6], 1)
    ]
    return [
        {"type": "title", "text": "where it comes from", "sub": "the most likely first; click an edge for its figures"},
        {
            "type": "figures",
            "items": [
                ["traces before", f"{comparison.base_traces:,}"],
                ["traces after", f"{comparison.other_traces:,}"],
            ],
        },
        {
            "type": "table",
            "columns": ["suspect", "because of", "score"],
            "right": ["score"],
            "rows": suspects,
            "wrap": True,
        }
        if suspects
        else {"type": "text", "text": "No service costs more than before, as far as these traces can tell."},
    ]


def _figures_table(rows: list[list[Any]], first: list[str]) -> dict[str, Any]:
    columns = [*first, "before", "after", "change", "95 % interval", "by chance"]
    return {"type": "table", "columns": columns, "right": columns[len(first) :], "rows": rows}


def _table(comparison: Comparison) -> list[dict[str, Any]]:
    """Every figure that is news, and what appeared or vanished."""
    rows = [
        row
        for change in (*comparison.edges, *comparison.operations)
        if change.status != "same"
        for row in figure_rows(change, news_only=True)
    ]
    if not rows:
        text = f"Nothing changed that chance would not change as well, in {comparison.tests:,} figures."
        return [{"type": "title", "text": "what changed"}, {"type": "text", "text": text}]
    sub = f"of {comparison.tests:,} figures; false alarms are held at 5 % of what is shown"
    more = [] if len(rows) <= ROWS else [{"type": "text", "tone": "dim", "text": f"and {len(rows) - ROWS:,} more"}]
    return [
        {"type": "title", "text": "what changed", "sub": sub},
        _figures_table(rows[:ROWS], ["what", "figure"]),
        *more,
    ]
