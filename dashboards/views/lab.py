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
    language = language or "en"
    if not control.instances():
        _no_shop(language)
        return
    if part == "lessons":
        lesson_view(control, language)
    elif part == "room":
        from dashboards.views.room import trainer_view

        trainer_view(control, language)
    else:
        _faults(control, language)


@st.fragment(run_every=2.0)
def _no_shop(language: str) -> None:
    """Faults need a shop; goes on by itself when there is one."""
    words = tracelab.words(language)
    if tracelab.control_of(store().lake.path).instances():
        st.rerun()
    components.panel(
        "lab_empty",
        [
            {
                "type": "title",
                "text": words["no_shop"],
                "sub": words["no_shop_sub"],
            },
            {"type": "code", "text": f"tracelab demo --lake {store().lake.path}"},
        ],
    )
    running = demo()
    if running.left_s():
        st.caption(words["starting"])
    elif st.button(words["start_shop"], type="primary"):
        running.start(store().lake.path)
        st.rerun(scope="app")


def _faults(control: tracelab.Control, language: str) -> None:
    left, right = st.columns([1.15, 1])
    with left:
        _switches(control, language)
    with right:
        _diagnosis(language)


def _switches(control: tracelab.Control, language: str) -> None:
    known, words = tracelab.scenarios(language), tracelab.words(language)
    names = ["random", *known]
    chosen = chosen_in_address(
        words["fault"],
        names,
        "fault",
        lambda name: words["by_chance"] if name == "random" else f"{known[name].title}  ({name})",
    )
    lasts, start, stop = st.columns([1.6, 1, 1], vertical_alignment="bottom")
    minutes = lasts.segmented_control(words["ends_after"], tuple(_MINUTES), default="10 min")
    if start.button(words["switch_on_fault"], type="primary", width="stretch"):
        _try_to_start(control, chosen, _MINUTES[minutes or "10 min"])
    if stop.button(words["switch_off"], width="stretch"):
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
    known, words = tracelab.scenarios(language), tracelab.words(language)
    blocks: list[dict[str, Any]] = []
    for one in running:
        scenario = known[one.name]
        title = words["hidden_on"] if one.hidden else words["fault_on"].format(title=scenario.title)
        since = (time.time_ns() - one.started_ns) / 1e9
        sub = words["lasts"].format(since=duration_text(since * 1e9), left=duration_text(one.left_s * 1e9))
        blocks.append({"type": "title", "text": title, "sub": sub})
        blocks.append({"type": "text", "text": scenario.symptom})
        shown = st.session_state.get(f"hints {one.started_ns}", 0)
        blocks += [{"type": "text", "tone": "dim", "text": hint} for hint in scenario.hints[:shown]]
        if shown > len(scenario.hints):
            blocks.append({"type": "text", "tone": "good", "text": scenario.cause})
    if not running:
        blocks.append({"type": "title", "text": words["none_on"], "sub": words["healthy"]})
    components.panel("lab_state", blocks)
    if running:
        _hint_buttons(running, known, words)
    instances = ", ".join(f"{one.name} {one.version}" for one in control.instances())
    st.caption(words["shop"].format(instances=instances))


def _hint_buttons(running: list[tracelab.Running], known: dict[str, tracelab.Scenario], words: dict[str, str]) -> None:
    hint, reveal = st.columns(2)
    if hint.button(words["hint"], width="stretch"):
        for one in running:
            key = f"hints {one.started_ns}"
            st.session_state[key] = min(st.session_state.get(key, 0) + 1, len(known[one.name].hints))
        st.rerun(scope="fragment")
    if reveal.button(words["reveal"], width="stretch"):
        for one in running:
            st.session_state[f"hints {one.started_ns}"] = len(known[one.name].hints) + 1
        st.rerun(scope="fragment")


def _diagnosis(language: str) -> None:
    words = tracelab.words(language)
    lasts = st.segmented_control(
        words["look_at_last"], ("30s", "1m", "2m", "5m"), default="1m", key="diagnose_since", bind="query-params"
    )
    if st.button(words["diagnose"], width="stretch", help=words["diagnose_help"]):
        with st.spinner(words["comparing"]):
            st.session_state["diagnosis"] = store().diagnosis(lasts or "1m")
    found = st.session_state.get("diagnosis")
    if found is not None:
        components.panel("diagnosis", diagnosis_blocks(found))
