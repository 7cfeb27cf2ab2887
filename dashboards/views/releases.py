"""Releases: which version got how much of the traffic, and what was said of it when, both versions side by side."""

from __future__ import annotations

from typing import Any

import streamlit as st

import tracelab
from dashboards import components
from dashboards.store import store
from dashboards.views.common import navigation
from tracelab import duration_text, percent_text

_TONES = {"promoted": "good", "rolled back": "bad", "running": "warm"}


def page() -> None:
    navigation("Releases")
    _live()


@st.fragment(run_every=2.0)
def _live() -> None:
    found = tracelab.releases(store().lake.path)
    if not found:
        components.panel("releases_empty", _empty())
        return
    by_id = {one["id"]: one for one in found}
    asked = st.query_params.get("release", "")
    chosen = by_id.get(asked, found[0])
    left, right = st.columns([1, 2.2])
    with left:
        components.panel("releases", _list(found, chosen["id"]))
    with right:
        components.panel("release", _one(chosen))


def _empty() -> list[dict[str, Any]]:
    return [
        {"type": "title", "text": "No release yet", "sub": "Release a version into the running demo shop:"},
        {
            "type": "code",
            "text": f"tracelab canary run --lake {store().lake.path} --service product-api --candidate 1.9.1",
        },
    ]


def _list(found: list[dict[str, Any]], chosen: str) -> list[dict[str, Any]]:
    rows = [
        [
            {"time_ms": one["started_ns"] / 1e6, "short": True},
            {"text": f"{one['service']} {one['candidate']}", "href": f"/releases?release={one['id']}"},
            {"text": one["outcome"], "tone": _TONES.get(one["outcome"], "dim")},
        ]
        for one in found[:30]
    ]
    return [
        {"type": "title", "text": "Releases"},
        {"type": "table", "columns": ["", "", ""], "right": [], "rows": rows},
    ]


def _one(release: dict[str, Any]) -> list[dict[str, Any]]:
    steps = " → ".join(f"{step['weight']:g} %" for step in release["plan"])
    blocks: list[dict[str, Any]] = [
        {
            "type": "title",
            "text": f"{release['service']} {release['baseline']} → {release['candidate']}",
            "sub": f"plan {steps}",
        },
        {
            "type": "figures",
            "items": [
                ["outcome", release["outcome"], _TONES.get(release["outcome"], "")],
                ["share of traffic", f"{release['weight']:g} %"],
                ["looks", str(len(release["looks"]))],
                ["after", duration_text(float(_until_ns(release) - release["started_ns"]))],
            ],
        },
        *[
            {"type": "text", "tone": "bad" if release["outcome"] == "rolled back" else "", "text": reason}
            for reason in release["reasons"]
        ],
    ]
    verdict = release["verdict"]
    if verdict is None:
        return blocks
    blocks += [{"type": "heading", "text": "Both versions, at the same time"}, _sides(release, verdict)]
    blocks += [{"type": "heading", "text": "Route by route"}, _routes(verdict)]
    return blocks


def _until_ns(release: dict[str, Any]) -> int:
    """When it ended; of one that goes on, the last look."""
    looks = release["looks"]
    last: int = looks[-1]["at_ns"] if looks else release["started_ns"]
    return release["ended_ns"] or last


def _sides(release: dict[str, Any], verdict: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for name in ("baseline", "candidate"):
        side = verdict[name]
        share = side["failure_share"]
        rows.append(
            [
                f"{release[name]}",
                f"{side['requests']:,}",
                "–" if share is None else percent_text(share),
                f"{percent_text(side['failure_low'])} to {percent_text(side['failure_high'])}",
                duration_text(side["p50_ns"]),
                duration_text(side["p99_ns"]),
                f"{duration_text(side['p99_low_ns'])} to {duration_text(side['p99_high_ns'])}",
            ]
        )
    columns = ["version", "requests", "fail", "surely between", "p50", "p99", "p99 surely between"]
    return {"type": "table", "columns": columns, "right": columns[1:], "rows": rows}


def _routes(verdict: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for route in verdict["routes"]:
        slower = route["slower_ns"]
        change = (
            "too few"
            if slower is None
            else f"{duration_text(route['slower_low_ns'])} to {duration_text(route['slower_high_ns'])}"
        )
        rows.append(
            [
                route["route"],
                f"{route['baseline']['requests']:,} | {route['candidate']['requests']:,}",
                f"{duration_text(route['baseline']['p50_ns'])} | {duration_text(route['candidate']['p50_ns'])}",
                f"{duration_text(route['baseline']['p99_ns'])} | {duration_text(route['candidate']['p99_ns'])}",
                change,
            ]
        )
    columns = ["route", "requests", "p50", "p99", "candidate is slower by"]
    return {"type": "table", "columns": columns, "right": columns[1:], "rows": rows}
