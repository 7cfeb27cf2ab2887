"""What must hold whatever happens: nothing acknowledged is lost, nothing is there twice, nothing half.

Short by default; `make torture` (TRACELAB_TORTURE=100) does a hundred rounds.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.support.load import EXPORT, PROTOBUF, Sender, numbered
from tests.support.system import TRACELAB, Collector, collector, run_json, until
from tracelab.lake import Lake, verify

pytestmark = pytest.mark.system
ROUNDS = int(os.environ.get("TRACELAB_TORTURE", "4"))


def numbers_in(lake: Path) -> list[int]:
    return sorted(int.from_bytes(value) for value in Lake.open(lake).scan().column("span_id").to_pylist())


def compactor(lake: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*TRACELAB, "lake", "compact", "--lake", str(lake)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    """The collector, and a compactor beside it, are killed while eight clients send; then they come back."""
    lake, chance = tmp_path / "lake", random.Random(ROUNDS)
    acknowledged: set[int] = set()
    requests = 0
    for round_ in range(ROUNDS):
        with collector(lake) as receiver:
            assert acknowledged <= set(numbers_in(lake))  # no repair by hand, at every restart
            senders = [
                Sender(receiver, (round_ * 8 + client + 1) * 100_000, over_grpc=client % 2 == 0) for client in range(8)
            ]
            for sender in senders:
                sender.start()
            beside = compactor(lake)
            time.sleep(chance.uniform(0.1, 1.5))
            receiver.stop(signal.SIGKILL)
            time.sleep(chance.uniform(0, 0.5))
            beside.kill()
            beside.wait()
            for sender in senders:
                sender.stopping = True
                sender.join()
                acknowledged |= sender.acknowledged
                requests += sender.requests
    kept = numbers_in(lake)
    assert len(acknowledged) > 20 * ROUNDS
    assert acknowledged <= set(kept)
    assert len(kept) == len(set(kept))
    assert subprocess.run([*TRACELAB, "lake", "compact", "--lake", str(lake)], check=True).returncode == 0
    verdict = verify(Lake.open(lake))
    assert (verdict.damaged, verdict.spans, verdict.split_traces) == ((), len(kept), 0)
    sys.stderr.write(f"\n{ROUNDS} kills, {requests:,} requests, {len(acknowledged):,} spans acknowledged\n")


def test_two_collectors_a_compactor_and_a_reader(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with collector(lake) as one, collector(lake) as other:
        senders = [Sender(to, (at + 1) * 1_000_000, at % 2 == 0) for at, to in enumerate((one, other, one, other))]
        for sender in senders:
            sender.start()
        seen: set[int] = set()
        for _ in range(3):
            beside = compactor(lake)
            while beside.poll() is None:
                before = set().union(*(set(sender.acknowledged) for sender in senders))
                now = numbers_in(lake)
                assert before <= set(now)
                assert seen <= set(now)
                assert len(now) == len(set(now))
                seen = set(now)
        for sender in senders:
            sender.stopping = True
            sender.join()
    assert set().union(*(sender.acknowledged for sender in senders)) <= set(numbers_in(lake))


def _answers(receiver: Collector, first: int) -> tuple[int, grpc.StatusCode]:
    """What both transports say to a request: (HTTP status, gRPC status)."""
    answer = httpx.post(f"{receiver.http}/v1/traces", content=numbered(range(first, first + 2000)), headers=PROTOBUF)
    with grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
        call = channel.unary_unary(EXPORT).with_call
        try:
            _, told = call(numbered(range(first + 2000, first + 4000)))
        except grpc.RpcError as error:
            told = error
        details = dict(told.trailing_metadata()).get("grpc-status-details-bin")
    assert (details is None) == (told.code() is grpc.StatusCode.OK)  # why, and when to come back
    return answer.status_code, told.code()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_a_retry_until_there_is_room(small_disk: Path) -> None:
    lake = small_disk / "lake"
    with collector(lake) as receiver:
        assert _answers(receiver, 10_000) == (200, grpc.StatusCode.OK)
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        assert _answers(receiver, 20_000) == (503, grpc.StatusCode.UNAVAILABLE)
        filler.unlink()
        assert _answers(receiver, 30_000) == (200, grpc.StatusCode.OK)
        assert numbers_in(lake) == [*range(10_000, 14_000), *range(30_000, 34_000)]
        assert not list(lake.rglob(".writing-*"))


def test_a_disk_that_may_only_be_read(small_disk: Path) -> None:
    lake = small_disk / "lake"
    with collector(lake) as receiver:
        assert _answers(receiver, 10_000) == (200, grpc.StatusCode.OK)
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        assert _answers(receiver, 20_000) == (503, grpc.StatusCode.UNAVAILABLE)
        assert run_json("lake", "info", "--lake", lake)["spans"] == 4000
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        assert _answers(receiver, 30_000) == (200, grpc.StatusCode.OK)
    assert len(numbers_in(lake)) == 8000


def test_a_slow_disk_is_a_retry_once_enough_waits(tmp_path: Path) -> None:
    """Each write takes half a second; room is for two requests of the eight at once."""
    body = numbered(range(1, 2001))
    room = str(2 * len(body) + 10)
    with collector(tmp_path / "lake", "--max-waiting", room, fault="segment-written@0.5") as receiver:
        senders = [Sender(receiver, (client + 1) * 100_000, over_grpc=False) for client in range(3)]
        for sender in senders:
            sender.start()
        with httpx.Client(timeout=30) as client, ThreadPoolExecutor(8) as pool:
            posts = [
                pool.submit(client.post, f"{receiver.http}/v1/traces", content=body, headers=PROTOBUF) for _ in range(8)
            ]
            answers = [post.result() for post in posts]
        for sender in senders:
            sender.stopping = True
            sender.join()
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.status_code for answer in answers} == {200, 503}
        assert all(answer.headers["retry-after"] for answer in refused)
        acknowledged = set().union(*(sender.acknowledged for sender in senders))
    assert acknowledged | set(range(1, 2001)) <= set(numbers_in(tmp_path / "lake"))


def test_the_real_exporter_through_a_collector_that_flaps(tmp_path: Path) -> None:
    """Down and up again, by SIGKILL: what the exporter says it has delivered is there; what it repeats, once."""
    lake = tmp_path / "lake"
    with collector(lake) as first:
        ports = first.grpc_port, first.http_port
    exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{ports[0]}", insecure=True, timeout=60)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100, max_export_batch_size=20))
    tracer = provider.get_tracer("flapping")
    names: list[str] = []
    for up in range(3):
        with collector(lake, ports=ports) as receiver:
            for number in range(60):
                names.append(f"{up}/{number}")
                tracer.start_span(names[-1]).end()
                time.sleep(0.01)
            receiver.stop(signal.SIGKILL)
        for number in range(60, 90):  # nobody is there to take these
            names.append(f"{up}/{number}")
            tracer.start_span(names[-1]).end()
        time.sleep(0.5)
    with collector(lake, ports=ports):
        assert provider.force_flush(60_000)
        provider.shutdown()
    seen = run_json("traces", "--limit", "1000", "--lake", lake)["traces"]
    assert sorted(trace["root_name"] for trace in seen) == sorted(names)
    assert {trace["span_count"] for trace in seen} == {1}


def test_a_collector_that_is_told_to_end_answers_first(tmp_path: Path) -> None:
    with collector(tmp_path / "lake", "--workers", "2") as receiver:
        senders = [Sender(receiver, (client + 1) * 100_000, client % 2 == 0) for client in range(6)]
        for sender in senders:
            sender.start()
        until(lambda: sum(len(sender.acknowledged) for sender in senders) > 200)
        assert receiver.stop(signal.SIGTERM) == 0
        for sender in senders:
            sender.stopping = True
            sender.join()
    assert set().union(*(sender.acknowledged for sender in senders)) <= set(numbers_in(tmp_path / "lake"))
