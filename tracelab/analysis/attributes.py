"""Which attributes set one cohort of traces apart from another: a drill-down over everything that spans say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracelab.analysis.statistics import difference_of_proportions, false_discovery, fisher_p
from tracelab.traceset import TraceSet

Bools = NDArray[np.bool_]
_MOST_VALUES = 200  # of one key; beyond it every request has its own, and none of them says anything
_MIN_TRACES = 3
_TELLING = (
    "service.version", "service.instance.id",
    "http.route", "rpc.method", "messaging.destination", "db.collection", "error.type",
    "http.response.status_code", "http.request.method", "deployment.", "host.", "k8s.", "cloud.",
)  # fmt: skip
SURE = 0.05


@dataclass(frozen=True)
class AttributeLift:
    """Traces with a span (or resource) that has `key` = `value`, in both cohorts.

    Attributes:
        support: the share of slow traces that have it; typical_support: of typical ones
        lift: how much more common it is among the slow; None if no typical trace has it
        low, high: 95 % interval of the difference of the shares (Newcombe)
        q_value: share of false alarms among the attributes that are as sure as this one
        same_as: other attributes that the same traces have: which of them matters, these traces cannot tell
    """

    key: str
    value: str
    slow: int
    typical: int
    support: float
    typical_support: float
    lift: float | None
    low: float
    high: float
    p_value: float
    q_value: float
    same_as: tuple[str, ...] = ()


def attribute_lifts(traces: TraceSet, slow: Bools, typical: Bools, limit: int = 20) -> tuple[AttributeLift, ...]:
    """The attributes that set the traces in `slow` apart from those in `typical` ([t] each), the surest first.

    Empty where the table was read without attributes. Counted per trace, so a chatty span weighs no more.
    """
    if "attributes" not in traces.table.column_names or len(traces) == 0:
        return ()
    found: dict[tuple[str, str], tuple[int, int, int]] = {}
    for column in ("attributes", "resource"):
        found.update(_counts(traces, column, slow, typical))
    sizes = int(typical.sum()), int(slow.sum())
    grouped: dict[tuple[int, int, int], list[tuple[str, str]]] = {}
    for pair, counts in found.items():
        if _MIN_TRACES <= counts[0] + counts[1] < sum(sizes):
            grouped.setdefault(counts, []).append(pair)
    p_values = [fisher_p((counts[1], sizes[0]), (counts[0], sizes[1])) for counts in grouped]
    lifts = []
    for (counts, pairs), p_value, q_value in zip(grouped.items(), p_values, false_discovery(p_values), strict=True):
        hits, usual, _ = counts
        (key, value), *others = sorted(pairs, key=lambda pair: (_rank(pair[0]), pair))
        difference, low, high = difference_of_proportions((usual, sizes[0]), (hits, sizes[1]))
        support, typical_support = hits / sizes[1], usual / sizes[0]
        lift = support / typical_support if typical_support else None
        same = tuple(f"{name}={text}" for name, text in others[:12])
        if difference > 0 and q_value <= SURE:
            lifts.append(
                AttributeLift(
                    key, value, hits, usual, support, typical_support, lift, low, high, p_value, q_value, same
                )
            )
    return tuple(sorted(lifts, key=lambda lift: (lift.q_value, -(lift.support - lift.typical_support), lift.key)))[
        :limit
    ]


def _rank(key: str) -> int:
    """Of attributes that the same traces have, those that people act on are named first."""
    return next((rank for rank, start in enumerate(_TELLING) if key.startswith(start)), len(_TELLING))


def _counts(traces: TraceSet, column: str, slow: Bools, typical: Bools) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Per (key, value): (slow traces, typical traces, a fingerprint of which traces) that have it."""
    real = np.flatnonzero(~traces.is_placeholder & (slow | typical)[traces.trace])
    maps = traces.table.column(column).take(pa.array(traces.source_row[real])).combine_chunks()
    maps = maps.combine_chunks() if isinstance(maps, pa.ChunkedArray) else maps
    if len(maps) == 0:
        return {}
    lengths = np.diff(maps.offsets.to_numpy())
    first, last = maps.offsets[0].as_py(), maps.offsets[-1].as_py()
    keys = maps.keys.slice(first, last - first).dictionary_encode()
    values = maps.items.slice(first, last - first).dictionary_encode(null_encoding="encode")
    trace = np.repeat(traces.trace[real], lengths).astype(np.int64)
    pair = keys.indices.to_numpy(zero_copy_only=False).astype(np.int64) * max(len(values.dictionary), 1)
    pair += values.indices.to_numpy(zero_copy_only=False)
    once = np.unique(pair * traces.trace_count + trace)
    pair, trace = np.divmod(once, traces.trace_count)
    distinct, number = np.unique(pair, return_inverse=True)
    hits = np.bincount(number, slow[trace], distinct.size).astype(np.int64)
    usual = np.bincount(number, typical[trace], distinct.size).astype(np.int64)
    mark = np.random.default_rng(0).integers(1, 2**40, traces.trace_count)
    marks = np.zeros(distinct.size, np.int64)
    np.add.at(marks, number, mark[trace])
    key_code, value_code = np.divmod(distinct, max(len(values.dictionary), 1))
    many = np.bincount(key_code, minlength=len(keys.dictionary)) > _MOST_VALUES
    names, texts = keys.dictionary.to_pylist(), values.dictionary.to_pylist()
    return {
        (names[key_code[at]], texts[value_code[at]] or ""): (int(hits[at]), int(usual[at]), int(marks[at]))
        for at in np.flatnonzero(~many[key_code]).tolist()
    }
