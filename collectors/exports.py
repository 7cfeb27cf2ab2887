"""The export path that both transports share: hand over, wait until it is durable, answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import Enum

from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from collectors.commit import Committer, OverloadedError, Request
from collectors.metrics import Metrics
from tracelab import LakeError, Outcome, TooLargeError, TracelabError

RETRY_AFTER_S = 2
_SPAN_NAMES = {"grpc": "opentelemetry.proto.collector.trace.v1.TraceService/Export", "http": "POST /v1/traces"}
_SPAN_ATTRIBUTES = {
    "grpc": {"rpc.system": "grpc", "rpc.service": _SPAN_NAMES["grpc"].split("/")[0], "rpc.method": "Export"},
    "http": {"http.request.method": "POST", "http.route": "/v1/traces"},
}


class Encoding(Enum):
    """How a request's body is written."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """What to tell the client: a response, or a google.rpc.Status."""

    response: trace_service_pb2.ExportTraceServiceResponse | None = None
    status: status_pb2.Status | None = None
    retry: bool = False


_ALL_WELL = Answer(trace_service_pb2.ExportTraceServiceResponse())


class ExportPath:
    """Hands requests to the committer and makes answers of the outcomes."""

    def __init__(self, committer: Committer, metrics: Metrics, tracer: Tracer) -> None:
        self._committer = committer
        self._tracer = tracer
        self.metrics = metrics
        self.limits = committer.limits

    async def export(self, body: bytes, encoding: Encoding, transport: str) -> Answer:
        """Make the request's spans durable; only then is the answer a good one."""
        began = time.perf_counter()
        with self._tracer.start_as_current_span(
            _SPAN_NAMES[transport], kind=SpanKind.SERVER, attributes=_SPAN_ATTRIBUTES[transport]
        ) as span:
            span.set_attribute("tracelab.request.bytes", len(body))
            answer = await self._export(body, encoding)
            if answer.status is not None:
                span.set_status(StatusCode.ERROR, answer.status.message)
        self.metrics.ack_seconds.labels(transport).observe(time.perf_counter() - began)
        self.count(answer, transport)
        return answer

    def count(self, answer: Answer, transport: str) -> None:
        """Count an answer, also one that was given without asking the lake."""
        result = "ok" if answer.status is None else code_pb2.Code.Name(answer.status.code).lower()
        self.metrics.requests.labels(transport, result).inc()

    async def _export(self, body: bytes, encoding: Encoding) -> Answer:
        try:
            with self._committer.room_for(len(body)):
                outcome = await self._commit(body, encoding is Encoding.JSON)
        except (OverloadedError, LakeError, OSError) as error:
            return refusal(code_pb2.UNAVAILABLE, str(error), retry=True)
        return _response(outcome) if outcome.error is None else refusal_of(outcome.error)

    async def _commit(self, body: bytes, is_json: bool) -> Outcome:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Outcome] = loop.create_future()

        def finish(outcome: Outcome | BaseException) -> None:
            if done.cancelled():  # the client has gone; its spans are kept all the same
                return
            if isinstance(outcome, BaseException):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

        def told(outcome: Outcome | BaseException) -> None:
            loop.call_soon_threadsafe(finish, outcome)

        self._committer.submit(Request(body, is_json, told))
        return await done


def _response(outcome: Outcome) -> Answer:
    if outcome.rejected_spans == 0:
        return _ALL_WELL
    response = trace_service_pb2.ExportTraceServiceResponse()
    response.partial_success.rejected_spans = outcome.rejected_spans
    response.partial_success.error_message = outcome.message
    return Answer(response)


def refusal_of(error: TracelabError) -> Answer:
    """What a client hears whose request cannot be taken, however often it comes."""
    too_large = isinstance(error, TooLargeError)
    return refusal(code_pb2.RESOURCE_EXHAUSTED if too_large else code_pb2.INVALID_ARGUMENT, str(error))


def refusal(code: int, message: str, retry: bool = False) -> Answer:
    """A google.rpc.Status; with RetryInfo if the client should come back."""
    status = status_pb2.Status(code=code, message=message)
    if retry:
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER_S)))
    return Answer(status=status, retry=retry)
