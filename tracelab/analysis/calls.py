"""Every call between two nodes, one row each: what the service graph adds up.

A request is a span that enters a service: SERVER or CONSUMER, or any span whose service is not its parent's. Its
client is found by walking up. docs/how-it-works/service-graph.md has the rules; the golden cases have an example of
each. Calls are found in assembled traces, never in a cache with a time-out, so a late span changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracelab.analysis.peers import peers_of
from tracelab.analysis.sampling import adjusted_counts
from tracelab.diagnostics import Diagnostics
from tracelab.kernels.calls import stops
from tracelab.schema import CLIENT, CONSUMER, PRODUCER, SERVER, STATUS_ERROR
from tracelab.traceset import I64, TraceSet, find_rows, id_numbers

CONNECTION_TYPES = ("", "database", "messaging_system", "virtual_node")
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Node:
    """A node of the graph; `virtual` ones never reported a span themselves, `reason` says how they are known."""

    id: str
    name: str
    kind: str
    virtual: bool
    reason: str = ""


@dataclass(frozen=True)
class Calls:
    """One row per call; `c` calls.

    Attributes:
        client, server: [c] codes into `nodes`
        connection_type: [c] code into CONNECTION_TYPES
        client_row, server_row: [c] rows of `traces` whose latency is that side's, -1 for an unseen side
        start_ns: [c] start of the client span if seen, else of the request: what puts the call into a window
        count: [c] adjusted count
        failed_client, failed_server: [c] who says that it failed
        delay_call, delay_ns: queue delays of paired messages, and the row of the call that each belongs to
    """

    traces: TraceSet
    nodes: tuple[Node, ...]
    client: I64
    server: I64
    connection_type: I64
    client_row: I64
    server_row: I64
    start_ns: I64
    count: NDArray[np.float64]
    failed_client: Bools
    failed_server: Bools
    delay_call: I64
    delay_ns: I64
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    @property
    def failed(self) -> Bools:
        return self.failed_client | self.failed_server


def service_node_name(service: str | None) -> str:
    """OpenTelemetry's name for a service that does not say its own."""
    return service if service is not None else "unknown_service"


class _Nodes:
    """Node codes: the services first, in the order of their codes, then what is inferred."""

    def __init__(self, services: tuple[str | None, ...]) -> None:
        names = [service_node_name(service) for service in services]
        self.nodes = [Node(name, name, "service", False) for name in names]
        self._codes: dict[str, int] = {}
        for code, node in enumerate(self.nodes):
            self._codes.setdefault(node.id, code)

    def one_code_per_node(self, codes: I64) -> I64:
        """A service without a name and one that is called unknown_service are one node."""
        canonical = np.array([self._codes[node.id] for node in self.nodes], np.int64)
        return canonical[codes]

    def virtual(self, kind: str, name: str, reason: str) -> int:
        if kind == "service":
            return self._codes[name]
        node_id = f"{kind}:{name}"
        if node_id not in self._codes:
            self._codes[node_id] = len(self.nodes)
            self.nodes.append(Node(node_id, name, kind, True, reason))
        return self._codes[node_id]


class _Found:
    """Calls as they are found, in blocks of equal-length columns."""

    def __init__(self) -> None:
        self.blocks: list[tuple[I64, I64, I64, I64, I64]] = []

    def add(
        self, client: I64 | int, server: I64 | int, type_: str, client_row: I64 | int, server_row: I64 | int
    ) -> None:
        columns = np.broadcast_arrays(client, server, CONNECTION_TYPES.index(type_), client_row, server_row)
        self.blocks.append(tuple(np.atleast_1d(column).astype(np.int64) for column in columns))  # type: ignore[arg-type]

    def columns(self) -> list[I64]:
        empty = np.zeros(0, np.int64)
        return [np.concatenate([empty, *(block[at] for block in self.blocks)]) for at in range(5)]


