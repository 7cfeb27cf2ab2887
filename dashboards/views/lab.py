"""The lab: switch faults on, look for them, and be told; lessons; a room for a class."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

import tracelab
from dashboards import components
from dashboards.demo import demo
from dashboards.store import store
from dashboards.views.common import chosen_in_address, navigation
from dashboards.views.diagnosis import diagnosis_blocks
from dashboards.views.lesson import lesson_view
from tracelab import TracelabError, duration_text

_MINUTES = {"5 min": 300, "10 min": 600, "20 min": 1200}


def page() -> None:
    navigation("Lab")
    control = tracelab.control_of(store().lake.path)
    head, speech = st.columns([4, 1], vertical_alignment="center")
    with head:
        part = st.segmented_control(
            "part",
            ("faults", "lessons", "room"),
            default="faults",
            key="part_of_lab",
            bind="query-params",
            label_visibility="collapsed",
        )
    with speech:
        language = st.segmented_control(
            "language",
            tracelab.languages(),
            default="en",
            key="language",
            bind="query-params",
            label_visibility="collapsed",
        )
    if not control.instances():
        _no_shop()
        return
    if part == "lessons":
        lesson_view(control, language or "en")
    elif part == "room":
        from dashboards.views.room import trainer_view

        trainer_view(control, language or "en")
    else:
        _faults(control, language or "en")


@st.fragment(run_every=2.0)
def _no_shop() -> None:
    """Faults need a shop; goes on by itself when there is one."""
    if tracelab.control_of(store().lake.path).instances():
        st.rerun()
    components.panel(
        "lab_empty",
        [
            {
                "type": "title",
                "text": "No demo shop runs over this lake",
                "sub": "Faults are switched on in its processes; nothing is faked. Start it here, or in a terminal:",
            },
            {"type": "code", "text": f"tracelab demo --lake {store().lake.path}"},
        ],
    )
    running = demo()
    if running.left_s():
        st.caption("The demo shop is starting …")
    elif st.button("Start the demo shop", type="primary"):
        running.start(store().lake.path)
        st.rerun(scope="app")


def _faults(control: tracelab.Control, language: str) -> None:
    left, right = st.columns([1.15, 1])
    with left:
        _switches(control, language)
    with right:
        _diagnosis()


def _switches(control: tracelab.Control, language: str) -> None:
    known = tracelab.scenarios(language)
    names = ["random", *known]
    chosen = chosen_in_address(
        "fault",
        names,
        "fault",
        lambda name: "a hidden one, by chance" if name == "random" else f"{known[name].title}  ({name})",
    )
    lasts, start, stop = st.columns([1.6, 1, 1], vertical_alignment="bottom")
    minutes = lasts.segmented_control("ends by itself after", tuple(_MINUTES), default="10 min")
    if start.button("Switch on", type="primary", width="stretch"):
        _try_to_start(control, chosen, _MINUTES[minutes or "10 min"])
    if stop.button("Switch all off", width="stretch"):
        tracelab.stop_scenarios(store().lake.path, control)
    _state(language)


def _try_to_start(control: tracelab.Control, name: str, lasts_s: float) -> None:
    seed = time.time_ns() % 10**6
    try:
        scenario = tracelab.scenario_named(name, seed)
        tracelab.start_scenario(store().lake.path, control, scenario, lasts_s, name == "random", seed)
    except TracelabError as error:
        st.warning(str(error))


@st.fragment(run_every=2.0)
def _state(language: str) -> None:
    """What is on, hints one after another, and the truth when it is asked for."""
    control = tracelab.control_of(store().lake.path)
    running = control.running()
    known = tracelab.scenarios(language)
    blocks: list[dict[str, Any]] = []
    for one in running:
        scenario = known[one.name]
        title = "A hidden fault is on" if one.hidden else f"{scenario.title} is on"
        since = (time.time_ns() - one.started_ns) / 1e9
        sub = f"for {duration_text(since * 1e9)}; it ends by itself in {duration_text(one.left_s * 1e9)}"
        blocks.append({"type": "title", "text": title, "sub": sub})
        blocks.append({"type": "text", "text": scenario.symptom})
        shown = st.session_state.get(f"hints {one.started_ns}", 0)
        blocks += [{"type": "text", "tone": "dim", "text": hint} for hint in scenario.hints[:shown]]
        if shown > len(scenario.hints):
            blocks.append({"type": "text", "tone": "good", "text": scenario.cause})
    if not running:
        blocks.append({"type": "title", "text": "No fault is on", "sub": "The shop is healthy, as shops go."})
    components.panel("lab_state", blocks)
    if running:
        _hint_buttons(running, known)
    instances = ", ".join(f"{one.name} {one.version}" for one in control.instances())
    st.caption(f"The shop: {instances}")


def _hint_buttons(running: list[tracelab.Running], known: dict[str, tracelab.Scenario]) -> None:
    hint, reveal = st.columns(2)
    if hint.button("A hint", width="stretch"):
        for one in running:
            key = f"hints {one.started_ns}"
            st.session_state[key] = min(st.session_state.get(key, 0) + 1, len(known[one.name].hints))
        st.rerun(scope="fragment")
    if reveal.button("Reveal", width="stretch"):
        for one in running:
            st.session_state[f"hints {one.started_ns}"] = len(known[one.name].hints) + 1
        st.rerun(scope="fragment")


def _diagnosis() -> None:
    lasts = st.segmented_control(
        "look at the last", ("30s", "1m", "2m", "5m"), default="1m", key="diagnose_since", bind="query-params"
    )
    if st.button("Diagnose", width="stretch", help="From the traces alone: compares now with the time before"):
        with st.spinner("comparing now with before …"):
            st.session_state["diagnosis"] = store().diagnosis(lasts or "1m")
    found = st.session_state.get("diagnosis")
    if found is not None:
        components.panel("diagnosis", diagnosis_blocks(found))
