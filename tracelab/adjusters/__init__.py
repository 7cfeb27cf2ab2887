"""From rows to trees: each adjuster takes a TraceSet and gives a better one."""

from __future__ import annotations

import pyarrow as pa

from tracelab.adjusters.duplicates import drop_duplicates
from tracelab.adjusters.skew import correct_clock_skew
from tracelab.adjusters.tree import attach_orphans, break_cycles, empty_reversed, link_parents
from tracelab.traceset import TraceSet, from_table

TREE_ADJUSTERS = (
    drop_duplicates,  # first: a parent must be one row
    empty_reversed,
    link_parents,
    break_cycles,  # before orphans: a ring has no root, but no missing parent either
    attach_orphans,
)
STANDARD_ADJUSTERS = (
    *TREE_ADJUSTERS,
    correct_clock_skew,  # last: judges every server against its final parent
)


def assemble(table: pa.Table, skew_correction: bool = True) -> TraceSet:
    """The traces in a span table, in any order and with duplicates, as trees.

    Args:
        table: a span table (`tracelab.schema.SCHEMA`)
        skew_correction: False leaves all times as they were reported
    """
    traces = from_table(table)
    for adjust in STANDARD_ADJUSTERS if skew_correction else TREE_ADJUSTERS:
        traces = adjust(traces)
    return traces