@dataclass(frozen=True)
class _Requests:
    """The requests of a trace set, sorted out.

    `caller` is the row at which the walk up from the request's parent stopped, -1 for a root.
    """

    row: I64
    caller: I64
    entered: Bools
    orphan: Bools
    nested: Bools
    stop: I64


def _requests(traces: TraceSet) -> _Requests:
    parent, kind, service = traces.parent_row, traces.kind, traces.service
    unseen_parent = (parent >= 0) & traces.is_placeholder[parent]
    entered = (parent >= 0) & ~unseen_parent & (service != service[parent])
    stop = stops(traces.parents_first, parent, kind, entered)
    row = np.flatnonzero(~traces.is_placeholder & ((kind == SERVER) | (kind == CONSUMER) | entered))
    caller = np.where(parent[row] < 0, -1, stop[parent[row]])
    at_home = (caller >= 0) & ~entered[row]
    orphan = at_home & traces.is_placeholder[caller]
    by_client = (kind[caller] == CLIENT) | (kind[caller] == PRODUCER)
    messages_at_a_root = (kind[row] == CONSUMER) & (parent[caller] < 0) & (kind[caller] < SERVER)
    nested = at_home & ~orphan & ~by_client & ~messages_at_a_root
    return _Requests(row, caller, entered[row], orphan, nested, stop)


def collect_calls(traces: TraceSet) -> Calls:
    """All calls in these traces, whole (docs/how-it-works/service-graph.md)."""
    nodes, found = _Nodes(traces.services), _Found()
    requests = _requests(traces)
    kind, service = traces.kind, traces.service.astype(np.int64)
    row, caller = requests.row, requests.caller
    live = ~requests.orphan & ~requests.nested
    is_consumer = kind[row] == CONSUMER
    pairs, dangling = _pairs(traces, requests)
    messaging = _Messaging(traces, row[is_consumer & ~requests.nested], pairs)
    by_message = np.isin(row, messaging.rows_with_edge)

    entry = live & (caller < 0) & (kind[row] == SERVER)
    if entry.any():
        found.add(
            nodes.virtual("user", "user", "a SERVER span without a parent"),
            service[row[entry]],
            "virtual_node",
            -1,
            row[entry],
        )
    plain = live & (caller >= 0) & ~by_message & ~(is_consumer & (kind[caller] < SERVER) & ~requests.entered)
    by_client = plain & ((kind[caller] == CLIENT) | (kind[caller] == PRODUCER))
    has_latency = (kind[row] != CLIENT) & (kind[row] != PRODUCER)
    found.add(
        service[traces.parent_row[row[plain]]],
        service[row[plain]],
        "",
        np.where(by_client, caller, -1)[plain],
        np.where(has_latency, row, -1)[plain],
    )
    messaging.add_edges(nodes, found)
    unnamed = _virtual_clients(traces, requests, live, nodes, found) + messaging.unnamed
    delays = messaging.delays(found)
    return _finish(
        traces,
        nodes,
        found,
        delays,
        {
            "orphan_requests": int((requests.orphan & ~by_message).sum()),
            "nested_requests": int(requests.nested.sum()),
            "unnamed_peers": unnamed,
            "dangling_links": dangling,
            "unpaired_consumers": messaging.unpaired,
            "negative_queue_delays": int((delays[1] < 0).sum()),
        },
    )


