"""Group commit: everything that waits goes into the next segment, and is answered when that is durable."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pyarrow as pa

from collectors.metrics import Metrics
from tracelab import Lake, TracelabError

MAX_WAITING_BYTES = 256 * 2**20
MAX_COMMIT_ROWS = 65_536


class OverloadedError(TracelabError):
    """More is waiting than may wait: the client should come back later."""


class Committer:
    """One thread that writes segments. `commit` returns when the spans are durable, or raises why they are not."""

    def __init__(self, lake: Lake, metrics: Metrics, max_waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        self._lake = lake
        self._metrics = metrics
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[pa.Table, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="committer")
        self._thread.start()

    @contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        """Hold room for a request of `size` bytes; OverloadedError if there is none."""
        with self._lock:
            if self._waiting_bytes + size > self._max_waiting_bytes:
                raise OverloadedError(f"{self._waiting_bytes:,} bytes are waiting to be written; try again")
            self._waiting_bytes += size
            self._metrics.waiting_bytes.set(self._waiting_bytes)
        try:
            yield
        finally:
            with self._lock:
                self._waiting_bytes -= size
                self._metrics.waiting_bytes.set(self._waiting_bytes)

    def commit(self, table: pa.Table) -> None:
        """Make the spans durable. LakeError, or another error of the lake, if they are not."""
        if table.num_rows == 0:
            return
        done: Future[None] = Future()
        self._queue.put((table, done))
        done.result()

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ending = False
        while not ending:
            first = self._queue.get()
            if first is None:
                return
            batch = [first]
            rows = first[0].num_rows
            while rows < MAX_COMMIT_ROWS and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    ending = True
                    break
                batch.append(following)
                rows += following[0].num_rows
            self._write(batch)

    def _write(self, batch: list[tuple[pa.Table, Future[None]]]) -> None:
        try:
            with self._metrics.commit_seconds.time():
                self._lake.write(pa.concat_tables([table for table, _ in batch]))
        except Exception as error:  # whatever it is, the clients must hear that nothing was kept
            self._metrics.failed_commits.inc()
            for _, done in batch:
                done.set_exception(error)
            return
        for _, done in batch:
            done.set_result(None)
