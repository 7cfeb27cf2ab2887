"""Topology, live: who calls whom, how well, and what an edge or a node is made of."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

import tracelab
from dashboards import components
from dashboards.figures import COLOUR_BY, strip_data, topology_data
from dashboards.layout import Layout, lay_out
from dashboards.reduce import Grouping, around, busy_only, grouped, grouping, services_only, with_owners
from dashboards.store import EVERYTHING, View, store
from dashboards.views.common import empty_state, navigation, offer_demo, part_of, window_choice
from dashboards.views.topology_side import side_blocks
from tracelab import ServiceGraph

HEIGHT = 600
KEY = "topology"
READABLE = 40
"""Nodes beyond which groups are closed at first: no drawing of more can be read."""
_SHOW = {"all": lambda graph: graph, "busy": busy_only, "services": services_only}
_HOPS = {"1 hop": 1, "2 hops": 2}


@dataclass(frozen=True)
class Controls:
    """What the row above the graph says."""

    colour_by: str
    show: str
    picture: str
    focus: str | None
    hops: int
    paused: bool
    flows: bool


def page() -> None:
    navigation("Topology")
    left, right = st.columns([3, 2], vertical_alignment="center")
    with left:
        since = window_choice()
    view = store().view(since)
    if not view.graph.nodes:
        _waiting(since)
        return
    with right:
        paused, flows = _switches()
    _live(since, _controls(view, paused, flows))


@st.fragment(run_every=2.0)
def _waiting(since: str) -> None:
    """Nothing yet; goes on by itself as soon as there is something."""
    if store().view(since).graph.nodes:
        st.rerun()
    components.panel("empty", empty_state(since))
    if not store().view(EVERYTHING).summaries:
        offer_demo()


def _switches() -> tuple[bool, bool]:
    pause, flow, tidy = st.columns([1, 1, 1], vertical_alignment="center")
    paused = pause.toggle("pause", key="pause", help="Stop taking in what is new")
    flows = flow.toggle("flow", key="flow", bind="query-params", help="Let the busiest edges flow")
    if tidy.button("tidy up", help="Lay the graph out anew", width="stretch"):
        st.session_state.pop("places", None)
    return paused, flows


def _controls(view: View, paused: bool, flows: bool) -> Controls:
    colour, show, picture, focus, hops = st.columns([1.5, 1.15, 1.25, 1.5, 0.9], vertical_alignment="top")
    colour_by = colour.segmented_control(
        "colour by", tuple(COLOUR_BY), default="failures", key="colour", bind="query-params"
    )
    shown = show.segmented_control("show", tuple(_SHOW), default="all", key="show", bind="query-params")
    drawn = picture.segmented_control(
        "as", ("graph", "groups", "matrix"), default="graph", key="as", bind="query-params"
    )
    names = sorted(node.id for node in view.graph.nodes)
    asked = st.query_params.get("focus")
    if asked is not None and asked not in names:
        names.append(asked)
    chosen = focus.selectbox(
        "neighbours of", names, index=None, key="focus", bind="query-params", placeholder="find a service"
    )
    distance = hops.segmented_control("within", tuple(_HOPS), default="1 hop", key="hops", bind="query-params")
    return Controls(
        colour_by or "failures",
        shown or "all",
        drawn or "graph",
        chosen,
        _HOPS[distance or "1 hop"],
        paused,
        flows,
    )


@st.fragment(run_every=2.0)
def _live(since: str, controls: Controls) -> None:
    view = _view(since, controls.paused)
    selected = st.query_params.get("selected", "")
    part = part_of()
    components.strip("strip", strip_data(view, part, tracelab.read_annotations(store().lake.path)))
    within = view if part is None else store().part(view, part)
    graph, groups = _reduced(within, controls)
    shown = f"{controls.picture} {controls.focus} {controls.hops} {st.query_params.get('open', '')}"
    placed = _placed(graph, shown)
    picture, side = st.columns([3.1, 1])
    with picture:
        draw = components.matrix if controls.picture == "matrix" else components.topology
        data = topology_data(graph, placed, selected, controls.colour_by, controls.flows)
        draw(f"{KEY}_{controls.picture}", data, HEIGHT)
    with side:
        components.panel("topology_side", side_blocks(within, graph, groups, selected))


def _view(since: str, paused: bool) -> View:
    """As it is now; as it was when the pause began."""
    if not paused:
        st.session_state.pop("paused_view", None)
        now: View = store().view(since)
        return now
    kept: tuple[str, View] | None = st.session_state.get("paused_view")
    if kept is None or kept[0] != since:
        view: View = store().view(since)
        st.session_state["paused_view"] = (since, view)
        return view
    return kept[1]


def _reduced(view: View, controls: Controls) -> tuple[ServiceGraph, Grouping]:
    graph = _SHOW[controls.show](view.graph)
    if controls.focus in {node.id for node in graph.nodes}:
        return around(graph, controls.focus or "", controls.hops), Grouping({})
    if controls.picture == "matrix" or (controls.picture == "graph" and len(graph.nodes) <= READABLE):
        return graph, Grouping({})
    groups = with_owners(graph, grouping(graph.nodes, view.details.namespaces))
    return grouped(graph, groups, st.query_params.get("open", "").split(",")), groups


def _calls(graph: ServiceGraph) -> dict[tuple[str, str], float]:
    calls: dict[tuple[str, str], float] = {}
    for edge in graph.edges:
        calls[edge.client, edge.server] = calls.get((edge.client, edge.server), 0) + edge.calls
    return calls


def _placed(graph: ServiceGraph, of: str) -> Layout:
    """Where the nodes stand: a node that is known keeps its place as long as the same part is looked at."""
    kept: tuple[str, Layout] | None = st.session_state.get("places")
    known = kept[1] if kept is not None and kept[0] == of else None
    nodes = [node.id for node in graph.nodes]
    if known is None or set(nodes) - set(known.places):
        known = lay_out(nodes, _calls(graph), known.places if known is not None else None)
        st.session_state["places"] = (of, known)
    return known