def _virtual_clients(traces: TraceSet, requests: _Requests, live: Bools, nodes: _Nodes, found: _Found) -> int:
    """CLIENT spans without a request below them lead to an inferred node; how many have no name for it."""
    kind, parent = traces.kind, traces.parent_row
    answered = np.zeros(len(traces), np.bool_)
    answered[requests.caller[live & (requests.caller >= 0)]] = True
    inner = np.flatnonzero(((kind == CLIENT) | (kind == PRODUCER)) & (parent >= 0))
    inner = inner[traces.service[inner] == traces.service[parent[inner]]]
    answered[requests.stop[parent[inner]]] = True  # wraps a call of its own service: only the inner one counts
    rows = np.flatnonzero((kind == CLIENT) & ~answered & ~traces.is_placeholder)
    unnamed = 0
    peers, said = peers_of(traces, rows)
    order = np.argsort(said, kind="stable")
    by_peer = np.split(rows[order], np.flatnonzero(np.diff(said[order])) + 1)
    for peer, clients in zip(peers, by_peer, strict=False):  # no rows: one empty part and no peer
        if peer is None:
            unnamed += clients.size
            continue
        type_ = {"service": "", "database": "database"}.get(peer.kind, "virtual_node")
        node = nodes.virtual(peer.kind, peer.name, peer.reason)
        found.add(traces.service[clients].astype(np.int64), node, type_, clients, -1)
    return unnamed


def link_targets(traces: TraceSet, rows: I64) -> tuple[I64, I64]:
    """(row, target row) for every link of these rows; target -1 where the span was not seen."""
    source = traces.source_row[rows]
    lists = traces.table.column("links").take(pa.array(source)).combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.combine_chunks()
    if len(lists) == 0 or lists.null_count == len(lists):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    owner = np.repeat(rows, np.diff(lists.offsets.to_numpy()) * lists.is_valid().to_numpy(zero_copy_only=False))
    flat = lists.flatten()
    words = id_numbers(pa.chunked_array([flat.field("trace_id")]), 2)
    span_id = np.ascontiguousarray(id_numbers(pa.chunked_array([flat.field("span_id")]), 1)[:, 0])
    trace = _trace_numbers(traces, words)
    target = find_rows(traces, np.maximum(trace, 0), span_id)
    target[trace < 0] = -1
    target[(target >= 0) & traces.is_placeholder[target]] = -1
    return owner, target


def _trace_numbers(traces: TraceSet, words: NDArray[np.uint64]) -> I64:
    known = {
        (int(high), int(low)): at
        for at, (high, low) in enumerate(zip(traces.trace_high, traces.trace_low, strict=True))
    }
    return np.array([known.get((int(high), int(low)), -1) for high, low in words], np.int64)


def _pairs(traces: TraceSet, requests: _Requests) -> tuple[list[tuple[int, int]], int]:
    """((consumer row, producer row) by parent and by link, once each; links that lead nowhere)."""
    is_consumer = traces.kind[requests.row] == CONSUMER
    by_parent = is_consumer & (requests.caller >= 0) & (traces.kind[requests.caller] == PRODUCER)
    pairs = set(zip(requests.row[by_parent].tolist(), requests.caller[by_parent].tolist(), strict=True))
    owner, target = link_targets(traces, np.flatnonzero(~traces.is_placeholder))
    messages = (target >= 0) & (traces.kind[owner] == CONSUMER) & (traces.kind[target] == PRODUCER)
    pairs |= set(zip(owner[messages].tolist(), target[messages].tolist(), strict=True))
    return sorted(pairs), int((target < 0).sum())


