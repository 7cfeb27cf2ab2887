"""Two cohorts side by side: which edges and operations appeared, vanished or changed, and how sure that is.

The trace is the unit of chance: what happens twice in one trace is not two proofs. Every figure has one test, named in
`Figure.test`; q-values hold the share of false alarms among all figures of a comparison (Benjamini and Hochberg).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tracelab.analysis.calls import CONNECTION_TYPES
from tracelab.analysis.cohorts import Cohort
from tracelab.analysis.statistics import (
    Z95,
    difference_of_proportions,
    false_discovery,
    fisher_p,
    shift,
    superiority,
    two_sided_p,
)  # fmt: skip
from tracelab.analysis.suspects import Suspect, find_suspects
from tracelab.diagnostics import Diagnostics
from tracelab.kernels.trees import self_ns
from tracelab.schema import STATUS_ERROR
from tracelab.traceset import I64

MAX_FALSE_ALARMS = 0.05
FEWEST_TRACES = 5
"""A cohort of fewer has no spread to speak of: a change of its means is never news."""
F64 = NDArray[np.float64]
_Name = tuple[str | None, ...]


@dataclass(frozen=True)
class Figure:
    """One figure in both cohorts, its change with a 95 % interval, and how likely chance makes such a change.

    base, other: medians of the traces' means for times, means per trace for calls and shares, shares for failures.
    change: other - base (for times the typical shift, which need not be the difference of the medians).
    """

    base: float | None
    other: float | None
    change: float | None
    low: float | None
    high: float | None
    p_value: float
    q_value: float = 1.0
    test: str = ""

    @property
    def is_news(self) -> bool:
        return self.q_value <= MAX_FALSE_ALARMS


@dataclass(frozen=True)
class Change:
    """An edge or an operation in both cohorts.

    Attributes:
        name: (client, server, connection type), or (service, operation)
        status: appeared, vanished, changed (a figure is news) or same
        base_calls, other_calls: spans or calls, as they were sent
        figures: by name; times in ns
    """

    name: tuple[str | None, ...]
    status: str
    base_calls: int
    other_calls: int
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Comparison:
    """What differs between two cohorts. Changes that are news first; suspects the most likely first."""

    base_traces: int
    other_traces: int
    edges: tuple[Change, ...]
    operations: tuple[Change, ...]
    suspects: tuple[Suspect, ...]
    tests: int
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


@dataclass(frozen=True)
class _Part:
    """What one key did in one cohort, per trace that has it: `trace` numbers, how often, mean time, any failure."""

    trace: I64
    count: F64
    time_ns: F64
    failed: NDArray[np.bool_]
    share: F64


def compare(base: Cohort, other: Cohort) -> Comparison:
    """Every edge and operation of two cohorts (docs/how-it-works/compare.md)."""
    edges = _changes(_edge_parts(base), _edge_parts(other), base, other, "latency_ns")
    operations = _changes(_operation_parts(base), _operation_parts(other), base, other, "self_ns")
    judged = _judged([*edges, *operations])
    return Comparison(
        base.size,
        other.size,
        tuple(_news_first(judged[: len(edges)])),
        tuple(_news_first(judged[len(edges) :])),
        tuple(find_suspects(base, other)),
        sum(len(change.figures) for change in judged),
        base.traces.diagnostics.merge(other.traces.diagnostics),
    )


def _parts(
    keys: I64, trace: I64, time_ns: I64, failed: NDArray[np.bool_], path_ns: I64, cohort: Cohort
) -> dict[int, _Part]:
    """Per key what its rows add up to, trace by trace."""
    if keys.size == 0:
        return {}
    size = max(cohort.size, 1)
    groups, group = np.unique(keys * size + trace, return_inverse=True)
    count = np.bincount(group).astype(np.float64)
    mean = np.bincount(group, time_ns) / count
    any_failed = np.bincount(group, failed) > 0
    group_key, group_trace = np.divmod(groups, size)
    share = np.bincount(group, path_ns) / np.maximum(cohort.root_ns[group_trace], 1)
    begins = np.searchsorted(group_key, np.unique(group_key))
    ends = [*begins[1:].tolist(), groups.size]
    return {
        int(group_key[begin]): _Part(
            group_trace[begin:end], count[begin:end], mean[begin:end], any_failed[begin:end], share[begin:end]
        )
        for begin, end in zip(begins.tolist(), ends, strict=True)
    }


def _edge_parts(cohort: Cohort) -> dict[_Name, _Part]:
    calls, traces = cohort.calls, cohort.traces
    rows = np.flatnonzero(cohort.call_trace >= 0)
    seen, nodes = calls.seen_row[rows], calls.nodes
    rows, seen = rows[seen >= 0], seen[seen >= 0]
    keys = (calls.client[rows] * len(nodes) + calls.server[rows]) * len(CONNECTION_TYPES) + calls.connection_type[rows]
    path = cohort.paths.path_to_ns[seen] - cohort.paths.path_from_ns[seen]
    duration = traces.end_ns[seen] - traces.start_ns[seen]
    found = _parts(keys, cohort.call_trace[rows], duration, calls.failed[rows], path, cohort)

    def name(key: int) -> _Name:
        ends, type_ = divmod(key, len(CONNECTION_TYPES))
        client, server = divmod(ends, len(nodes))
        return nodes[client].id, nodes[server].id, CONNECTION_TYPES[type_]

    return {name(key): part for key, part in found.items()}


def _operation_parts(cohort: Cohort) -> dict[_Name, _Part]:
    traces = cohort.traces
    rows = np.flatnonzero(cohort.rows)
    codes, operations = traces.operations
    own = self_ns(traces.start_ns, traces.end_ns, *traces.children)
    failed = traces.status_code == STATUS_ERROR
    trace = cohort.number[traces.trace[rows]]
    held = cohort.paths.on_path_ns()[rows]
    found = _parts(codes[rows].astype(np.int64), trace, own[rows], failed[rows], held, cohort)
    return {operations[code]: part for code, part in found.items()}


def _changes(
    base: Mapping[_Name, _Part], other: Mapping[_Name, _Part], base_cohort: Cohort, other_cohort: Cohort, time: str
) -> list[Change]:
    nothing = _Part(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0, np.bool_), np.zeros(0))
    changes = []
    for key in {**base, **other}:
        one, two = base.get(key, nothing), other.get(key, nothing)
        sizes = base_cohort.size, other_cohort.size
        figures = {
            "traces": _proportion((one.trace.size, sizes[0]), (two.trace.size, sizes[1])),
            "calls_per_trace": _mean(one.count, two.count, sizes),
            "critical_path_share": _mean(one.share, two.share, sizes),
        }
        if one.trace.size and two.trace.size:
            figures[time] = _time(one.time_ns, two.time_ns)
            figures["failures"] = _proportion(
                (int(one.failed.sum()), one.trace.size), (int(two.failed.sum()), two.trace.size)
            )
        status = "appeared" if not one.trace.size else "vanished" if not two.trace.size else "same"
        changes.append(Change(key, status, int(one.count.sum()), int(two.count.sum()), figures))
    return changes


def _time(base: F64, other: F64) -> Figure:
    _, p_value = superiority(base, other)
    middle, low, high = shift(base, other)
    return Figure(
        float(np.median(base)), float(np.median(other)), middle, low, high, p_value, test="Mann-Whitney, per trace"
    )


def _proportion(base: tuple[int, int], other: tuple[int, int]) -> Figure:
    difference, low, high = difference_of_proportions(base, other)
    one, two = (hits / trials if trials else None for hits, trials in (base, other))
    return Figure(one, two, difference, low, high, fisher_p(base, other), test="Fisher, traces")


def _mean(base: F64, other: F64, sizes: tuple[int, int]) -> Figure:
    """Means over all traces, those without counting 0; Welch's interval."""
    if 0 in sizes:
        return Figure(None, None, None, None, None, 1.0, test="Welch, per trace")
    (one, spread_one), (two, spread_two) = (
        (values.sum() / size, ((values**2).sum() - values.sum() ** 2 / size) / max(size - 1, 1) / size)
        for values, size in ((base, sizes[0]), (other, sizes[1]))
    )
    spread = math.sqrt(max(spread_one, 0) + max(spread_two, 0))
    enough = min(sizes) >= FEWEST_TRACES
    p_value = 1.0 if spread == 0 or not enough else two_sided_p((two - one) / spread)
    half = Z95 * spread
    return Figure(one, two, two - one, two - one - half, two - one + half, p_value, test="Welch, per trace")


def _judged(changes: list[Change]) -> list[Change]:
    """With q-values over all figures of all changes."""
    q_values = iter(false_discovery([figure.p_value for change in changes for figure in change.figures.values()]))
    judged = []
    for change in changes:
        figures = {name: replace(figure, q_value=next(q_values)) for name, figure in change.figures.items()}
        news = any(figure.is_news for figure in figures.values())
        status = "changed" if change.status == "same" and news else change.status
        judged.append(replace(change, figures=figures, status=status))
    return judged


def _news_first(changes: Iterable[Change]) -> list[Change]:
    """Those that are news, the surest first; then the others by name."""

    def rank(change: Change) -> tuple[bool, float, str]:
        q_value = min(figure.q_value for figure in change.figures.values())
        return q_value > MAX_FALSE_ALARMS, q_value, str(change.name)

    return sorted(changes, key=rank)
