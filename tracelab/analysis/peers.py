"""Names for what was called but does not report itself: databases, queues, other people's services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tracelab.traceset import I64, TraceSet

_LOOPBACK = ("localhost", "::1", "0.0.0.0")  # noqa: S104  a name to compare with, not an address to listen on


class Said(NamedTuple):
    """What a CLIENT span says of its peer: columns of the span table."""

    peer_service: str | None
    db_system: str | None
    db_namespace: str | None
    server_address: str | None
    server_port: int | None
    url_host: str | None


@dataclass(frozen=True)
class Peer:
    """A node that was inferred from its callers: `kind` (database, external), `name`, and from what."""

    kind: str
    name: str
    reason: str


def _is_loopback(address: str) -> bool:
    return address in _LOOPBACK or address.startswith("127.")


def peer_of(said: Said) -> Peer | None:
    """The peer of a CLIENT span without a request below it; None if it says nothing of its peer.

    A database is never one of the services: a caller may name its database as it names itself.
    """
    is_database = said.db_system is not None or said.db_namespace is not None
    if said.peer_service:
        if is_database:
            return Peer("database", said.peer_service, "peer service of a database client")
        return Peer("external", said.peer_service, "service.peer.name")
    if is_database:
        address = said.server_address
        if address is None or _is_loopback(address):
            address = said.db_system
        name = "/".join(part for part in (address, said.db_namespace) if part)
        return Peer("database", name, "address and namespace of a database client")
    if said.server_address:
        name = said.server_address if said.server_port is None else f"{said.server_address}:{said.server_port}"
        return Peer("external", name, "server.address")
    return Peer("external", said.url_host, "url.full") if said.url_host else None


def peers_of(traces: TraceSet, rows: I64) -> tuple[list[Peer | None], I64]:
    """(distinct peers, number of its peer per row) of these CLIENT spans: many spans say the same few things."""
    source = pa.array(traces.source_row[rows])
    key = np.zeros(rows.size, np.int64)
    for column in Said._fields:
        if traces.table.column(column).null_count == traces.table.num_rows:
            continue
        encoded = traces.table.column(column).take(source).combine_chunks().dictionary_encode(null_encoding="encode")
        key = key * len(encoded.dictionary) + encoded.indices.to_numpy(zero_copy_only=False)
        _, key = np.unique(key, return_inverse=True)  # dense again, so that the product cannot overflow
    _, first = np.unique(key, return_index=True)
    said = zip(*(traces.values(column, rows[first]) for column in Said._fields), strict=True)
    return [peer_of(Said(*words)) for words in said], key.astype(np.int64)
