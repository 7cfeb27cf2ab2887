"""Group commit: everything that waits goes into the next segment, and is answered when that is durable."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

from collectors.metrics import Metrics
from collectors.settings import MAX_WAITING_BYTES
from tracelab import Lake, Limits, Outcome, TracelabError, decode_requests

MAX_COMMIT_BYTES = 16 * 2**20
"""Of requests in one segment: some 48,000 spans. More would save little time, and cost memory."""
LINGER_S = 0.02


class OverloadedError(TracelabError):
    """More is waiting than may wait: the client should come back later."""


@dataclass(frozen=True)
class Request:
    """A request's body that waits to be committed, and who is told what became of it."""

    body: bytes
    is_json: bool
    told: Callable[[Outcome | BaseException], None]


class Committer:
    """One thread that decodes requests and writes segments. Who gave a request is told when its spans are durable."""

    def __init__(
        self, lake: Lake, metrics: Metrics, limits: Limits | None = None, max_waiting_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        self._lake = lake
        self._metrics = metrics
        self.limits = limits or Limits()
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._waiting: deque[Request] = deque()
        self._arrived = threading.Condition(self._lock)
        self._enough = 1
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="committer")
        self._thread.start()

    @contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        """Hold room for a request of `size` bytes; OverloadedError if there is none."""
        with self._lock:
            if self._waiting_bytes + size > self._max_waiting_bytes and self._waiting_bytes:
                raise OverloadedError(f"{self._waiting_bytes:,} bytes are waiting to be written; try again")
            self._waiting_bytes += size
        self._metrics.waiting_bytes.inc(size)
        try:
            yield
        finally:
            with self._lock:
                self._waiting_bytes -= size
            self._metrics.waiting_bytes.dec(size)

    def submit(self, request: Request) -> None:
        """Queue a request; `told` is called from another thread with its outcome, or with why it was not kept."""
        with self._lock:
            self._waiting.append(request)
            if len(self._waiting) >= self._enough:
                self._arrived.notify()

    def commit(self, body: bytes, is_json: bool = False) -> Outcome:
        """The same, waiting for the outcome."""
        done: Future[Outcome] = Future()

        def told(outcome: Outcome | BaseException) -> None:
            if isinstance(outcome, BaseException):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

        self.submit(Request(body, is_json, told))
        return done.result()

    def close(self) -> None:
        """Write what waits, and end."""
        with self._lock:
            self._ending = True
            self._enough = 1
            self._arrived.notify()
        self._thread.join()

    def _run(self) -> None:
        expected = 1
        while batch := self._next_batch(expected):
            self._write(batch)
            expected = len(batch) + len(self._waiting)

    def _next_batch(self, expected: int) -> list[Request]:
        """What waits; empty at the end.

        `expected` requests were under way a moment ago. Clients that were just answered soon send again: to wait a
        little for all of them makes one segment of what would be several, at half the cost.
        """
        with self._lock:
            self._arrived.wait_for(lambda: self._waiting or self._ending)
            if len(self._waiting) < expected and not self._ending:
                self._enough = expected
                self._arrived.wait_for(lambda: len(self._waiting) >= expected or self._ending, LINGER_S)
                self._enough = 1
            batch, size = [], 0
            while self._waiting and size < MAX_COMMIT_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1].body)
            return batch

    def _write(self, batch: list[Request]) -> None:
        try:
            with self._metrics.commit_seconds.time():
                decoded = decode_requests(
                    [request.body for request in batch], [request.is_json for request in batch], self.limits
                )
                if decoded.tables:
                    with self._lake.staged() as staged:
                        for table in decoded.tables:
                            staged.append(table)
                    self._metrics.segments.inc(len(decoded.tables))
        except Exception as error:  # whatever it is, the clients must hear that nothing was kept
            self._metrics.failed_commits.inc()
            for request in batch:
                request.told(error)
            return
        self._metrics.accepted_spans.inc(sum(outcome.spans for outcome in decoded.outcomes))
        self._metrics.rejected_spans.inc(sum(outcome.rejected_spans for outcome in decoded.outcomes))
        for name, count in decoded.diagnostics.items():
            self._metrics.oddities.labels(name).inc(count)
        for request, outcome in zip(batch, decoded.outcomes, strict=True):
            request.told(outcome)
