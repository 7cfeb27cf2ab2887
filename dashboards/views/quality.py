"""Data quality: what was odd, how often, in whose requests, what to do; how fresh all of it is; what was refused."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import streamlit as st
from prometheus_client.parser import text_string_to_metric_families

import tracelab
from dashboards import components
from dashboards.store import View, store
from dashboards.views.common import empty_state, navigation, window_choice
from tracelab import diagnostics_explained, duration_text

COLLECTOR = "TRACELAB_COLLECTOR"
DEFAULT_COLLECTOR = "http://localhost:4318"
_TONES = {"error": "bad", "warning": "warm"}


def page() -> None:
    navigation("Data quality")
    since = window_choice()
    _live(since)


@st.fragment(run_every=5.0)
def _live(since: str) -> None:
    view = store().view(since)
    odd, side = st.columns([1.7, 1])
    with odd:
        if view.summaries:
            components.panel("odd", _oddities(view))
        else:
            components.panel("odd", empty_state(since))
    with side:
        components.panel("state", [*_lake_state(view), *_collector_state()])


def _oddities(view: View) -> list[dict[str, Any]]:
    entries = diagnostics_explained(view.graph.diagnostics)
    sub = f"{len(view.summaries):,} traces in this window"
    if not entries:
        return [{"type": "title", "text": "Nothing was odd", "sub": sub}]
    rows = [
        [
            {"text": entry["severity"], "tone": _TONES.get(entry["severity"], "dim")},
            f"{entry['count']:,}",
            entry["meaning"],
            _whose(view, entry["name"]),
            {"text": entry["advice"], "tone": "dim"},
        ]
        for entry in entries
    ]
    columns = ["", "count", "what", "in requests of", "what to do"]
    return [
        {"type": "title", "text": "What was odd", "sub": sub},
        {"type": "table", "columns": columns, "right": ["count"], "rows": rows, "wrap": True},
    ]


def _whose(view: View, name: str) -> str:
    """The services with most spans in the traces in which it happened."""
    traces = view.traces
    occurrences = traces.noted.get(name)
    if occurrences is None or not occurrences.size:
        return ""
    begin = np.unique(traces.trace, return_index=True)[1]
    counts = Counter(traces.service_name(int(begin[trace])) or "?" for trace in occurrences.tolist()[:10_000])
    return ", ".join(f"{service} {count:,}" for service, count in counts.most_common(3))


def _lake_state(view: View) -> list[dict[str, Any]]:
    info = _info()
    newest = info["newest_ns"]
    lag = time.time_ns() - newest if newest else None
    pairs: list[list[Any]] = [
        ["folder", info["path"]],
        ["spans", f"{info['spans']:,}"],
        ["traces", f"{info['traces']:,}"],
        ["services", ", ".join(info["services"])],
        ["segments", f"{info['segments']:,}, {info['fresh_segments']:,} of them wait to be compacted"],
        ["size", f"{info['bytes'] / 1e6:,.1f} MB, {info['bytes_a_span'] or 0} bytes a span"],
        ["oldest", {"time_ms": info["oldest_ns"] / 1e6} if info["oldest_ns"] else ""],
        ["newest", {"time_ms": newest / 1e6} if newest else ""],
        ["graph made from", f"{len(view.segments):,} segments"],
    ]
    return [
        {"type": "title", "text": "The lake"},
        {
            "type": "figures",
            "items": [["newest span was", f"{_age(lag)} ago" if lag is not None else "never"]],
        },
        {"type": "pairs", "items": pairs},
    ]


def _age(ns: int) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if ns >= 2 * size * 10**9:
            return f"{ns / size / 1e9:.1f} {unit}"
    return duration_text(max(ns, 0))


@st.cache_data(show_spinner=False, ttl=20)
def _info() -> dict[str, Any]:
    return tracelab.lake_info(store().lake)


def _collector_state() -> list[dict[str, Any]]:
    where = os.environ.get(COLLECTOR, DEFAULT_COLLECTOR)
    title: dict[str, Any] = {"type": "title", "text": "The collector", "sub": where}
    figures = _metrics(where)
    if figures is None:
        text = "It does not answer there; asked again by itself. `--collector` says where else to ask."
        return [title, {"type": "text", "tone": "warm", "text": text}]
    requests = {key: value for key, value in figures.items() if key[0] == "tracelab_requests_total"}
    refused = sum(value for key, value in requests.items() if dict(key[1]).get("result") not in ("ok", "accepted"))

    def one(name: str) -> float:
        return sum((value for key, value in figures.items() if key[0] == f"tracelab_{name}"), 0.0)

    rows = [
        [" ".join(value for _, value in key[1]), f"{value:,.0f}"] for key, value in sorted(requests.items()) if value
    ]
    oddities = [
        [dict(key[1])["diagnostic"], f"{value:,.0f}"]
        for key, value in sorted(figures.items())
        if key[0] == "tracelab_oddities_total" and value
    ]
    blocks: list[dict[str, Any]] = [
        title,
        {
            "type": "figures",
            "items": [
                ["accepted spans", f"{one('accepted_spans_total'):,.0f}"],
                ["rejected spans", f"{one('rejected_spans_total'):,.0f}", "bad" if one("rejected_spans_total") else ""],
                ["refused requests", f"{refused:,.0f}", "bad" if refused else ""],
                ["compaction lag", duration_text(one("compaction_lag_seconds") * 1e9)],
                ["disk free", f"{one('disk_free_bytes') / 1e9:,.1f} GB"],
            ],
        },
        {"type": "heading", "text": "requests by transport and result"},
        {"type": "table", "columns": ["", "count"], "right": ["count"], "rows": rows},
    ]
    if oddities:
        blocks += [
            {"type": "heading", "text": "odd in what came"},
            {"type": "table", "columns": ["", "count"], "right": ["count"], "rows": oddities},
        ]
    return blocks


@st.cache_data(show_spinner=False, ttl=4)
def _metrics(where: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float] | None:
    """The collector's own figures by (name, labels); None while it is away."""
    try:
        with urlopen(f"{where}/metrics", timeout=1) as answer:  # noqa: S310  an address that the operator gave
            text = answer.read().decode()
    except (URLError, OSError, ValueError):
        return None
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
