"""Every call between two nodes, one row each: what the service graph adds up.

A request is a span that enters a service: SERVER or CONSUMER, or any span whose service is not its parent's. Its
client is found by walking up. docs/how-it-works/service-graph.md has the rules; the golden cases have an example of
each. Calls are found in assembled traces, never in a cache with a time-out, so a late span changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracelab.analysis.messaging import Messages, pair_messages
from tracelab.analysis.peers import peers_of
from tracelab.analysis.sampling import adjusted_counts
from tracelab.diagnostics import Diagnostics
from tracelab.kernels.calls import stops
from tracelab.kernels.keys import rows_of
from tracelab.schema import CLIENT, CONSUMER, PRODUCER, SERVER, STATUS_ERROR
from tracelab.traceset import I64, TraceSet, count_noted, find_rows, id_numbers

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
        request_row: [c] row at which the callee was entered, -1 where it reported nothing
        start_ns: [c] start of the client span if seen, else of the request: what puts the call into a window
        count: [c] adjusted count
        failed_client, failed_server: [c] who says that it failed
        delay_call, delay_ns: queue delays of paired messages, and the row of the call that each belongs to
        noted: by diagnostic, the number of the trace of every occurrence
    """

    traces: TraceSet
    nodes: tuple[Node, ...]
    client: I64
    server: I64
    connection_type: I64
    client_row: I64
    server_row: I64
    request_row: I64
    start_ns: I64
    count: NDArray[np.float64]
    failed_client: Bools
    failed_server: Bools
    delay_call: I64
    delay_ns: I64
    noted: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)

    @property
    def failed(self) -> Bools:
        return self.failed_client | self.failed_server

    @property
    def seen_row(self) -> I64:
        """[c] the client's row, else the server's; -1 where neither side has a latency."""
        return np.where(self.client_row >= 0, self.client_row, self.server_row)

    @property
    def any_row(self) -> I64:
        """[c] the client's row, else the request's: there is always one."""
        return np.where(self.client_row >= 0, self.client_row, self.request_row)

    @property
    def diagnostics(self) -> Diagnostics:
        return Diagnostics(count_noted(self.noted))


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
        node_id = f"{kind}:{name}"
        if node_id not in self._codes:
            self._codes[node_id] = len(self.nodes)
            self.nodes.append(Node(node_id, name, kind, True, reason))
        return self._codes[node_id]


class _Found:
    """Calls as they are found, in blocks of equal-length columns."""

    def __init__(self) -> None:
        self._blocks: list[tuple[I64, ...]] = []

    def add(
        self,
        client: I64 | int,
        server: I64 | int,
        type_: str,
        client_row: I64 | int,
        server_row: I64 | int,
        request_row: I64 | int | None = None,
    ) -> None:
        request_row = server_row if request_row is None else request_row
        parts = (client, server, CONNECTION_TYPES.index(type_), client_row, server_row, request_row)
        self._blocks.append(tuple(np.atleast_1d(part).astype(np.int64) for part in np.broadcast_arrays(*parts)))

    def columns(self) -> list[I64]:
        empty = np.zeros(0, np.int64)
        return [np.concatenate([empty, *(block[at] for block in self._blocks)]) for at in range(6)]


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
    entered = (service != service[parent]) & (parent >= 0)
    if traces.is_placeholder.any():
        entered &= ~traces.is_placeholder[parent]
    stop = stops(traces.parents_first, parent, kind, entered)
    row = np.flatnonzero(((kind == SERVER) | (kind == CONSUMER) | entered) & ~traces.is_placeholder)
    caller = np.where(parent[row] < 0, -1, stop[parent[row]])
    at_home = (caller >= 0) & ~entered[row]
    orphan = at_home & traces.is_placeholder[caller]
    by_client = (kind[caller] == CLIENT) | (kind[caller] == PRODUCER)
    messages_at_a_root = (kind[row] == CONSUMER) & (parent[caller] < 0) & (kind[caller] < SERVER)
    nested = at_home & ~orphan & ~by_client & ~messages_at_a_root
    return _Requests(row, caller, entered[row], orphan, nested, stop)


