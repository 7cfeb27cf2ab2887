"""The dashboard's pages, and nothing else: `tracelab dashboard` runs this file."""

from __future__ import annotations

import streamlit as st

from dashboards.views import compare, lab, path, quality, releases, room, topology, trace, traces

_STYLE = """
<style>
  [data-stale="true"] { opacity: 1 !important; transition: none !important; }
  .block-container { padding: 1.1rem 2rem 2rem; max-width: 2400px; }
  [data-testid="stHeader"] { display: none; }
</style>
"""


def _may_look() -> bool:
    """Where sign-in is configured (`[auth]` in .streamlit/secrets.toml), only who has signed in."""
    if not st.secrets.load_if_toml_exists() or "auth" not in st.secrets or st.user.is_logged_in:
        return True
    st.title("tracelab")
    st.button("Sign in", type="primary", on_click=st.login)
    return False


st.set_page_config(page_title="tracelab", layout="wide", initial_sidebar_state="collapsed")
st.html(_STYLE)
if not _may_look():
    st.stop()
st.navigation(
    [
        st.Page(topology.page, title="Topology", url_path="topology", default=True),
        st.Page(traces.page, title="Traces", url_path="traces"),
        st.Page(trace.page, title="Trace", url_path="trace"),
        st.Page(path.page, title="Critical path", url_path="path"),
        st.Page(compare.page, title="Compare", url_path="compare"),
        st.Page(quality.page, title="Data quality", url_path="quality"),
        st.Page(releases.page, title="Releases", url_path="releases"),
        st.Page(lab.page, title="Lab", url_path="lab"),
        st.Page(room.page, title="Room", url_path="room"),
    ],
    position="hidden",
).run()
