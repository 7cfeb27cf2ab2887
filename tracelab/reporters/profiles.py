"""Critical-path profiles: JSON, collapsed stacks, speedscope, and the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tracelab.analysis.profile import CallTree, Operation, PathProfile
from tracelab.reporters.plain import plain
from tracelab.reporters.terminal import BAR_CELLS, clean, columns
from tracelab.times import duration_text

MAX_ROWS = 25


def profile_shape(profile: PathProfile) -> dict[str, Any]:
    """`{"traces", "roots", "total_ns", "operations", "edges", "tree", "diagnostics"}`."""
    tree = profile.tree
    nodes = zip(
        tree.parent.tolist(), tree.operations, tree.exclusive_ns.tolist(), tree.inclusive_ns.tolist(),
        tree.spans.tolist(), tree.traces.tolist(), strict=True,
    )  # fmt: skip
    shape: dict[str, Any] = plain({name: value for name, value in vars(profile).items() if name != "tree"})
    shape["tree"] = [
        {
            "parent": above, "service_name": service, "name": name, "exclusive_ns": exclusive,
            "inclusive_ns": inclusive, "spans": spans, "traces": traces,
        }
        for above, (service, name), exclusive, inclusive, spans, traces in nodes
    ]  # fmt: skip
    return shape


def _frame(operation: Operation) -> str:
    service, name = operation
    if service is None and name is None:
        return "(a parent that was not seen)"
    return f"{clean(service)}: {clean(name, 200)}"


def _stacks(tree: CallTree) -> list[tuple[list[int], int]]:
    """(nodes from the root down, exclusive ns) of every node that holds time."""
    parents = tree.parent.tolist()
    stacks = []
    for node, ns in enumerate(tree.exclusive_ns.tolist()):
        if ns:
            stack = []
            at = node
            while at >= 0:
                stack.append(at)
                at = parents[at]
            stacks.append((stack[::-1], ns))
    return stacks


def collapsed(profile: PathProfile) -> str:
    """Brendan Gregg's collapsed stacks: `frame;frame;frame ns`, a line a call path, for flamegraph.pl and others."""
    frames = [_frame(operation).replace(";", ",") for operation in profile.tree.operations]
    return "".join(f"{';'.join(frames[node] for node in stack)} {ns}\n" for stack, ns in sorted(_stacks(profile.tree)))


def speedscope(profile: PathProfile) -> dict[str, Any]:
    """A sampled profile in speedscope's file format (https://www.speedscope.app/file-format-schema.json)."""
    distinct = {operation: at for at, operation in enumerate(dict.fromkeys(profile.tree.operations))}
    stacks = _stacks(profile.tree)
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": "tracelab",
        "name": f"critical paths of {profile.traces:,} traces",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": _frame(operation)} for operation in distinct]},
        "profiles": [
            {
                "type": "sampled",
                "name": "critical path",
                "unit": "nanoseconds",
                "startValue": 0,
                "endValue": sum(ns for _, ns in stacks),
                "samples": [[distinct[profile.tree.operations[node]] for node in stack] for stack, _ in stacks],
                "weights": [ns for _, ns in stacks],
            }
        ],
    }


def profile_report(profile: PathProfile) -> RenderableType:
    """Where the time went, per operation and per edge."""
    head = Text(f"{profile.traces:,} traces, {duration_text(profile.total_ns)} of waiting in all")
    right = ("on the path", "share", "with callees", "in traces")
    table = columns("service", "operation", *right, "", right=right)
    for row in profile.operations[:MAX_ROWS]:
        table.add_row(
            Text(clean(row.service_name, 40)), Text(clean(row.name, 60)), duration_text(row.exclusive_ns),
            f"{100 * row.share:.1f} %", duration_text(row.inclusive_ns), f"{100 * row.frequency:.1f} %",
            Text("█" * round(BAR_CELLS * row.share), style="cyan"),
        )  # fmt: skip
    edge_right = ("in the callee and below", "share", "calls on the path")
    edges = columns("caller", "callee", *edge_right, right=edge_right)
    for edge in profile.edges[:MAX_ROWS]:
        edges.add_row(
            Text(clean(edge.client, 40)), Text(clean(edge.server, 40)), duration_text(edge.inclusive_ns),
            f"{100 * edge.share:.1f} %", f"{edge.spans:,}",
        )  # fmt: skip
    more = len(profile.operations) - MAX_ROWS
    note = Text(f"… {more:,} more operations (--json has all)" if more > 0 else "", style="dim")
    return Group(head, Text(""), table, note, edges)
