"""Critical path, aggregated: where requests spend their time, what the slow ones are made of, what would help."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

import tracelab
from dashboards import components
from dashboards.figures import flame_data, histogram_data, signed_text
from dashboards.store import View, store
from dashboards.views.common import empty_state, navigation, range_of, trace_link, window_choice
from tracelab import Cohort, Search, SlowExplanation, Supposition, WhatIf, duration_text

FRAMES_HEIGHT, FRAME = 420, 22
ROWS = 12
_WHOSE = ("all", "slow", "typical")
_FASTER = (0.25, 0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 100.0)


def page() -> None:
    navigation("Critical path")
    left, middle, right = st.columns([3, 2, 1.4], vertical_alignment="center")
    with left:
        since = window_choice()
    view = store().view(since)
    if not view.summaries:
        components.panel("empty", empty_state(since))
        return
    with middle:
        search = _kind_of_request(view)
    with right:
        with_attributes = st.toggle("attributes", key="attributes", bind="query-params", help="Read them too: slower")
    everything = _cohort(view, search, with_attributes)
    rows, durations = tracelab.requests_of(everything)
    if not rows.size:
        st.info("No request of that kind began in this window.")
        return
    chosen = range_of("slow")
    components.histogram("durations", histogram_data([("requests", durations)], chosen, drag=True), "slow")
    slow, typical = _slow_and_typical(everything, rows, durations, chosen)
    left, right = st.columns([1.25, 1])
    with left:
        _where_time_goes({"all": everything, "slow": slow, "typical": typical})
    with right:
        components.panel("slow_side", _explained(slow, typical, chosen is None))
    _what_would_help(everything)


def _kind_of_request(view: View) -> Search:
    kinds = Counter((trace.root_service or "", trace.root_name or "") for trace in view.summaries)
    names = [f"{service}  {name}" for (service, name), _ in kinds.most_common()]
    asked = st.query_params.get("request")
    if asked is not None and asked not in names:
        names.append(asked)
    choice = st.selectbox(
        "requests",
        names,
        index=None,
        key="request",
        bind="query-params",
        placeholder="all requests",
        label_visibility="collapsed",
    )
    service, _, name = (choice or "").partition("  ")
    return Search(service or None, name or None)


def _cohort(view: View, search: Search, with_attributes: bool) -> Cohort:
    """From memory; attributes are not kept there, so they are read when they are asked for."""
    if not with_attributes:
        return view.details.cohort(view.window, search)
    traces = tracelab.assemble(store().lake.scan(view.window.since_ns, view.window.until_ns))
    return tracelab.cohort(traces, view.window, search)


def _slow_and_typical(
    all_: Cohort, rows: np.ndarray[Any, Any], durations: np.ndarray[Any, Any], chosen: tuple[int, int] | None
) -> tuple[Cohort, Cohort]:
    """What was dragged, else the slowest of a hundred; against the middle half of the others."""
    if chosen is None:
        is_slow = durations >= np.quantile(durations, 0.99, method="inverted_cdf")
    else:
        is_slow = (durations >= chosen[0]) & (durations <= chosen[1])
    rest = durations[~is_slow] if (~is_slow).any() and chosen is not None else durations
    low, high = np.quantile(rest, (0.25, 0.75), method="inverted_cdf")
    is_typical = (durations >= low) & (durations <= high)
    if chosen is not None:
        is_typical &= ~is_slow
    return _only(all_, rows[is_slow]), _only(all_, rows[is_typical])


def _only(cohort: Cohort, rows: np.ndarray[Any, Any]) -> Cohort:
    chosen = np.zeros(cohort.chosen.size, np.bool_)
    chosen[cohort.traces.trace[rows]] = True
    made = replace(cohort, chosen=chosen)
    vars(made).update(paths=cohort.paths, calls=cohort.calls)  # computed once for all three
    return made


def _where_time_goes(cohorts: dict[str, Cohort]) -> None:
    whose = st.segmented_control("critical paths of", _WHOSE, default="all", key="whose", bind="query-params") or "all"
    profile = tracelab.path_profile(cohorts[whose])
    frames = flame_data(profile)
    components.flame("flame", frames, min(FRAMES_HEIGHT, frames["depth"] * FRAME + 4))
    rows = [
        [
            operation.service_name or "?",
            operation.name or "(not seen)",
            f"{100 * operation.share:.1f} %",
            duration_text(operation.exclusive_ns / max(profile.roots, 1)),
            f"{100 * operation.frequency:.0f} %",
        ]
        for operation in profile.operations[:ROWS]
    ]
    columns = ["service", "operation", "share", "a request", "on the path in"]
    components.panel(
        "profile",
        [{"type": "table", "columns": columns, "right": ["share", "a request", "on the path in"], "rows": rows}],
    )


def _explained(slow: Cohort, typical: Cohort, is_p99: bool) -> list[dict[str, Any]]:
    title = "what the p99 is made of" if is_p99 else "what the chosen ones are made of"
    if not slow.size or not typical.size:
        text = "Nothing to compare with: drag a part of the distribution, not all of it."
        return [{"type": "title", "text": title, "sub": text}]
    found = tracelab.explain_cohorts(slow, typical)
    parts = [
        [
            f"{part.service_name or '?'}  {part.name or '?'}",
            {"text": signed_text(part.gap_ns), "tone": "bad" if part.gap_ns > 0 else ""},
            f"{100 * part.share:.0f} %",
            signed_text(part.more_calls_ns),
            signed_text(part.longer_calls_ns),
        ]
        for part in found.parts[:ROWS]
        if abs(part.share) >= 0.005
    ]
    columns = ["a request spends more in", "more", "of the gap", "by more calls", "by longer ones"]
    return [
        {
            "type": "title",
            "text": title,
            "sub": "drag over the distribution to ask about others; a click on it takes the choice away",
        },
        {
            "type": "figures",
            "items": [
                ["slow ones", f"{found.slow:,}", "warm" if found.few else ""],
                ["their mean", duration_text(found.slow_mean_ns)],
                ["typical mean", duration_text(found.typical_mean_ns)],
                ["gap", signed_text(found.gap_ns)],
            ],
        },
        *([{"type": "text", "tone": "warm", "text": "few: chance may be behind much of it"}] if found.few else []),
        {"type": "table", "columns": columns, "right": columns[1:], "rows": parts},
        *_attributes(found),
        {"type": "heading", "text": "slowest of them"},
        {"type": "links", "items": [trace_link(trace_id) for trace_id in found.slowest_traces]},
    ]


def _attributes(found: SlowExplanation) -> list[dict[str, Any]]:
    sure = [lift for lift in found.attributes if lift.q_value <= 0.05][:ROWS]
    if not sure:
        return []
    rows = [
        [
            f"{lift.key} = {lift.value}",
            f"{100 * lift.support:.0f} %",
            f"{100 * lift.typical_support:.0f} %",
            "only there" if lift.lift is None else f"{lift.lift:.1f}×",
        ]
        for lift in sure
    ]
    columns = ["what they have in common", "slow", "typical", "as common"]
    return [{"type": "table", "columns": columns, "right": columns[1:], "rows": rows}]


@st.fragment
def _what_would_help(cohort: Cohort) -> None:
    """Sliders, and what p50 and p99 would be: only this part of the page runs when they move."""
    names = [
        f"{operation.service_name}  {operation.name}"
        for operation in tracelab.path_profile(cohort).operations
        if operation.service_name is not None and operation.name is not None
    ]
    if not names:
        return
    components.panel("what_if_title", [{"type": "title", "text": "what if"}])
    which, times, more, switches, answer = st.columns([2, 1.6, 1.4, 1.1, 2.6])
    operation = which.selectbox("operation", names, key="suppose", bind="query-params") or names[0]
    faster = times.select_slider("times as fast", _FASTER, value=2.0, key="faster", bind="query-params")
    added = more.slider("added to each, ms", 0, 500, 0, key="added", bind="query-params")
    removed = switches.toggle("gone", key="gone", bind="query-params", help="As if it took no time, nor what it calls")
    parallel = switches.toggle(
        "at once", key="at_once", bind="query-params", help="As if calls below one parent began together"
    )
    service, _, name = operation.partition("  ")
    supposed = Supposition(service, name, float(faster), added * 1_000_000, removed, parallel)
    with answer:
        components.panel("what_if", _predicted(tracelab.what_if(cohort, supposed)))


def _predicted(answer: WhatIf) -> list[dict[str, Any]]:
    rows = []
    for name in ("p50", "p90", "p99", "mean"):
        before, after = (getattr(side, f"{name}_ns") for side in (answer.before, answer.after))
        tone = "good" if after < before else "bad" if after > before else ""
        rows.append(
            [name, duration_text(before), duration_text(after), {"text": signed_text(after - before), "tone": tone}]
        )
    return [
        {
            "type": "table",
            "columns": ["", "now", "would be", "change"],
            "right": ["now", "would be", "change"],
            "rows": rows,
        },
        {
            "type": "text",
            "tone": "dim",
            "text": f"{answer.affected:,} of {answer.requests:,} requests take another time",
        },
    ]
