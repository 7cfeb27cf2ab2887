"""The export path that both transports share: decode, commit, answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from collectors.commit import Committer, OverloadedError
from collectors.metrics import Metrics
from tracelab import DecodedRequest, InputError, LakeError, decode_json_request, decode_protobuf_request

MAX_BODY_BYTES = 64 * 2**20
RETRY_AFTER_S = 2


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


class ExportPath:
    """Decodes and commits requests. Safe to use from several threads."""

    def __init__(self, committer: Committer, metrics: Metrics) -> None:
        self._committer = committer
        self.metrics = metrics

    def export(self, body: bytes, encoding: Encoding, transport: str) -> Answer:
        """Make the request's spans durable; only then is the answer a good one."""
        with self.metrics.ack_seconds.labels(transport).time():
            answer = self._export(body, encoding)
        result = "ok" if answer.status is None else code_pb2.Code.Name(answer.status.code).lower()
        self.metrics.requests.labels(transport, result).inc()
        return answer

    def _export(self, body: bytes, encoding: Encoding) -> Answer:
        try:
            with self._committer.room_for(len(body)):
                decode = decode_json_request if encoding is Encoding.JSON else decode_protobuf_request
                decoded = decode(body)
                self._committer.commit(decoded.table)
        except InputError as error:
            return refusal(code_pb2.INVALID_ARGUMENT, str(error))
        except (OverloadedError, LakeError, OSError) as error:
            return refusal(code_pb2.UNAVAILABLE, str(error), retry=True)
        self.metrics.accepted_spans.inc(decoded.table.num_rows)
        self.metrics.rejected_spans.inc(decoded.rejected_spans)
        for name, count in decoded.diagnostics.items():
            self.metrics.oddities.labels(name).inc(count)
        return Answer(_response(decoded))


def _response(decoded: DecodedRequest) -> trace_service_pb2.ExportTraceServiceResponse:
    response = trace_service_pb2.ExportTraceServiceResponse()
    if decoded.rejected_spans:
        response.partial_success.rejected_spans = decoded.rejected_spans
        response.partial_success.error_message = decoded.message
    return response


def refusal(code: int, message: str, retry: bool = False) -> Answer:
    """A google.rpc.Status; with RetryInfo if the client should come back."""
    status = status_pb2.Status(code=code, message=message)
    if retry:
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER_S)))
    return Answer(status=status, retry=retry)
