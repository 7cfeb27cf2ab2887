"""Span tables of any size, made as columns: the same for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracelab.schema import ANALYSIS_COLUMNS, SCHEMA

KINDS_OF_TRACES = 20
START_NS = 1_700_000_000 * 10**9


def _table(columns: dict[str, Any], rows: int) -> pa.Table:
    arrays = []
    for name in ANALYSIS_COLUMNS:
        field = SCHEMA.field(name)
        arrays.append(pa.array(columns[name], field.type) if name in columns else pa.nulls(rows, field.type))
    return pa.Table.from_arrays(arrays, schema=pa.schema([SCHEMA.field(name) for name in ANALYSIS_COLUMNS]))


def _binary(numbers: NDArray[np.uint64], size: int, mask: NDArray[np.bool_] | None = None) -> pa.Array:
    """Numbers as big-endian ids of `size` bytes; null where `mask` is true."""
    raw = np.zeros((numbers.size, size), np.uint8)
    raw[:, -8:] = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)
    validity = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little").tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), numbers.size, [validity, pa.py_buffer(raw.tobytes())])


def whole(table: pa.Table) -> pa.Table:
    """The same with every column of the span table, as a lake takes it; what is not there is empty."""
    rows = table.num_rows
    arrays = []
    for field in SCHEMA:
        if field.name in table.column_names and (field.nullable or not table.column(field.name).null_count):
            arrays.append(table.column(field.name))
        elif field.nullable:
            arrays.append(pa.nulls(rows, field.type))
        elif pa.types.is_map(field.type):
            offsets = pa.array(np.zeros(rows + 1, np.int32))
            arrays.append(pa.MapArray.from_arrays(offsets, pa.array([], pa.string()), pa.array([], pa.string())))
        else:
            empty = pa.scalar("" if pa.types.is_string(field.type) else 0, field.type)
            arrays.append(pa.repeat(empty, rows))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def traces(count: int, spans: int, seed: int = 1, services: int = 12, shuffled: bool = True) -> pa.Table:
    """`count` traces of `spans` spans: calls as CLIENT and SERVER in turn, each inside its parent.

    Every trace is of one of `KINDS_OF_TRACES` kinds, which says the service and the name at each place in it: a system
    has so many operations, whatever its traffic.
    """
    chance = np.random.default_rng(seed)
    system = np.random.default_rng(services)
    rows = count * spans
    trace = np.repeat(chance.integers(1, 2**63, count, dtype=np.uint64), spans)
    place = np.tile(np.arange(spans), count)
    parent_place = (place - 1) // 2
    start = np.zeros(rows, np.int64)
    length = np.zeros(rows, np.int64)
    kind_of_trace = np.repeat(chance.integers(0, KINDS_OF_TRACES, count), spans)
    service = system.integers(0, services, (KINDS_OF_TRACES, spans))[kind_of_trace, place]
    name = system.integers(0, 40, (KINDS_OF_TRACES, spans))[kind_of_trace, place]
    for at in range(spans):
        here = np.flatnonzero(place == at)
        if at == 0:
            start[here] = START_NS + chance.integers(0, 3600 * 10**9, here.size)
            length[here] = chance.integers(10**7, 10**9, here.size)
            continue
        above = here - at + (at - 1) // 2
        start[here] = start[above] + (chance.random(here.size) * 0.4 * length[above]).astype(np.int64)
        length[here] = ((start[above] + length[above] - start[here]) * chance.random(here.size)).astype(np.int64)
        if at % 2 == 1:
            service[here] = service[above]
    order = chance.permutation(rows) if shuffled else np.arange(rows)
    span_id = place.astype(np.uint64) + np.uint64(1)
    names = np.array([f"operation-{at}" for at in range(40)])
    labels = np.array([f"service-{at:02d}" for at in range(services)])
    columns = {
        "trace_id": _binary(trace[order], 16),
        "span_id": _binary(span_id[order], 8),
        "parent_span_id": _binary((parent_place + 1).astype(np.uint64)[order], 8, (place == 0)[order]),
        "name": names[name[order]],
        "kind": np.where(place % 2 == 1, 3, 2).astype(np.int8)[order],
        "start_ns": start[order],
        "duration_ns": length[order],
        "status_code": (chance.random(rows) < 0.01).astype(np.int8) * 2,
        "service_name": labels[service[order]],
        "server_address": np.full(rows, "peer.example"),
    }
    return _table(columns, rows)


def one_trace(rows: int, shape: str) -> pa.Table:
    """One adversarial trace: a `chain` (each the parent of the next) or a `fan` (one parent of all the others)."""
    place = np.arange(rows)
    parent = place - 1 if shape == "chain" else np.zeros(rows, np.int64)
    start = place if shape == "chain" else 10 * place
    length = 2 * (rows - place) if shape == "chain" else np.where(place == 0, 10 * rows + 10, 10)
    columns = {
        "trace_id": _binary(np.ones(rows, np.uint64), 16),
        "span_id": _binary((place + 1).astype(np.uint64), 8),
        "parent_span_id": _binary((parent + 1).astype(np.uint64), 8, place == 0),
        "name": np.full(rows, "work"),
        "kind": np.full(rows, 2, np.int8),
        "start_ns": START_NS + start,
        "duration_ns": length,
        "status_code": np.zeros(rows, np.int8),
        "service_name": np.where(place % 2 == 0, "web", "api"),
    }
    return _table(columns, rows)
