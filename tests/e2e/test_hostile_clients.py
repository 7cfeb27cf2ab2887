"""Clients that send too much, too slowly, in the clear or without a password; and names that are not meant well."""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import grpc
import httpx
import orjson
import pytest
import trustme
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tests.support.load import EXPORT, PROTOBUF, numbered
from tests.support.system import Collector, collector, run, run_json
from tracelab.lake import Lake

pytestmark = pytest.mark.system
JSON = {"content-type": "application/json"}


def post(to: Collector, body: bytes, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    return httpx.post(f"{to.http}/v1/traces", content=body, headers={**PROTOBUF, **(headers or {})}, timeout=60, **more)


def over_grpc(to: Collector, body: bytes, **more: Any) -> grpc.StatusCode:
    with grpc.insecure_channel(f"127.0.0.1:{to.grpc_port}", [("grpc.max_send_message_length", -1)]) as channel:
        try:
            channel.unary_unary(EXPORT)(body, timeout=60, **more)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()  # type: ignore[attr-defined]
            return code
    return grpc.StatusCode.OK


def with_value(value: AnyValue, name: str = "work") -> bytes:
    request = ExportTraceServiceRequest.FromString(numbered(range(1, 2)))
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.name = name
    span.attributes.add(key="k", value=value)
    return request.SerializeToString()


def test_limits(tmp_path: Path) -> None:
    options = [
        "--max-body",
        "20KiB",
        "--max-spans",
        "50",
        "--max-attributes",
        "3",
        "--max-text",
        "100",
        "--max-depth",
        "2",
    ]
    with collector(tmp_path / "lake", *options) as receiver:
        assert post(receiver, numbered(range(1, 51))).status_code == 200
        assert post(receiver, numbered(range(1, 52))).status_code == 413
        assert over_grpc(receiver, numbered(range(1, 52))) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert post(receiver, bytes(20 * 1024 + 1)).status_code == 413
        bomb = gzip.compress(bytes(200 * 2**20))
        assert post(receiver, bomb, {"content-encoding": "gzip"}).status_code == 413
        packed = over_grpc(receiver, bytes(200 * 2**20), compression=grpc.Compression.Gzip)
        assert packed is grpc.StatusCode.RESOURCE_EXHAUSTED
        deep = AnyValue(array_value={"values": [AnyValue(array_value={"values": [AnyValue(array_value={})]})]})
        long = ExportTraceServiceRequest.FromString(with_value(AnyValue(string_value="é" * 80), "n" * 200))
        span = long.resource_spans[0].scope_spans[0].spans[0]
        for at in range(4):
            span.attributes.add(key=f"more{at}", value=deep if at == 0 else AnyValue(int_value=at))
        span.span_id = b"cut-span"
        assert post(receiver, long.SerializeToString()).status_code == 200
        metrics = httpx.get(f"{receiver.http}/metrics").text
        assert 'tracelab_oddities_total{diagnostic="cut_values"} 3.0' in metrics
        assert 'tracelab_oddities_total{diagnostic="dropped_attributes"} 2.0' in metrics
        assert 'tracelab_requests_total{result="resource_exhausted",transport="http"} 3.0' in metrics
        peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{receiver.process.pid}/status").read_text())
        assert peak is not None
        assert int(peak[1]) < 400 * 1024
    (row,) = [row for row in Lake.open(tmp_path / "lake").scan().to_pylist() if row["span_id"] == b"cut-span"]
    assert row["name"] == "n" * 97 + "…"
    assert row["attributes"] == [("k", "é" * 48 + "…"), ("more0", "…"), ("more1", "1")]
    assert (row["attribute_types"], row["dropped_attributes_count"]) == ("ssi", 2)


def test_the_same_limits_for_json(tmp_path: Path) -> None:
    options = ["--max-spans", "2", "--max-text", "10", "--max-attributes", "1"]
    with collector(tmp_path / "lake", *options) as receiver:
        span = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "name": "x" * 30}
        span["attributes"] = [{"key": key, "value": {"intValue": "5"}} for key in "ab"]  # type: ignore[assignment]
        body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
        assert post(receiver, orjson.dumps(body), JSON).status_code == 200
        body["resourceSpans"][0]["scopeSpans"][0]["spans"] *= 3
        assert post(receiver, orjson.dumps(body), JSON).status_code == 413
    (row,) = Lake.open(tmp_path / "lake").scan().to_pylist()
    assert (row["name"], row["attributes"], row["dropped_attributes_count"]) == ("x" * 7 + "…", [("a", "5")], 1)


