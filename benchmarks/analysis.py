"""Spans per second from a span table to trees, critical paths and the service graph: `make bench`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.inputs import one_trace, traces
from tests.support import slow
from tracelab.adjusters import assemble
from tracelab.analysis.cohorts import Cohort, cohort
from tracelab.analysis.critical_path import CriticalPaths, critical_paths
from tracelab.analysis.order import learned_orders
from tracelab.analysis.profile import path_profile
from tracelab.analysis.service_graph import service_graph
from tracelab.analysis.what_if import Supposition, retimed
from tracelab.kernels.warm import warm
from tracelab.schema import KINDS
from tracelab.traceset import TraceSet

REPEATS = 5


def median_s(work: Callable[[], Any]) -> tuple[float, float]:
    """(median, spread between the fastest and the slowest) of several runs, in seconds."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times), max(times) - min(times)


def _line(what: str, rows: int, work: Callable[[], Any]) -> None:
    seconds, spread = median_s(work)
    print(f"| {what} | {rows:,} | {seconds * 1e3:,.1f} | {spread * 1e3:,.1f} | {rows / seconds / 1e6:.2f} M |")


def _measure(name: str, table: pa.Table) -> None:
    rows = table.num_rows
    assembled = assemble(table)
    paths = critical_paths(assembled)
    _line(f"{name}: trees from shuffled rows", rows, lambda: assemble(table))
    _line(f"{name}: critical paths of trees", rows, lambda: critical_paths(assembled))
    _line(f"{name}: service graph of trees", rows, lambda: service_graph(assembled, paths=paths))
    _line(f"{name}: profile of paths", rows, lambda: path_profile(_fresh(assembled, paths)))
    nobody = np.zeros(len(assembled), np.bool_)
    _line(f"{name}: re-timing", rows, lambda: retimed(assembled, Supposition(), nobody))
    _line(f"{name}: learned order", rows, lambda: learned_orders(assembled))


def _fresh(assembled: TraceSet, paths: CriticalPaths) -> Cohort:
    """A cohort whose paths are known, so that the profile alone is measured."""
    made = cohort(assembled)
    vars(made)["paths"] = paths
    return made


def _end_to_end(table: pa.Table) -> None:
    """Stored spans to critical paths, as other tools are measured."""
    _line("end to end: shuffled rows to critical paths", table.num_rows, lambda: critical_paths(assemble(table)))


def _twice(table: pa.Table) -> None:
    """Every span sent a second time, alike, and under another name."""
    field = table.schema.field("name")
    other = pa.array(["other"] * table.num_rows, field.type)
    unlike = table.set_column(table.column_names.index("name"), field, other)
    for what, again in (("alike", table), ("unlike", unlike)):
        both = pa.concat_tables([table, again])
        _line(f"every span twice, {what}: trees", both.num_rows, lambda both=both: assemble(both))


def _slow_twin(table: pa.Table) -> None:
    """The obvious way, on dictionaries: what the kernels are compared with."""
    spans = [
        {
            "span_id": row["trace_id"].hex() + row["span_id"].hex(),
            "parent_span_id": row["trace_id"].hex() + row["parent_span_id"].hex() if row["parent_span_id"] else None,
            "service_name": row["service_name"],
            "kind": KINDS[row["kind"]],
            "start_ns": row["start_ns"],
            "end_ns": row["start_ns"] + row["duration_ns"],
        }
        for row in table.to_pylist()
    ]

    def walk() -> None:
        roots, children = slow.tree(spans)
        for root in roots:
            slow.critical_path(root, children)

    _line("slow twin: trees and critical paths", len(spans), walk)


def main() -> None:
    warm()
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    print("| what | spans | median ms | spread ms | spans/s |\n|---|---:|---:|---:|---:|")
    typical = traces(int(2000 * scale), 50)
    _measure("2,000 traces of 50", typical)
    _end_to_end(typical)
    _slow_twin(typical)
    _twice(typical)
    _measure("20,000 traces of 50", traces(int(20_000 * scale), 50))
    for shape in ("chain", "fan"):
        for rows in (10_000, 100_000, 1_000_000):
            _measure(f"one {shape}", one_trace(int(rows * scale), shape))


if __name__ == "__main__":
    main()
