"""The main job: real services, real OTLP, a real collector, and counts that agree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import DemoRun
from tests.support.system import TRACELAB, children_of, is_alive, run_json, until

pytestmark = pytest.mark.system


def test_the_users_account_and_the_topology_agree_exactly(demo_run: DemoRun) -> None:
    account = json.loads((demo_run.lake / "demo" / "load.json").read_text())
    edges = run_json("topology", "--lake", demo_run.lake)["edges"]
    entry = next(edge for edge in edges if edge["server"] == "gateway")
    assert account["requests"] > 40
    assert (entry["calls"], entry["failed"]) == (account["requests"], account["failed"])
    assert "they agree" in demo_run.output


def test_every_kind_of_edge_is_there(demo_run: DemoRun) -> None:
    edges = {(edge["client"], edge["server"]): edge for edge in run_json("topology", "--lake", demo_run.lake)["edges"]}
    expected = {
        ("user:user", "gateway"), ("gateway", "frontend"), ("gateway", "orders"), ("frontend", "auth"),
        ("frontend", "product-api"), ("product-api", "inventory"), ("inventory", "database:sqlite/inventory.db"),
        ("orders", "payment"), ("orders", "messaging:orders"), ("messaging:orders", "shipping"),
    }  # fmt: skip
    assert expected <= edges.keys()
    assert edges["messaging:orders", "shipping"]["queue_delay_p50_ns"] > 0
    assert edges["gateway", "orders"]["server_versions"] == ["1.2.0"]
    assert "grpc" in edges["product-api", "inventory"]["protocols"]


def test_journeys_are_whole(demo_run: DemoRun) -> None:
    traces = run_json("traces", "--lake", demo_run.lake)["traces"]
    assert not any(trace["incomplete"] for trace in traces)
    checkout = next(trace for trace in traces if trace["root_name"] == "POST /checkout" and not trace["failed"])
    shown = run_json("trace", checkout["trace_id"], "--lake", demo_run.lake)
    services = {span["service_name"] for span in shown["spans"]}
    assert {"gateway", "orders", "inventory", "payment", "shipping"} <= services
    sections = shown["critical_path"][0]["sections"]
    assert sum(section["end_ns"] - section["start_ns"] for section in sections) == checkout["duration_ns"]


def test_ctrl_c_stops_every_child_and_a_second_run_goes_on(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    ports = ["--grpc-port", "24417", "--http-port", "24418", "--gateway-port", "28180"]
    process = subprocess.Popen(
        [*TRACELAB, "demo", "--lake", str(lake), "--no-dashboard", *ports], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "requests sent" in line:
            break
    children = children_of(process.pid)
    assert len(children) >= 10
    os.kill(process.pid, signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(60) == 0
    assert rest.count("stopped ") == len(children)
    until(lambda: not any(is_alive(child) for child in children))
    process.stdout.close()
    before = run_json("lake", "info", "--lake", lake)["spans"]
    assert before > 0
