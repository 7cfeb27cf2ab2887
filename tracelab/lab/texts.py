"""Texts in other languages: files of the same shape as the English ones, with what is translated in them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from tracelab.errors import UsageError

_FOLDER = Path(__file__).parent


def languages() -> list[str]:
    """English, and what has been translated."""
    return ["en", *sorted(path.name for path in (_FOLDER / "translations").iterdir() if path.is_dir())]


@cache
def words(language: str) -> dict[str, str]:
    """What the lab's pages say: words, and the names of the pages they lead to."""
    english = tomllib.loads((_FOLDER / "ui.toml").read_text())
    other = translated("ui", language)
    return {key: text for part in english for key, text in {**english[part], **other.get(part, {})}.items()}


@cache
def kinds_of_fault(language: str) -> dict[str, str]:
    """What each kind of cause is, in a language."""
    from tracelab.analysis.diagnosis import KINDS

    return {**KINDS, **translated("ui", language).get("kinds", {})}


@cache
def translated(name: str, language: str) -> dict[str, Any]:
    """A file of texts in a language; empty for English, whose texts stand in the file itself."""
    if language == "en":
        return {}
    path = _FOLDER / "translations" / language / f"{name}.toml"
    if not path.exists():
        raise UsageError(f"no texts in {language!r}; there are: {', '.join(languages())}")
    return tomllib.loads(path.read_text())
