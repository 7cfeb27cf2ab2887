"""One run of the demo shop, and one browser over it, shared by the tests that look at what it left behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import CHROMIUM, FLAGS, HOSTILE, Pages, dashboard_over
from tests.support.builders import span, span_table
from tests.support.golden import golden_cases, table_of
from tests.support.system import run
from tracelab.lake import Lake


@dataclass(frozen=True)
class DemoRun:
    lake: Path
    output: str


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """`tracelab demo`, bounded: eight real services, real users, a real collector."""
    lake = tmp_path_factory.mktemp("demo") / "lake"
    ports = ["--grpc-port", 24317, "--http-port", 24318, "--gateway-port", 28080]
    done = run("demo", "--lake", lake, "--duration", 8, "--rate", 12, "--seed", 7, "--no-dashboard", *ports)
    return DemoRun(lake, done.stdout)


@pytest.fixture(scope="module")  # Playwright's event loop runs for as long as it lives: other tests start their own
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


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
    with dashboard_over(
        browser, folder, options=["--open-in", "Jaeger=http://localhost:16686/trace/{trace_id}"]
    ) as made:
        yield made
