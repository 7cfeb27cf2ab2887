"""The live window of a dashboard: fifteen minutes at 2,000 spans a second, read again each two seconds.

`python -m benchmarks.live [spans per second]`. CPU of a refresh, by the operating system.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.otlp import START_NS, Fleet
from tracelab.analysis.live import LiveGraph
from tracelab.analysis.service_graph import finish_graph
from tracelab.codecs.requests import decode_requests
from tracelab.lake import Lake, compact
from tracelab.window import Window

WINDOW_NS = 15 * 60 * 10**9
EVERY_S = 2
REFRESHES = 30


def main() -> None:
    rate = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    fleet = Fleet(spans_per_s=rate)
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.create(Path(folder) / "lake")
        per_round = rate * EVERY_S
        bodies = fleet.requests(10**9, 500)

        def arrive(rounds: int) -> None:
            requests = [next(bodies) for _ in range(rounds * per_round // 500)]
            for table in decode_requests(requests, [False] * len(requests)).tables:
                lake.write(table)

        for _ in range(15 * 60 // EVERY_S // 30):
            arrive(30)
            compact(lake, thorough=False)
        live = LiveGraph(Lake.open(lake.path))
        taken = []
        for at in range(REFRESHES):
            arrive(1)
            if at % 3 == 2:
                compact(lake, thorough=False)
            now = fleet.now_ns
            began = time.process_time()
            finish_graph(live.refresh(Window(max(now - WINDOW_NS, START_NS), now)))
            taken.append(1000 * (time.process_time() - began))
    later = sorted(taken[1:])
    middle, most = later[len(later) // 2], later[-1]
    print("| refresh of 15 minutes | CPU ms |\n|---|---:|")
    print(f"| the first | {taken[0]:,.0f} |\n| later, median | {middle:,.0f} |\n| later, most | {most:,.0f} |")


if __name__ == "__main__":
    main()
