"""A room: the trainer's view, and the participants' page."""

from __future__ import annotations

import time

import streamlit as st

import tracelab
from dashboards import components
from dashboards.figures import address
from dashboards.store import store
from dashboards.views.common import navigation
from tracelab import TracelabError, duration_text

_LASTS_S = 1800.0


def trainer_view(control: tracelab.Control, language: str) -> None:
    """Open a room, watch the answers, reveal."""
    room, words = tracelab.room_of(control.folder), tracelab.words(language)
    if room is None:
        known = tracelab.scenarios(language)
        name = st.selectbox(
            words["hidden_fault"],
            ["random", *known],
            format_func=lambda name: words["by_chance"] if name == "random" else f"{known[name].title}  ({name})",
        )
        st.caption(words["participants_look"])
        if st.button(words["open_room"], type="primary"):
            _open(control, name or "random")
        return
    _watch(language)


def _open(control: tracelab.Control, name: str) -> None:
    seed = time.time_ns() % 10**6
    try:
        scenario = tracelab.scenario_named(name, seed)
        tracelab.start_scenario(store().lake.path, control, scenario, _LASTS_S, True, seed)
        tracelab.open_room(control.folder, scenario.name)
        st.rerun()
    except TracelabError as error:
        st.warning(str(error))


@st.fragment(run_every=1.0)
def _watch(language: str) -> None:
    control = tracelab.control_of(store().lake.path)
    room = tracelab.room_of(control.folder)
    if room is None:
        return
    given, words = tracelab.room_answers(control.folder), tracelab.words(language)
    end = room.revealed_ns or time.time_ns()
    scenario = tracelab.scenarios(language)[room.scenario]
    people = len({one.who for one in given})
    blocks: list[dict[str, object]] = [
        {
            "type": "title",
            "text": words["code"].format(code=room.code),
            "sub": words["where_to"].format(page=address("room", language=None if language == "en" else language)),
        },
        {
            "type": "figures",
            "items": [
                [
                    words["time"],
                    duration_text(float((end - room.opened_ns) // 10**9 * 10**9) if end > room.opened_ns else 0.0),
                ],
                [words["participants"], str(people)],
                [words["answers"], str(len(given))],
            ],
        },
    ]
    if room.revealed_ns is not None:
        rows = [
            [
                str(number),
                place.who,
                {
                    "text": words["found"] if place.right else words["not_found"],
                    "tone": "good" if place.right else "dim",
                },
                duration_text(place.seconds * 1e9),
                words["and_kind"] if place.kind_right else "",
                str(place.answers),
            ]
            for number, place in enumerate(tracelab.room_places(room, given), 1)
        ]
        blocks += [
            {"type": "heading", "text": words["it_was"].format(title=scenario.title)},
            {"type": "text", "text": scenario.cause},
            {
                "type": "table",
                "columns": ["", words["who"], "", words["after"], "", words["answers"]],
                "right": [words["after"]],
                "rows": rows,
            },
        ]
    components.panel("room", blocks)
    reveal, close = st.columns(2)
    if room.revealed_ns is None and reveal.button(words["reveal"], type="primary", width="stretch"):
        tracelab.reveal_room(control.folder)
        st.rerun(scope="fragment")
    if close.button(words["close_room"], width="stretch"):
        tracelab.stop_scenarios(store().lake.path, control, room.scenario)
        tracelab.close_room(control.folder)
        st.rerun(scope="app")


def page() -> None:
    """The participants' page."""
    navigation("Room")
    asked = st.query_params.get("language", "en")
    language = asked if asked in tracelab.languages() else "en"
    words, kinds = tracelab.words(language), tracelab.kinds_of_fault(language)
    control = tracelab.control_of(store().lake.path)
    components.panel(
        "room_head",
        [
            {
                "type": "title",
                "text": words["question"],
                "sub": words["question_sub"],
            }
        ],
    )
    with st.form("answer"):
        code, who = st.columns(2)
        code_given = code.text_input(words["your_code"], max_chars=8, key="code", bind="query-params")
        who_given = who.text_input(words["your_name"], max_chars=60)
        names = sorted(node.id for node in store().view("5m").graph.nodes if node.id != "user:user")
        service = st.selectbox(words["where"], names, index=None)
        kind = st.selectbox(words["which_kind"], list(kinds), index=None, format_func=lambda name: kinds[name])
        sent = st.form_submit_button(words["send"], type="primary")
    if sent:
        try:
            tracelab.answer_room(control.folder, code_given or "", who_given or "", service or "", kind or "")
            st.success(words["taken"])
        except TracelabError as error:
            st.warning(str(error))
