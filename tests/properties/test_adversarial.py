"""Traces at their worst: deep, wide, crooked. Everything answers, and keeps its promises."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.inputs import one_trace
from tests.golden.test_everything import ask_everything
from tracelab.adjusters import assemble
from tracelab.analysis.critical_path import critical_paths


@pytest.mark.parametrize(("rows", "shape"), [(100_000, "chain"), (50_000, "fan")])
def test_deep_and_wide(rows: int, shape: str) -> None:
    traces = assemble(one_trace(rows, shape))
    paths = critical_paths(traces)
    root = traces.roots[0]
    lengths = paths.section_end_ns - paths.section_start_ns
    assert int(lengths.sum()) == int(traces.end_ns[root] - traces.start_ns[root])
    assert (lengths > 0).all()
    assert (np.diff(paths.section_start_ns) > 0).all()
    ask_everything(traces)
