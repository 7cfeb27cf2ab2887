"""Results for people at a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tracelab.analysis.critical_path import CriticalPaths
from tracelab.analysis.journey import Journey, journey
from tracelab.analysis.service_graph import Edge, ServiceGraph
from tracelab.analysis.skew import clock_skews
from tracelab.analysis.summaries import TraceSummary
from tracelab.diagnostics import DIAGNOSTICS, Diagnostics
from tracelab.schema import KINDS, STATUS_ERROR
from tracelab.times import count_text, duration_text, percent_text, rate_text, time_text
from tracelab.traceset import TraceSet

BAR_CELLS = 40
MAX_TREE_ROWS = 500
_SEVERITY_STYLE = {"info": "dim", "warning": "yellow", "error": "red"}


def clean(text: str | None, limit: int = 80) -> str:
    """Text that cannot speak to the terminal: control and format characters shown as what they are, and not endless."""
    if text is None:
        return "?"
    shown = "".join(
        char if unicodedata.category(char)[0] != "C" else f"\\u{ord(char):04x}" for char in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def columns(*names: str, right: Sequence[str] = ()) -> Table:
    """An empty table with these columns; those in `right` hold figures and are never wrapped."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name in right)
    return table


def topology_table(graph: ServiceGraph) -> RenderableType:
    """A row per edge: as the client saw it and as the server saw it."""
    figures = ("calls", "rate", "success", "client p50", "p90", "p99", "server p50", "p99 ", "queue p50")
    table = columns("client", "server", *figures, "errors", right=figures)
    for edge in graph.edges:
        table.add_row(*_edge_cells(edge))
    return table


def _edge_cells(edge: Edge) -> list[Text | str]:
    style = "red" if edge.failed else ""
    client, server = edge.client_latency, edge.server_latency
    errors = ", ".join(f"{clean(name, 24)} {count_text(count)}" for name, count in edge.error_types.items())
    arrow = " ↻" if edge.self_call else ""
    return [
        Text(clean(edge.client, 32)),
        Text(clean(edge.server, 32) + arrow),
        count_text(edge.calls),
        rate_text(edge.calls_per_s),
        Text(percent_text(edge.success_rate), style=style),
        duration_text(client.p50_ns),
        duration_text(client.p90_ns),
        duration_text(client.p99_ns),
        duration_text(server.p50_ns),
        duration_text(server.p99_ns),
        duration_text(edge.queue_delay.p50_ns),
        Text(errors, style=style),
    ]


def diagnostics_table(diagnostics: Diagnostics) -> RenderableType:
    """What was odd, how often, what to do; nothing where all was well."""
    if not len(diagnostics):
        return Text("")
    table = columns("count", "odd", "meaning", "what to do", right=("count",))
    for name, count in diagnostics.items():
        entry = DIAGNOSTICS[name]
        table.add_row(
            f"{count:,}",
            Text(name, style=_SEVERITY_STYLE[entry.severity]),
            entry.meaning,
            Text(entry.advice, style="dim"),
        )
    return Group(Text(""), table)


def traces_table(summaries: Sequence[TraceSummary], total: int) -> RenderableType:
    """A row per trace."""
    right = ("duration", "spans", "services", "errors")
    table = columns("trace", "start", "root", *right, "", right=right)
    for trace in summaries:
        style = "red" if trace.failed else ""
        root = (
            f"{clean(trace.root_service, 30)}  {clean(trace.root_name, 48)}"
            if trace.root_name is not None
            else "(root not seen)"
        )
        table.add_row(
            trace.trace_id, time_text(trace.start_ns), Text(root), duration_text(trace.duration_ns),
            str(trace.span_count), str(trace.service_count), Text(str(trace.error_count or ""), style=style),
            Text("incomplete" if trace.incomplete else "", style="yellow"),
        )  # fmt: skip
    more = Text(f"{len(summaries)} of {total} traces; --limit shows more", style="dim")
    return Group(table, more) if total > len(summaries) else table


def journey_line(trip: Journey) -> Text:
    """`user → gateway → frontend`: where the path went."""
    names = ["user"] if trip.from_user else []
    names += [clean(stop.service_name, 40) for stop in trip.stops]
    return Text.assemble(("critical path  ", "bold"), " → ".join(names), f"   {duration_text(trip.duration_ns)}")


def journey_table(trip: Journey) -> RenderableType:
    """Who held the time."""
    table = columns("service", "on the path", "share", "", right=("on the path", "share"))
    for stop in trip.stops:
        bar = Text("█" * round(BAR_CELLS * stop.share), style="cyan")
        table.add_row(
            Text(clean(stop.service_name, 40)), duration_text(stop.on_path_ns), f"{100 * stop.share:.1f} %", bar
        )
    return table


def skew_lines(traces: TraceSet) -> list[RenderableType]:
    """Which hosts' clocks disagree, and what was done about it."""
    return [
        Text(
            f"clock skew: {clean(skew.server)} on {clean(skew.server_host, 40)} moved by "
            f"{duration_text(skew.least_ns)} to {duration_text(skew.most_ns)} to fit the calls of {clean(skew.client)} "
            f"on {clean(skew.client_host, 40)} ({skew.calls:,} calls, {skew.spans:,} spans)",
            style="yellow",
        )
        for skew in clock_skews(traces)
    ]


