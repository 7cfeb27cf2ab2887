"""Why an edge is missing: each cause made for real in the shop, by its own environment variables."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.e2e.conftest import DemoRun
from tests.support.system import TRACELAB, run, run_json, until
from tracelab.lake import Lake
from tracelab.schema import CLIENT, SCHEMA, SERVER, UNSPECIFIED

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def broken_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop in which four things are wrong."""
    lake = tmp_path_factory.mktemp("broken") / "lake"
    broken = [
        "orders:OTEL_PROPAGATORS=baggage",
        "auth:OTEL_SDK_DISABLED=true",
        "inventory:OTEL_TRACES_SAMPLER=traceidratio",
        "inventory:OTEL_TRACES_SAMPLER_ARG=0.5",
    ]
    settings = [word for setting in broken for word in ("--set", setting)]
    ports = ["--grpc-port", 24517, "--http-port", 24518, "--gateway-port", 28280]
    run("demo", "--lake", lake, "--duration", 12, "--rate", 12, "--seed", 3, "--no-dashboard", *settings, *ports)
    return lake


def causes(client: str, server: str, *arguments: Any) -> dict[str, dict[str, Any]]:
    answer = run_json("explain-edge", client, server, *arguments)
    return {cause["cause"]: cause for cause in answer["causes"]}


def test_lost_context(broken_shop: Path) -> None:
    found = causes("orders", "payment", "--lake", broken_shop)
    assert next(iter(found)) == "lost_context"
    assert found["lost_context"]["count"] >= 10
    assert found["lost_context"]["examples"][0]["service_name"] == "payment"


def test_one_side_not_instrumented(broken_shop: Path) -> None:
    found = causes("frontend", "auth", "--lake", broken_shop)
    assert list(found) == ["callee_not_seen"]
    assert found["callee_not_seen"]["count"] >= 10
    assert list(causes("auth", "frontend", "--lake", broken_shop)) == ["caller_not_seen"]


def test_sampled_away(broken_shop: Path) -> None:
    answer = run_json("explain-edge", "product-api", "inventory", "--lake", broken_shop)
    found = {cause["cause"]: cause for cause in answer["causes"]}
    assert "sampled_away" in found
    assert "lost_context" not in found
    share = found["sampled_away"]["count"] / (found["sampled_away"]["count"] + answer["calls"])
    assert 0.2 < share < 0.8


def test_nothing_is_wrong(demo_run: DemoRun) -> None:
    edges = [("gateway", "orders"), ("orders", "payment"), ("product-api", "inventory"), ("user:user", "gateway")]
    for client, server in edges:
        assert (
            not {"lost_context", "wrong_kind", "sampled_away"} & causes(client, server, "--lake", demo_run.lake).keys()
        )


def test_nobody_expects_a_databases_spans(demo_run: DemoRun) -> None:
    assert causes("inventory", "database:sqlite/inventory.db", "--lake", demo_run.lake) == {}


@pytest.fixture
def slow_exporter(tmp_path: Path) -> Iterator[Path]:
    """A shop that still runs, one of whose services sends its spans late."""
    lake = tmp_path / "lake"
    ports = ["--grpc-port", "24617", "--http-port", "24618", "--gateway-port", "28380"]
    late = ["--set", "payment:OTEL_BSP_SCHEDULE_DELAY=5000"]
    process = subprocess.Popen(
        [*TRACELAB, "demo", "--lake", str(lake), "--rate", "12", "--no-dashboard", *late, *ports],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "requests sent" in line:
                break
        yield lake
    finally:
        process.terminate()
        process.stdout.read()
        process.wait(60)
        process.stdout.close()


def test_late(slow_exporter: Path) -> None:
    """Payment sends its spans five seconds after the others: its newest answers are on their way."""
    seen: list[dict[str, Any]] = []

    def is_late() -> bool:
        seen.append(run_json("explain-edge", "orders", "payment", "--lake", slow_exporter))
        return seen[-1]["server_seen"] > 0 and any(cause["cause"] == "late" for cause in seen[-1]["causes"])

    until(is_late, 60)
    assert not any(cause["cause"] in ("lost_context", "wrong_kind") for cause in seen[-1]["causes"])


def rewritten(source: Path, target: Path, change: Any) -> Path:
    """The shop's spans with one thing changed in them."""
    lake = Lake.create(target)
    lake.write(change(Lake.open(source).scan()))
    return target


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), SCHEMA.field(name), values)


def of(table: pa.Table, service: str) -> Any:
    return pc.equal(table.column("service_name"), service)


def test_a_caller_of_the_wrong_kind(demo_run: DemoRun, tmp_path: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        wrong = pc.and_(of(table, "orders"), pc.equal(table.column("kind"), CLIENT))
        kind = pc.if_else(wrong, pa.scalar(UNSPECIFIED, pa.int8()), table.column("kind"))
        return with_column(table, "kind", kind)

    lake = rewritten(demo_run.lake, tmp_path / "lake", change)
    found = causes("orders", "payment", "--lake", lake)
    assert next(iter(found)) == "wrong_kind"
    assert "CLIENT" in found["wrong_kind"]["advice"]


def test_a_callee_of_the_wrong_kind(demo_run: DemoRun, tmp_path: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        wrong = pc.and_(of(table, "payment"), pc.equal(table.column("kind"), SERVER))
        return with_column(table, "kind", pc.if_else(wrong, pa.scalar(UNSPECIFIED, pa.int8()), table.column("kind")))

    lake = rewritten(demo_run.lake, tmp_path / "lake", change)
    found = causes("orders", "payment", "--lake", lake)
    assert "SERVER" in found["wrong_kind"]["advice"]


def test_a_clock_that_is_wrong(demo_run: DemoRun, tmp_path: Path) -> None:
    """Payment on another host whose clock is 2 s ahead."""

    def change(table: pa.Table) -> pa.Table:
        payment = of(table, "payment")
        table = with_column(table, "host_id", pc.if_else(payment, "other", table.column("host_id")))
        shifted = pc.if_else(payment, pc.add(table.column("start_ns"), 2 * 10**9), table.column("start_ns"))
        return with_column(table, "start_ns", shifted)

    lake = rewritten(demo_run.lake, tmp_path / "lake", change)
    found = causes("orders", "payment", "--lake", lake)
    assert "clock_skew" in found
    assert "2,0" in found["clock_skew"]["evidence"] or "1,9" in found["clock_skew"]["evidence"]
