"""What the collector counts of itself, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """One registry per collector, so that two in one process do not meet."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "tracelab_requests", "Export requests by transport and result.", ["transport", "result"], registry=registry
        )
        self.accepted_spans = Counter("tracelab_accepted_spans", "Spans made durable.", registry=registry)
        self.rejected_spans = Counter("tracelab_rejected_spans", "Spans refused one by one.", registry=registry)
        self.oddities = Counter(
            "tracelab_oddities", "What was odd in requests, by diagnostic.", ["diagnostic"], registry=registry
        )
        self.failed_commits = Counter(
            "tracelab_failed_commits", "Segments that could not be written.", registry=registry
        )
        self.waiting_bytes = Gauge("tracelab_waiting_bytes", "Bytes of requests not yet answered.", registry=registry)
        self.commit_seconds = Histogram(
            "tracelab_commit_seconds", "Time to make a segment durable.", buckets=_SECONDS, registry=registry
        )
        self.ack_seconds = Histogram(
            "tracelab_ack_seconds",
            "Time from a request to its answer.",
            ["transport"],
            buckets=_SECONDS,
            registry=registry,
        )

    def text(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)
