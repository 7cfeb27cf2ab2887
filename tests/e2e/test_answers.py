"""What can be asked of many traces, on the real shop, by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import DemoRun
from tests.support.golden import shared
from tests.support.system import run, run_json

pytestmark = pytest.mark.system
EXTRA_MS = 40


@pytest.fixture
def ask(demo_run: DemoRun) -> Callable[..., Any]:
    return lambda *words: run_json(*words, "--lake", demo_run.lake)


def test_profile(ask: Callable[..., Any], demo_run: DemoRun) -> None:
    profile = ask("profile")
    assert sum(row["exclusive_ns"] for row in profile["operations"]) == profile["total_ns"]
    assert sum(node["exclusive_ns"] for node in profile["tree"]) == profile["total_ns"]
    assert profile["total_ns"] == sum(trace["duration_ns"] for trace in ask("critical-path")["traces"])
    stacks = run("profile", "--collapsed", "--lake", demo_run.lake).stdout.splitlines()
    assert sum(int(line.rsplit(" ", 1)[1]) for line in stacks) == profile["total_ns"]
    scope = json.loads(run("profile", "--speedscope", "--lake", demo_run.lake).stdout)
    frames = len(scope["shared"]["frames"])
    assert all(frame < frames for sample in scope["profiles"][0]["samples"] for frame in sample)


def test_explain_slow(ask: Callable[..., Any]) -> None:
    answer = ask("explain-slow", "--slow", "90", "--operation", "POST /checkout")
    assert sum(part["gap_ns"] for part in answer["parts"]) == pytest.approx(answer["gap_ns"], abs=1e-3)
    assert answer["few"]
    checkouts = ask("explain-slow", "--slow-where", "http.route=/checkout")
    said = [text for lift in checkouts["attributes"] for text in (f"{lift['key']}={lift['value']}", *lift["same_as"])]
    assert "http.route=/checkout" in said


def test_calls_per_trace_agree_with_the_topology(ask: Callable[..., Any]) -> None:
    edges = {(edge["client"], edge["server"]): edge["calls"] for edge in ask("topology")["edges"]}
    assert {(edge["client"], edge["server"]): edge["calls"] for edge in ask("calls-per-trace")["edges"]} == edges


def test_completion_goes_through_the_queue(ask: Callable[..., Any]) -> None:
    answer = ask("completion-path", "--operation", "POST /checkout")
    path = next(trace for trace in answer["traces"] if any(s["kind"] == "queue" for s in trace["sections"]))
    assert path["completion_ns"] > path["response_ns"]
    assert path["sections"][-1]["service_name"] == "shipping"
    (queue,) = answer["destinations"]
    topology = {(edge["client"], edge["server"]): edge for edge in ask("topology")["edges"]}
    edge = topology["messaging:orders", "shipping"]
    assert (queue["destination"], queue["queue_delay_p50_ns"]) == ("orders", edge["queue_delay_p50_ns"])


def test_structure(ask: Callable[..., Any]) -> None:
    answer = ask("structure")
    assert answer["single_points"][0]["node"] == "gateway"
    hurt = ask("structure", "--if-dies", "payment")
    assert hurt["operations"] == {"gateway  POST /checkout": 1.0}
    assert set(hurt["callers"]) == {"user:user", "gateway", "orders"}


def test_findings_name_traces_that_are_there(ask: Callable[..., Any]) -> None:
    answer = ask("findings")
    known = {trace["trace_id"] for trace in ask("traces")["traces"]}
    assert {example["trace_id"] for finding in answer["findings"] for example in finding["examples"]} <= known


def test_learned_order_says_what_waits(ask: Callable[..., Any]) -> None:
    answer = ask("critical-path", "--order", "learned")
    held = {(order["first"]["name"], order["then"]["name"]): order for order in answer["orders"]}
    assert held["validate order", "/shop.Inventory/Reserve"]["refuted_by"] == 0
    assert all(trace["plain_sections"] is None for trace in answer["traces"] if not trace["differs"])


def test_words_of_everything(demo_run: DemoRun) -> None:
    """What people read has the figures that scripts get."""
    for words, expected in {
        ("profile",): "in traces",
        ("explain-slow", "--slow", "90"): "of the gap",
        ("what-if", "--service", "payment", "--faster", "2"): "as it would be",
        ("calls-per-trace",): "most in",
        ("completion-path", "--limit", "2"): "complete after",
        ("structure",): "single point of failure",
        ("structure", "--if-dies", "inventory"): "are hurt",
        ("explain-edge", "orders", "payment"): "nothing is wrong",
        ("critical-path", "--order", "learned"): "confidence",
        ("compare", "--base-where", "http.request.method=GET", "--where", "http.request.method=POST"): "suspect",
        ("findings",): "",
    }.items():
        assert expected in run(*words, "--lake", demo_run.lake).stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("what-if", "--service", "payment"), "what if what"),
        (("what-if", "--service", "nobody", "--remove"), "no span of service nobody"),
        (("compare",), "compare what"),
        (("explain-slow", "--typical", "50"), "two percentiles"),
        (("structure", "--if-dies", "nobody"), "no node nobody"),
        (("findings", "--trace", "ffff0000ffff"), "no trace"),
        (("explain-slow", "--where", "nonsense"), "KEY=VALUE"),
    ],
)
def test_bad_questions_are_answered_in_words(demo_run: DemoRun, words: tuple[str, ...], complaint: str) -> None:
    done = run(*words, "--lake", demo_run.lake, check=False)
    assert done.returncode == 2
    assert complaint in done.stderr


@pytest.fixture(scope="module")
def slow_payment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same users, but payment works 40 ms longer on each charge."""
    lake = tmp_path_factory.mktemp("slow") / "lake"
    ports = ["--grpc-port", 24717, "--http-port", 24718, "--gateway-port", 28480]
    slower = ["--set", f"payment:SHOP_EXTRA_WORK_MS={EXTRA_MS}"]
    run("demo", "--lake", lake, "--duration", 8, "--rate", 12, "--seed", 7, "--no-dashboard", *slower, *ports)
    return lake


