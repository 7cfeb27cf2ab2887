"""Diagnoses as JSON and for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tracelab.analysis.diagnosis import KINDS, Cause, Diagnosis, Evidence
from tracelab.reporters.plain import plain
from tracelab.reporters.terminal import clean
from tracelab.times import duration_text, percent_text, time_text


def diagnosis_shape(diagnosis: Diagnosis) -> dict[str, Any]:
    """`{"suspects", "base", "now", "signals"}`."""
    return {
        "suspects": [
            {
                "service_name": cause.service_name,
                "edge": {"client": cause.edge[0], "server": cause.edge[1]} if cause.edge else None,
                "operation": cause.operation,
                "kind": cause.kind,
                "means": KINDS[cause.kind],
                "since_ns": cause.since_ns,
                "score": cause.score,
                "evidence": [plain(part) for part in cause.evidence],
                "attributes": [{"key": key, "value": value} for key, value in cause.attributes],
                "expect": cause.expect,
            }
            for cause in diagnosis.causes
        ],
        "base": {"traces": diagnosis.base_traces, **plain(diagnosis.base)},
        "now": {"traces": diagnosis.now_traces, **plain(diagnosis.now)},
        "signals": diagnosis.signals,
    }


def figure_text(value: float, unit: str) -> str:
    """A figure of evidence with its unit."""
    if unit == "ns":
        return duration_text(value)
    return percent_text(value) if unit == "share" else f"{value:.2g}"


def evidence_text(evidence: Evidence) -> str:
    """`own time in auth: GET /verify: 3.1 ms -> 120 ms (300 times)`."""
    before, after = (figure_text(value, evidence.unit) for value in (evidence.before, evidence.after))
    return f"{evidence.what}: {before} before, {after} now ({evidence.count:,} seen)"


def where_text(cause: Cause) -> str:
    """The service, and the edge or the operation of it."""
    if cause.edge:
        return f"{cause.service_name}, on {cause.edge[0]} -> {cause.edge[1]}"
    return f"{cause.service_name}, in {cause.operation}" if cause.operation else cause.service_name


def diagnosis_report(diagnosis: Diagnosis) -> RenderableType:
    """The causes in words."""
    head = Text(
        f"{diagnosis.now_traces:,} traces against {diagnosis.base_traces:,} before; "
        f"{diagnosis.signals:,} figures looked at"
    )
    if not diagnosis.causes:
        return Group(head, Text("nothing stands out", style="green" if diagnosis.now_traces else ""))
    parts: list[RenderableType] = [head]
    for number, cause in enumerate(diagnosis.causes, 1):
        parts += [Text(""), Text(f"{number}. {clean(where_text(cause), 160)}", style="bold")]
        parts.append(Text(f"   {KINDS[cause.kind]}; since {time_text(cause.since_ns)}; score {cause.score:.2f}"))
        parts += [Text(f"   - {clean(evidence_text(part), 200)}") for part in cause.evidence]
        if cause.attributes:
            apart = ", ".join(f"{key}={value}" for key, value in cause.attributes)
            parts.append(Text(f"   - what sets the affected requests apart: {clean(apart, 160)}"))
        if cause.evidence and cause.evidence[0].traces:
            parts.append(Text(f"   look at: tracelab trace {cause.evidence[0].traces[0]}", style="dim"))
        parts.append(Text(f"   if it is so: {cause.expect}", style="dim"))
    return Group(*parts)