class _Messaging:
    """Producers, destinations and consumers.

    The destination of a pair is the producer's name for it, else the consumer's; a consumer with several producers
    goes by the first (in row order) that names it.
    """

    def __init__(self, traces: TraceSet, consumers: I64, pairs: list[tuple[int, int]]) -> None:
        self.traces = traces
        self.consumers = consumers
        self.producers = np.flatnonzero(traces.kind == PRODUCER)
        wanted = set(consumers.tolist())
        self.pairs = [pair for pair in pairs if pair[0] in wanted]
        self.own: dict[int, str | None] = dict(
            zip(
                [*consumers.tolist(), *self.producers.tolist()],
                traces.values("messaging_destination", np.concatenate([consumers, self.producers])),
                strict=True,
            )
        )
        self.producers_of: dict[int, list[int]] = {}
        self.consumers_of: dict[int, list[int]] = {}
        for consumer, producer in self.pairs:
            self.producers_of.setdefault(consumer, []).append(producer)
            self.consumers_of.setdefault(producer, []).append(consumer)
        self.unpaired = sum(1 for row in consumers.tolist() if row not in self.producers_of)
        self.unnamed = 0

    def _consumer_destination(self, row: int) -> str | None:
        named = [self.own[producer] for producer in self.producers_of.get(row, ()) if self.own[producer]]
        return named[0] if named else self.own[row]

    def _producer_destination(self, row: int) -> str | None:
        named = [self.own[consumer] for consumer in self.consumers_of.get(row, ()) if self.own[consumer]]
        return self.own[row] or (named[0] if named else None)

    @property
    def rows_with_edge(self) -> I64:
        """Consumers whose edge is made here, so that they are no plain calls."""
        rows = [row for row in self.consumers.tolist() if row in self.producers_of or self.own[row]]
        return np.array(rows, np.int64)

    def add_edges(self, nodes: _Nodes, found: _Found) -> None:
        service = self.traces.service
        edges: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        for row in self.producers.tolist():
            name = self._producer_destination(row)
            if name:
                node = nodes.virtual("messaging", name, "destination of a message")
                edges.setdefault((int(service[row]), node, 0), []).append((row, -1))
            elif row not in self.consumers_of:
                self.unnamed += 1
        for row in self.rows_with_edge.tolist():
            name = self._consumer_destination(row)
            if name:
                node = nodes.virtual("messaging", name, "destination of a message")
                edges.setdefault((node, int(service[row]), 1), []).append((-1, row))
            else:
                producer = self.producers_of[row][0]
                edges.setdefault((int(service[producer]), int(service[row]), 2), []).append((producer, row))
        for (client, server, _), rows in edges.items():
            sides = np.array(rows, np.int64)
            found.add(client, server, "messaging_system", sides[:, 0], sides[:, 1])

    def delays(self, found: _Found) -> tuple[I64, I64]:
        """(call, ns): per pair, the consumer's start less the producer's end, on the consumer's call."""
        server_row = found.columns()[4]
        call_of = {row: call for call, row in enumerate(server_row.tolist()) if row >= 0}
        pairs = np.array(self.pairs, np.int64).reshape(-1, 2)
        call = np.array([call_of[row] for row in pairs[:, 0].tolist()], np.int64)
        return call, self.traces.start_ns[pairs[:, 0]] - self.traces.end_ns[pairs[:, 1]]


def _finish(traces: TraceSet, nodes: _Nodes, found: _Found, delays: tuple[I64, I64], noted: dict[str, int]) -> Calls:
    client, server, type_, client_row, server_row = found.columns()
    counts, sampling = adjusted_counts(traces)
    is_error = traces.status_code == STATUS_ERROR
    http = traces.table.column("http_status_code").fill_null(0).to_numpy()
    client_error = (client_row >= 0) & is_error[client_row]
    server_error = (server_row >= 0) & is_error[server_row]
    client_http = http[traces.source_row[client_row]] if http.size else np.zeros(client_row.size)
    # the client calls a 4xx an error, the server was seen and does not: an answer, not a failure
    forgiven = (client_http >= 400) & (client_http < 500) & (server_row >= 0) & ~server_error
    raw_start = traces.start_ns - traces.shift_ns
    return Calls(
        traces=traces,
        nodes=tuple(nodes.nodes),
        client=nodes.one_code_per_node(client),
        server=nodes.one_code_per_node(server),
        connection_type=type_,
        client_row=client_row,
        server_row=server_row,
        start_ns=np.where(client_row >= 0, raw_start[client_row], raw_start[server_row]) if client.size else client,
        count=np.where(server_row >= 0, counts[server_row], counts[client_row]) if client.size else np.zeros(0),
        failed_client=client_error & ~forgiven,
        failed_server=server_error,
        delay_call=delays[0],
        delay_ns=delays[1],
        diagnostics=Diagnostics(noted).merge(sampling),
    )
