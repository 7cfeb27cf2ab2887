"""What a diagnosis looks at: figures of every service, operation and edge, one value per request or call, and which of
them are not what they were.

The trace is the unit of chance, as in `comparison`. What all services have in common (a machine that is slower today)
is taken out before times are compared: a cause stands out against the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tracelab.analysis.calls import Calls, service_node_name
from tracelab.analysis.cohorts import Cohort
from tracelab.analysis.statistics import fisher_p, superiority
from tracelab.kernels.service_times import entries
from tracelab.schema import STATUS_ERROR
from tracelab.traceset import I64, TraceSet

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]
_FEWEST = 5
"""Values on each side without which a figure says nothing."""
_TIMES = ("own", "gap", "delay")
_SHARES = ("errors", "timeouts", "unreachable", "missing", "roots")
_FEWEST_OPERATIONS = 4  # of fewer it cannot be said what they have in common
_MOST_IN_COMMON = 3.0


@dataclass(frozen=True)
class Measure:
    """One figure of many keys: `key` ([v] into `names`), `row` ([v] of the span that it was seen at), `value` ([v])."""

    family: str
    names: tuple[tuple[str, str], ...]
    key: I64
    row: I64
    value: F64


@dataclass(frozen=True)
class Signal:
    """A figure of one key, before and now.

    Attributes:
        family: own, gap, delay (ns), errors, timeouts, unreachable, missing, roots (shares), calls (a request),
            shift (ns), new (a trace)
        name: (service, operation) or (client, server), by node ids
        before, after: means; each: after - before, what all have in common taken out; ns, shares or calls
        total: `each` times how often it is seen in a trace now
        count: values now; p_value: how likely chance makes such a change
        rows: spans at which it was seen now, the largest first
    """

    family: str
    name: tuple[str, str]
    before: float
    after: float
    each: float
    total: float
    count: int
    p_value: float
    rows: I64


class Sides:
    """Two cohorts of one set of traces, before and now, and all that is measured of them."""

    def __init__(self, base: Cohort, now: Cohort) -> None:
        self.traces: TraceSet = base.traces
        self.base, self.now = base, now
        self.side = np.where(now.chosen, 1, np.where(base.chosen, 0, -1))
        self.calls: Calls = base.calls
        self.server = self._servers()

    @cached_property
    def typical_ns(self) -> float:
        """What a trace's roots took on average, before."""
        return max(float(np.mean(self.base.root_ns)) if self.base.size else 0.0, 1.0)

    @cached_property
    def entry(self) -> I64:
        """[n] the row at which the request entered the span's service."""
        traces = self.traces
        return entries(traces.parents_first, traces.parent_row, traces.service, traces.is_placeholder)

    def node(self, code: int) -> str:
        return self.calls.nodes[code].id

    def _servers(self) -> I64:
        """[c] the server of each call; of an unanswered one the service that others reached at the same address."""
        calls, traces = self.calls, self.traces
        server = calls.server.copy()
        rows = np.flatnonzero(calls.client_row >= 0)
        if rows.size == 0:
            return server
        addresses = traces.values("server_address", calls.client_row[rows])
        ports = traces.values("server_port", calls.client_row[rows])
        places = [
            f"{address}:{port}" if address and port else None for address, port in zip(addresses, ports, strict=True)
        ]
        known: dict[str, dict[int, int]] = {}
        answered = calls.server_row[rows] >= 0
        for at in np.flatnonzero(answered).tolist():
            if places[at] is not None:
                counts = known.setdefault(str(places[at]), {})
                counts[int(server[rows[at]])] = counts.get(int(server[rows[at]]), 0) + 1
        for at in np.flatnonzero(~answered).tolist():
            if places[at] in known:
                counts = known[str(places[at])]
                server[rows[at]] = max(counts, key=lambda code: (counts[code], -code))
        return server

    @cached_property
    def unanswered(self) -> Bools:
        """[c] a call to a service that reports spans elsewhere, and of which none was seen here."""
        virtual = np.array([node.virtual for node in self.calls.nodes], np.bool_)
        if virtual.size == 0:
            return np.zeros(self.calls.client.size, np.bool_)
        return (self.calls.server_row < 0) & (self.calls.client_row >= 0) & ~virtual[self.server]

    @cached_property
    def measures(self) -> list[Measure]:
        """Every figure of these traces."""
        return [
            self._own(),
            self._gaps(),
            *self._failures(),
            self._counts(),
            self._delays(),
            self._shifts(),
            self._roots(),
        ]

    def measure(self, family: str) -> Measure:
        return next(found for found in self.measures if found.family == family)

    def _edge_keys(self, call: I64) -> tuple[I64, tuple[tuple[str, str], ...]]:
        count = max(len(self.calls.nodes), 1)
        codes, key = np.unique(self.calls.client[call] * count + self.server[call], return_inverse=True)
        names = tuple((self.node(code // count), self.node(code % count)) for code in codes.tolist())
        return key.astype(np.int64), names

    def _service_keys(self, row: I64) -> tuple[I64, tuple[tuple[str, str], ...]]:
        codes, operations = self.traces.operations
        found, key = np.unique(codes[row], return_inverse=True)
        names = tuple((service_node_name(operations[at][0]), operations[at][1] or "") for at in found.tolist())
        return key.astype(np.int64), names

    def _own(self) -> Measure:
        times = self.base.times
        key, names = self._service_keys(times.request_row)
        return Measure("own", names, key, times.request_row, times.own_ns.astype(np.float64))

    def _gaps(self) -> Measure:
        times, calls = self.base.times, self.calls
        sure = ~self.unanswered[times.call]  # how long an unanswered one took says nothing of the network
        call = times.call[sure]
        key, names = self._edge_keys(call)
        return Measure("gap", names, key, calls.any_row[call], times.gap_ns[sure].astype(np.float64))

    def _failures(self) -> list[Measure]:
        """Where failures began: in a service, in its patience, or on the way to another."""
        traces, calls = self.traces, self.calls
        is_error = (traces.status_code == STATUS_ERROR) & ~traces.is_placeholder
        above = np.zeros(len(traces), np.bool_)
        below = np.flatnonzero(is_error & (traces.parent_row >= 0))
        above[traces.parent_row[below]] = True
        began = is_error & ~above
        silent = np.flatnonzero((calls.server_row < 0) & (calls.client_row >= 0))
        began[calls.client_row[silent]] = False
        late = np.zeros(len(traces), np.bool_)
        rows = np.flatnonzero(began)
        late[rows] = self._says_late(rows)
        found = []
        requests = np.flatnonzero((self.entry == np.arange(len(traces))) & ~traces.is_placeholder)
        key, names = self._service_keys(requests)
        for family, chosen in (("errors", began & ~late), ("timeouts", began & late)):
            hit = np.zeros(len(traces), np.bool_)
            hit[self.entry[np.flatnonzero(chosen)]] = True
            found.append(Measure(family, names, key, requests, hit[requests].astype(np.float64)))
        edges = np.flatnonzero(calls.client_row >= 0)
        key, names = self._edge_keys(edges)
        failed = is_error[calls.client_row[edges]] & (calls.server_row[edges] < 0)
        found.append(Measure("unreachable", names, key, calls.client_row[edges], failed.astype(np.float64)))
        missing = self.unanswered[edges] & ~is_error[calls.client_row[edges]]
        found.append(Measure("missing", names, key, calls.client_row[edges], missing.astype(np.float64)))
        return found

    def _says_late(self, rows: I64) -> Bools:
        """Whether an error says that somebody lost patience."""
        said = [
            " ".join(str(word) for word in words if word).lower()
            for words in zip(
                self.traces.values("error_type", rows), self.traces.values("exception_type", rows), strict=True
            )
        ]
        return np.array([any(word in text for word in ("timeout", "deadline", "504")) for text in said], np.bool_)

    def _counts(self) -> Measure:
        """Calls on each edge for one request of the client, the requests without any too."""
        calls, traces = self.calls, self.traces
        client_row = (
            np.where(
                calls.client_row >= 0,
                calls.client_row,
                np.where(calls.request_row >= 0, traces.parent_row[calls.request_row], -1),
            )
            if calls.client.size
            else calls.client_row
        )
        call = np.flatnonzero(client_row >= 0)
        owner = self.entry[client_row[call]]
        call, owner = call[owner >= 0], owner[owner >= 0]
        if call.size == 0:
            return Measure("calls", (), call, call, np.zeros(0))
        codes, _ = traces.operations
        edge, edge_names = self._edge_keys(call)
        keyed = edge * (int(codes.max()) + 1) + codes[owner]  # by the client's operation: a mix of them is not a change
        requests = np.flatnonzero((self.entry == np.arange(len(traces))) & ~traces.is_placeholder)
        by_operation = {int(code): requests[codes[requests] == code] for code in np.unique(codes[owner])}
        keys, rows, values, names = [], [], [], []
        for number, code in enumerate(np.unique(keyed).tolist()):
            edge_code, operation = divmod(code, int(codes.max()) + 1)
            there = by_operation[operation]
            counts = np.bincount(owner[keyed == code], minlength=len(traces))[there]
            keys.append(np.full(there.size, number))
            rows.append(there)
            values.append(counts.astype(np.float64))
            names.append(edge_names[edge_code])
        return Measure("calls", tuple(names), np.concatenate(keys), np.concatenate(rows), np.concatenate(values))

    def _delays(self) -> Measure:
        calls = self.calls
        key, names = self._edge_keys(calls.delay_call)
        return Measure("delay", names, key, calls.any_row[calls.delay_call], calls.delay_ns.astype(np.float64))

    def _shifts(self) -> Measure:
        rows = self.base.times.request_row
        key, names = self._service_keys(rows)
        return Measure("shift", names, key, rows, np.abs(self.traces.shift_ns[rows]).astype(np.float64))

    def _roots(self) -> Measure:
        """Requests that nobody seems to have made."""
        rows = self.base.times.request_row
        key, names = self._service_keys(rows)
        return Measure("roots", names, key, rows, (self.traces.parent_row[rows] < 0).astype(np.float64))

    def signals(self) -> list[Signal]:
        """All figures that are seen on both sides often enough, whether or not they changed."""
        found: list[Signal] = []
        for measure in self.measures:
            found += self._compared(measure)
        return found

    def _compared(self, measure: Measure) -> list[Signal]:
        trace = self.traces.trace[measure.row]
        side = self.side[trace]
        order = np.lexsort((trace, side, measure.key))
        order = order[side[order] >= 0]
        key, trace, side = measure.key[order], trace[order], side[order]
        value, row = measure.value[order], measure.row[order]
        parts = []
        for number in np.unique(key).tolist():
            begin, end = np.searchsorted(key, (number, number + 1))
            middle = begin + int(np.searchsorted(side[begin:end], 1))
            if min(middle - begin, end - middle) >= _FEWEST:
                parts.append((measure.names[number], slice(begin, middle), slice(middle, end)))
        common = _in_common([(value[base].mean(), value[now].mean()) for _, base, now in parts], measure.family)
        return [
            self._signal(
                measure.family, name, (trace[base], value[base] * common), (trace[now], value[now]), row[now], common
            )
            for name, base, now in parts
        ]

    def _signal(
        self,
        family: str,
        name: tuple[str, str],
        base: tuple[NDArray[np.int32], F64],
        now: tuple[NDArray[np.int32], F64],
        rows: I64,
        common: float,
    ) -> Signal:
        before, after = base[1], now[1]
        if family in _SHARES:
            one, two = _any_per_trace(*base), _any_per_trace(*now)
            p_value = fisher_p((int(one.sum()), one.size), (int(two.sum()), two.size))
            each = float(after.mean() - before.mean())
        else:
            p_value = _p_value(_mean_per_trace(*base), _mean_per_trace(*now))
            limit = np.quantile(np.concatenate([before, after]), 0.99, method="higher")
            each = float(np.minimum(after, limit).mean() - np.minimum(before, limit).mean())
        order = np.argsort(-after, kind="stable")
        total = each * after.size / max(self.now.size, 1)
        return Signal(
            family,
            name,
            float(before.mean()) / common,
            float(after.mean()),
            each,
            total,
            after.size,
            p_value,
            rows[order],
        )


def _in_common(means: list[tuple[float, float]], family: str) -> float:
    """By how much even the least affected quarter has become slower; or quicker, where three quarters have."""
    if family not in ("own", "gap"):
        return 1.0
    ratios = [after / before for before, after in means if before > 0]
    if len(ratios) < _FEWEST_OPERATIONS:
        return 1.0
    low, high = np.quantile(ratios, (0.25, 0.75))
    return float(np.clip(min(high, 1.0) if low < 1.0 else low, 1 / _MOST_IN_COMMON, _MOST_IN_COMMON))


def _mean_per_trace(trace: NDArray[np.int32], value: F64) -> F64:
    _, number, counts = np.unique(trace, return_inverse=True, return_counts=True)
    means: F64 = np.bincount(number, value) / counts
    return means


def _any_per_trace(trace: NDArray[np.int32], value: F64) -> Bools:
    _, number = np.unique(trace, return_inverse=True)
    hit: Bools = np.bincount(number, value) > 0
    return hit


def _p_value(base: F64, now: F64) -> float:
    """Of all being larger, or of a tail that was not there: two tests, so twice the smaller p."""
    larger = superiority(base, now)[1]
    edge = np.quantile(base, 0.95)
    tail = fisher_p((int((base > edge).sum()), base.size), (int((now > edge).sum()), now.size))
    return min(1.0, 2 * min(larger, tail))
