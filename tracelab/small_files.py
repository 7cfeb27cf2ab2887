"""Small JSON files that several processes share: replaced as a whole, so nobody ever reads half of one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any) -> None:
    """Replace a file, or make it, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """What a file holds; empty if there is none, or if it is no JSON."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found


def add_line(path: Path, value: Any) -> None:
    """Add a line to a file of JSON lines: in one write, so that several writers do not mix theirs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, (json.dumps(value, ensure_ascii=False) + "\n").encode())
    finally:
        os.close(file)
