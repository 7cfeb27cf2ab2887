"""Producers, destinations and consumers: which messages belong together, and by what name they went.

The destination of a pair is the producer's name for it, else the consumer's; a consumer with several producers goes
by the first (in row order) that names it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tracelab.schema import PRODUCER
from tracelab.traceset import I64, TraceSet


@dataclass(frozen=True)
class Messages:
    """The messages of a trace set. Destinations are codes into `destinations`, -1 for none.

    Attributes:
        producers, producer_destination: [p] every PRODUCER
        consumers, consumer_destination: [m] consumers that have an edge: paired, or with a destination
        first_producer: [m] row of the first producer of each, -1 for none
        pair_consumer, pair_producer: [q] rows, sorted
        unpaired: consumers without a producer
        unnamed: producers without destination and consumer: no edge
    """

    destinations: tuple[str, ...]
    producers: I64
    producer_destination: I64
    consumers: I64
    consumer_destination: I64
    first_producer: I64
    pair_consumer: I64
    pair_producer: I64
    unpaired: I64
    unnamed: I64


def _destinations(traces: TraceSet, rows: I64) -> tuple[I64, tuple[str, ...]]:
    """([n] code per row of the trace set, names): -1 where it is not one of `rows` or says nothing."""
    codes = np.full(len(traces), -1, np.int64)
    if rows.size == 0:
        return codes, ()
    column = traces.table.column("messaging_destination").take(pa.array(traces.source_row[rows]))
    encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes[rows] = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, tuple(encoded.dictionary.to_pylist())


def _first_named(own: I64, owner: I64, other: I64) -> I64:
    """[n] per owner the destination of the first of its others that has one, -1 for none. `owner` is sorted."""
    first = np.full(own.size, -1, np.int64)
    named = np.flatnonzero(own[other] >= 0)[::-1]
    first[owner[named]] = own[other[named]]  # written backwards, so the first one stays
    return first


def pair_messages(traces: TraceSet, consumers: I64, pair_consumer: I64, pair_producer: I64) -> Messages:
    """What `consumers` (rows, not nested) and every PRODUCER have to do with each other."""
    count = len(traces)
    producers = np.flatnonzero((traces.kind == PRODUCER) & ~traces.is_placeholder)
    wanted = np.zeros(count, np.bool_)
    wanted[consumers] = True
    keep = wanted[pair_consumer]
    pairs = np.unique(pair_consumer[keep] * max(count, 1) + pair_producer[keep])
    consumer, producer = np.divmod(pairs, max(count, 1))
    own, names = _destinations(traces, np.concatenate([consumers, producers]))
    by_producer = np.lexsort((consumer, producer))
    from_consumer = _first_named(own, producer[by_producer], consumer[by_producer])
    from_producer = _first_named(own, consumer, producer)
    first_producer = np.full(count, -1, np.int64)
    first_producer[consumer[::-1]] = producer[::-1]
    consumed = np.zeros(count, np.bool_)
    consumed[producer] = True
    sent = np.where(own[producers] >= 0, own[producers], from_consumer[producers])
    with_edge = consumers[(first_producer[consumers] >= 0) | (own[consumers] >= 0)]
    came = np.where(from_producer[with_edge] >= 0, from_producer[with_edge], own[with_edge])
    return Messages(
        names, producers, sent, with_edge, came, first_producer[with_edge], consumer, producer,
        unpaired=consumers[first_producer[consumers] < 0],
        unnamed=producers[(sent < 0) & ~consumed[producers]],
    )  # fmt: skip
