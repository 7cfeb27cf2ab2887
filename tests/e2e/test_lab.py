"""The lab with a running shop: faults that are real, a diagnosis that finds them, releases that roll back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import IN_A_BROWSER, dashboard_over
from tests.support.system import TRACELAB, run, run_json, until
from tracelab.lab.room import room_of
from tracelab.lab.scenarios import scenarios
from tracelab.lake.annotations import read_annotations
from tracelab.shop_control import control_of

pytestmark = pytest.mark.system
QUIET_S = 20.0
FAULT_S = 20.0


def refused(code: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command that ends with this code."""
    done = run(*arguments, check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake with a shop over it that has been well for a while."""
    lake = tmp_path_factory.mktemp("lab") / "lake"
    ports = ["--grpc-port", "24617", "--http-port", "24618", "--gateway-port", "28380"]
    command = [*TRACELAB, "demo", "--lake", str(lake), "--rate", "16", "--no-dashboard", *ports]
    log = lake.parent / "demo.log"
    with log.open("w") as output:
        demo = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        until(lambda: len(control_of(lake).instances()) >= 10, 90)
        quiet = time.time_ns()
        time.sleep(QUIET_S)
        (lake.parent / "quiet").write_text(f"{quiet} {time.time_ns()}")
        yield lake
    finally:
        demo.terminate()
        demo.wait(60)


def diagnosed(lake: Path, name: str) -> list[dict]:  # type: ignore[type-arg]
    """Switch a fault on, wait, and ask for the causes."""
    assert "is on" in run("lab", "start", name, "--lake", lake).stdout
    began = time.time_ns()
    quiet_since, quiet_until = (lake.parent / "quiet").read_text().split()
    time.sleep(FAULT_S)
    base = ["--base-since", quiet_since, "--base-until", quiet_until]
    answer = run_json("diagnose", "--lake", lake, "--since", began, *base)
    assert "is off" in run("lab", "stop", "--lake", lake).stdout
    time.sleep(3)
    suspects: list[dict] = answer["suspects"]  # type: ignore[type-arg]
    return suspects


@pytest.mark.parametrize("name", ["slow-query", "clock-skew", "context-lost"])
def test_a_fault_is_found_from_the_traces(shop: Path, name: str) -> None:
    suspects = diagnosed(shop, name)
    truth = scenarios()[name].truth
    assert suspects, name
    assert suspects[0]["service_name"] in truth.services
    assert suspects[0]["kind"] in truth.kinds
    assert suspects[0]["evidence"][0]["traces"]
    texts = [mark.text for mark in read_annotations(shop)]
    assert texts[-2:] == [f"fault {name} on", f"fault {name} off"]


def test_a_process_that_crashes_is_started_again(shop: Path) -> None:
    control = control_of(shop)
    before = next(one.pid for one in control.instances() if one.name == "auth")
    run("lab", "start", "crash-loop", "--lake", shop, "--for", "4s")
    until(lambda: next((one.pid for one in control.instances() if one.name == "auth"), before) != before, 30)
    status = run_json("lab", "status", "--lake", shop)
    assert "auth" in [one["name"] for one in status["instances"]]
    until(lambda: not control.running(), 10)


def test_a_hidden_fault_is_not_given_away(shop: Path) -> None:
    said = run("lab", "start", "random", "--hidden", "--seed", "3", "--lake", shop, "--for", "1m").stdout
    status = run_json("lab", "status", "--lake", shop)
    name = control_of(shop).running()[0].name
    assert name not in said
    assert status["running"][0]["name"] is None
    assert name in run("lab", "reveal", "--lake", shop).stdout
    assert scenarios()[name].hints[0] in run("lab", "reveal", "--hint", "1", "--lake", shop).stdout
    run("lab", "stop", "--lake", shop)


def test_a_bad_release_is_rolled_back_by_itself(shop: Path) -> None:
    release = ["--service", "product-api", "--candidate", "1.9.1", "--plan", "50,100", "--bake", "8s"]
    done = refused(1, "canary", "run", "--lake", shop, *release)
    assert "roll back" in done.stdout
    assert "GET /products/{product_id} is" in done.stdout
    control = control_of(shop)
    assert control.split() == {}
    until(lambda: "product-api-1.9.1" not in [one.name for one in control.instances()], 30)
    listed = run_json("canary", "list", "--lake", shop)["releases"]
    assert (listed[0]["outcome"], listed[0]["candidate"]) == ("rolled back", "1.9.1")


def test_a_good_release_is_promoted(shop: Path) -> None:
    answer = run_json(
        "canary", "run", "--lake", shop, "--service", "product-api", "--candidate", "1.9.0", "--plan", "50,100",
        "--bake", "6s", "--samples", "30",
    )  # fmt: skip
    assert answer["outcome"] == "promoted"
    assert control_of(shop).split() == {"product-api": {"1.9.0": 100}}
    control_of(shop).set_split("product-api", None)
    control_of(shop).withdraw("product-api", "1.9.0")


def test_a_drill_stops_when_the_steady_state_breaks(shop: Path) -> None:
    drill = ["lab", "drill", "latency", "--lake", shop, "--service", "orders", "--for", "20s", "--latency", "400"]
    done = refused(1, *drill, "--success", "80", "--p99", "300ms")
    assert "was broken" in done.stdout
    assert control_of(shop).running() == []


def test_what_cannot_be_says_what_can(shop: Path) -> None:
    canary = ["canary", "run", "--lake", shop, "--service", "product-api"]
    assert "lab list" in refused(2, "lab", "start", "no-such", "--lake", shop).stderr
    assert "1.8.2 does" in refused(2, *canary, "--baseline", "0.1", "--candidate", "1.9.0").stderr
    assert "the shop has no" in refused(2, *canary, "--candidate", "7").stderr


@pytest.mark.parametrize("_", [pytest.param(None, marks=IN_A_BROWSER)])
def test_the_lab_in_the_dashboard(_: None, browser: Any, shop: Path) -> None:
    with dashboard_over(browser, shop) as pages:
        page = pages.open("/lab?fault=dependency-errors", "text=No fault is on")
        page.get_by_role("button", name="Switch on").click()
        page.get_by_text("A dependency that answers 500 is on").wait_for()
        page.get_by_role("button", name="Reveal").click()
        page.get_by_text("payment answers 500 to 30 %").wait_for()
        page.get_by_role("button", name="Switch all off").click()
        page.get_by_text("No fault is on").wait_for()
        page.close()
        pages.open("/lab?language=ru", "text=Неисправностей нет").close()

        lesson = pages.open("/lab?part_of_lab=lessons&lesson=critical-path&language=ru", "text=Что такое критический")
        lesson.get_by_text("Ни на сколько").click()
        lesson.get_by_role("button", name="проверить").nth(1).click()
        lesson.get_by_text("верных ответов: 1 из 2").wait_for()
        lesson.close()

        pages.open("/releases", "text=/rolled back|promoted|No release yet/").close()

        trainer = pages.open("/lab?part_of_lab=room", "text=Open a room")
        trainer.get_by_role("button", name="Open a room").click()
        trainer.get_by_text("participants: this dashboard").wait_for()
        room = room_of(control_of(shop).folder)
        assert room is not None
        guest = pages.open(f"/room?code={room.code}&language=ru", "text=Что не так с магазином?")
        guest.get_by_label("ваше имя").fill("<b>Ann</b>")
        guest.get_by_label("где причина?").click()
        guest.get_by_role("option").first.click()
        guest.get_by_role("button", name="Вот она").click()
        guest.get_by_text("Принято.").wait_for()
        trainer.get_by_role("button", name="Reveal").click()
        trainer.get_by_text("<b>Ann</b>").wait_for()
        trainer.get_by_role("button", name="Close the room").click()
        trainer.get_by_role("button", name="Open a room").wait_for()
    assert control_of(shop).running() == []
