"""Where did it change? Services ranked by the time and the failures that they cost more than before.

What a service costs: its own time on a request; and for every call the gap between what the caller saw and what the
callee saw, which belongs to both ends, to each as far as its other edges have one, too: a slow network or a starved
host shows on every edge of a service. A failure belongs to the service that failed while nothing below it did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tracelab.analysis.calls import service_node_name
from tracelab.analysis.cohorts import Cohort
from tracelab.analysis.statistics import fisher_p, superiority
from tracelab.schema import STATUS_ERROR
from tracelab.times import duration_text

F64 = NDArray[np.float64]
_Operation = tuple[str, str | None]
_Edge = tuple[str, str]
_Samples = tuple[F64, F64]
"""All values, and the mean of each trace's."""
_Key = TypeVar("_Key", _Operation, _Edge)
_CALLER_PART = 0.9  # a gap on a lone edge is the callee's rather than the caller's: accepting is part of it
_FAR = 3.0  # times the largest value seen before
_MAY_BE_CHANCE = 0.2  # above that nothing of a service is evidence
_SHOWS_IT = 0.25  # of the largest growth on a service's edges: an edge with so much shows it whole
_WORTH_A_WORD = 0.05  # of a suspect's score: less is not in `why`


@dataclass(frozen=True)
class Suspect:
    """A service, or a virtual node by its id.

    Attributes:
        score: what it costs more than before, in requests a trace: 1 is as much time as a whole request took, or one
            failure for each
        why: in words, the weightiest first
        own_ns, gap_ns, failures: its parts, per trace of the other cohort
        p_value: how likely chance makes the surest of its changes
    """

    service_name: str
    why: str
    score: float
    own_ns: float
    gap_ns: float
    failures: float
    p_value: float


@dataclass(frozen=True)
class _Excess:
    """What a key costs more in the other cohort: per trace of it, per call, and how sure that is."""

    total: float
    each: float
    calls: int
    p_value: float

    @property
    def sure(self) -> float:
        """The total, less where chance may have made it."""
        return max(self.total, 0.0) * (1 - self.p_value) ** 2


def find_suspects(base: Cohort, other: Cohort) -> list[Suspect]:
    """Services by what changed in them, the most likely cause first; those whose change may well be chance left out."""
    if base.size == 0 or other.size == 0:
        return []
    own = _excesses(_own_times(base), _own_times(other), other.size)
    gaps_before, gaps_after = _gaps(base), _gaps(other)
    gaps = _excesses(_with_lone_callers(gaps_before, gaps_after), gaps_after, other.size)
    failures = _failure_excesses(base, other)
    typical = max(float(np.mean(base.root_ns)), 1.0)
    names = {key[0] for key in own} | {end for edge in gaps for end in edge} | set(failures)
    suspects = [_suspect(name, own, gaps, failures, typical) for name in names if name != "user:user"]
    likely = [suspect for suspect in suspects if suspect is not None]
    return sorted(likely, key=lambda suspect: (-suspect.score, suspect.service_name))


def _own_times(cohort: Cohort) -> dict[tuple[str, str | None], _Samples]:
    times, traces = cohort.times, cohort.traces
    chosen = cohort.rows[times.request_row]
    rows = times.request_row[chosen]
    codes, operations = traces.operations
    grouped = _grouped(codes[rows].astype(np.int64), cohort.number[traces.trace[rows]], times.own_ns[chosen])
    return {(service_node_name(operations[code][0]), operations[code][1]): samples for code, samples in grouped.items()}


