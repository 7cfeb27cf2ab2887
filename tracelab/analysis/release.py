"""Is a new version as good as the one that runs? Judged from the requests that both served at the same time.

Looked at again and again while it runs, so each look may spend a part only of the chance of a false alarm: looks after
the k-th doubling of the candidate's requests spend alpha * 6 / (pi k)^2, which adds up to alpha however long it runs
(Lan and DeMets 1983, "Discrete sequential boundaries for clinical trials", have the idea; the series is the plainest
that converges; looks between two doublings see nearly the same requests). benchmarks/releases.py says what comes of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from tracelab.analysis.statistics import difference_of_proportions, fisher_p, shift, superiority, wilson
from tracelab.schema import STATUS_ERROR
from tracelab.times import duration_text, percent_text
from tracelab.traceset import TraceSet

I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
_FEWEST_OF_ROUTE = 12
_DOUBT = 0.1  # chance alone would show as many more failures so often: no reason to go back, nor to go on


@dataclass(frozen=True)
class Limits:
    """What a version must keep to.

    Attributes:
        failures: share of requests that may fail; p99_ns: what the p99 may be
        slower: by how much of the baseline's median a route may be slower, and `slower_ns` at least
        failures_more: by how much more may fail than of the baseline
        alpha: chance of rolling back a good one, over all looks
        samples: requests of the candidate that a step needs before it can be passed
    """

    failures: float = 0.01
    p99_ns: int = 500_000_000
    slower: float = 0.1
    slower_ns: int = 5_000_000
    failures_more: float = 0.005
    alpha: float = 0.01
    samples: int = 40


DEFAULT = Limits()


@dataclass(frozen=True)
class Served:
    """Requests that one version served: their route (code into `routes`), duration, failure, trace."""

    routes: tuple[str, ...]
    route: I64
    duration_ns: I64
    failed: Bools
    trace: tuple[str, ...] | NDArray[np.str_] = ()

    @property
    def size(self) -> int:
        return self.duration_ns.size

    def of_route(self, code: int) -> Served:
        mine = self.route == code
        return Served(self.routes, self.route[mine], self.duration_ns[mine], self.failed[mine])


@dataclass(frozen=True)
class Side:
    """One version's figures: requests, failures with a 95 % interval, p50 and p99 with a 95 % interval of the p99."""

    requests: int
    failed: int
    failure_share: float | None
    failure_low: float
    failure_high: float
    p50_ns: int | None
    p99_ns: int | None
    p99_low_ns: int | None
    p99_high_ns: int | None


@dataclass(frozen=True)
class RouteFigures:
    """One route: both versions, and how much slower the candidate is, with an interval."""

    route: str
    baseline: Side
    candidate: Side
    slower_ns: float | None
    slower_low_ns: float | None
    slower_high_ns: float | None
    p_value: float


@dataclass(frozen=True)
class Verdict:
    """What to do: `promote` if time allows, `hold` while there is too little to say, or `roll back`; and why."""

    action: str
    reasons: tuple[str, ...]
    baseline: Side
    candidate: Side
    routes: tuple[RouteFigures, ...] = field(default=())


def served_by(traces: TraceSet, service: str, version: str, since_ns: int = 0) -> Served:
    """The requests that entered this version of a service since a moment, by route (operation)."""
    table = traces.table
    rows = np.flatnonzero(~traces.is_placeholder & (traces.raw_start_ns >= since_ns))
    named = pc.fill_null(pc.equal(table.column("service_name"), service), False).to_numpy()
    right = pc.fill_null(pc.equal(table.column("service_version"), version), False).to_numpy()
    rows = rows[(named & right)[traces.source_row[rows]]]
    parent = traces.parent_row[rows]
    entered = (parent < 0) | (traces.service[parent] != traces.service[rows])
    rows = rows[entered]
    codes, operations = traces.operations
    found, route = np.unique(codes[rows], return_inverse=True)
    return Served(
        tuple(operations[code][1] or "" for code in found.tolist()),
        route.astype(np.int64),
        traces.end_ns[rows] - traces.start_ns[rows],
        traces.status_code[rows] == STATUS_ERROR,
        tuple(traces.trace_id(int(trace)) for trace in traces.trace[rows].tolist()),
    )


def judge(baseline: Served, candidate: Served, limits: Limits = DEFAULT) -> Verdict:
    """Compare what both served so far."""
    doubling = max(1, math.ceil(math.log2(max(candidate.size, 1) / _FEWEST_OF_ROUTE)) + 1)
    alpha = limits.alpha * 6 / (math.pi * doubling) ** 2
    one, two = _side(baseline), _side(candidate)
    routes = tuple(_routes(baseline, candidate))
    reasons = [
        *_failure_reasons(baseline, candidate, limits, alpha),
        *_p99_reasons(one, two, baseline, candidate, limits),
    ]
    reasons += _route_reasons(baseline, candidate, routes, limits, alpha)
    if reasons:
        return Verdict("roll back", tuple(reasons), one, two, routes)
    if candidate.size < limits.samples:
        text = f"{candidate.size} requests of the candidate, {limits.samples} are needed to say anything"
        return Verdict("hold", (text,), one, two, routes)
    share, before = two.failure_share or 0.0, one.failure_share or 0.0
    more = fisher_p((one.failed, one.requests), (two.failed, two.requests)) if one.requests else 1.0
    is_doubtful = more < _DOUBT and share - before > limits.failures_more  # where the baseline fails as well
    if share > limits.failures and (before <= limits.failures or is_doubtful):
        limit = (
            percent_text(limits.failures) if before <= limits.failures else f"{percent_text(before)} of the baseline's"
        )
        text = f"{percent_text(share)} fail, more than {limit}, but it may be chance"
        return Verdict("hold", (text,), one, two, routes)
    return Verdict("promote", ("nothing speaks against it",), one, two, routes)


