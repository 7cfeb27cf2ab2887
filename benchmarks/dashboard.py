"""The dashboard as a reader feels it: seconds until things are there, in a real browser, and its memory over time.

python -m benchmarks.dashboard
python -m benchmarks.dashboard --minutes 60 --viewers 5    # live, with the shop running
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ingest import resident_mb, tree_of
from tests.e2e.test_dashboard_topology import large_system
from tests.support.browser import CHROMIUM, FLAGS, Pages, dashboard_over
from tests.support.builders import span, span_table
from tests.support.system import TRACELAB, run_json
from tracelab.lake import Lake

TIMES = 5


def measured(what: str, act: Callable[[], Any], times: int = TIMES) -> None:
    """Median seconds of an act that ends when what it is about is on the screen."""
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        act()
        took.append(time.perf_counter() - begin)
    print(f"{what:<58} {median(took):6.2f} s   ({min(took):.2f} to {max(took):.2f})", flush=True)


def opened(pages: Pages, path: str, wait_for: str) -> None:
    pages.open(path, wait_for).close()


def wide_trace(count: int) -> list[dict[str, Any]]:
    """One trace of many spans: a batch of steps, twenty below each."""
    rows = [span(1, None, 0, count * 100_000, "batch", "run", kind="SERVER")]
    rows += [
        span(at, at // 20 or 1, at * 100_000, at * 100_000 + 90_000, f"s{at % 7}", "step") for at in range(2, count + 1)
    ]
    return [{**row, "trace_id": f"{count:032x}"} for row in rows]


def shop(browser: Any, folder: Path) -> None:
    """Pages over a minute of the shop."""
    lake = folder / "shop"
    subprocess.run(
        [*TRACELAB, "demo", "--lake", lake, "--duration", "60", "--no-dashboard"], check=True, stdout=subprocess.DEVNULL
    )
    trace = run_json("traces", "--lake", lake, "--service", "payment", "--limit", 1)["traces"][0]["trace_id"]
    with dashboard_over(browser, lake) as pages:
        measured("shop: topology, the very first", lambda: opened(pages, "/?since=all", ".node"), 1)
        for what, path, there in (
            ("topology", "/?since=all", ".node"),
            ("traces", "/traces?since=all", ".panel table"),
            ("trace", f"/trace?trace_id={trace}", ".timeline canvas"),
            ("critical path", "/path?since=all", ".flame canvas"),
            ("compare", "/compare?since=all", ".topology .node"),
            ("data quality", "/quality?since=all", ".panel dl"),
        ):
            opened(pages, path, there)
            measured(f"shop: {what}, a new tab, warm", lambda path=path, there=there: opened(pages, path, there))
        page = pages.open("/?since=all", ".node")

        def there_and_back() -> None:
            page.click('.panel nav a:text-is("Traces")')
            page.wait_for_selector(".panel table")
            page.click('.panel nav a:text-is("Topology")')
            page.wait_for_selector(".node")

        measured("shop: from topology to traces and back (two moves)", there_and_back)
        page.close()


def large(browser: Any, folder: Path, services: int, edges: int) -> None:
    """A large system: first picture, and a click."""
    lake = folder / f"large{services}"
    Lake.create(lake).write(span_table(large_system(services, edges)))
    with dashboard_over(browser, lake) as pages:
        opened(pages, "/?since=all", ".node")
        name = f"{services} services, {edges:,} edges"
        measured(f"{name}: groups, a new tab", lambda: opened(pages, "/?since=all", ".node"))
        measured(f"{name}: matrix, a new tab", lambda: opened(pages, "/?since=all&as=matrix", ".matrix .edge"))
        page = pages.open("/?since=all", ".node.group")
        groups = iter([node.get_attribute("data-id") for node in page.locator(".node.group").all()])

        def click() -> None:
            group = next(groups)
            page.click(f'.node[data-id="{group}"]')
            page.wait_for_selector(f'.panel h2:text-is("{group.removeprefix("group:")}")')

        measured(f"{name}: a click until the panel is there", click)
        page.close()


def traces(browser: Any, folder: Path) -> None:
    """Single traces of many spans."""
    lake = folder / "wide"
    for count in (50_000, 200_000):
        Lake.create(lake).write(span_table(wide_trace(count)))
    with dashboard_over(browser, lake) as pages:
        for count in (50_000, 200_000):
            path = f"/trace?trace_id={count:032x}"
            measured(
                f"a trace of {count:,} spans, the first time",
                lambda path=path: opened(pages, path, ".timeline canvas"),
                1,
            )
            measured(f"a trace of {count:,} spans, warm", lambda path=path: opened(pages, path, ".timeline canvas"))


def memory(browser: Any, folder: Path, minutes: int, viewers: int) -> None:
    """The dashboard's memory while so many look at a shop that runs."""
    lake = folder / "live"
    shop = subprocess.Popen(
        [*TRACELAB, "demo", "--lake", str(lake), "--no-dashboard", "--duration", str(60 * minutes + 30)],
        stdout=subprocess.DEVNULL,
    )
    try:
        time.sleep(15)
        with dashboard_over(browser, lake) as pages:
            looking = [pages.open("/?since=15m", ".node") for _ in range(viewers)]
            assert pages.process is not None
            for half in range(2 * minutes):
                time.sleep(30)
                print(
                    f"{(half + 1) / 2:.1f} min, {viewers} viewers: {resident_mb(tree_of(pages.process.pid)):,.0f} MB",
                    flush=True,
                )
            for page in looking:
                page.close()
    finally:
        shop.send_signal(signal.SIGINT)
        shop.wait(60)


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, help="instead: the memory over so long")
    parser.add_argument("--viewers", type=int, default=5)
    options = parser.parse_args()
    if CHROMIUM is None:
        sys.exit("no chromium on the path (Debian: apt-get install chromium)")
    folder = Path(tempfile.mkdtemp())
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            if options.minutes:
                memory(browser, folder, options.minutes, options.viewers)
            else:
                shop(browser, folder)
                large(browser, folder, 200, 1000)
                large(browser, folder, 500, 2500)
                traces(browser, folder)
            browser.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
