"""Real processes for end-to-end tests: the command line, a collector, a browser."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRACELAB = [sys.executable, "-m", "tracelab"]


def run(*arguments: object, check: bool = True, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    done = subprocess.run([*TRACELAB, *map(str, arguments)], input=stdin, capture_output=True, timeout=300)
    result = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    if check and result.returncode != 0:
        raise AssertionError(f"{arguments} ended with {result.returncode}: {result.stderr}")
    return result


def run_json(*arguments: object) -> Any:
    """What the command line prints with --json."""
    return json.loads(run(*arguments, "--json").stdout)


@dataclass
class Collector:
    """A collector in a process of its own."""

    process: subprocess.Popen[str]
    grpc_port: int
    http_port: int

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def collector(lake: Path, *options: str, fault: str = "", ports: tuple[int, int] = (0, 0)) -> Iterator[Collector]:
    """A collector on free ports, ready; killed at the end if it still runs."""
    numbers = ["--grpc-port", str(ports[0]), "--http-port", str(ports[1])]
    arguments = ["collect", "--lake", str(lake), *numbers, *options]
    environment = {**os.environ, "TRACELAB_FAULT": fault}
    process = subprocess.Popen([*TRACELAB, *arguments], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)  # a collector that hangs before it is ready fails the test
    watchdog.start()
    line = process.stdout.readline()
    watchdog.cancel()
    found = re.search(r"OTLP/gRPC \S+?:(\d+) .*https?://\S+?:(\d+)/", line)
    assert found, f"the collector did not start: {line!r}"
    started = Collector(process, int(found[1]), int(found[2]))
    try:
        yield started
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def until(what: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
