"""The pages beside the topology: every figure is the command line's, and the address is all the state there is."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.support.browser import IN_A_BROWSER, Pages
from tests.support.system import run_json
from tracelab.times import duration_text

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def part(pages: Pages) -> tuple[int, int, int]:
    """Of the shop's run: (first, middle, last) in ms since 1970; the lake has traces of 1970 beside it."""
    traces = run_json("traces", "--lake", pages.lake, "--service", "gateway", "--limit", 100_000)["traces"]
    starts = sorted(trace["start_ns"] for trace in traces if trace["start_ns"] > 10**18)
    first, last = starts[0] // 10**6, starts[-1] // 10**6 + 1
    return first, (first + last) // 2, last


def iso(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000)) + f".{ms % 1000:03d}Z"


def text_of(page: Any) -> str:
    return "\n".join(panel.inner_text() for panel in page.locator(".panel").all())


def test_what_the_p99_is_made_of(pages: Pages) -> None:
    service, operation = "gateway", "POST /checkout"
    found = run_json("explain-slow", "--lake", pages.lake, "--service", service, "--operation", operation)
    page = pages.open(f"/path?since=all&request={service}++{operation.replace(' ', '+')}", ".flame canvas")
    page.wait_for_selector('.panel h2:text-is("what the p99 is made of")')
    text = text_of(page)
    for figure in (found["slow_mean_ns"], found["typical_mean_ns"], abs(found["parts"][0]["gap_ns"])):
        assert duration_text(figure) in text
    assert found["parts"][0]["name"] in text
    profile = run_json("profile", "--lake", pages.lake, "--service", service, "--operation", operation)
    assert f"{100 * profile['operations'][0]['share']:.1f} %" in text
    page.close()


def test_a_part_of_the_distribution_is_dragged_and_the_address_keeps_it(pages: Pages) -> None:
    page = pages.open("/path?since=all&request=gateway++POST+%2Fcheckout", ".histogram svg .bar")
    box = page.locator(".histogram svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.99, box["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"slow=\d+-\d+"))
    page.wait_for_selector('.panel h2:text-is("what the chosen ones are made of")')
    again = pages.open(page.url.removeprefix(pages.address), ".histogram svg .chosen")
    again.wait_for_selector('.panel h2:text-is("what the chosen ones are made of")')
    assert (
        again.locator(".panel .figure .value").all_inner_texts()
        == page.locator(".panel .figure .value").all_inner_texts()
    )
    again.close()
    page.close()


def test_what_if_says_what_the_command_says(pages: Pages) -> None:
    words = ("--service", "payment", "--operation", "authorize card")
    found = run_json("what-if", "--lake", pages.lake, *words, "--faster", "2")
    page = pages.open("/path?since=all&suppose=payment++authorize+card", '.panel td:has-text("mean")')
    text = text_of(page)
    for side in ("before", "after"):
        assert duration_text(found[side]["p99_ns"]) in text
        assert duration_text(found[side]["mean_ns"]) in text
    assert f"{found['affected']:,} of {found['requests']:,} requests" in text
    page.close()


def test_now_and_before(pages: Pages, part: tuple[int, int, int]) -> None:
    first, middle, last = part
    page = pages.open(f"/compare?since=all&part={middle}-{last}", ".topology .node")
    since, until, base = ("--since", iso(middle)), ("--until", iso(last)), ("--base-until", iso(middle))
    found = run_json("compare", "--lake", pages.lake, *since, *until, "--base-since", "1970-01-01T00:00:00Z", *base)
    page.wait_for_selector('.panel .figure:has-text("traces after")')
    text = text_of(page)
    assert f"{found['base']['traces']:,}" in text
    assert f"{found['other']['traces']:,}" in text
    assert first < middle
    page.locator('.edge[data-id="gateway → orders"]').click(force=True)
    page.wait_for_selector('.panel h2:text-is("gateway → orders")')
    edge = next(edge for edge in found["edges"] if (edge["client"], edge["server"]) == ("gateway", "orders"))
    assert (
        duration_text(edge["figures"]["latency_ns"]["other"])
        in page.locator(".panel", has_text="gateway → orders").inner_text()
    )
    page.close()


def test_two_traces_side_by_side(pages: Pages) -> None:
    traces = run_json("traces", "--lake", pages.lake, "--operation", "POST /checkout", "--limit", 2)["traces"]
    one, two = (trace["trace_id"] for trace in traces)
    page = pages.open(f"/compare?way=two+traces&a={one}&b={two}", '.panel h2:text-is("b against a")')
    assert page.locator(".timeline canvas").count() >= 2
    for trace in traces:
        assert duration_text(trace["duration_ns"]) in text_of(page)
    page.close()


def test_data_quality_counts_what_the_command_counts(pages: Pages) -> None:
    info = run_json("lake", "info", "--lake", pages.lake)
    page = pages.open("/quality?since=all", '.panel h2:text-is("The lake")')
    text = text_of(page)
    assert f"{info['spans']:,}" in text
    assert f"{info['traces']:,}" in text
    for name, count in run_json("topology", "--lake", pages.lake)["diagnostics"].items():
        assert f"{count:,}" in text, name
    page.close()


def test_a_facet_narrows_the_search(pages: Pages) -> None:
    page = pages.open("/traces?since=all&service=gateway", ".panel .stacked a")
    page.locator('.panel .stacked a:has-text("POST /checkout")').click()
    page.wait_for_url(re.compile("operation=POST"))
    words = ("--service", "gateway", "--operation", "POST /checkout")
    expected = run_json("traces", "--lake", pages.lake, *words)["total"]
    page.wait_for_selector(f"text=/^{expected} of/")
    page.close()


def test_a_trace_is_downloaded_as_it_is_exported(pages: Pages) -> None:
    trace = run_json("traces", "--lake", pages.lake, "--service", "payment", "--limit", 1)["traces"][0]["trace_id"]
    page = pages.open(f"/trace?trace_id={trace}", ".timeline canvas")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="OTLP").click()
    file = waiting.value.path()
    again = run_json("traces", file, "--limit", 5)
    assert [found["trace_id"] for found in again["traces"]] == [trace]
    page.close()


def test_a_trace_is_opened_in_another_tool(pages: Pages) -> None:
    trace = run_json("traces", "--lake", pages.lake, "--limit", 1)["traces"][0]["trace_id"]
    page = pages.open(f"/trace?trace_id={trace}", ".timeline canvas")
    other = page.get_by_role("link", name="Jaeger")
    assert other.get_attribute("href") == f"http://localhost:16686/trace/{trace}"
    assert (other.get_attribute("target"), other.get_attribute("rel")) == ("_blank", "noopener noreferrer")
    page.close()


def test_a_failure_is_found_in_a_trace(pages: Pages) -> None:
    trace = run_json("traces", "--lake", pages.lake, "--failed", "--limit", 1)["traces"][0]["trace_id"]
    page = pages.open(f"/trace?trace_id={trace}", ".timeline canvas")
    page.get_by_role("button", name="next failure").click()
    page.wait_for_url(re.compile("span_id="))
    page.wait_for_selector('.panel .figure:has-text("status") .bad')
    page.close()