def find_calls(traces: TraceSet) -> Calls:
    """All calls in these traces, whole (docs/how-it-works/service-graph.md).

    A peer that bears the name of a service is `external:NAME` here: whether such a service was seen may depend on
    more than these traces. `collect_calls` settles it.
    """
    nodes, found = _Nodes(traces.services), _Found()
    requests = _requests(traces)
    kind, service = traces.kind, traces.service.astype(np.int64)
    row, caller = requests.row, requests.caller
    live = ~requests.orphan & ~requests.nested
    is_consumer = kind[row] == CONSUMER
    messages, dangling = _messages(traces, requests)
    by_message = np.zeros(len(traces), np.bool_)
    by_message[messages.consumers] = True

    entry = live & (caller < 0) & (kind[row] == SERVER)
    if entry.any():
        user = nodes.virtual("user", "user", "a SERVER span without a parent")
        found.add(user, service[row[entry]], "virtual_node", -1, row[entry])
    plain = live & (caller >= 0) & ~by_message[row] & ~(is_consumer & (kind[caller] < SERVER) & ~requests.entered)
    by_client = plain & ((kind[caller] == CLIENT) | (kind[caller] == PRODUCER))
    has_latency = (kind[row] != CLIENT) & (kind[row] != PRODUCER)
    found.add(
        service[traces.parent_row[row[plain]]],
        service[row[plain]],
        "",
        np.where(by_client, caller, -1)[plain],
        np.where(has_latency, row, -1)[plain],
        row[plain],
    )
    _add_messages(traces, messages, nodes, found)
    unnamed = _virtual_clients(traces, requests, live, nodes, found)
    columns = found.columns()
    delays = _delays(traces, messages, columns[4])
    calls, sampling = _finish(traces, nodes, columns, delays)
    noted = {
        "orphan_requests": row[requests.orphan & ~by_message[row]],
        "nested_requests": row[requests.nested],
        "unnamed_peers": np.concatenate([unnamed, messages.unnamed]),
        "dangling_links": dangling,
        "unpaired_consumers": messages.unpaired,
        "negative_queue_delays": calls.server_row[delays[0][delays[1] < 0]],
        **sampling,
    }
    return replace(calls, noted={name: traces.trace[rows] for name, rows in noted.items() if rows.size})


def collect_calls(traces: TraceSet) -> Calls:
    """All calls in these traces; a peer that bears the name of one of their services is that service, unseen."""
    calls = find_calls(traces)
    services = {node.id: code for code, node in reversed(list(enumerate(calls.nodes))) if node.kind == "service"}
    target = np.arange(len(calls.nodes))
    for code, node in enumerate(calls.nodes):
        if node.kind == "external" and node.name in services:
            target[code] = services[node.name]
    resolved = target[calls.server]
    type_ = np.where(resolved == calls.server, calls.connection_type, 0)
    return replace(calls, server=resolved, connection_type=type_)


def _virtual_clients(traces: TraceSet, requests: _Requests, live: Bools, nodes: _Nodes, found: _Found) -> I64:
    """CLIENT spans without a request below them lead to an inferred node; the rows that have no name for it."""
    kind, parent = traces.kind, traces.parent_row
    answered = np.zeros(len(traces), np.bool_)
    answered[requests.caller[live & (requests.caller >= 0)]] = True
    inner = np.flatnonzero(((kind == CLIENT) | (kind == PRODUCER)) & (parent >= 0))
    inner = inner[traces.service[inner] == traces.service[parent[inner]]]
    answered[requests.stop[parent[inner]]] = True  # wraps a call of its own service: only the inner one counts
    rows = np.flatnonzero((kind == CLIENT) & ~answered & ~traces.is_placeholder)
    peers, said = peers_of(traces, rows)
    unnamed = [np.zeros(0, np.int64)]
    order = np.argsort(said, kind="stable")
    by_peer = np.split(rows[order], np.flatnonzero(np.diff(said[order])) + 1)
    for peer, clients in zip(peers, by_peer, strict=False):  # no rows: one empty part and no peer
        if peer is None:
            unnamed.append(clients)
            continue
        type_ = "database" if peer.kind == "database" else "virtual_node"
        node = nodes.virtual(peer.kind, peer.name, peer.reason)
        found.add(traces.service[clients].astype(np.int64), node, type_, clients, -1)
    return np.concatenate(unnamed)


