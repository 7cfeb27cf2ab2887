"""Senders over real connections that remember which spans were acknowledged."""

from __future__ import annotations

import random
import threading
from typing import Any

import grpc
import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.system import Collector

PROTOBUF = {"content-type": "application/x-protobuf"}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def numbered(numbers: range) -> bytes:
    """A request with a span of each number, which is its id; ten to a trace."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "web"
    scope_spans = resource_spans.scope_spans.add()
    for number in numbers:
        scope_spans.spans.add(
            trace_id=(number // 10 + 1).to_bytes(16),
            span_id=number.to_bytes(8),
            name="work",
            start_time_unix_nano=10**18 + number,
            end_time_unix_nano=10**18 + number + 5,
        )
    return request.SerializeToString()


class Sender(threading.Thread):
    """Sends requests of one to twenty spans, one after another, until it is told to stop or the collector is gone."""

    def __init__(self, to: Collector, first: int, over_grpc: bool) -> None:
        super().__init__()
        self.to, self.next, self.over_grpc = to, first, over_grpc
        self.acknowledged: set[int] = set()
        self.requests = 0
        self.stopping = False

    def run(self) -> None:
        chance = random.Random(self.next)
        send: Any = self._grpc if self.over_grpc else self._http
        with (
            grpc.insecure_channel(f"127.0.0.1:{self.to.grpc_port}") as channel,
            httpx.Client(timeout=30) as client,
        ):
            while not self.stopping:
                numbers = range(self.next, self.next + chance.randint(1, 20))
                self.next = numbers.stop
                self.requests += 1
                try:
                    if send(channel if self.over_grpc else client, numbered(numbers)):
                        self.acknowledged |= set(numbers)
                except (httpx.HTTPError, grpc.RpcError):
                    return

    def _http(self, client: httpx.Client, body: bytes) -> bool:
        return client.post(f"{self.to.http}/v1/traces", content=body, headers=PROTOBUF).status_code == 200

    def _grpc(self, channel: grpc.Channel, body: bytes) -> bool:
        channel.unary_unary(EXPORT)(body, timeout=30)
        return True
