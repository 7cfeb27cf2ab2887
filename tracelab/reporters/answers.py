"""Answers about many requests, for people at a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from tracelab.analysis.completion import CompletionPaths
from tracelab.analysis.fanout import CallsPerTrace
from tracelab.analysis.findings import Findings
from tracelab.analysis.missing_edge import EdgeExplanation
from tracelab.analysis.order import LearnedOrders
from tracelab.analysis.slow import SlowExplanation
from tracelab.analysis.structure import Impact, Structure
from tracelab.analysis.what_if import Durations, WhatIf
from tracelab.reporters.terminal import BAR_CELLS, clean, columns
from tracelab.times import duration_text

MAX_ROWS = 15


def _signed(ns: float) -> str:
    return ("+" if ns > 0 else "") + duration_text(ns)


def slow_report(answer: SlowExplanation) -> RenderableType:
    """What the gap is made of, and which attributes set the slow requests apart."""
    above = f" (from {duration_text(answer.slow_above_ns)} on)" if answer.slow_above_ns is not None else ""
    gap = (
        f"{answer.slow:,} slow requests{above} against {answer.typical:,} typical ones, of {answer.requests:,}: "
        f"{duration_text(answer.slow_mean_ns)} against {duration_text(answer.typical_mean_ns)} on average, "
        f"a gap of {duration_text(answer.gap_ns)}"
    )
    head = [gap]
    if answer.few:
        head.append("few slow requests: much of this may be chance")
    right = ("of the gap", "", "longer calls", "more calls", "slow", "typical", "calls slow", "typical ")
    table = columns("service", "operation", *right, right=right)
    for part in answer.parts[:MAX_ROWS]:
        table.add_row(
            Text(clean(part.service_name, 40)), Text(clean(part.name, 48)), _signed(part.gap_ns),
            f"{100 * part.share:.1f} %", _signed(part.longer_calls_ns), _signed(part.more_calls_ns),
            duration_text(part.slow_ns), duration_text(part.typical_ns), f"{part.slow_calls:.2f}",
            f"{part.typical_calls:.2f}",
        )  # fmt: skip
    lifts = columns("attribute", "slow", "typical", "lift", "95 % interval", "", right=("slow", "typical", "lift"))
    for lift in answer.attributes[:MAX_ROWS]:
        same = f"as do {', '.join(clean(text, 40) for text in lift.same_as[:3])}" if lift.same_as else ""
        lifts.add_row(
            Text(f"{clean(lift.key, 40)}={clean(lift.value, 40)}"), f"{100 * lift.support:.0f} %",
            f"{100 * lift.typical_support:.0f} %", "only slow" if lift.lift is None else f"{lift.lift:.1f}x",
            f"{100 * lift.low:+.0f} … {100 * lift.high:+.0f} points", Text(same, style="dim"),
        )  # fmt: skip
    none = Text("no attribute sets the slow requests apart", style="dim")
    return Group(*(Text(line) for line in head), Text(""), table, Text(""), lifts if answer.attributes else none)


def what_if_report(answer: WhatIf) -> RenderableType:
    """Before and after."""
    table = columns("", "p50", "p90", "p99", "mean", right=("p50", "p90", "p99", "mean"))

    def row(label: str, durations: Durations) -> None:
        table.add_row(label, *(duration_text(ns) for ns in vars(durations).values()))

    row("as it was", answer.before)
    row("as it would be", answer.after)
    return Group(
        Text(
            f"{answer.spans:,} spans of {answer.requests:,} requests; {answer.affected:,} would take another time, "
            f"{duration_text(abs(answer.saved_ns))} {'less' if answer.saved_ns >= 0 else 'more'} on average"
        ),
        table,
    )


def calls_report(edges: tuple[CallsPerTrace, ...]) -> RenderableType:
    """A row per edge."""
    right = ("calls", "traces", "mean", "p50", "p90", "p99", "most")
    table = columns("client", "server", *right, "most in", right=right)
    for edge in edges:
        table.add_row(
            Text(clean(edge.client, 40)), Text(clean(edge.server, 40)), f"{edge.calls:,}",
            f"{100 * edge.share:.1f} %", f"{edge.mean:.2f}", *(f"{n:,}" for n in (edge.p50, edge.p90, edge.p99)),
            f"{edge.most:,}", edge.most_traces[0] if edge.most_traces else "",
        )  # fmt: skip
    return table


def completion_report(answer: CompletionPaths, limit: int) -> RenderableType:
    """Each path with its queue sections, then the queues."""
    traces = answer.traces
    parts: list[RenderableType] = []
    for path in answer.paths[:limit]:
        root = path.root_row
        parts.append(
            Text(
                f"trace {traces.trace_id(int(traces.trace[root]))}  answered in {duration_text(path.response_ns)}, "
                f"complete after {duration_text(path.completion_ns)}",
                style="bold",
            )
        )
        table = columns("at", "for", "", "service", "operation", right=("at", "for"))
        for section in path.sections[:200]:
            table.add_row(
                duration_text(section.start_ns - traces.start_ns[root]),
                duration_text(section.end_ns - section.start_ns),
                Text("waits" if section.kind == "queue" else "", style="yellow"),
                Text(clean(traces.service_name(section.span_row), 40)),
                Text(clean(traces.span_name(section.span_row))),
            )
        parts += [table, Text("")]
    right = ("messages", "p50", "p90", "p99")
    queues = columns("destination", "consumer", *right, right=right)
    for queue in answer.destinations:
        delays = (duration_text(ns) for ns in vars(queue.delay).values())
        queues.add_row(
            Text(clean(queue.destination, 40)), Text(clean(queue.consumer, 40)), f"{queue.messages:,}", *delays
        )
    return Group(*parts, queues) if answer.destinations else Group(*parts)


def findings_report(answer: Findings) -> RenderableType:
    """What, where, what it costs, what to do."""
    if not answer.findings:
        return Text(f"nothing found in {answer.traces:,} traces", style="dim")
    parts: list[RenderableType] = []
    for finding in answer.findings[:MAX_ROWS]:
        title = Text.assemble(
            (finding.kind.replace("_", " "), "bold"),
            f"  {clean(finding.service_name, 40)}  {clean(finding.name, 60)}",
        )
        cost = f", {duration_text(finding.cost_ns)} in all" if finding.cost_ns else ""
        example = finding.examples[0]
        parts += [
            title,
            Text(
                f"  {finding.what} {finding.occurrences:,} times in {finding.traces:,} traces{cost}, "
                f"up to {finding.most:,} at once."
            ),
            Text(f"  {finding.advice}", style="cyan"),
            Text(f"  tracelab trace {example.trace_id}   spans {', '.join(example.span_ids[:3])}", style="dim"),
        ]
    more = len(answer.findings) - MAX_ROWS
    return Group(*parts, *([Text(f"… {more} more (--json has all)", style="dim")] if more > 0 else []))


def structure_report(answer: Structure) -> RenderableType:
    """Answers, one a paragraph."""
    lines = [
        f"{answer.nodes} nodes, {answer.edges} edges, {answer.traces:,} traces",
        "cycles: " + ("; ".join(" → ".join(clean(node, 40) for node in ring) for ring in answer.cycles) or "none"),
        "shared databases: "
        + (
            "; ".join(f"{clean(db, 60)} by {', '.join(users)}" for db, users in answer.shared_databases.items())
            or "none"
        ),
        "articulation points: " + (", ".join(answer.articulation_points) or "none"),
    ]
    for label, spread in (
        ("services deep", answer.depth),
        ("spans deep", answer.span_depth),
        ("children of a span", answer.fan_out),
    ):
        lines.append(f"{label}: p50 {spread.p50}, p90 {spread.p90}, p99 {spread.p99}, most {spread.most}")
    right = ("traces", "share")
    table = columns("single point of failure", *right, "cannot be reached without it", right=right)
    for point in answer.single_points[:MAX_ROWS]:
        table.add_row(
            Text(clean(point.node, 40)), f"{point.traces:,}", f"{100 * point.share:.1f} %",
            Text(", ".join(clean(node, 40) for node in point.dominated)),
        )  # fmt: skip
    return Group(*(Text(line) for line in lines), Text(""), table)


def impact_report(impact: Impact) -> RenderableType:
    """Who is hurt if a node dies."""
    table = columns("operation", "hurt", "", right=("hurt",))
    for name, share in sorted(impact.operations.items(), key=lambda item: -item[1]):
        table.add_row(Text(clean(name, 60)), f"{100 * share:.1f} %", Text("█" * round(BAR_CELLS * share), style="red"))
    return Group(
        Text(f"without {clean(impact.node, 60)}: {impact.traces:,} traces ({100 * impact.share:.1f} %) are hurt"),
        Text(f"reached from: {', '.join(impact.callers) or 'nobody'}"),
        Text(f"cannot be reached without it: {', '.join(impact.dominated) or 'nothing'}"),
        table,
    )


def edge_report(answer: EdgeExplanation) -> RenderableType:
    """Causes with evidence, the one with most spans first."""
    head = (
        f"{clean(answer.client, 40)} → {clean(answer.server, 40)}: {answer.calls:,} calls "
        f"({answer.client_seen:,} seen by the caller, {answer.server_seen:,} by the callee); "
        f"{answer.client_spans:,} spans of the caller, {answer.server_spans:,} of the callee"
    )
    parts: list[RenderableType] = [Text(head, style="bold")]
    if not answer.causes:
        parts.append(Text("nothing is wrong with it", style="green"))
    for cause in answer.causes:
        parts += [
            Text.assemble(("\n" + cause.cause.replace("_", " "), "bold yellow"), f"  ({cause.count:,})"),
            Text(f"  {cause.evidence}"),
            Text(f"  {cause.advice}", style="cyan"),
        ]
        parts += [
            Text(f"  tracelab trace {ref.trace_id}   span {ref.span_id} {clean(ref.name, 40)}", style="dim")
            for ref in cause.examples[:2]
        ]
    return Group(*parts)


def orders_report(learned: LearnedOrders) -> RenderableType:
    """Orders that many traces hold or refute."""
    right = ("support", "refuted by", "confidence")
    table = columns("below", "first", "then", *right, right=right)
    ranked = sorted(learned.orders, key=lambda order: (order.holds, -order.support - order.refuted_by))
    for order in ranked[:MAX_ROWS]:
        names = (Text(clean("  ".join(part or "?" for part in operation), 48)) for operation in
                 (order.parent, order.first, order.then))  # fmt: skip
        style = "" if order.holds else "yellow"
        table.add_row(*names, f"{order.support:,}", f"{order.refuted_by:,}", f"{order.confidence:.2f}", style=style)
    return table
