"""A room: the same hidden fault for everybody, a clock, and who found it when."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tracelab.errors import UsageError
from tracelab.lab.scenarios import Truth, scenarios
from tracelab.small_files import add_line, read_json, write_json

_ROOM, _ANSWERS = "room.json", "room-answers.jsonl"
MOST_ANSWERS = 2_000
MOST_LETTERS = 60


@dataclass(frozen=True)
class Room:
    """An open room. `code` lets participants in; `revealed_ns` is None while they are still looking."""

    code: str
    scenario: str
    opened_ns: int
    revealed_ns: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a participant thinks, and when."""

    who: str
    service: str
    kind: str
    at_ns: int


@dataclass(frozen=True)
class Place:
    """A participant's place: the first answer that names the right service counts; `kind_right` is a bonus."""

    who: str
    seconds: float
    right: bool
    kind_right: bool
    answers: int


def open_room(folder: Path, scenario: str) -> Room:
    """A new room with a new code; an older one's answers go."""
    room = Room(f"{int.from_bytes(os.urandom(3)) % 9000 + 1000}", scenario, time.time_ns())
    (folder / _ANSWERS).unlink(missing_ok=True)
    write_json(folder / _ROOM, asdict(room))
    return room


def room_of(folder: Path) -> Room | None:
    """The room that is open."""
    said = read_json(folder / _ROOM)
    return Room(**said) if said else None


def reveal_room(folder: Path) -> Room | None:
    """End the search: no answer counts after this."""
    room = room_of(folder)
    if room is not None and room.revealed_ns is None:
        room = Room(room.code, room.scenario, room.opened_ns, time.time_ns())
        write_json(folder / _ROOM, asdict(room))
    return room


def close_room(folder: Path) -> None:
    """The room is over."""
    (folder / _ROOM).unlink(missing_ok=True)


def answer_room(folder: Path, code: str, who: str, service: str, kind: str) -> Answer:
    """Take a participant's answer. UsageError says what is wrong with it, in words for them."""
    room = room_of(folder)
    if room is None or code.strip() != room.code:
        raise UsageError("there is no room with this code")
    if room.revealed_ns is not None:
        raise UsageError("the answer has been revealed already")
    if not who.strip() or not service:
        raise UsageError("say who you are, and which service it is")
    if len(room_answers(folder)) >= MOST_ANSWERS:
        raise UsageError("this room has taken all the answers that it can")
    given = Answer(who.strip()[:MOST_LETTERS], service[:MOST_LETTERS], kind[:MOST_LETTERS], time.time_ns())
    add_line(folder / _ANSWERS, asdict(given))
    return given


def room_answers(folder: Path) -> list[Answer]:
    """All answers, in the order in which they came."""
    try:
        lines = (folder / _ANSWERS).read_text().splitlines()
    except OSError:
        return []
    return [Answer(**json.loads(line)) for line in lines]


def room_places(room: Room, given: list[Answer]) -> list[Place]:
    """Who found it when: those who did first, by their time; then the others."""
    truth = _truth(room)
    found = []
    for who in dict.fromkeys(one.who for one in given):
        mine = [one for one in given if one.who == who]
        right = next((one for one in mine if one.service in truth.services), None)
        counted = right or mine[-1]
        seconds = (counted.at_ns - room.opened_ns) / 1e9
        found.append(Place(who, seconds, right is not None, counted.kind in truth.kinds, len(mine)))
    return sorted(found, key=lambda place: (not place.right, place.seconds, place.who))


def _truth(room: Room) -> Truth:
    return scenarios()[room.scenario].truth