def _gaps(cohort: Cohort) -> dict[tuple[str, str], _Samples]:
    times, calls = cohort.times, cohort.calls
    trace = cohort.call_trace[times.call]
    chosen = trace >= 0
    call = times.call[chosen]
    nodes = calls.nodes
    grouped = _grouped(calls.client[call] * len(nodes) + calls.server[call], trace[chosen], times.gap_ns[chosen])
    return {(nodes[key // len(nodes)].id, nodes[key % len(nodes)].id): samples for key, samples in grouped.items()}


def _grouped(keys: NDArray[np.int64], trace: NDArray[np.int64], values: NDArray[np.int64]) -> dict[int, _Samples]:
    """Per key (all its values, the mean of each trace's)."""
    if keys.size == 0:
        return {}
    order = np.lexsort((trace, keys))
    keys, trace, ordered = keys[order], trace[order], values[order].astype(np.float64)
    cuts = np.flatnonzero(np.diff(keys)) + 1
    found = {}
    for part_keys, part_trace, part in zip(
        np.split(keys, cuts), np.split(trace, cuts), np.split(ordered, cuts), strict=True
    ):
        _, inverse, counts = np.unique(part_trace, return_inverse=True, return_counts=True)
        found[int(part_keys[0])] = (part, np.bincount(inverse, part) / counts)
    return found


def _excesses(base: Mapping[_Key, _Samples], other: Mapping[_Key, _Samples], traces: int) -> dict[_Key, _Excess]:
    """Per key that both have: the means' difference, a few wild values cut, for each call of the other cohort."""
    everything = np.concatenate([np.zeros(0), *(means for _, means in base.values())])
    found = {}
    for key in base.keys() & other.keys():
        (before, before_means), (after, after_means) = base[key], other[key]
        chance, p_value = superiority(before_means, after_means)
        if after_means.min() > _FAR * before.max():  # of few values only their size can tell
            p_value = min(p_value, superiority(everything, after_means)[1])
        limit = np.quantile(np.concatenate([before, after]), 0.98, method="higher")
        each = float(np.minimum(after, limit).mean() - np.minimum(before, limit).mean())
        grew = each > 0 and chance > 0.5
        found[key] = _Excess(each * after.size / traces if grew else 0.0, each, after.size, p_value if grew else 1.0)
    return found


def _with_lone_callers(base: Mapping[_Edge, _Samples], other: Mapping[_Edge, _Samples]) -> dict[_Edge, _Samples]:
    """The base's gaps; a caller that did not call there before is held against those who did."""
    filled = dict(base)
    for edge in other.keys() - base.keys():
        same = [samples for (_, server), samples in base.items() if server == edge[1]]
        if same:
            filled[edge] = np.concatenate([all_ for all_, _ in same]), np.concatenate([means for _, means in same])
    return filled


def _failure_excesses(base: Cohort, other: Cohort) -> dict[str, _Excess]:
    """Per service the failures that began in it: errors without an error below."""
    found = {}
    counts = [_failures(cohort) for cohort in (base, other)]
    for name in counts[1]:
        (bad, total), (bad_before, total_before) = counts[1][name], counts[0].get(name, (0, 0))
        share, before = bad / max(total, 1), bad_before / max(total_before, 1)
        if share > before:
            p_value = fisher_p((bad_before, total_before), (bad, total))
            found[name] = _Excess((share - before) * total / other.size, share - before, total, p_value)
    return found


def _failures(cohort: Cohort) -> dict[str, tuple[int, int]]:
    """Per service (requests in which an error began, requests). A call that nobody answered is its callee's failure."""
    traces, times, calls = cohort.traces, cohort.times, cohort.calls
    is_error = (traces.status_code == STATUS_ERROR) & ~traces.is_placeholder
    above = np.zeros(len(traces), np.bool_)
    below = np.flatnonzero(is_error & (traces.parent_row >= 0))
    above[traces.parent_row[below]] = True
    began = is_error & ~above
    result: dict[str, tuple[int, int]] = {}
    unanswered = np.flatnonzero((calls.server_row < 0) & (calls.client_row >= 0) & (cohort.call_trace >= 0))
    began[calls.client_row[unanswered]] = False
    service = traces.service
    requests = np.bincount(service[times.request_row[cohort.rows[times.request_row]]], minlength=len(traces.services))
    bad = np.bincount(service[began & cohort.rows], minlength=len(traces.services))
    for code in np.flatnonzero(requests):
        name = service_node_name(traces.services[code])
        result[name] = (int(min(bad[code], requests[code])), int(requests[code]))
    for call in unanswered.tolist():
        name = calls.nodes[calls.server[call]].id
        failed, total = result.get(name, (0, 0))
        result[name] = (failed + int(is_error[calls.client_row[call]]), total + 1)
    return result


def _suspect(
    name: str,
    own: Mapping[_Operation, _Excess],
    gaps: Mapping[_Edge, _Excess],
    failures: Mapping[str, _Excess],
    typical_ns: float,
) -> Suspect | None:
    """None where nothing of it grew, or chance explains all that did."""
    mine = {key: excess for key, excess in own.items() if key[0] == name}
    edges = {edge: excess for edge, excess in gaps.items() if name in edge}
    own_ns = sum(excess.sure for excess in mine.values())
    gap_ns = _gap_part(name, edges)
    failed = failures.get(name)
    failures_each = failed.sure if failed else 0.0
    score = (own_ns + gap_ns) / typical_ns + failures_each
    parts = [*mine.values(), *edges.values(), *([failed] if failed else [])]
    p_value = min((excess.p_value for excess in parts), default=1.0)
    if score <= 0 or p_value > _MAY_BE_CHANCE:
        return None
    why = _why(score, typical_ns, mine, edges, gap_ns, failed)
    return Suspect(name, why, score, own_ns, gap_ns, failures_each, p_value) if why else None


def _gap_part(name: str, edges: Mapping[_Edge, _Excess]) -> float:
    """What the gaps on its edges grew by, as far as all of its edges show it."""
    if not edges:
        return 0.0
    largest = max(excess.each for excess in edges.values())
    if largest <= 0:
        return 0.0
    shown = sum(excess.calls * min(max(excess.each, 0.0) / (_SHOWS_IT * largest), 1.0) for excess in edges.values())
    coverage = shown / sum(excess.calls for excess in edges.values())
    called = sum(excess.sure for edge, excess in edges.items() if edge[1] == name)
    calling = sum(excess.sure for edge, excess in edges.items() if edge[0] == name)
    return coverage * (called + _CALLER_PART * calling)


def _why(
    score: float,
    typical_ns: float,
    mine: Mapping[_Operation, _Excess],
    edges: Mapping[_Edge, _Excess],
    gap_ns: float,
    failed: _Excess | None,
) -> str:
    reasons: list[tuple[float, str]] = []
    for key, excess in mine.items():
        text = f"its own time in {key[1]} grew by {duration_text(excess.each)} a request ({excess.calls:,} requests)"
        reasons.append((excess.sure / typical_ns, text))
    widest = max(edges.items(), key=lambda item: item[1].sure, default=None)
    if widest is not None and gap_ns > 0:
        edge, excess = widest
        grown = sum(1 for part in edges.values() if part.sure > 0)
        text = (
            f"calls {edge[0]} -> {edge[1]} wait {duration_text(excess.each)} longer outside the callee "
            f"({grown} of its {len(edges)} edges have grown)"
        )
        reasons.append((gap_ns / typical_ns, text))
    if failed is not None and failed.sure > 0:
        text = f"{100 * failed.each:.1f} % more of its requests fail ({failed.calls:,} requests)"
        reasons.append((failed.sure, text))
    reasons.sort(key=lambda reason: -reason[0])
    told = [text for weight, text in reasons[:3] if weight >= _WORTH_A_WORD * score and math.isfinite(weight)]
    return "; ".join(told)
