"""The lab's data, its control folder, lessons and rooms."""

from __future__ import annotations

import json
import re
import time
import tomllib
from pathlib import Path

import pytest

from demo_services import control as shop
from demo_services.processes import PROCESSES, releases
from tracelab.analysis.diagnosis import KINDS
from tracelab.errors import UsageError
from tracelab.lab import room as rooms
from tracelab.lab import texts
from tracelab.lab.lessons import ASKS, lessons
from tracelab.lab.scenarios import scenario_named, scenarios, start_scenario, stop_scenarios
from tracelab.lab.texts import kinds_of_fault, languages, translated, words
from tracelab.lake.annotations import annotate, read_annotations
from tracelab.shop_control import Control, Running
from tracelab.window import Window

S = 10**9


@pytest.fixture
def control(tmp_path: Path) -> Control:
    """A folder in which a process has just said that it is there."""
    instance = {"service": "auth", "version": "1.0", "pid": 1, "address": "http://127.0.0.1:1", "at_s": time.time()}
    (tmp_path / "control" / "instances").mkdir(parents=True)
    (tmp_path / "control" / "instances" / "auth.json").write_text(json.dumps(instance))
    return Control(tmp_path / "control")


def test_scenarios_are_whole() -> None:
    found = scenarios()
    assert len(found) >= 15
    services = {process.name for process in PROCESSES}
    for scenario in found.values():
        assert scenario.faults or scenario.deploy, scenario.name
        assert {fault["service"] for fault in scenario.faults} <= services
        assert set(scenario.truth.kinds) <= set(KINDS)
        assert len(scenario.hints) == 3
        if scenario.deploy:
            assert scenario.deploy["version"] in releases()[scenario.deploy["service"]]


@pytest.mark.parametrize("language", [language for language in languages() if language != "en"])
def test_translations_are_whole(language: str) -> None:
    english, other = scenarios(), scenarios(language)
    for name, scenario in english.items():
        said = other[name]
        assert (said.truth, said.faults) == (scenario.truth, scenario.faults)
        assert len(said.hints) == len(scenario.hints)
        assert {said.title, said.symptom, said.cause}.isdisjoint({scenario.title, scenario.symptom, scenario.cause})
    for name, lesson in lessons().items():
        said_lesson = lessons(language)[name]
        assert said_lesson.reveal != lesson.reveal
        for step, said_step in zip(lesson.steps, said_lesson.steps, strict=True):
            assert said_step.text != step.text
            assert (said_step.ask, said_step.answer, said_step.page) == (step.ask, step.answer, step.page)
            assert len(said_step.options) == len(step.options)


@pytest.mark.parametrize("language", languages())
def test_words_are_whole(language: str) -> None:
    english = tomllib.loads((Path(texts.__file__).parent / "ui.toml").read_text())
    said = translated("ui", language) or english
    assert {part: set(words_) for part, words_ in said.items() if part != "kinds"} == {
        part: set(words_) for part, words_ in english.items()
    }
    assert len(words(language)) == sum(len(part) for part in english.values())  # no name stands for two
    for key, text in words("en").items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", words(language)[key])), key
    assert set(kinds_of_fault(language)) == set(KINDS)
    assert language == "en" or set(kinds_of_fault(language).values()).isdisjoint(KINDS.values())


def test_lessons_are_whole() -> None:
    found = lessons()
    assert len(found) >= 8
    for lesson in found.values():
        assert 5 <= lesson.minutes <= 15
        assert lesson.scenario in (None, "random", *scenarios())
        assert any(step.ask for step in lesson.steps), lesson.name
        for step in lesson.steps:
            assert step.ask in (None, *ASKS)
            if step.ask == "choice":
                assert isinstance(step.answer, int)
                assert 1 <= step.answer <= len(step.options)


def test_a_fault_is_on_until_it_ends_by_itself(control: Control, tmp_path: Path) -> None:
    start_scenario(tmp_path, control, scenarios()["slow-query"], lasts_s=0.3)
    assert [one.name for one in control.running()] == ["slow-query"]
    fault = json.loads((control.folder / "faults.json").read_text())["faults"][0]
    assert (fault["service"], fault["name"], fault["value"]) == ("inventory", "no_index", True)
    assert time.time() < fault["until_s"] < time.time() + 1
    time.sleep(0.35)
    assert control.running() == []


