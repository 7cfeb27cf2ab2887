"""Pictures of the dashboard over a real run of the demo: `make screenshots`."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.system import TRACELAB, run, run_json

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
LOAD_S = 60
FAULT_S = 30


def main() -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium on the path (Debian: apt-get install chromium)")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lake = Path(folder) / "lake"
        demo = subprocess.Popen([*TRACELAB, "demo", "--lake", str(lake)], stdout=subprocess.PIPE, text=True)
        assert demo.stdout is not None
        lines = iter(demo.stdout.readline, "")
        address = next(line.split()[1] for line in lines if line.startswith("dashboard"))
        next(line for line in lines if line.startswith("ready"))
        time.sleep(LOAD_S)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 860}, device_scale_factor=1.5)
        found = run_json("traces", "--lake", lake, "--service", "shipping", "--until", "5s", "--limit", 1)["traces"][0]
        for name, path, there in (
            ("topology", "/?since=15m", '.node[data-id="shipping"]'),
            ("traces", "/traces?since=15m", ".panel table"),
            ("trace", f"/trace?trace_id={found['trace_id']}", ".timeline canvas"),
            ("critical-path", "/path?since=15m", ".flame canvas"),
            ("compare", "/compare?since=15m", ".topology .node"),
            ("data-quality", "/quality?since=15m", ".panel dl"),
        ):
            page.goto(address + path)
            page.wait_for_selector(there)
            page.mouse.move(5, 5)
            time.sleep(2)
            page.screenshot(path=FOLDER / f"{name}.png")
        dark = browser.new_page(viewport={"width": 1440, "height": 860}, device_scale_factor=1.5, color_scheme="dark")
        dark.goto(f"{address}/?since=15m&selected=gateway+%E2%86%92+orders")
        dark.wait_for_selector('.panel h2:text-is("gateway → orders")')
        time.sleep(2)
        dark.screenshot(path=FOLDER / "topology-dark.png")
        _lab(page, address, lake)
        browser.close()
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=60)
    print(json.dumps([path.name for path in sorted(FOLDER.iterdir())]))  # noqa: T201


def _lab(page: Any, address: str, lake: Path) -> None:
    """A fault with its diagnosis and its mark on the strip of time; a bad release; a lesson."""
    run("lab", "start", "bad-replica", "--lake", lake)
    time.sleep(FAULT_S)
    page.goto(f"{address}/lab?fault=bad-replica&diagnose_since=30s")
    page.get_by_role("button", name="Diagnose").click()
    page.wait_for_selector('.panel h2:text-is("Most likely causes")')
    page.get_by_role("button", name="A hint").click()
    time.sleep(2)
    page.screenshot(path=FOLDER / "lab.png")
    page.goto(f"{address}/?since=5m")
    page.wait_for_selector(".strip .mark")
    time.sleep(2)
    page.screenshot(path=FOLDER / "marks.png", clip={"x": 0, "y": 0, "width": 1440, "height": 300})
    run("lab", "stop", "--lake", lake)
    run(
        "canary", "run", "--lake", lake, "--service", "product-api", "--candidate", "1.9.1", "--plan", "50", check=False
    )
    page.goto(f"{address}/releases")
    page.wait_for_selector(".panel table")
    time.sleep(2)
    page.screenshot(path=FOLDER / "releases.png")
    page.goto(f"{address}/lab?part_of_lab=lessons&lesson=critical-path&language=ru")
    page.wait_for_selector(".panel h2")
    time.sleep(3)
    page.screenshot(path=FOLDER / "lesson-ru.png")


if __name__ == "__main__":
    main()
