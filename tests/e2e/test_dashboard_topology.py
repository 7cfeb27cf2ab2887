"""The topology's ways to see less: a part of the time, neighbours, groups, a matrix; and large systems."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import IN_A_BROWSER, Pages, dashboard_over
from tests.support.builders import span, span_table
from tests.support.system import run_json
from tracelab.lake import Lake

pytestmark = IN_A_BROWSER
TEAMS = ("shop", "pay", "search", "ship", "user", "ads", "data", "edge", "stock", "mail")


def large_system(services: int, edges: int) -> list[dict[str, Any]]:
    """Spans of a layered system in ten teams: each edge is called once or more."""
    chance = random.Random(services)
    calls = {(chance.randrange(max(0, to - 40), to), to) for to in range(1, services)}
    while len(calls) < edges:
        client = chance.randrange(services - 1)
        calls.add((client, min(services - 1, client + 1 + int(chance.expovariate(1 / 25)))))
    names = [f"{TEAMS[at % 10]}-svc-{at // 10:02d}" for at in range(services)]
    spans: list[dict[str, Any]] = []
    for number, (client, server) in enumerate(sorted(calls), 1):
        start, trace = number * 10**6, {"trace_id": f"{number:032x}"}
        for id_, parent, service, kind in (
            (1, None, client, "SERVER"),
            (2, 1, client, "CLIENT"),
            (3, 2, server, "SERVER"),
        ):
            span_id, above = 4 * number + id_, None if parent is None else 4 * number + parent
            failed = "ERROR" if number % 50 == 0 and id_ > 1 else "UNSET"
            made = span(
                span_id, above, start, start + 10**7 // id_, names[service], "work", kind=kind, status_code=failed
            )
            spans.append({**made, **trace})
    return spans


@pytest.fixture(scope="module", params=[(200, 1000), (500, 2500)], ids=["200 services", "500 services"])
def large(request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("large") / "lake"
    Lake.create(folder).write(span_table(large_system(*request.param)))
    with dashboard_over(browser, folder) as made:
        yield made


def test_a_large_system_is_shown_in_groups_that_open(large: Pages) -> None:
    page = large.open("/?since=all", '.node[data-id="group:pay"]')
    assert page.locator(".node.group").count() == len(TEAMS)
    page.click('.node[data-id="group:pay"]')
    page.wait_for_selector('.panel h2:text-is("pay")')
    page.click('.panel a:text-is("open the group")')
    page.wait_for_selector('.node[data-id="pay-svc-00"]')
    assert "open=pay" in page.url
    page.close()


def test_neighbours_only(large: Pages) -> None:
    edges = run_json("topology", "--lake", large.lake)["edges"]
    centre = "shop-svc-01"
    near = {edge["client"] for edge in edges if edge["server"] == centre}
    near |= {edge["server"] for edge in edges if edge["client"] == centre} | {centre}
    page = large.open(f"/?since=all&focus={centre}&selected={centre}", f'.node.chosen[data-id="{centre}"]')
    assert {node.get_attribute("data-id") for node in page.locator(".node").all()} == near
    page.close()


def test_a_matrix_has_a_cell_for_every_edge(large: Pages) -> None:
    edges = run_json("topology", "--lake", large.lake)["edges"]
    page = large.open("/?since=all&as=matrix", ".matrix .edge")
    assert page.locator(".matrix .edge").count() == len(edges)
    page.close()


def test_a_small_system_in_groups_by_namespace(browser: Any, tmp_path: Path) -> None:
    spans = []
    for number, service in enumerate(("basket", "orders", "prices", "depot", "freight", "labels")):
        resource = {"service.name": service, "service.namespace": "sales" if number < 3 else "stock"}
        parent = number or None
        one = span(number + 1, parent, number, 100 - number, service, kind="SERVER")
        spans.append({**one, "resource": resource})
    lake = Lake.create(tmp_path / "lake")
    lake.write(span_table(spans))
    with dashboard_over(browser, lake.path) as made:
        page = made.open("/?since=all&as=groups", ".node")
        names = " ".join(page.locator(".node").all_text_contents())
        assert "sales (3)" in names
        assert "stock (3)" in names
        assert "depot" not in names
        page.close()


def test_a_part_of_the_time_is_chosen_and_kept(pages: Pages) -> None:
    page = pages.open("/?since=all&colour=p99", ".strip svg")
    box = page.locator(".strip svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + 20, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"part=\d+-\d+"))
    page.wait_for_selector(".strip svg .chosen")
    again = pages.open(page.url.removeprefix(pages.address), ".strip svg .chosen")
    again.wait_for_selector('.panel h2:text-is("this window")')
    assert "colour=p99" in again.url
    again.close()
    page.close()


def test_a_trace_of_fifty_thousand_spans(browser: Any, tmp_path: Path) -> None:
    rows = [span(1, None, 0, 10**10, "batch", "run", kind="SERVER")]
    rows += [
        span(at, at // 20 or 1, at * 100_000, at * 100_000 + 90_000, f"s{at % 7}", "step") for at in range(2, 50_001)
    ]
    rows[40_000]["status_code"] = "ERROR"
    lake = tmp_path / "lake"
    Lake.create(lake).write(span_table([{**row, "trace_id": f"{5:032x}"} for row in rows]))
    with dashboard_over(browser, lake) as made:
        page = made.open(f"/trace?trace_id={5:032x}", ".timeline canvas")
        page.wait_for_function("document.querySelector('.stMain') !== null")
        size = page.locator(".timeline").evaluate("element => element.timeline.spans.depth.length")
        assert size == 50_000
        page.get_by_role("button", name="next failure").click()
        page.wait_for_url(re.compile(f"span_id={rows[40_000]['span_id']}"))
        page.close()
