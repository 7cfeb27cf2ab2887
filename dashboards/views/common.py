"""What every page begins with: where one can go, and which window is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

import tracelab
from dashboards import components
from dashboards.demo import demo
from dashboards.figures import address
from dashboards.store import EVERYTHING, View, store
from tracelab import diagnostics_explained, time_text

WINDOWS = ("5m", "15m", "1h", "6h", "24h", "7d", EVERYTHING)
DEFAULT_WINDOW = "15m"
_PAGES = (
    ("Topology", ""),
    ("Traces", "traces"),
    ("Critical path", "path"),
    ("Compare", "compare"),
    ("Data quality", "quality"),
    ("Releases", "releases"),
    ("Lab", "lab"),
)


def navigation(current: str) -> None:
    """The bar on top; links keep the window."""
    since = st.query_params.get("since", "")
    links = [{"text": title, "href": address(path, since=since), "current": title == current} for title, path in _PAGES]
    components.panel(f"nav_{current}", [{"type": "nav", "links": links}])


def window_choice() -> str:
    """The window, kept in the address as `since`."""
    choice = st.segmented_control(
        "window", WINDOWS, default=DEFAULT_WINDOW, key="since", bind="query-params", label_visibility="collapsed"
    )
    return choice or DEFAULT_WINDOW


def chosen_in_address(label: str, options: list[str], key: str, text: Callable[[str], str]) -> str:
    """One of the options, kept in the address by its name, whatever it is called on the screen."""
    asked = st.query_params.get(key, "")
    chosen: str = st.selectbox(label, options, index=options.index(asked) if asked in options else 0, format_func=text)
    if chosen != (asked or options[0]):
        st.query_params[key] = chosen
    return chosen


def here(**changes: str | None) -> str:
    """This page's address with other parameters; None takes one out."""
    page = urlsplit(st.context.url or "").path.strip("/").rpartition("/")[2]
    return address(page, **{**st.query_params.to_dict(), **changes})


def part_of() -> tracelab.Window | None:
    """The part of the window that was chosen on the strip."""
    chosen = range_of("part")
    return None if chosen is None else tracelab.Window(chosen[0] * 1_000_000, chosen[1] * 1_000_000)


def range_of(parameter: str) -> tuple[int, int] | None:
    """Two numbers in the address, `from-to`; None where there are none, or not in this order."""
    first, _, last = st.query_params.get(parameter, "").partition("-")
    if not (first.isdigit() and last.isdigit()) or int(first) >= int(last):
        return None
    return int(first), int(last)


def empty_state(since: str) -> list[dict[str, Any]]:
    """No spans: where there are some, or how to send some."""
    newest = store().view(EVERYTHING).summaries[:1]
    if newest:
        return [
            {
                "type": "title",
                "text": f"No spans in the last {since}",
                "sub": f"The newest trace began at {time_text(newest[0].start_ns)}.",
            },
            {
                "type": "links",
                "items": [{"text": "Show everything in this lake", "href": address("", since=EVERYTHING)}],
            },
        ]
    return [
        {"type": "title", "text": "No spans yet", "sub": f"The lake is {store().lake.path}. Two lines send some:"},
        {
            "type": "code",
            "text": "export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317\nopentelemetry-instrument python app.py",
        },
    ]


def offer_demo() -> None:
    """A button that starts the demo shop over this lake, for the time that it takes to look around."""
    running = demo()
    left = running.left_s()
    if left:
        st.caption(f"The demo shop is starting; it ends by itself in {left / 60:.0f} min. This page goes on by itself.")
    elif st.button(
        "Start the demo shop", type="primary", help="A collector, eight services and their users, on this machine"
    ):
        running.start(store().lake.path)
        st.rerun(scope="app")
    if running.trouble():
        st.warning(f"The demo shop did not start: {running.trouble()}")


def diagnostics_blocks(view: View) -> list[dict[str, Any]]:
    """What was odd in a window, how often, what to do."""
    odd = [entry for entry in diagnostics_explained(view.graph.diagnostics) if entry["severity"] != "info"]
    if not odd:
        return []
    rows = [[f"{entry['count']:,}", entry["meaning"], {"text": entry["advice"], "tone": "dim"}] for entry in odd]
    return [
        {"type": "heading", "text": "What was odd"},
        {"type": "table", "columns": ["count", "", "what to do"], "right": ["count"], "rows": rows},
    ]


def trace_link(trace_id: str, text: str | None = None) -> dict[str, str]:
    return {"text": text or trace_id[:16], "href": address("trace", trace_id=trace_id), "title": trace_id}
