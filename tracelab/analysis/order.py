"""Learned order: which siblings wait for each other, from many traces.

One trace alone cannot tell a child that was waited for from one that merely ended before the next began. Among many,
"A before B" below a parent operation is refuted by any parent below which B starts before A ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracelab.errors import InputError
from tracelab.kernels.siblings import sibling_orders
from tracelab.traceset import I64, TraceSet

_MOST_OPERATIONS = 1 << 21
Operation = tuple[str | None, str | None]


@dataclass(frozen=True)
class Order:
    """Below `parent`: does `then` wait for `first`? Operations are (service, name).

    Attributes:
        support: traces in which `first` ended before `then` began
        refuted_by: traces in which it had not; examples of them
        confidence: that the next trace will not refute it, by Laplace's rule of succession; 0 where one has
    """

    parent: Operation
    first: Operation
    then: Operation
    support: int
    refuted_by: int
    confidence: float
    examples: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.refuted_by == 0


@dataclass(frozen=True)
class LearnedOrders:
    """Orders that some trace shows; `refuted` has the keys of all that do not hold, for `critical_paths`."""

    orders: tuple[Order, ...]
    refuted: I64


def learned_orders(traces: TraceSet) -> LearnedOrders:
    """What the siblings in these traces say of each other's order (docs/how-it-works/learned-order.md)."""
    codes, operations = traces.operations
    if len(operations) >= _MOST_OPERATIONS:
        raise InputError(f"{len(operations):,} span names are too many to learn an order of; names with ids in them?")
    keys, parents, refutes = sibling_orders(
        *traces.children, traces.start_ns, traces.end_ns, codes, traces.is_placeholder
    )
    if keys.size == 0:
        return LearnedOrders((), np.zeros(0, np.int64))
    trace = traces.trace[parents].astype(np.int64)
    distinct, number = np.unique(keys, return_inverse=True)
    # a trace counts once for each order, and against it if any of its parents does
    statement = np.unique((number * traces.trace_count + trace) * 2 + refutes)
    said, against = statement // 2, statement % 2 == 1
    refuting = set(said[against].tolist())
    order_of, trace_of = np.divmod(said, traces.trace_count)
    counts_against = np.bincount(order_of[against], minlength=distinct.size)
    in_favour = np.array([one not in refuting for one in said[~against].tolist()], np.bool_)
    counts_for = np.bincount(order_of[~against][in_favour], minlength=distinct.size)
    examples: dict[int, list[str]] = {}
    for order, at in zip(order_of[against].tolist(), trace_of[against].tolist(), strict=True):
        if len(examples.setdefault(order, [])) < 3:
            examples[order].append(traces.trace_id(at))
    mask = _MOST_OPERATIONS - 1
    orders = [
        Order(
            operations[key >> 42], operations[(key >> 21) & mask], operations[key & mask], support, against_,
            0.0 if against_ else (support + 1) / (support + 2), tuple(examples.get(at, ())),
        )
        for at, (key, support, against_) in enumerate(
            zip(distinct.tolist(), counts_for.tolist(), counts_against.tolist(), strict=True)
        )
    ]  # fmt: skip
    # what no trace ever showed needs no refutation
    return LearnedOrders(tuple(order for order in orders if order.support), distinct[counts_against > 0])
