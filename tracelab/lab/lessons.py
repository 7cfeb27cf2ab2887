"""Guided lessons, declared in lessons.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tracelab.lab.texts import translated

ASKS = ("choice", "service", "link", "kind", "done")


@dataclass(frozen=True)
class LessonStep:
    """A text, a page to go to (None: nowhere), and a check, if `ask` is one of ASKS.

    `answer` is a number (of the right option), names, or a word after @ for what is worked out from the live data.
    """

    text: str
    page: str | None = None
    ask: str | None = None
    options: tuple[str, ...] = ()
    answer: int | str | tuple[str, ...] = ()


@dataclass(frozen=True)
class Lesson:
    """One lesson; `scenario` is the fault that it switches on."""

    name: str
    title: str
    minutes: int
    goal: str
    steps: tuple[LessonStep, ...]
    reveal: str
    scenario: str | None = None


@cache
def lessons(language: str = "en") -> dict[str, Lesson]:
    """All lessons by name, in their order."""
    declared = tomllib.loads((Path(__file__).parent / "lessons.toml").read_text())
    texts = translated("lessons", language)
    return {name: _lesson(name, entry, texts.get(name, {})) for name, entry in declared.items()}


def _lesson(name: str, entry: Mapping[str, Any], texts: Mapping[str, Any]) -> Lesson:
    steps = []
    for at, step in enumerate(entry["steps"]):
        said = {**step, **(texts["steps"][at] if at < len(texts.get("steps", ())) else {})}
        answer = said.get("answer", ())
        steps.append(
            LessonStep(
                said["text"],
                said.get("page"),
                said.get("ask"),
                tuple(said.get("options", ())),
                tuple(answer) if isinstance(answer, list) else answer,
            )
        )
    said = {**entry, **texts}
    return Lesson(
        name, said["title"], entry["minutes"], said["goal"], tuple(steps), said["reveal"], entry.get("scenario")
    )
