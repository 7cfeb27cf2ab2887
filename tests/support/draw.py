"""The drawing is the fixture: one column is one millisecond, indentation is parenthood.

web   checkout  |-------------------|
  auth  verify  |---------|
  db    insert            |---------|
"""

from __future__ import annotations

from typing import Any

from tests.support.builders import TRACE

MS = 1_000_000


def draw(picture: str, **kinds: str) -> list[dict[str, Any]]:
    """Spans of a drawing. A bar reaches from its first `|` to its last; `kinds` names a span's kind by its name."""
    lines = [line for line in picture.splitlines() if line.strip()]
    zero = min(line.index("|") for line in lines)
    spans: list[dict[str, Any]] = []
    above: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip())
        service, name = line[: line.index("|")].split()
        above = [entry for entry in above if entry[0] < indent]
        span_id = f"{number:016x}"
        spans.append(
            {
                "trace_id": TRACE,
                "span_id": span_id,
                "parent_span_id": above[-1][1] if above else None,
                "service_name": service,
                "name": name,
                "kind": kinds.get(name, "SERVER"),
                "start_ns": (line.index("|") - zero) * MS,
                "end_ns": (line.rindex("|") - zero) * MS,
            }
        )
        above.append((indent, span_id))
    return spans
