"""What keeps the lake in order while it is written to: compaction, retention, and figures about both."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading

from collectors.metrics import Metrics
from collectors.settings import Settings
from tracelab import Lake, TracelabError, compact, give_back_memory, prune

EVERY_S = 5.0
_NICE = 10
_log = logging.getLogger("tracelab.collector")


class Upkeep:
    """A thread of low priority, from `start` to `stop`."""

    def __init__(self, lake: Lake, settings: Settings, metrics: Metrics) -> None:
        self._lake, self._settings, self._metrics = lake, settings, metrics
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep")

    def start(self) -> None:
        """Begin; the first round is after `EVERY_S`."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step that is under way."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        if sys.platform == "linux":  # there a thread has a niceness of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._ending.wait(EVERY_S):
            try:
                compact(self._lake, stop=self._between_merges, thorough=False)
                give_back_memory()
                if self._settings.max_age_ns is not None or self._settings.max_bytes is not None:
                    prune(self._lake, self._settings.max_age_ns, self._settings.max_bytes)
                self._measure()
            except (TracelabError, OSError) as error:
                self._metrics.failed_upkeep.inc()
                _log.warning("upkeep of the lake failed, will be tried again: %s", error)

    def _between_merges(self) -> bool:
        """Whether to leave the rest for the next time."""
        give_back_memory()
        return self._ending.is_set()

    def _measure(self) -> None:
        state = self._lake.state()
        self._metrics.fresh_segments.set(state.fresh_segments)
        self._metrics.compaction_lag.set(state.oldest_fresh_s)
        self._metrics.lake_bytes.set(state.bytes)
        self._metrics.free_bytes.set(shutil.disk_usage(self._lake.path).free)
