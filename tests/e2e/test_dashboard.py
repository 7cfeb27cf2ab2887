"""The dashboard in a real browser, over what a real run of the shop left behind."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.e2e.conftest import DemoRun
from tests.support.builders import span, span_table
from tests.support.golden import golden_cases, table_of
from tests.support.system import TRACELAB, run_json, until
from tracelab.lake import Lake
from tracelab.times import duration_text

CHROMIUM = os.environ.get("CHROMIUM", "") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path (Debian: apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Playwright's own pipes, at the end of the session
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


class Pages:
    """Pages of one dashboard; what goes wrong in them is kept."""

    def __init__(self, browser: Any, address: str, lake: Path) -> None:
        self.browser, self.address, self.lake = browser, address, lake
        self.errors: list[str] = []
        self.foreign: list[str] = []

    def open(self, path: str, wait_for: str) -> Any:
        page = self.browser.new_page(viewport={"width": 1440, "height": 900})
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._check(request.url))
        page.goto(self.address + path)
        page.wait_for_selector(wait_for, timeout=60_000)
        return page

    def _check(self, url: str) -> None:
        if not url.startswith((self.address, self.address.replace("http", "ws"), "data:", "blob:")):
            self.foreign.append(url)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def pages(browser: Any, demo_run: DemoRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """A dashboard over a copy of the demo's lake, with the worked example and hostile names added to it."""
    folder = tmp_path_factory.mktemp("dashboard") / "lake"
    shutil.copytree(demo_run.lake, folder, ignore=shutil.ignore_patterns("demo"))
    lake = Lake.open(folder)
    for case in golden_cases("cases.json"):
        if case["name"] == "journey-54ms-nested":
            lake.write(table_of(case))
    hostile = [span(1, None, 10**9, 2 * 10**9, HOSTILE, HOSTILE, kind="SERVER", attributes={HOSTILE: HOSTILE})]
    lake.write(span_table([{**node, "trace_id": f"{0xBAD:032x}"} for node in hostile]))
    port = _free_port()
    log = folder / "dashboard-test.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*TRACELAB, "dashboard", "--lake", str(folder), "--port", str(port)], stdout=output, stderr=output
        )
    made = Pages(browser, f"http://127.0.0.1:{port}", folder)
    try:
        until(lambda: _healthy(made.address), 60)
        yield made
    finally:
        process.terminate()
        process.wait(20)
    assert made.errors == []
    assert made.foreign == []
    said = log.read_text()
    assert "Traceback" not in said, said[-3000:]


HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\u202e🚀'