def link_targets(traces: TraceSet, rows: I64) -> tuple[I64, I64]:
    """(row, target row) for every link of these rows; target -1 where the span was not seen."""
    column = traces.table.column("links")
    nothing = np.zeros(0, np.int64)
    if column.null_count == len(column):
        return nothing, nothing
    lists = column.take(pa.array(traces.source_row[rows])).combine_chunks()
    lists = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
    if len(lists) == 0 or lists.null_count == len(lists):
        return nothing, nothing
    owner = np.repeat(rows, np.diff(lists.offsets.to_numpy()) * lists.is_valid().to_numpy(zero_copy_only=False))
    flat = lists.flatten()
    words = id_numbers(pa.chunked_array([flat.field("trace_id")]), 2)
    span_id = np.ascontiguousarray(id_numbers(pa.chunked_array([flat.field("span_id")]), 1)[:, 0])
    high, low = np.ascontiguousarray(words[:, 0]), np.ascontiguousarray(words[:, 1])
    trace = rows_of(traces.trace_high, traces.trace_low, high, low)
    target = find_rows(traces, np.maximum(trace, 0), span_id)
    target[trace < 0] = -1
    target[(target >= 0) & traces.is_placeholder[target]] = -1
    return owner, target


def _messages(traces: TraceSet, requests: _Requests) -> tuple[Messages, I64]:
    """(producers, consumers and who belongs to whom, by parent and by link; rows whose link leads nowhere)."""
    kind = traces.kind
    is_consumer = kind[requests.row] == CONSUMER
    by_parent = is_consumer & (requests.caller >= 0) & (kind[requests.caller] == PRODUCER)
    owner, target = link_targets(traces, np.flatnonzero(~traces.is_placeholder))
    by_link = (target >= 0) & (kind[owner] == CONSUMER) & (kind[target] == PRODUCER)
    consumer = np.concatenate([requests.row[by_parent], owner[by_link]])
    producer = np.concatenate([requests.caller[by_parent], target[by_link]])
    consumers = requests.row[is_consumer & ~requests.nested]
    return pair_messages(traces, consumers, consumer, producer), owner[target < 0]


def _add_messages(traces: TraceSet, messages: Messages, nodes: _Nodes, found: _Found) -> None:
    service = traces.service.astype(np.int64)
    node = np.array(
        [nodes.virtual("messaging", name, "destination of a message") for name in messages.destinations], np.int64
    )
    sent = messages.producer_destination
    named = sent >= 0
    if named.any():
        producers = messages.producers[named]
        found.add(service[producers], node[sent[named]], "messaging_system", producers, -1)
    if not messages.consumers.size:
        return
    came = messages.consumer_destination
    named = came >= 0
    consumers = messages.consumers[named]
    found.add(node[came[named]] if node.size else came[named], service[consumers], "messaging_system", -1, consumers)
    direct, producers = messages.consumers[~named], messages.first_producer[~named]
    found.add(service[producers], service[direct], "messaging_system", producers, direct)


def _delays(traces: TraceSet, messages: Messages, server_row: I64) -> tuple[I64, I64]:
    """(call, ns): per pair, the consumer's start less the producer's end, on the consumer's call."""
    call_of = np.full(len(traces), -1, np.int64)
    seen = np.flatnonzero(server_row >= 0)
    call_of[server_row[seen]] = seen
    consumer, producer = messages.pair_consumer, messages.pair_producer
    return call_of[consumer], traces.start_ns[consumer] - traces.end_ns[producer]


def _finish(
    traces: TraceSet, nodes: _Nodes, columns: list[I64], delays: tuple[I64, I64]
) -> tuple[Calls, dict[str, I64]]:
    client, server, type_, client_row, server_row, request_row = columns
    counts, sampling = adjusted_counts(traces)
    is_error = traces.status_code == STATUS_ERROR
    client_error = (client_row >= 0) & is_error[client_row] if len(traces) else client_row >= 0
    server_error = (server_row >= 0) & is_error[server_row] if len(traces) else server_row >= 0
    # the client calls a 4xx an error, the server was seen and does not: an answer, not a failure
    doubtful = np.flatnonzero(client_error & (server_row >= 0) & ~server_error)
    if doubtful.size:
        status = np.array([status or 0 for status in traces.values("http_status_code", client_row[doubtful])])
        client_error[doubtful[(status >= 400) & (status < 500)]] = False
    # a CLIENT that is the first span of its service is a request, but nobody's latency: it still has a start
    seen = np.where(client_row >= 0, client_row, request_row)
    counted = np.where(request_row >= 0, request_row, client_row)
    calls = Calls(
        traces=traces,
        nodes=tuple(nodes.nodes),
        client=nodes.one_code_per_node(client),
        server=nodes.one_code_per_node(server),
        connection_type=type_,
        client_row=client_row,
        server_row=server_row,
        request_row=request_row,
        start_ns=traces.raw_start_ns[seen] if client.size else client,
        count=counts[counted] if client.size else np.zeros(0),
        failed_client=client_error,
        failed_server=server_error,
        delay_call=delays[0],
        delay_ns=delays[1],
    )
    return calls, sampling
