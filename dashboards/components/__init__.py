"""The dashboard's own views: small plain JavaScript that lies in this package, mounted by Streamlit.

What is clicked goes into the address, and from there back to the view: the address is the only state there is.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import streamlit as st


def _component(name: str) -> Any:
    folder = files(__name__)
    return st.components.v2.component(
        f"tracelab_{name}",
        html=f'<div class="{name}"></div>',
        css=folder.joinpath(f"{name}.css").read_text(),
        js=folder.joinpath("shared.js").read_text() + folder.joinpath(f"{name}.js").read_text(),
        isolate_styles=True,
    )


_topology = _component("topology")
_matrix = _component("matrix")
_strip = _component("strip")
_timeline = _component("timeline")
_flame = _component("flame")
_histogram = _component("histogram")
_panel = _component("panel")


def keep_in_address(key: str, told: str, parameter: str) -> Callable[[], None]:
    """A callback that writes what the component at `key` told into the address's parameter; "" removes it."""

    def keep() -> None:
        value = st.session_state[key].get(told)
        if value is None:
            return
        text = "-".join(str(part) for part in value) if isinstance(value, list) else str(value)
        if text:
            st.query_params[parameter] = text
        else:
            st.query_params.pop(parameter, None)

    return keep


def topology(key: str, data: dict[str, Any], height: int) -> None:
    """The service graph; a click goes into the address as `selected`."""
    _topology(key=key, data=data, height=height, on_selected_change=keep_in_address(key, "selected", "selected"))


def matrix(key: str, data: dict[str, Any], height: int) -> None:
    """The same graph as a matrix."""
    _matrix(key=key, data=data, height=height, on_selected_change=keep_in_address(key, "selected", "selected"))


def strip(key: str, data: dict[str, Any]) -> None:
    """Requests over time; the part that is chosen goes into the address as `part`, in milliseconds since 1970."""
    _strip(key=key, data=data, height=58, on_range_change=keep_in_address(key, "range", "part"))


def timeline(key: str, packed: bytes, trace: str, selected: str, height: int) -> None:
    """The spans of one trace; a click goes into the address as `span_id`."""
    # bytes inside a dict become text on the way, so they travel as base64; unchanged data is not sent again
    data = {"packed": base64.b64encode(packed).decode(), "key": trace, "selected": selected}
    _timeline(key=key, data=data, height=height, on_selected_change=keep_in_address(key, "selected", "span_id"))


def flame(key: str, data: dict[str, Any], height: int) -> None:
    """Where the critical paths of many requests spend their time."""
    _flame(key=key, data=data, height=height)


def histogram(key: str, data: dict[str, Any], parameter: str) -> None:
    """Durations; where `drag` is set, the range that is dragged goes into the address's parameter, in nanoseconds."""
    _histogram(key=key, data=data, height=132, on_range_change=keep_in_address(key, "range", parameter))


def panel(key: str, blocks: list[dict[str, Any]]) -> None:
    """Blocks of text, figures, tables and links (panel.js has the kinds)."""
    _panel(key=key, data={"blocks": blocks})