def _side(served: Served) -> Side:
    failed, size = int(served.failed.sum()), served.size
    low, high = wilson(failed, size)
    if size == 0:
        return Side(0, 0, None, low, high, None, None, None, None)
    ordered = np.sort(served.duration_ns)
    p99_low, p99_high = _quantile_bounds(ordered, 0.99, 1.96)
    p50, p99 = (int(ordered[max(0, math.ceil(share * size) - 1)]) for share in (0.5, 0.99))
    return Side(size, failed, failed / size, low, high, p50, p99, p99_low, p99_high)


def _quantile_bounds(ordered: I64, share: float, z: float) -> tuple[int, int]:
    """An interval of a quantile from its order statistics: how many of n lie below it is binomial.

    Conover, "Practical Nonparametric Statistics", ch. 3.2; the normal approximation, kept inside the sample.
    """
    size = ordered.size
    half = z * math.sqrt(size * share * (1 - share))
    low = min(max(math.floor(size * share - half) - 1, 0), size - 1)
    high = min(max(math.ceil(size * share + half) - 1, 0), size - 1)
    return int(ordered[low]), int(ordered[high])


def _failure_reasons(baseline: Served, candidate: Served, limits: Limits, alpha: float) -> list[str]:
    bad, total = int(candidate.failed.sum()), candidate.size
    bad_before, total_before = int(baseline.failed.sum()), baseline.size
    if total < _FEWEST_OF_ROUTE:
        return []
    z = _z(alpha)
    low = _wilson_low(bad, total, z)
    _, more, _ = difference_of_proportions((bad_before, total_before), (bad, total))
    reasons = []
    before_share = bad_before / total_before if total_before else 0.0
    surely_more = fisher_p((bad_before, total_before), (bad, total)) < alpha if total_before else True
    good_before = wilson(bad_before, total_before)[1] <= limits.failures
    if low > limits.failures and (good_before or surely_more):
        reasons.append(
            f"{percent_text(bad / total)} of {total} requests fail, surely more than {percent_text(limits.failures)} "
            f"(baseline {percent_text(before_share)} of {total_before})"
        )
    elif total_before and surely_more and bad / total - before_share > limits.failures_more and more > 0:
        reasons.append(
            f"{percent_text(bad / total)} of {total} requests fail, {percent_text(before_share)} of the baseline's "
            f"{total_before}"
        )
    return reasons


def _p99_reasons(one: Side, two: Side, baseline: Served, candidate: Served, limits: Limits) -> list[str]:
    """A p99 above the limit, surely: the limit lies below its interval; and not because the baseline's is as well."""
    over = int((candidate.duration_ns > limits.p99_ns).sum())
    if two.p99_ns is None or candidate.size < limits.samples:
        return []
    if _wilson_low(over, candidate.size, _z(limits.alpha)) <= 0.01:
        return []
    over_before = int((baseline.duration_ns > limits.p99_ns).sum())
    worse = fisher_p((over_before, baseline.size), (over, candidate.size)) < limits.alpha
    if one.p99_ns is not None and one.p99_ns > limits.p99_ns and not worse:
        return []
    return [f"p99 is {duration_text(two.p99_ns)}, surely more than {duration_text(limits.p99_ns)}"]


def _routes(baseline: Served, candidate: Served) -> list[RouteFigures]:
    found = []
    for name in sorted({*baseline.routes, *candidate.routes}):
        one, two = _route(baseline, name), _route(candidate, name)
        slower: tuple[float | None, float | None, float | None] = (None, None, None)
        p_value = 1.0
        if min(one.size, two.size) >= _FEWEST_OF_ROUTE:
            before, after = one.duration_ns.astype(np.float64), two.duration_ns.astype(np.float64)
            slower = shift(before, after)
            p_value = superiority(before, after)[1]
        found.append(RouteFigures(name, _side(one), _side(two), *slower, p_value))
    return found


def _route(served: Served, name: str) -> Served:
    code = served.routes.index(name) if name in served.routes else -1
    return served.of_route(code)


def _route_reasons(
    baseline: Served, candidate: Served, routes: Sequence[RouteFigures], limits: Limits, alpha: float
) -> list[str]:
    reasons = []
    each = alpha / max(len(routes), 1)
    for route in routes:
        if route.slower_low_ns is not None and route.slower_ns is not None and route.p_value < each:
            least = max(limits.slower * (route.baseline.p50_ns or 0), limits.slower_ns)
            if route.slower_low_ns > 0 and route.slower_ns > least:
                reasons.append(
                    f"{route.route} is {duration_text(route.slower_ns)} slower than the baseline at the same time "
                    f"({duration_text(route.slower_low_ns)} to {duration_text(route.slower_high_ns)})"
                )
        bad, before = route.candidate, route.baseline
        if min(bad.requests, before.requests) >= _FEWEST_OF_ROUTE:
            p_value = fisher_p((before.failed, before.requests), (bad.failed, bad.requests))
            more = (bad.failure_share or 0.0) - (before.failure_share or 0.0)
            if p_value < each and more > limits.failures_more:
                reasons.append(
                    f"{percent_text(bad.failure_share or 0.0)} of {route.route} fail, "
                    f"{percent_text(before.failure_share or 0.0)} of the baseline's"
                )
    return reasons


def _z(alpha: float) -> float:
    """The one-sided normal quantile, by bisection: exact enough, and needs no other package."""
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(middle / math.sqrt(2)) / 2 > alpha else (low, middle)
    return low


def _wilson_low(hits: int, trials: int, z: float) -> float:
    share = hits / trials
    middle = share + z**2 / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return max(0.0, (middle - half) / (1 + z**2 / trials))
