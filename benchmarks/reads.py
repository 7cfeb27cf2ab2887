"""Reading a lake of months while it is written to: `python -m benchmarks.reads [spans] [--lake FOLDER]`.

The lake: traces of `benchmarks.otlp`, copied under new ids and spread evenly over thirty days. Made once if FOLDER is
given, and used again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.ingest import http_send, start_tracelab
from benchmarks.otlp import Fleet
from tracelab.adjusters import assemble
from tracelab.analysis.derived import lake_graph
from tracelab.analysis.summaries import Search, trace_summaries
from tracelab.codecs.requests import decode_requests
from tracelab.diagnostics import Diagnostics
from tracelab.lake import Lake, compact
from tracelab.lake.info import lake_info
from tracelab.schema import ANALYSIS_COLUMNS, TRACE_ID
from tracelab.traceset import id_numbers
from tracelab.window import Window

DAYS = 30
DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9
COMPACT_EVERY = 8


def make_lake(path: Path, spans: int, seed: int = 1) -> None:
    """`spans` spans in traces of about eight, in order of time."""
    chance = np.random.default_rng(seed)
    bodies = list(Fleet(seed).requests(256))
    base = decode_requests(bodies, [False] * len(bodies)).tables[0]
    copies = max(spans // base.num_rows, 1)
    words = id_numbers(base.column("trace_id"), 2)
    _, trace = np.unique(words[:, 0], return_inverse=True)
    start = base.column("start_ns").to_numpy()
    share = DAYS * DAY_NS // copies
    began = time.time_ns() - DAYS * DAY_NS
    lake = Lake.create(path)
    for copy in range(copies):
        offset = chance.integers(0, share, trace.max() + 1)
        moved = start - start.min() + began + copy * share + offset[trace]
        ids = np.ascontiguousarray(words ^ chance.integers(0, 2**63, 2, dtype=np.uint64)).astype(">u8")
        table = base.set_column(0, base.schema.field("trace_id"), _ids(ids))
        at = base.schema.get_field_index("start_ns")
        lake.write(table.set_column(at, base.schema.field("start_ns"), pa.array(moved)))
        if copy % COMPACT_EVERY == COMPACT_EVERY - 1:
            compact(lake, thorough=False)
            print(f"\r{(copy + 1) * base.num_rows:,} spans", end="", file=sys.stderr, flush=True)
    compact(lake)
    print(file=sys.stderr)


def _ids(words: np.ndarray) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(TRACE_ID, len(words), [None, pa.py_buffer(words.tobytes())])


def _times(work: Callable[[int], Any], repeats: int) -> str:
    work(-1)  # a warm process: what is read once in its life is read now
    taken = []
    for at in range(repeats):
        began = time.perf_counter()
        work(at)
        taken.append(1000 * (time.perf_counter() - began))
    taken.sort()
    return f"{taken[len(taken) // 2]:,.0f} | {taken[min(len(taken) * 99 // 100, len(taken) - 1)]:,.0f} |"


@contextmanager
def ingest(path: Path, requests_per_s: float = 10) -> Iterator[None]:
    """A collector on the lake that takes in requests of 512 spans of now meanwhile."""
    bodies = list(Fleet(9, time.time_ns()).requests(int(60 * requests_per_s)))
    collector, _, port = start_tracelab(path, 1)
    ending = threading.Event()

    def send() -> None:
        post = http_send(port, packed=False)
        for body in bodies:
            post(body)
            if ending.wait(1 / requests_per_s):
                return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
        assert sender.is_alive(), "it was not busy all the time"
    finally:
        ending.set()
        sender.join()
        collector.terminate()
        collector.wait(60)


def measure(lake: Lake, now: int, note: str) -> None:
    chance = np.random.default_rng(3)
    files = [path for path in lake.segments() if path.parent == lake.compacted]
    some = [files[at] for at in chance.integers(0, len(files), 40)]
    ids = [lake.read(path, ("trace_id",)).column("trace_id")[int(chance.integers(1000))].as_py() for path in some]
    last_hour = Window(now - HOUR_NS, now)

    def one_trace(at: int) -> None:
        assert lake.traces([ids[at % len(ids)]]).num_rows

    searches = (
        Search(service="cart"), Search(operation="GET /orders"), Search(min_duration_ns=10**8),
        Search(attributes=(("db.namespace", "shop"),)),
    )  # fmt: skip

    def search(at: int) -> None:
        wanted = searches[at % len(searches)]
        columns = (*ANALYSIS_COLUMNS, "attributes", "resource") if wanted.attributes else ANALYSIS_COLUMNS
        traces = assemble(lake.scan(last_hour.since_ns, last_hour.until_ns, columns=columns))
        trace_summaries(traces, last_hour, wanted)

    def topology(_: int) -> None:
        lake_graph(lake, Window(now - 29 * DAY_NS, now), Diagnostics())

    print(f"| one trace by id{note} | {_times(one_trace, 200)}", flush=True)
    print(f"| search the last hour{note} | {_times(search, 20)}", flush=True)
    print(f"| topology of 29 days, not the first time{note} | {_times(topology, 5)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spans", type=int, nargs="?", default=50_000_000)
    parser.add_argument("--lake", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.lake or Path(folder) / "lake"
        if not path.exists():
            make_lake(path, options.spans)
        lake = Lake.open(path)
        state = lake.state()
        print(f"{state.bytes / options.spans:.1f} bytes a span in {len(lake.segments())} segments\n")
        print("| read | p50 ms | p99 ms |\n|---|---:|---:|")
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "tracelab", "topology", "--since", "29d", "--lake", str(path)],
                       check=True, stdout=subprocess.DEVNULL)  # fmt: skip
        print(
            f"| topology of 29 days, a process of its own | {1000 * (time.perf_counter() - began):,.0f} | |", flush=True
        )
        now = lake_info(lake)["newest_ns"] + 1
        measure(lake, now, "")
        with ingest(path):
            measure(lake, now, ", 5,000 spans/s coming in")
    os._exit(0)


if __name__ == "__main__":
    main()
