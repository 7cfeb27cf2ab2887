"""A real browser, a dashboard over what a real run of the shop left behind, and pages of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.support.system import TRACELAB, until

CHROMIUM = os.environ.get("CHROMIUM", "") or shutil.which("chromium") or shutil.which("chromium-browser")
IN_A_BROWSER = [
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
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\u202e🚀'


class Pages:
    """Pages of one dashboard; what goes wrong in them is kept."""

    def __init__(self, browser: Any, address: str, lake: Path) -> None:
        self.browser, self.address, self.lake = browser, address, lake
        self.process: subprocess.Popen[bytes] | None = None
        self.errors: list[str] = []
        self.foreign: list[str] = []

    def open(self, path: str, wait_for: str, width: int = 1440) -> Any:
        page = self.browser.new_page(viewport={"width": width, "height": 900})
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._listen)
        page.on("request", lambda request: self._check(request.url))
        page.goto(self.address + path)
        page.wait_for_selector(wait_for, timeout=60_000)
        return page

    def _listen(self, message: Any) -> None:
        # Streamlit probes its health below the page's own path first when a page other than the first is opened
        if message.type == "error" and "404" not in message.text:
            self.errors.append(message.text)

    def _check(self, url: str) -> None:
        if not url.startswith((self.address, self.address.replace("http", "ws"), "data:", "blob:")):
            self.foreign.append(url)


@contextmanager
def dashboard_over(
    browser: Any, lake: Path, folder: Path | None = None, options: Sequence[str] = ()
) -> Iterator[Pages]:
    """A dashboard of its own, started in `folder`; at the end nothing has gone wrong, and no other host was asked."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    log = lake.with_name(lake.name + "-dashboard.log")
    command = [*TRACELAB, "dashboard", "--lake", str(lake), "--port", str(port), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
    made = Pages(browser, f"http://127.0.0.1:{port}", lake)
    made.process = process
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


def _healthy(address: str) -> bool:
    try:
        with urlopen(f"{address}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
