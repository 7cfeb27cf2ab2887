"""The collector over real sockets: right answers, nothing acknowledged lost."""

from __future__ import annotations

import gzip
import os
import signal
import threading
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import orjson
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

from tests.support.builders import span, span_table
from tests.support.otlp import otlp_requests
from tests.support.system import Collector, collector, run, run_json, until
from tracelab.codecs.export import otlp_json_lines
from tracelab.lake import Lake

pytestmark = pytest.mark.system
PROTOBUF, JSON = {"content-type": "application/x-protobuf"}, {"content-type": "application/json"}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def request(*numbers: int) -> bytes:
    """An export request with these spans, each a trace of its own."""
    table = span_table([{**span(number, None, 10, 20), "trace_id": f"{number:032x}"} for number in numbers])
    return next(iter(otlp_requests(table))).SerializeToString()


def post(to: Collector, body: bytes, headers: dict[str, str], **more: Any) -> httpx.Response:
    return httpx.post(f"{to.http}/v1/traces", content=body, headers=headers, timeout=60, **more)


def numbers_in(lake: Path) -> list[int]:
    return sorted(int.from_bytes(value) for value in Lake.open(lake).scan().column("span_id").to_pylist())


@pytest.mark.parametrize("transport", ["grpc", "http", "grpc-gzip", "http-gzip"])
def test_the_real_sdk_and_the_next_reader(tmp_path: Path, transport: str) -> None:
    with collector(tmp_path / "lake") as receiver:
        exporter: SpanExporter
        if transport.startswith("grpc"):
            compression = grpc.Compression.Gzip if transport.endswith("gzip") else None
            exporter = GrpcExporter(
                endpoint=f"http://127.0.0.1:{receiver.grpc_port}", insecure=True, compression=compression
            )
        else:
            from opentelemetry.exporter.otlp.proto.http import Compression

            packing = Compression.Gzip if transport.endswith("gzip") else Compression.NoCompression
            exporter = HttpExporter(endpoint=f"{receiver.http}/v1/traces", compression=packing)
        provider = TracerProvider(resource=Resource.create({"service.name": "web", "service.version": "1"}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("test").start_as_current_span("get", kind=trace.SpanKind.SERVER) as made:
            made.set_attributes({"a": [1, 2], "b": True, "c": 1.5})
            made.record_exception(ValueError("no"))
        seen = run_json("traces", "--lake", tmp_path / "lake")["traces"]  # the exporter has its answer: it is there
        assert [(found["root_service"], found["root_name"]) for found in seen] == [("web", "get")]
        shown = run_json("trace", seen[0]["trace_id"], "--lake", tmp_path / "lake")["spans"][0]
        assert shown["attributes"] == {"a": [1, 2], "b": True, "c": 1.5}
        assert shown["events"][0]["attributes"]["exception.type"] == "ValueError"
        provider.shutdown()


def test_its_own_traces_do_not_feed_themselves(tmp_path: Path) -> None:
    with collector(tmp_path / "lake", "--own-traces", "1") as receiver:
        for number in range(1, 4):
            assert post(receiver, request(number), PROTOBUF).status_code == 200
        assert post(receiver, b"\x0a\x05nonsense", PROTOBUF).status_code == 400
        with grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
            channel.unary_unary(EXPORT)(request(4))
        receiver.stop(signal.SIGTERM)
    seen = run_json("traces", "--service", "tracelab-collector", "--lake", tmp_path / "lake")["traces"]
    assert sorted(found["root_name"].rsplit("/")[-1] for found in seen) == ["Export", *["traces"] * 4]
    assert sum(found["failed"] for found in seen) == 1


def test_grpc_takes_gzip_and_refuses_deflate(tmp_path: Path) -> None:
    with collector(tmp_path / "lake") as receiver, grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
        call = channel.unary_unary(EXPORT)
        call(request(1), compression=grpc.Compression.Gzip)
        with pytest.raises(grpc.RpcError) as refused:
            call(request(2), compression=grpc.Compression.Deflate)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert numbers_in(tmp_path / "lake") == [1]


def test_a_bad_span_is_refused_alone(tmp_path: Path) -> None:
    with collector(tmp_path / "lake") as receiver:
        message = trace_service_pb2.ExportTraceServiceRequest.FromString(request(1, 2, 3))
        message.resource_spans[0].scope_spans[0].spans[1].span_id = b"\0" * 8
        answer = post(receiver, message.SerializeToString(), PROTOBUF)
        response = trace_service_pb2.ExportTraceServiceResponse.FromString(answer.content)
        assert answer.status_code == 200
        assert response.partial_success.rejected_spans == 1
        assert "span_id" in response.partial_success.error_message
        with grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
            message.resource_spans[0].scope_spans[0].spans[1].span_id = b"short"
            parsed = trace_service_pb2.ExportTraceServiceResponse.FromString(
                channel.unary_unary(EXPORT)(message.SerializeToString())
            )
            assert parsed.partial_success.rejected_spans == 1
        document = orjson.loads(next(iter(otlp_json_lines(span_table([span(4, None, 1, 2)])))))
        spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
        spans.append({**spans[0], "traceId": "AAAAAAAAAAAAAAAAAAAAAQ==", "spanId": "00000000000000ff"})
        told = post(receiver, orjson.dumps(document), JSON).json()
        assert int(told["partialSuccess"]["rejectedSpans"]) == 1
        assert set(numbers_in(tmp_path / "lake")) == {1, 3, 4}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\x0a\x05nonsense", PROTOBUF, 400),
        (b'{"resourceSpans":', JSON, 400),
        (b'{"resourceSpans": 7}', JSON, 400),
        (b"not gzip", {**PROTOBUF, "content-encoding": "gzip"}, 400),
        (gzip.compress(b"cut short")[:-6], {**PROTOBUF, "content-encoding": "gzip"}, 400),
        (b"", {"content-type": "text/plain"}, 415),
        (b"", {**PROTOBUF, "content-encoding": "br"}, 415),
        (b"", PROTOBUF, 200),
        (b"{}", JSON, 200),
    ],
)
def test_bodies(shared_collector: Collector, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = post(shared_collector, body, headers)
    assert answer.status_code == status
    if status == 400 and headers["content-type"] == "application/json":
        assert answer.json()["message"]
    elif status == 400:
        assert status_pb2.Status.FromString(answer.content).message


@pytest.fixture(scope="module")
def shared_collector(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with collector(tmp_path_factory.mktemp("shared") / "lake") as receiver:
        yield receiver


def test_too_large_packed_or_unpacked(shared_collector: Collector) -> None:
    size = 65 * 2**20
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(b"\0" * 2**20) for _ in range(size // 2**20)) + packer.flush()
    assert post(shared_collector, bomb, {**PROTOBUF, "content-encoding": "gzip"}).status_code == 413
    assert post(shared_collector, b"\0" * size, PROTOBUF).status_code == 413
    with grpc.insecure_channel(
        f"127.0.0.1:{shared_collector.grpc_port}", options=[("grpc.max_send_message_length", -1)]
    ) as channel:
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(EXPORT)(b"\0" * size, compression=compression)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]


def test_nonsense_over_grpc(shared_collector: Collector) -> None:
    with (
        grpc.insecure_channel(f"127.0.0.1:{shared_collector.grpc_port}") as channel,
        pytest.raises(grpc.RpcError) as no,
    ):
        channel.unary_unary(EXPORT)(b"\x0a\x05nonsense")
    error: Any = no.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert "ExportTraceServiceRequest" in status_pb2.Status.FromString(details).message


def test_health_and_metrics(shared_collector: Collector) -> None:
    assert httpx.get(f"{shared_collector.http}/healthz").status_code == 200
    post(shared_collector, request(77), PROTOBUF)
    assert 'tracelab_requests_total{result="ok",transport="http"}' in httpx.get(f"{shared_collector.http}/metrics").text


def test_a_taken_port_is_named_with_the_option(shared_collector: Collector, tmp_path: Path) -> None:
    taken = run("collect", "--lake", tmp_path, "--grpc-port", shared_collector.grpc_port, "--http-port", 0, check=False)
    assert taken.returncode == 2
    assert f"port {shared_collector.grpc_port}" in taken.stderr
    assert "--grpc-port" in taken.stderr


def test_a_lake_that_vanishes_is_a_retry_and_comes_back(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with collector(lake) as receiver:
        (lake / "spans").rename(lake / "away")
        answer = post(receiver, request(1), PROTOBUF)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        with grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel, pytest.raises(grpc.RpcError) as no:
            channel.unary_unary(EXPORT)(request(1))
        error: Any = no.value
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
        retry = error_details_pb2.RetryInfo()
        assert status.details[0].Unpack(retry)
        (lake / "away").rename(lake / "spans")
        assert post(receiver, request(2), PROTOBUF).status_code == 200
        assert numbers_in(lake) == [2]


class _Sender(threading.Thread):
    """Sends a span at a time and remembers which were acknowledged, until the collector is gone."""

    def __init__(self, http: httpx.Client, to: Collector, first: int) -> None:
        super().__init__()
        self.http, self.to, self.next = http, to, first
        self.acknowledged: set[int] = set()
        self.stopping = False

    def run(self) -> None:
        while not self.stopping:
            self.next += 1
            try:
                answer = self.http.post(f"{self.to.http}/v1/traces", content=request(self.next), headers=PROTOBUF)
            except httpx.HTTPError:
                return
            if answer.status_code == 200:
                self.acknowledged.add(self.next)


def _enough(senders: list[_Sender], count: int) -> bool:
    return sum(len(sender.acknowledged) for sender in senders) > count


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path, how: signal.Signals) -> None:
    """Several rounds on one lake: load from four clients, the collector ends in the midst of it."""
    lake = tmp_path / "lake"
    acknowledged: set[int] = set()
    for round_ in range(4):
        with collector(lake) as receiver, httpx.Client() as http:
            senders = [_Sender(http, receiver, 100_000 * (round_ + 1) + 10_000 * client) for client in range(4)]
            for sender in senders:
                sender.start()
            until(partial(_enough, senders, 15 + 5 * round_))
            code = receiver.stop(how)
            for sender in senders:
                sender.stopping = True
                sender.join()
                acknowledged |= sender.acknowledged
            assert code == (0 if how is signal.SIGTERM else -signal.SIGKILL)
    kept = numbers_in(lake)
    assert len(acknowledged) > 50
    assert acknowledged <= set(kept)
    assert len(kept) == len(set(kept))


def test_what_is_left_of_a_killed_writer_is_not_read(tmp_path: Path) -> None:
    lake = Lake.create(tmp_path / "lake")
    (lake.fresh / f".writing-{os.getpid()}.parquet").write_bytes(b"PAR1 half")
    with collector(lake.path) as receiver:
        post(receiver, request(5), PROTOBUF)
        assert numbers_in(lake.path) == [5]