def test_faults_are_switched_on_beside_each_other_and_off(control: Control, tmp_path: Path) -> None:
    for name in ("slow-query", "dependency-errors"):
        start_scenario(tmp_path, control, scenarios()[name])
    with pytest.raises(UsageError, match="on already"):
        start_scenario(tmp_path, control, scenarios()["slow-query"])
    assert [one.name for one in stop_scenarios(tmp_path, control, "slow-query")] == ["slow-query"]
    assert [one.name for one in control.running()] == ["dependency-errors"]
    stop_scenarios(tmp_path, control)
    assert json.loads((control.folder / "faults.json").read_text()) == {"faults": []}
    texts = [mark.text for mark in read_annotations(tmp_path)]
    assert texts[0] == "fault slow-query on"
    assert texts[-1] == "fault dependency-errors off"


def test_a_hidden_fault_is_not_named_on_the_axis(control: Control, tmp_path: Path) -> None:
    start_scenario(tmp_path, control, scenarios()["slow-query"], hidden=True)
    assert "slow-query" not in (tmp_path / "annotations.jsonl").read_text()


def test_without_a_shop_there_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tracelab demo"):
        start_scenario(tmp_path, Control(tmp_path / "none"), scenarios()["slow-query"])


def test_what_a_seed_picks_is_always_the_same() -> None:
    assert scenario_named("random", 7) == scenario_named("random", 7)
    assert len({scenario_named("random", seed).name for seed in range(60)}) > 10
    with pytest.raises(UsageError, match="no scenario"):
        scenario_named("no such", 0)


def test_a_split_is_sticky_and_grows() -> None:
    users = [f"browser-{number}" for number in range(1000)]
    before: set[str] = set()
    for weight in (5, 20, 60, 100):
        got = {user for user in users if shop.split_of(user, {"1.0": 100 - weight, "1.1": weight}, "api") == "1.1"}
        assert before <= got  # who has the new version keeps it
        assert abs(len(got) / len(users) - weight / 100) < 0.05
        before = got


def test_a_process_knows_its_own_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop, "SERVICE", "payment")
    monkeypatch.setattr(shop, "INSTANCE", "payment-2")
    assert shop._is_ours({"service": "payment", "name": "x"})
    assert shop._is_ours({"service": "payment", "instance": "payment-2", "name": "x"})
    assert not shop._is_ours({"service": "payment", "instance": "payment", "name": "x"})
    assert not shop._is_ours({"service": "auth", "name": "x"})


def test_annotations_survive_what_people_do_to_the_file(tmp_path: Path) -> None:
    annotate(tmp_path, "later", at_ns=20)
    annotate(tmp_path, "earlier", "release", at_ns=10)
    with (tmp_path / "annotations.jsonl").open("a") as file:
        file.write('no json\n{"other": 1}\n')
    assert [mark.text for mark in read_annotations(tmp_path)] == ["earlier", "later"]
    assert [mark.text for mark in read_annotations(tmp_path, Window(15, None))] == ["later"]


def test_a_room(control: Control) -> None:
    folder = control.folder
    room = rooms.open_room(folder, "slow-query")
    for code, who, service in (("0", "Ann", "auth"), (room.code, "", "auth"), (room.code, "Ann", "")):
        with pytest.raises(UsageError):
            rooms.answer_room(folder, code, who, service, "slow")
    rooms.answer_room(folder, room.code, "Ann", "auth", "slow")
    rooms.answer_room(folder, room.code, "Bob <b>", "inventory", "slow_dependency")
    rooms.answer_room(folder, room.code, "Ann", "inventory", "errors")
    places = rooms.room_places(room, rooms.room_answers(folder))
    assert [(place.who, place.right, place.kind_right, place.answers) for place in places] == [
        ("Bob <b>", True, True, 1),
        ("Ann", True, False, 2),
    ]
    rooms.reveal_room(folder)
    with pytest.raises(UsageError, match="revealed"):
        rooms.answer_room(folder, room.code, "Cid", "inventory", "slow")
    rooms.close_room(folder)
    assert rooms.room_of(folder) is None


def test_running_says_what_is_left() -> None:
    now = time.time_ns()
    assert Running("x", now, now + 5 * S, False, 0, ()).left_s > 4
    assert Running("x", now - 9 * S, now - 5 * S, False, 0, ()).left_s == 0
