"""The critical path of many requests in one: a tree of call paths, and what it comes to per operation and edge.

Sums of whole traces, so profiles of other traces merge: accumulate, merge, finish.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tracelab.analysis.cohorts import Cohort
from tracelab.analysis.critical_path import CriticalPaths
from tracelab.diagnostics import Diagnostics
from tracelab.kernels.call_paths import merge_call_paths, traces_of
from tracelab.kernels.groups import sums
from tracelab.traceset import I64

Operation = tuple[str | None, str | None]
"""(service, span name); (None, None) for parents that were never seen."""


@dataclass(frozen=True)
class CallTree:
    """Critical call paths merged: `k` nodes, parents before children.

    Attributes:
        parent: [k] node above, -1 for a root
        operations: (service, name) per node
        exclusive_ns: [k] time in which the path was in the operation itself
        inclusive_ns: [k] … or in what it waited for
        spans, traces: [k] how many spans, in how many traces
    """

    parent: I64
    operations: tuple[Operation, ...]
    exclusive_ns: I64
    inclusive_ns: I64
    spans: I64
    traces: I64


@dataclass(frozen=True)
class OperationShare:
    """An operation on the critical path. Recursion is counted once in `inclusive_ns`.

    Attributes:
        share: of the time of all requests that the path was in the operation itself
        traces, frequency: in how many traces it is on the path, and in what part of them
    """

    service_name: str | None
    name: str | None
    exclusive_ns: int
    inclusive_ns: int
    share: float
    spans: int
    traces: int
    frequency: float


@dataclass(frozen=True)
class EdgeShare:
    """Calls between two services on the critical path: `inclusive_ns` in the callee and below, `share` of all time."""

    client: str | None
    server: str | None
    inclusive_ns: int
    share: float
    spans: int


@dataclass(frozen=True)
class PathProfile:
    """The critical paths of some requests: how many traces and roots, how long together, and where the time went."""

    traces: int
    roots: int
    total_ns: int
    operations: tuple[OperationShare, ...]
    edges: tuple[EdgeShare, ...]
    tree: CallTree
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


@dataclass(frozen=True)
class ProfileSums:
    """A profile before it is finished. `operation_traces`: in how many traces each operation is on the path."""

    traces: int
    roots: int
    total_ns: int
    tree: CallTree
    operation_traces: dict[Operation, int]
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


def path_profile(cohort: Cohort) -> PathProfile:
    """The critical paths of a cohort in one (docs/how-it-works/profile.md)."""
    return finish_profile([sum_profile(cohort)])


def sum_profile(cohort: Cohort) -> ProfileSums:
    """What the critical paths of these traces come to."""
    traces, paths = cohort.traces, cohort.paths
    inclusive = paths.path_to_ns - paths.path_from_ns
    on_path = (inclusive > 0) & cohort.chosen[traces.trace] if len(traces) else inclusive > 0
    codes, operations = traces.operations
    node, parent, operation = merge_call_paths(traces.parents_first, traces.parent_row, codes, on_path)
    rows = np.flatnonzero(on_path)
    at, trace = node[rows], traces.trace[rows]
    in_traces = traces_of(codes[rows].astype(np.int64), trace, len(operations))
    tree = CallTree(
        parent,
        tuple(operations[code] for code in operation.tolist()),
        sums(at, paths.on_path_ns()[rows], parent.size),
        sums(at, inclusive[rows], parent.size),
        np.bincount(at, minlength=parent.size),
        traces_of(node[rows], trace, parent.size),
    )
    roots = _chosen_roots(cohort, paths)
    begun = {name: occurrences[cohort.chosen[occurrences]] for name, occurrences in traces.noted.items()}
    return ProfileSums(
        cohort.size,
        roots.size,
        int((traces.end_ns[roots] - traces.start_ns[roots]).sum()),
        tree,
        {operations[code]: int(in_traces[code]) for code in np.flatnonzero(in_traces)},
        Diagnostics({name: occurrences.size for name, occurrences in begun.items()}),
    )


def _chosen_roots(cohort: Cohort, paths: CriticalPaths) -> I64:
    return paths.roots[cohort.chosen[cohort.traces.trace[paths.roots]]]


def merge_trees(trees: Iterable[CallTree]) -> CallTree:
    """The call paths of all of them."""
    number: dict[tuple[int, Operation], int] = {}
    operations: list[Operation] = []
    parents: list[int] = []
    columns: list[list[int]] = [[], [], [], []]
    for tree in trees:
        mine: list[int] = []
        values = zip(*(getattr(tree, name).tolist() for name in _FIGURES), strict=True)
        for above, operation, figures in zip(tree.parent.tolist(), tree.operations, values, strict=True):
            key = (mine[above] if above >= 0 else -1, operation)
            node = number.setdefault(key, len(operations))
            if node == len(operations):
                operations.append(operation)
                parents.append(key[0])
                for column in columns:
                    column.append(0)
            for column, figure in zip(columns, figures, strict=True):
                column[node] += figure
            mine.append(node)
    return CallTree(np.array(parents, np.int64), tuple(operations), *(np.array(column, np.int64) for column in columns))


_FIGURES = ("exclusive_ns", "inclusive_ns", "spans", "traces")


def finish_profile(parts: Iterable[ProfileSums]) -> PathProfile:
    """The profile of all traces in these parts, each trace in one of them."""
    parts = list(parts)
    tree = merge_trees(part.tree for part in parts)
    total = sum(part.total_ns for part in parts)
    traces = sum(part.traces for part in parts)
    in_traces: dict[Operation, int] = {}
    diagnostics = Diagnostics()
    for part in parts:
        diagnostics = diagnostics.merge(part.diagnostics)
        for operation, count in part.operation_traces.items():
            in_traces[operation] = in_traces.get(operation, 0) + count
    return PathProfile(
        traces,
        sum(part.roots for part in parts),
        total,
        _operation_shares(tree, total, traces, in_traces),
        _edge_shares(tree, total),
        tree,
        diagnostics,
    )


def _operation_shares(
    tree: CallTree, total: int, traces: int, in_traces: dict[Operation, int]
) -> tuple[OperationShare, ...]:
    outermost = _outermost(tree)
    exclusive: dict[Operation, int] = {}
    inclusive: dict[Operation, int] = {}
    spans: dict[Operation, int] = {}
    for node, operation in enumerate(tree.operations):
        exclusive[operation] = exclusive.get(operation, 0) + int(tree.exclusive_ns[node])
        spans[operation] = spans.get(operation, 0) + int(tree.spans[node])
        inside = int(tree.inclusive_ns[node]) if outermost[node] else 0
        inclusive[operation] = inclusive.get(operation, 0) + inside
    shares = [
        OperationShare(
            *operation, ns, inclusive[operation], ns / max(total, 1), spans[operation], in_traces[operation],
            in_traces[operation] / max(traces, 1),
        )
        for operation, ns in exclusive.items()
    ]  # fmt: skip
    return tuple(sorted(shares, key=lambda share: (-share.exclusive_ns, str(share.service_name), str(share.name))))


def _outermost(tree: CallTree) -> list[bool]:
    """Whether no node above has the same operation: what is below such a one is in its time already."""
    children: list[list[int]] = [[] for _ in tree.operations]
    for node, above in enumerate(tree.parent.tolist()):
        if above >= 0:
            children[above].append(node)
    result = [False] * len(tree.operations)
    open_: dict[Operation, int] = {}
    stack = [node for node, above in enumerate(tree.parent.tolist()) if above < 0]
    while stack:
        node = stack.pop()
        if node < 0:
            open_[tree.operations[-node - 1]] -= 1
            continue
        operation = tree.operations[node]
        result[node] = not open_.get(operation)
        open_[operation] = open_.get(operation, 0) + 1
        stack.append(-node - 1)
        stack += children[node]
    return result


def _edge_shares(tree: CallTree, total: int) -> tuple[EdgeShare, ...]:
    found: dict[tuple[str | None, str | None], tuple[int, int]] = {}
    for node, above in enumerate(tree.parent.tolist()):
        if above >= 0 and tree.operations[above][0] != tree.operations[node][0]:
            edge = tree.operations[above][0], tree.operations[node][0]
            ns, spans = found.get(edge, (0, 0))
            found[edge] = ns + int(tree.inclusive_ns[node]), spans + int(tree.spans[node])
    shares = [EdgeShare(*edge, ns, ns / max(total, 1), spans) for edge, (ns, spans) in found.items()]
    return tuple(sorted(shares, key=lambda share: (-share.inclusive_ns, str(share.client), str(share.server))))
