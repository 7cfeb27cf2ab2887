"""The benchmarks run, and their inputs are what they say."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.inputs import one_trace, traces
from tracelab.adjusters import assemble


def test_a_small_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.analysis", "0.01"], capture_output=True, text=True, check=True
    )
    assert "slow twin" in done.stdout


def test_inputs_are_whole_traces_and_the_same_for_a_seed() -> None:
    made = assemble(traces(20, 50))
    assert (made.trace_count, len(made), made.roots.size) == (20, 1000, 20)
    assert traces(20, 50).equals(traces(20, 50))
    assert assemble(one_trace(100, "chain")).pre_order[1].max() == 99
    assert assemble(one_trace(100, "fan")).pre_order[1].max() == 1
