"""The collector's own traces, into its own lake: a SERVER span for each request, or for a fraction of them.

They go to the committer directly and not through a receiver, where the spans are made: so they make no further ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from collectors.commit import Committer
from tracelab import TracelabError


class _ToCommitter(SpanExporter):
    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            self._committer.commit(encode_spans(spans).SerializeToString())
        except (TracelabError, OSError):  # the clients whose requests failed hear of it; these spans are let go
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


def start_own_traces(committer: Committer, fraction: float) -> TracerProvider:
    """A provider for the receivers' tracer; to be shut down before the committer."""
    resource = Resource.create({SERVICE_NAME: "tracelab-collector", SERVICE_VERSION: version("tracelab")})
    provider = TracerProvider(TraceIdRatioBased(fraction), resource)
    provider.add_span_processor(BatchSpanProcessor(_ToCommitter(committer)))
    return provider