def test_what_if_predicts_what_then_is_measured(demo_run: DemoRun, slow_payment: Path) -> None:
    predicted = run_json(
        "what-if", "--service", "payment", "--operation", "authorize card", "--add", f"{EXTRA_MS}ms",
        "--where", "http.route=/checkout", "--lake", demo_run.lake,
    )  # fmt: skip
    slow = run_json("traces", "--operation", "POST /checkout", "--lake", slow_payment)["traces"]
    measured = sum(trace["duration_ns"] for trace in slow) / len(slow)
    assert predicted["after"]["mean_ns"] - predicted["before"]["mean_ns"] == pytest.approx(EXTRA_MS * 1e6, rel=0.01)
    assert predicted["after"]["mean_ns"] == pytest.approx(measured, rel=0.25)


def test_compare_finds_the_slower_service(demo_run: DemoRun, slow_payment: Path, tmp_path: Path) -> None:
    files = []
    for name, lake in (("base", demo_run.lake), ("other", slow_payment)):
        files.append(tmp_path / f"{name}.jsonl")
        run("export", "--lake", lake, "--output", files[-1])
    answer = run_json("compare", *files)
    assert answer["suspects"][0]["service_name"] == "payment"
    edge = next(edge for edge in answer["edges"] if (edge["client"], edge["server"]) == ("orders", "payment"))
    figure = edge["figures"]["latency_ns"]
    assert figure["is_news"]
    assert figure["low"] < EXTRA_MS * 1e6 < figure["high"] * 1.2
    back = run_json("compare", *reversed(files))
    assert all(suspect["service_name"] != "payment" or suspect["score"] < 0.1 for suspect in back["suspects"])


def test_compare_of_files_in_the_wild() -> None:
    """Any two trace files: what one has and the other has not."""
    one, other = shared("traces", "otlp", "oteldb-shop.jsonl"), shared("traces", "otlp", "tempo-api-shop.json")
    answer = run_json("compare", one, other)
    assert answer["base"]["traces"] == 23
    assert {edge["status"] for edge in answer["edges"]} <= {"appeared", "vanished", "changed", "same"}