def test_slow_clients_are_let_go(tmp_path: Path) -> None:
    with collector(tmp_path / "lake", "--slow-client", "1") as receiver:
        address = "127.0.0.1", receiver.http_port
        began = time.monotonic()
        with socket.create_connection(address, 10) as silent, socket.create_connection(address, 10) as slow:
            slow.sendall(
                b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
                b"Content-Length: 99\r\n\r\nab"
            )
            assert silent.recv(100) == b""
            assert b" 408 " in slow.recv(1000)
        assert time.monotonic() - began < 8
        assert post(receiver, numbered(range(1, 2))).status_code == 200


def test_connections_are_bounded(tmp_path: Path) -> None:
    with collector(tmp_path / "lake", "--max-connections", "4") as receiver:
        held = [socket.create_connection(("127.0.0.1", receiver.http_port), 10) for _ in range(6)]
        assert post(receiver, numbered(range(1, 2))).status_code == 503
        for connection in held:
            connection.close()
        time.sleep(0.5)
        assert post(receiver, numbered(range(1, 2))).status_code == 200


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, Path]:
    """Certificates of an authority of our own, for this machine and for a client."""
    authority, other = trustme.CA(), trustme.CA()
    paths = {name: tmp_path / f"{name}.pem" for name in ("ca", "server", "key", "client", "stranger")}
    authority.cert_pem.write_to_path(paths["ca"])
    server = authority.issue_cert("localhost", "127.0.0.1")
    server.private_key_pem.write_to_path(paths["key"])
    for at, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(paths["server"], append=at > 0)
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(paths["client"])
    other.issue_cert("stranger@example.org").private_key_and_cert_chain_pem.write_to_path(paths["stranger"])
    return paths


def context_with(certificates: dict[str, Path], client: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates["ca"]))
    if client is not None:
        context.load_cert_chain(certificates[client])
    return context


def secure_grpc(to: Collector, certificates: dict[str, Path], client: str | None = None) -> grpc.StatusCode:
    pem = certificates[client].read_bytes() if client else None
    credentials = grpc.ssl_channel_credentials(certificates["ca"].read_bytes(), pem, pem)
    with grpc.secure_channel(f"localhost:{to.grpc_port}", credentials) as channel:
        try:
            channel.unary_unary(EXPORT)(numbered(range(1, 2)), timeout=10)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()  # type: ignore[attr-defined]
            return code
    return grpc.StatusCode.OK


def test_tls(tmp_path: Path, certificates: dict[str, Path]) -> None:
    options = ["--tls-cert", str(certificates["server"]), "--tls-key", str(certificates["key"])]
    with collector(tmp_path / "lake", *options) as receiver:
        url = f"https://localhost:{receiver.http_port}/v1/traces"
        answer = httpx.post(url, content=numbered(range(1, 2)), headers=PROTOBUF, verify=context_with(certificates))
        assert answer.status_code == 200
        assert secure_grpc(receiver, certificates) is grpc.StatusCode.OK
        assert over_grpc(receiver, numbered(range(1, 2))) is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(httpx.HTTPError):
            post(receiver, numbered(range(1, 2)))


def test_mutual_tls(tmp_path: Path, certificates: dict[str, Path]) -> None:
    options = ["--tls-cert", str(certificates["server"]), "--tls-key", str(certificates["key"])]
    with collector(tmp_path / "lake", *options, "--tls-client-ca", str(certificates["ca"])) as receiver:
        url = f"https://localhost:{receiver.http_port}/v1/traces"
        for client, good in (("client", True), ("stranger", False), (None, False)):
            said = secure_grpc(receiver, certificates, client)
            assert said is (grpc.StatusCode.OK if good else grpc.StatusCode.UNAVAILABLE)
            context = context_with(certificates, client)
            if good:
                assert httpx.post(url, content=b"", headers=PROTOBUF, verify=context).status_code == 200
            else:
                with pytest.raises(httpx.HTTPError):
                    httpx.post(url, content=b"", headers=PROTOBUF, verify=context)


