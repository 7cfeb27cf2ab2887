"""A lesson: its steps, checks against the live data, and the reveal."""

from __future__ import annotations

import streamlit as st

import tracelab
from dashboards import components
from dashboards.figures import address
from dashboards.store import store
from dashboards.views.common import chosen_in_address
from tracelab import TracelabError

_SINCE = "5m"


def lesson_view(control: tracelab.Control, language: str) -> None:
    known, words = tracelab.lessons(language), tracelab.words(language)
    name = chosen_in_address(
        words["lesson"],
        list(known),
        "lesson",
        lambda name: f"{known[name].title}  ({known[name].minutes} {words['minutes']})",
    )
    lesson = known[name]
    marks: dict[int, bool] = st.session_state.setdefault(f"marks {lesson.name}", {})
    asked = [at for at, step in enumerate(lesson.steps) if step.ask]
    right = sum(marks.get(at, False) for at in asked)
    components.panel(
        f"goal_{lesson.name}",
        [
            {
                "type": "title",
                "text": lesson.title,
                "sub": f"{lesson.goal}  {words['answered'].format(right=right, total=len(asked))}",
            }
        ],
    )
    if lesson.scenario is not None:
        _fault_of(control, lesson, words)
    for at in range(len(lesson.steps)):
        _step(control, lesson, at, marks, language)
    with st.expander(words["about"]):
        st.write(lesson.reveal)
        for truth in tracelab.truths(control) if lesson.scenario else ():
            st.write(words["cause"].format(services=", ".join(truth.services)))


def _fault_of(control: tracelab.Control, lesson: tracelab.Lesson, words: dict[str, str]) -> None:
    running = control.running()
    if running:
        st.caption(words["on"])
        return
    if st.button(words["switch_on"], type="primary"):
        try:
            scenario = tracelab.scenario_named(lesson.scenario or "", len(st.session_state) + id(lesson) % 97)
            tracelab.start_scenario(
                store().lake.path, control, scenario, 60.0 * lesson.minutes, lesson.scenario == "random"
            )
            st.rerun()
        except TracelabError as error:
            st.warning(str(error))


def _step(control: tracelab.Control, lesson: tracelab.Lesson, at: int, marks: dict[int, bool], language: str) -> None:
    step, words = lesson.steps[at], tracelab.words(language)
    with st.container(border=True):
        text, link = st.columns([5, 1], vertical_alignment="center")
        mark = "" if at not in marks else "✓ " if marks[at] else "✗ "
        text.markdown(f"{mark}**{at + 1}.** {step.text}")
        if step.page is not None:
            link.link_button(f"{words[step.page or 'topology']} ↗", address(step.page, since=_SINCE), width="stretch")
        if step.ask:
            _ask(control, lesson, at, marks, language)


def _ask(control: tracelab.Control, lesson: tracelab.Lesson, at: int, marks: dict[int, bool], language: str) -> None:
    step, words = lesson.steps[at], tracelab.words(language)
    view = store().view(_SINCE)
    key = f"answer {lesson.name} {at}"
    field, button = st.columns([5, 1], vertical_alignment="bottom")
    given: str | int | None
    if step.ask == "choice":
        chosen = field.radio("answer", step.options, index=None, key=key, label_visibility="collapsed")
        given = step.options.index(chosen) + 1 if chosen is not None else None
    elif step.ask in ("service", "kind"):
        kinds = tracelab.kinds_of_fault(language)
        options = list(kinds) if step.ask == "kind" else sorted(node.id for node in view.graph.nodes)
        given = field.selectbox(
            "answer",
            options,
            index=None,
            placeholder=words["choose"],
            key=key,
            label_visibility="collapsed",
            format_func=lambda name: kinds.get(name, name),
        )
    elif step.ask == "link":
        given = field.text_input(words["address"], key=key, label_visibility="collapsed") or None
    else:
        given = "done"
    if button.button(words["check"], key=f"check {key}", width="stretch") and given is not None:
        marks[at] = tracelab.is_right(step, given, view.graph, view.details.paths, control, store().lake.path)
        st.rerun()
