"""Marks on the time axis: a release, a fault, whatever somebody wants to see beside the traces."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from tracelab.small_files import add_line
from tracelab.window import EVERYTHING, Window

_FILE = "annotations.jsonl"


@dataclass(frozen=True)
class Annotation:
    """A moment (ns since the epoch), its kind (fault, release, note) and a text."""

    at_ns: int
    kind: str
    text: str


def annotate(lake: Path, text: str, kind: str = "note", at_ns: int | None = None) -> Annotation:
    """Add a mark."""
    mark = Annotation(time.time_ns() if at_ns is None else at_ns, kind, text)
    add_line(lake / _FILE, vars(mark))
    return mark


def read_annotations(lake: Path, window: Window = EVERYTHING) -> list[Annotation]:
    """The marks in a window, the earliest first. Lines that are none are passed over: people edit such files."""
    try:
        lines = (lake / _FILE).read_text(errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            mark = Annotation(**json.loads(line))
            if window.holds_all(mark.at_ns, mark.at_ns):
                found.append(mark)
        except (ValueError, TypeError):
            continue
    return sorted(found, key=lambda mark: mark.at_ns)
