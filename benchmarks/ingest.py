"""Durable ingest over real sockets: `python -m benchmarks.ingest [--spans N] [--workers N] …`.

Senders in processes of their own post prepared requests, each over its connection, one after another. What is measured
is the collector: its CPU seconds (all its processes, by the operating system), its peak memory, and how long clients
waited for their acknowledgement.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc

from benchmarks.otlp import Fleet

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CONNECTIONS = 16
SENDERS = 2
DIFFERENT = 192  # requests that are prepared; sent again and again, since nobody looks at ids while they come in


@dataclass(frozen=True)
class Load:
    """How to send: `transport` is grpc or http."""

    transport: str
    packed: bool
    spans: int
    requests: int
    connections: int = CONNECTIONS


@dataclass(frozen=True)
class Taken:
    """What it took the receiver."""

    spans: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    acks_ms: tuple[float, float]

    def row(self) -> str:
        """For a table in the documents."""
        rate, per_core = self.spans / self.wall_s, self.spans / self.cpu_s
        return (
            f"{self.cpu_s / self.spans * 1e6:.2f} | {per_core / 1e3:,.0f} k | {rate / 1e3:,.0f} k | "
            f"{self.acks_ms[0]:.1f} | {self.acks_ms[1]:.1f} | {self.peak_mb:,.0f} |"
        )


def _grpc_send(port: int, packed: bool) -> Callable[[bytes], None]:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    call = grpc.insecure_channel(f"127.0.0.1:{port}", options).unary_unary(EXPORT)
    compression = grpc.Compression.Gzip if packed else None
    return lambda body: call(body, compression=compression, timeout=60)


def http_send(port: int, packed: bool) -> Callable[[bytes], None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"content-type": "application/x-protobuf"} | ({"content-encoding": "gzip"} if packed else {})

    def send(body: bytes) -> None:
        connection.request("POST", "/v1/traces", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status

    return send


def _sender(load: Load, port: int, bodies: Sequence[bytes], count: int, connections: int, told: Any) -> None:
    waited: list[float] = []
    left = iter(range(count))

    def work(at: int) -> None:
        send = (_grpc_send if load.transport == "grpc" else http_send)(port, load.packed)
        for number in left:
            began = time.perf_counter()
            send(bodies[(number + at) % len(bodies)])
            waited.append(time.perf_counter() - began)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put(waited)


def send(load: Load, port: int, bodies: Sequence[bytes]) -> list[float]:
    """Send the load; how long each request waited, in seconds."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    share = load.requests // SENDERS
    senders = [
        context.Process(target=_sender, args=(load, port, bodies, share, load.connections // SENDERS, told))
        for _ in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    waited = [seconds for _ in senders for seconds in told.get()]
    for sender in senders:
        sender.join()
    return waited


def tree_of(pid: int) -> list[int]:
    """A process and those below it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU of living processes so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_mb(pids: Sequence[int]) -> float:
    """Sum of the processes' greatest resident memory."""
    lines = (Path(f"/proc/{pid}/status").read_text() for pid in pids)
    return sum(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) for text in lines) / 1024  # type: ignore[index]  # each has that line


def measure(pid: int, load: Load, port: int, bodies: Sequence[bytes]) -> Taken:
    """Send the load to a receiver that runs, and see what it took."""
    send(Load(load.transport, load.packed, load.spans, 4 * load.connections, load.connections), port, bodies)  # warm
    pids = tree_of(pid)
    before, began = cpu_seconds(pids), time.perf_counter()
    waited = sorted(send(load, port, bodies))
    wall, cpu = time.perf_counter() - began, cpu_seconds(pids) - before
    acks = (1000 * waited[len(waited) // 2], 1000 * waited[len(waited) * 99 // 100])
    return Taken(len(waited) * load.spans, wall, cpu, peak_mb(pids), acks)


def start_tracelab(lake: Path, workers: int, *options: str) -> tuple[subprocess.Popen[str], int, int]:
    """(process, gRPC port, HTTP port) of a collector that is ready."""
    words = [
        "collect",
        "--lake",
        str(lake),
        "--grpc-port",
        "0",
        "--http-port",
        "0",
        "--workers",
        str(workers),
        *options,
    ]
    process = subprocess.Popen([sys.executable, "-m", "tracelab", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"gRPC \S+?:(\d+) .*//\S+?:(\d+)/", process.stdout.readline())
    assert found is not None
    return process, int(found[1]), int(found[2])


def start_rotel(port: int) -> subprocess.Popen[bytes] | None:
    """A receiver that decodes and throws away, to compare with; None where it is not installed."""
    beside = Path(sys.executable).with_name("rotel-agent")
    package = find_spec("rotel")
    inside = [Path(folder) / "rotel-agent" for folder in (package.submodule_search_locations or [])] if package else []
    path = shutil.which("rotel-agent") or next((str(file) for file in [beside, *inside] if file.exists()), None)
    if path is None:
        return None
    words = ["start", "--exporter", "blackhole", "--otlp-grpc-endpoint", f"127.0.0.1:{port}",
             "--otlp-http-endpoint", f"127.0.0.1:{port + 1}"]  # fmt: skip
    process = subprocess.Popen([path, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def resident_mb(pids: Sequence[int]) -> float:
    """Resident memory of living processes now."""
    return (
        sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * os.sysconf("SC_PAGESIZE") / 2**20
    )


def memory_curve(bodies: Sequence[bytes], minutes: int) -> None:
    """Full load for so long; what the collector's memory is meanwhile, each half minute."""
    with tempfile.TemporaryDirectory() as folder:
        collector, grpc_port, _ = start_tracelab(Path(folder) / "lake", 1)
        pids, ending = tree_of(collector.pid), threading.Event()
        resident: list[float] = []

        def watch() -> None:
            while not ending.wait(30):
                resident.append(resident_mb(pids))
                print(f"{len(resident) / 2:.1f} min: {resident[-1]:,.0f} MB", flush=True)

        watcher = threading.Thread(target=watch)
        watcher.start()
        until, sent = time.monotonic() + 60 * minutes, 0
        while time.monotonic() < until:
            send(Load("grpc", False, 512, 8_000), grpc_port, bodies)
            sent += 8_000 * 512
        ending.set()
        watcher.join()
        print(f"{sent:,} spans, peak {peak_mb(pids):,.0f} MB")
        _stop(collector)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, nargs="*", default=[1])
    parser.add_argument("--rotel", action="store_true", help="compare with rotel-agent")
    parser.add_argument("--minutes", type=int, help="instead: the memory's curve over so long at full load")
    options = parser.parse_args()
    large = list(Fleet().requests(DIFFERENT))
    if options.minutes:
        memory_curve(large, options.minutes)
        return
    small = list(Fleet().requests(DIFFERENT, 5))
    requests = options.spans // 512
    loads = [
        ("gRPC", Load("grpc", False, 512, requests), large),
        ("gRPC, gzip", Load("grpc", True, 512, requests // 2), large),
        ("HTTP", Load("http", False, 512, requests), large),
        ("HTTP, gzip", Load("http", True, 512, requests // 2), [gzip.compress(body, 6) for body in large]),
        ("gRPC, 5 spans", Load("grpc", False, 5, 10_000), small),
        ("HTTP, 5 spans", Load("http", False, 5, 10_000), small),
        ("gRPC, 5 spans, 128 clients", Load("grpc", False, 5, 20_000, 128), small),
        ("HTTP, 5 spans, 128 clients", Load("http", False, 5, 20_000, 128), small),
    ]
    print("| receiver | load | CPU s per M spans | spans/s a core | spans/s | ack p50 ms | p99 ms | peak MB |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for name, load, bodies in loads:
        if options.rotel and load.spans == 512 and (process := start_rotel(24_400)) is not None:
            taken = measure(process.pid, load, 24_400 + (load.transport == "http"), bodies)
            _stop(process)
            print(f"| rotel, discarding | {name} | {taken.row()}", flush=True)
        for workers in options.workers:
            with tempfile.TemporaryDirectory() as folder:
                collector, grpc_port, http_port = start_tracelab(Path(folder) / "lake", workers)
                taken = measure(collector.pid, load, grpc_port if load.transport == "grpc" else http_port, bodies)
                _stop(collector)
            print(f"| tracelab, {workers} worker{'s'[: workers - 1]} | {name} | {taken.row()}", flush=True)


if __name__ == "__main__":
    main()