def test_tokens(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("first-secret\nsecond-secret\n")
    with collector(tmp_path / "lake", "--token-file", str(tokens)) as receiver:
        body = numbered(range(1, 2))
        assert post(receiver, body).status_code == 401
        assert post(receiver, body, {"authorization": "Bearer wrong"}).status_code == 401
        assert post(receiver, body, {"authorization": "Bearer second-secret"}).status_code == 200
        assert over_grpc(receiver, body) is grpc.StatusCode.UNAUTHENTICATED
        metadata = (("authorization", "bearer first-secret"),)
        assert over_grpc(receiver, body, metadata=metadata) is grpc.StatusCode.OK
        assert httpx.get(f"{receiver.http}/healthz").status_code == 200
        assert httpx.get(f"{receiver.http}/metrics").status_code == 401
        command_line = Path(f"/proc/{receiver.process.pid}/cmdline").read_bytes()
        assert b"secret" not in command_line


def test_options_that_make_no_sense_are_named(tmp_path: Path) -> None:
    lake = ["--lake", tmp_path / "lake", "--grpc-port", "0", "--http-port", "0"]
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "junk.pem").write_text("junk")
    for words, told in (
        (["--tls-cert", tmp_path / "junk.pem"], "--tls-key"),
        (["--tls-cert", tmp_path / "junk.pem", "--tls-key", tmp_path / "junk.pem"], "junk.pem"),
        (["--token-file", tmp_path / "empty"], "no token"),
        (["--max-body", "lots"], "64MiB"),
    ):
        done = run("collect", *lake, *words, check=False)
        assert done.returncode == 2
        assert told in done.stderr


@pytest.mark.parametrize(("options", "warned"), [([], True), (["--token-file", "tokens"], False)])
def test_a_public_address_is_warned_about(tmp_path: Path, options: list[str], warned: bool) -> None:
    (tmp_path / "tokens").write_text("secret\n")
    words = [str(tmp_path / word) if word == "tokens" else word for word in options]
    with socket.socket() as taken:  # the port is taken, so the command says its piece and ends
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        done = run(
            "collect", "--host", "0.0.0.0", "--http-port", port, "--lake", tmp_path / "lake", *words, check=False
        )
    assert ("without a password" in done.stderr) is warned
    assert "secret" not in done.stderr + done.stdout


HOSTILE = (
    "<script>alert(1)</script>", "\x1b[2J\x1b]0;owned\x07", "../../../etc/passwd",
    "'; DROP TABLE spans; --", '"quoted"',
    "\u202eright-to-left", "{{7*7}}", "null\x00byte", "a\nb\tc", "x" * 2**20,
)  # fmt: skip


def test_names_are_data_everywhere(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with collector(lake) as receiver:
        for at, text in enumerate(HOSTILE):
            request = ExportTraceServiceRequest.FromString(numbered(range(10 * at + 1, 10 * at + 2)))
            request.resource_spans[0].resource.attributes[0].value.string_value = text
            span = request.resource_spans[0].scope_spans[0].spans[0]
            span.name = text
            span.kind = 3
            span.attributes.add(key=text, value=AnyValue(string_value=text))
            span.attributes.add(key="server.address", value=AnyValue(string_value=text))
            assert post(receiver, request.SerializeToString()).status_code == 200
    kept = {row["name"]: row for row in Lake.open(lake).scan().to_pylist()}
    for text in HOSTILE[:-1]:
        assert kept[text]["service_name"] == text
        assert kept[text]["attributes"][0] == (text, text)
    assert len(kept) == len(HOSTILE)
    assert any(len(name.encode()) == 256 * 1024 and name.endswith("…") for name in kept)
    names = {node["name"] for node in run_json("topology", "--lake", lake)["nodes"]}
    assert set(HOSTILE[:-1]) <= names
    for words in (["topology"], ["traces"], ["critical-path"], ["lake", "info"]):
        shown = run(*words, "--lake", lake).stdout
        assert "\x1b]0;" not in shown
        assert "\x1b[2J" not in shown
        assert "\u202e" not in shown


def test_two_workers_share_the_ports_and_the_figures(tmp_path: Path) -> None:
    with collector(tmp_path / "lake", "--workers", "2") as receiver:
        for number in range(1, 41):
            assert post(receiver, numbered(range(number, number + 1))).status_code == 200
        told = httpx.get(f"{receiver.http}/metrics").text
        assert "tracelab_accepted_spans_total 40.0" in told
        served = [line for line in told.splitlines() if line.startswith("tracelab_requests_total")]
        assert sum(float(line.rsplit(" ", 1)[1]) for line in served) == 40
    assert Lake.open(tmp_path / "lake").scan().num_rows == 40