def path_report(paths: CriticalPaths, root_ats: Iterable[int], plain: CriticalPaths | None = None) -> RenderableType:
    """For each root: its journey and its sections in time order; and beside it the plain path, where it differs."""
    parts: list[RenderableType] = []
    for at in root_ats:
        trip = journey(paths, at)
        incomplete = Text("  incomplete: a parent is missing", style="yellow") if paths.incomplete[at] else Text("")
        parts += [Text(f"trace {trip.trace_id}", style="bold"), journey_line(trip), incomplete]
        parts += [journey_table(trip), _sections_table(paths, at), Text("")]
        if plain is not None and _sections(plain, at) != _sections(paths, at):
            parts += [Text("by times alone it would be", style="dim"), _sections_table(plain, at), Text("")]
    return Group(*parts, *skew_lines(paths.traces))


def _sections(paths: CriticalPaths, at: int) -> list[tuple[int, int]]:
    part = slice(paths.section_offsets[at], paths.section_offsets[at + 1])
    return list(zip(paths.section_row[part].tolist(), paths.section_start_ns[part].tolist(), strict=True))


def _sections_table(paths: CriticalPaths, at: int) -> RenderableType:
    traces, start = paths.traces, paths.traces.start_ns[paths.roots[at]]
    table = columns("at", "for", "service", "operation", right=("at", "for"))
    first, last = paths.section_offsets[at], paths.section_offsets[at + 1]
    for section in range(first, min(last, first + MAX_TREE_ROWS)):
        row = paths.section_row[section]
        table.add_row(
            duration_text(paths.section_start_ns[section] - start),
            duration_text(paths.section_end_ns[section] - paths.section_start_ns[section]),
            Text(clean(traces.service_name(row), 40)),
            Text(clean(traces.span_name(row))),
        )
    if last - first <= MAX_TREE_ROWS:
        return table
    return Group(table, Text(f"… {last - first - MAX_TREE_ROWS:,} more sections (--json has them all)", style="dim"))


def trace_report(paths: CriticalPaths) -> RenderableType:
    """The tree of one trace with a bar per span; the bright part of a bar is on the critical path."""
    traces = paths.traces
    rows, depths = traces.pre_order
    table = columns("service  operation", "kind", "duration", "on path", "", right=("duration", "on path"))
    on_path = paths.on_path_ns()
    low, high = int(traces.start_ns.min()), int(traces.end_ns.max())
    sections: dict[int, list[tuple[int, int]]] = {}
    for row, start, end in zip(
        paths.section_row.tolist(), paths.section_start_ns.tolist(), paths.section_end_ns.tolist(), strict=True
    ):
        sections.setdefault(row, []).append((start, end))
    for row, depth in zip(rows[:MAX_TREE_ROWS].tolist(), depths[:MAX_TREE_ROWS].tolist(), strict=True):
        table.add_row(
            _span_label(paths, row, depth),
            "" if traces.is_placeholder[row] else KINDS[traces.kind[row]].lower(),
            duration_text(traces.end_ns[row] - traces.start_ns[row]),
            duration_text(on_path[row]) if on_path[row] else "",
            _bar(int(traces.start_ns[row]), int(traces.end_ns[row]), sections.get(row, []), low, high),
        )
    parts: list[RenderableType] = [Text(f"trace {traces.trace_id(0)}", style="bold")]
    parts += [journey_line(journey(paths, at)) for at in range(min(paths.roots.size, 5))]
    parts += [table]
    if rows.size > MAX_TREE_ROWS:
        parts.append(Text(f"… {rows.size - MAX_TREE_ROWS:,} more spans (--json has them all)", style="dim"))
    for at in range(min(paths.roots.size, 5)):
        parts += [Text(""), journey_table(journey(paths, at))]
    return Group(*parts, *skew_lines(traces))


def _span_label(paths: CriticalPaths, row: int, depth: int) -> Text:
    traces = paths.traces
    indent = "  " * min(depth, 24) + (f"({depth}) " if depth > 24 else "")
    if traces.is_placeholder[row]:
        return Text(f"{indent}(span {traces.span_id_hex(row)} was not seen)", style="yellow")
    style = "red" if traces.status_code[row] == STATUS_ERROR else ""
    on_path = paths.path_to_ns[row] > paths.path_from_ns[row]
    label = Text(indent)
    label.append("● " if on_path else "○ ", style="cyan" if on_path else "dim")
    label.append(clean(traces.service_name(row), 30), style=f"bold {style}".strip())
    label.append(f"  {clean(traces.span_name(row), 60)}", style=style)
    if traces.shift_ns[row]:
        label.append(f"  (clock {duration_text(traces.shift_ns[row])})", style="yellow")
    return label


def _bar(start: int, end: int, sections: list[tuple[int, int]], low: int, high: int) -> Text:
    """A span as cells of the trace's time: thick where it is on the path, thin where it is not."""
    scale = BAR_CELLS / max(high - low, 1)

    def cells(begin: int, finish: int) -> range:
        first = min(int((begin - low) * scale), BAR_CELLS - 1)
        return range(first, max(first + 1, min(round((finish - low) * scale), BAR_CELLS)))

    marks = [" "] * BAR_CELLS
    for cell in cells(start, end):
        marks[cell] = "─"
    for begin, finish in sections:
        for cell in cells(begin, finish):
            marks[cell] = "█"
    return Text("".join(marks), style="cyan")


def print_report(report: RenderableType) -> None:
    """To standard output: as wide as the terminal, and wide enough for tables where there is none."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(report)
