"""Child processes: started with a log each, watched, and stopped in order, whatever happens."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from tracelab.errors import TracelabError

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 15.0
_PR_SET_PDEATHSIG = 1
SMALL = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"}
"""For processes that live long beside others: give memory back rather than keep it for speed.

A quarter less for the dozen of the demo; Arrow's own pool held 516 MB for a dashboard whose tables were 130 MB.
"""


class ChildError(TracelabError):
    """A child process did not start, or ended on its own."""

    exit_code = 1


class Stopped(Exception):  # noqa: N818  no error: somebody pressed Ctrl-C
    """SIGINT or SIGTERM arrived."""


@dataclass
class Child:
    """A process of ours and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """ChildError, with the end of its log, if it has ended."""
        if self.process.poll() is not None:
            lines = self.log.read_text(errors="replace").splitlines()[-8:]
            raise ChildError(
                f"{self.name} ended with {self.process.returncode}; the end of {self.log}:\n  " + "\n  ".join(lines)
            )


def _die_with_parent() -> None:
    """On Linux a child is told when its parent dies, even by kill -9, so none is left behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Children:
    """The processes of one run, stopped in the reverse order of their start when the block ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[Child] = []
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(*reversed(self.children))

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
        """Start a process in a session of its own: Ctrl-C reaches us alone, and we stop it in order."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**SMALL, **os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  no thread of ours holds a lock that it needs
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def forget(self, child: Child) -> None:
        """It has ended, and that is all right."""
        self.children.remove(child)

    def check(self) -> None:
        """ChildError if any has ended on its own."""
        for child in self.children:
            child.check()

    def stop(self, *children: Child) -> None:
        """Ask them all to end, wait, and end those that do not."""
        asked = [child for child in children if child in self.children]
        for child in asked:
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in asked:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
                click.echo(f"stopped {child.name}")
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
                click.echo(f"killed {child.name}: it did not stop in {STOP_WITHIN_S:.0f} s, see {child.log}")
            self.children.remove(child)


def wait_until(ready: Callable[[], bool], what: Child) -> None:
    """Wait until it is ready; ChildError if it ends or takes too long."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not ready():
        what.check()
        if time.monotonic() > deadline:
            raise ChildError(f"{what.name} was not ready in {READY_WITHIN_S:.0f} s; see {what.log}")
        time.sleep(0.05)


def answers_http(url: str) -> Callable[[], bool]:
    """Whether a GET is answered with a good status."""

    def ready() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  an address of our own
                return bool(answer.status == 200)
        except OSError:
            return False

    return ready


def answers_tcp(port: int) -> Callable[[], bool]:
    """Whether something listens on a port of this machine."""

    def ready() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return True
        except OSError:
            return False

    return ready


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """SIGINT and SIGTERM raise Stopped in this block; after the first they are held back, so that we can tidy up."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def memory_mb(pids: Sequence[int]) -> float | None:
    """Memory of processes, shared pages counted once (proportional set size); None where the system does not say."""
    total = 0
    try:
        for pid in pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    except OSError:
        return None
    return total / 1024
