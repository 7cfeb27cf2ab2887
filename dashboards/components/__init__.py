"""The dashboard's own views: small plain JavaScript that lies in this package, mounted by Streamlit."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import streamlit as st


def _component(name: str, source: str | None = None) -> Any:
    folder = files(__name__)
    source = source or name
    return st.components.v2.component(
        f"tracelab_{name}",
        html=f'<div class="{source}"></div>',
        css=folder.joinpath(f"{source}.css").read_text(),
        js=folder.joinpath(f"{source}.js").read_text(),
        isolate_styles=True,
    )


_topology = _component("topology")
_timeline = _component("timeline")
_panel = _component("panel")


def topology(key: str, data: dict[str, Any], height: int) -> str | None:
    """The service graph; the id of the node or edge that was clicked, "" for none, None before any click."""
    result = _topology(key=key, data=data, height=height, on_selected_change=_nothing)
    selected: str | None = result.get("selected")
    return selected


def timeline(key: str, packed: bytes, trace: str, selected: str, height: int) -> str | None:
    """The spans of one trace; the id of the span that was clicked."""
    import base64

    # bytes inside a dict become text on the way, so they travel as base64; unchanged data is not sent again
    data = {"packed": base64.b64encode(packed).decode(), "key": trace, "selected": selected}
    result = _timeline(key=key, data=data, height=height, on_selected_change=_nothing)
    clicked: str | None = result.get("selected")
    return clicked


def panel(key: str, blocks: list[dict[str, Any]]) -> None:
    """Blocks of text, figures, tables and links (panel.js has the kinds)."""
    _panel(key=key, data={"blocks": blocks})


def _nothing() -> None:
    """A state that Streamlit is to keep needs a callback, even one that does nothing."""
