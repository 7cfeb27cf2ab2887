"""The dashboard in a real browser, over what a real run of the shop left behind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import IN_A_BROWSER, Pages, dashboard_over
from tests.support.builders import span, span_table
from tests.support.golden import golden_cases
from tests.support.system import run_json
from tracelab.lake import Lake
from tracelab.times import duration_text

pytestmark = IN_A_BROWSER


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
    with dashboard_over(browser, tmp_path / "empty") as empty:
        page = empty.open("/", '.panel h2:text-is("No spans yet")')
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in page.locator(".panel").last.inner_text()
        page.close()


def test_where_sign_in_is_configured_nothing_is_shown_before(browser: Any, tmp_path: Path) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text(
        "[auth]\nredirect_uri = 'http://localhost/oauth2callback'\ncookie_secret = 'for this test only'\n"
        "client_id = 'tracelab'\nclient_secret = 'none'\nserver_metadata_url = 'http://127.0.0.1:9/none'\n"
    )
    Lake.create(tmp_path / "lake").write(span_table([span(1, None, 0, 10, "private", kind="SERVER")]))
    with dashboard_over(browser, tmp_path / "lake", tmp_path) as made:
        page = made.open("/?since=all", 'button:has-text("Sign in")')
        page.wait_for_timeout(1500)
        assert page.locator(".topology").count() == 0
        assert "private" not in page.content()
        page.close()
