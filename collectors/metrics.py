"""What the collector counts of itself, for Prometheus. With several workers the figures are those of all of them."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where workers leave their figures for each other; prometheus_client reads it when it is imported."""


class Metrics:
    """One registry per collector, so that two in one process do not meet."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"tracelab_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, mode: str) -> Gauge:
            return Gauge(f"tracelab_{name}", text, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]  # a literal of its names

        self.requests = counter("requests", "Export requests by transport and result.", "transport", "result")
        self.accepted_spans = counter("accepted_spans", "Spans made durable.")
        self.rejected_spans = counter("rejected_spans", "Spans refused one by one.")
        self.oddities = counter("oddities", "What was odd in requests, by diagnostic.", "diagnostic")
        self.segments = counter("segments_written", "Segments written.")
        self.failed_commits = counter("failed_commits", "Segments that could not be written.")
        self.failed_upkeep = counter("failed_upkeep", "Compactions and prunings that failed; they are tried again.")
        self.waiting_bytes = gauge("waiting_bytes", "Bytes of requests not yet answered.", "livesum")
        self.fresh_segments = gauge("fresh_segments", "Segments that wait to be compacted.", "max")
        self.compaction_lag = gauge("compaction_lag_seconds", "Age of the oldest of them.", "max")
        self.lake_bytes = gauge("lake_bytes", "Size of the lake's segments.", "max")
        self.free_bytes = gauge("disk_free_bytes", "Free space where the lake is.", "max")
        self.commit_seconds = Histogram(
            "tracelab_commit_seconds", "Time to make a segment durable.", buckets=_SECONDS, registry=registry
        )
        self.ack_seconds = Histogram(
            "tracelab_ack_seconds", "Time from a request to its answer.", ["transport"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip

    def text(self) -> bytes:
        """The Prometheus text format."""
        registry = self.registry
        if os.environ.get(SHARED_FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no types
        return generate_latest(registry)
