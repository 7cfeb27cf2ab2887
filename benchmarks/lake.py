"""From Parquet to answers, over a compacted lake that is made for it: `python -m benchmarks.lake [spans …]`.

Every figure is of a process of its own, as a user would run it: CPU seconds, wall seconds and peak memory, by the
operating system.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.inputs import traces, whole
from tracelab.lake import Lake, compact

REPEATS = 3
PART = 100_000


def _make(path: Path, spans: int) -> None:
    lake = Lake.create(path)
    for part in range(max(spans // PART, 1)):
        lake.write(whole(traces(min(spans, PART) // 50, 50, seed=part)))
    compact(lake)


def _measure(words: list[str]) -> tuple[float, float, float]:
    """(CPU s, wall s, peak MB) of `tracelab WORDS`."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "tracelab", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or [1_000_000, 20_000_000]
    print("| command | spans | CPU s | spans/s a core | wall s | peak MB |\n|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            lake = Path(folder) / str(size)
            _make(lake, size)
            for command in ("topology", "profile"):
                runs = sorted(_measure([command, "--lake", str(lake), "--json"]) for _ in range(REPEATS))
                cpu, wall, peak = runs[len(runs) // 2]
                print(f"| {command} | {size:,} | {cpu:.1f} | {size / cpu / 1e6:.2f} M | {wall:.1f} | {peak:,.0f} |")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"\n(making the lakes took up to {own:,} MB)", file=sys.stderr)


if __name__ == "__main__":
    main()
