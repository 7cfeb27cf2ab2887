"""Comparisons as JSON and for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tracelab.analysis.comparison import Change, Comparison, Figure
from tracelab.reporters.plain import plain
from tracelab.reporters.terminal import clean, columns
from tracelab.times import duration_text, percent_text

MAX_ROWS = 20
_WORDS = {
    "traces": "traces that have it",
    "calls_per_trace": "calls per trace",
    "critical_path_share": "share of the critical path",
    "latency_ns": "latency",
    "self_ns": "self time",
    "failures": "traces in which it fails",
}


def comparison_shape(comparison: Comparison) -> dict[str, Any]:
    """`{"edges", "operations", "suspects", …}`."""
    return {
        "base": {"traces": comparison.base_traces},
        "other": {"traces": comparison.other_traces},
        "edges": [_change_shape(change, ("client", "server", "connection_type")) for change in comparison.edges],
        "operations": [_change_shape(change, ("service_name", "name")) for change in comparison.operations],
        "suspects": plain(comparison.suspects),
        "tests": comparison.tests,
        "diagnostics": dict(comparison.diagnostics),
    }


def _change_shape(change: Change, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        **dict(zip(names, change.name, strict=True)),
        "status": change.status,
        "base_calls": change.base_calls,
        "other_calls": change.other_calls,
        "figures": {name: {**plain(figure), "is_news": figure.is_news} for name, figure in change.figures.items()},
    }


def comparison_report(comparison: Comparison) -> RenderableType:
    """What is news, and who is suspected."""
    head = Text(
        f"{comparison.base_traces:,} traces against {comparison.other_traces:,}; {comparison.tests:,} figures tested, "
        "at most 5 % of what is shown are false alarms"
    )
    parts: list[RenderableType] = [head, Text("")]
    for title, changes in (("edges", comparison.edges), ("operations", comparison.operations)):
        parts += [_changes_table(title, changes), Text("")]
    return Group(*parts, _suspects_table(comparison))


def _changes_table(title: str, changes: tuple[Change, ...]) -> RenderableType:
    news = [(change, name, figure) for change in changes for name, figure in change.figures.items() if figure.is_news]
    if not news:
        return Text(f"{title}: no change that chance does not explain", style="dim")
    right = ("before", "now", "change", "95 % interval")
    table = columns(title, "", "figure", *right, right=right)
    for change, name, figure in news[:MAX_ROWS]:
        style = "red" if (figure.change or 0) > 0 and name != "traces" else ""
        table.add_row(Text(_name(change)), change.status, _WORDS[name], *_figure_cells(name, figure), style=style)
    more = len(news) - MAX_ROWS
    return Group(table, Text(f"… {more} more (--json has all)", style="dim")) if more > 0 else table


def _name(change: Change) -> str:
    """`a -> b` of an edge, `service  operation` of an operation."""
    names = [clean(part, 40) for part in change.name]
    return f"{names[0]} → {names[1]}" if len(names) == 3 else "  ".join(names)


def _figure_cells(name: str, figure: Figure) -> tuple[str, str, str, str]:
    def text(value: float | None, sign: str = "") -> str:
        if value is None:
            return "–"
        plus = sign if value > 0 else ""
        if name.endswith("_ns"):
            return plus + duration_text(value)
        if name == "calls_per_trace":
            return f"{plus}{value:.3g}"
        return plus + (percent_text(value) if not sign else f"{100 * value:.1f} %")

    interval = f"{text(figure.low, '+')} … {text(figure.high, '+')}"
    return text(figure.base), text(figure.other), text(figure.change, "+"), interval


def _suspects_table(comparison: Comparison) -> RenderableType:
    if not comparison.suspects:
        return Text("suspects: none; no service costs more than before", style="dim")
    table = columns("suspect", "score", "why", right=("score",))
    for suspect in comparison.suspects[:5]:
        table.add_row(Text(clean(suspect.service_name, 40), style="bold"), f"{suspect.score:.3g}", suspect.why)
    note = Text(
        "score: what it costs more than before, in requests a trace (time as a share of a whole request, and failures)",
        style="dim",
    )
    return Group(table, note)