def _healthy(address: str) -> bool:
    try:
        with urlopen(f"{address}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_the_topology_shows_the_figures_of_the_command_line(pages: Pages) -> None:
    page = pages.open("/?since=all", '.node[data-id="gateway"]')
    edges = {(edge["client"], edge["server"]): edge for edge in run_json("topology", "--lake", pages.lake)["edges"]}
    for client, server in (
        ("gateway", "orders"),
        ("orders", "messaging:orders"),
        ("inventory", "database:sqlite/inventory.db"),
    ):
        type_ = edges[client, server]["connection_type"]
        page.locator(f'.edge[data-id="{client} → {server} {type_}"]'.replace(' "]', '"]')).click(force=True)
        page.wait_for_selector(f'.panel h2:text-is("{client} → {server}")')
        text = page.locator(".panel").last.inner_text()
        assert f"{edges[client, server]['calls']:,}" in text
        for figure in ("client_p50_ns", "client_p90_ns", "client_p99_ns"):
            assert duration_text(edges[client, server][figure]) in text
    assert "selected=" in page.url
    page.close()


def test_a_click_on_a_node_a_link_to_it_and_the_way_back(pages: Pages) -> None:
    page = pages.open("/?since=all", '.node[data-id="orders"]')
    page.click('.node[data-id="orders"]')
    page.wait_for_selector('.panel h2:text-is("orders")')
    again = pages.open(page.url.removeprefix(pages.address), '.panel h2:text-is("orders")')  # the address says it all
    again.locator(".panel .links a[href*=trace_id]").first.click()
    again.wait_for_selector(".timeline canvas")
    assert re.search(r"/trace\?trace_id=[0-9a-f]{32}", again.url)
    again.go_back()
    again.wait_for_selector('.node[data-id="orders"]')
    again.close()
    page.close()


def test_the_topology_is_live(pages: Pages) -> None:
    page = pages.open("/?since=all", '.node[data-id="gateway"]')
    page.evaluate("() => { window.marked = true }")
    made = [span(1, None, 10**9, 2 * 10**9, "brand-new", kind="SERVER")]
    Lake.open(pages.lake).write(span_table([{**node, "trace_id": f"{0xFEED:032x}"} for node in made]))
    page.wait_for_selector('.node[data-id="brand-new"]', timeout=20_000)
    assert page.evaluate("window.marked") is True  # the same page, not one that was loaded anew
    page.close()


def test_traces_are_searched_and_the_address_keeps_it(pages: Pages) -> None:
    page = pages.open("/traces?since=all&service=shipping", ".panel table")
    expected = run_json("traces", "--lake", pages.lake, "--service", "shipping")["total"]
    page.wait_for_selector(f"text=/^{expected} of/")
    assert page.locator(".panel tbody tr").count() == min(expected, 200)
    page.close()


def test_the_worked_example(pages: Pages) -> None:
    """The journey of 54 ms: User, Gateway, Frontend, API, DB, each with its time on the path."""
    if not golden_cases("cases.json"):
        pytest.skip("no golden cases at ../shared/golden")
    page = pages.open(f"/trace?trace_id={1:032x}", ".timeline canvas")
    page.wait_for_selector("text=user → gateway → frontend → api → db")
    text = page.locator(".panel").last.inner_text()
    for figure in ("2.00 ms", "15.0 ms", "25.0 ms", "12.0 ms"):
        assert figure in text
    rows = page.locator(".timeline").evaluate("element => element.timeline.spans.depth.length")
    assert rows == 11
    page.close()


def test_a_span_is_chosen_on_the_timeline(pages: Pages) -> None:
    trace = run_json("traces", "--lake", pages.lake, "--service", "payment", "--limit", 1)["traces"][0]["trace_id"]
    page = pages.open(f"/trace?trace_id={trace}", ".timeline canvas")
    page.locator(".scroller").click(position={"x": 160, "y": 24 + 12})
    page.wait_for_selector('.panel h3:text-is("attributes")')
    assert "span_id=" in page.url
    assert "http.request.method" in page.locator(".panel").last.inner_text()
    before = page.url
    page.locator(".scroller").press("ArrowDown")
    page.wait_for_url(lambda url: url != before)
    page.close()


def test_hostile_names_are_text(pages: Pages) -> None:
    page = pages.open(f"/trace?trace_id={0xBAD:032x}", ".timeline canvas")
    page.locator(".scroller").click(position={"x": 160, "y": 24 + 12})
    page.wait_for_selector('.panel h3:text-is("attributes")')
    assert page.evaluate("window.hacked") is None
    assert "<img src=x" in page.locator(".panel").last.inner_text()
    page.close()


def test_no_trace_and_no_spans_teach(pages: Pages, browser: Any, tmp_path: Path) -> None:
    page = pages.open("/trace?trace_id=zz", '.panel h2:text-is("No such trace")')
    page.close()
    port = _free_port()
    process = subprocess.Popen(
        [*TRACELAB, "dashboard", "--lake", str(tmp_path / "empty"), "--port", str(port)], stdout=subprocess.DEVNULL
    )
    try:
        empty = Pages(browser, f"http://127.0.0.1:{port}", tmp_path)
        until(lambda: _healthy(empty.address), 60)
        page = empty.open("/", '.panel h2:text-is("No spans yet")')
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in page.locator(".panel").last.inner_text()
        page.close()
    finally:
        process.terminate()
        process.wait(20)
