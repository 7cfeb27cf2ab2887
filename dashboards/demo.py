"""The demo shop, started from an empty dashboard: a process of its own, which ends by itself."""

from __future__ import annotations

import atexit
import subprocess
import sys
import time
from pathlib import Path

import streamlit as st

FOR_S = 600


class Demo:
    """At most one shop at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._log = Path()
        self._until = 0.0
        atexit.register(self._end)

    def start(self, lake: Path) -> None:
        """Start the shop and a collector over the lake, unless they run."""
        if self.left_s():
            return
        self._log = lake / "demo" / "from-dashboard.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tracelab", "demo", "--lake", str(lake), "--no-dashboard"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([*command, "--duration", str(FOR_S)], stdout=log, stderr=log)
        self._until = time.monotonic() + FOR_S

    def left_s(self) -> float:
        """How long it will go on; 0 if it does not run."""
        runs = self._process is not None and self._process.poll() is None
        return max(self._until - time.monotonic(), 1.0) if runs else 0.0

    def trouble(self) -> str:
        """The last line that it said, if it failed."""
        if self._process is None or self._process.poll() in (None, 0):
            return ""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with code {self._process.returncode}"

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)


@st.cache_resource(show_spinner=False)
def demo() -> Demo:
    """The server's one shop."""
    return Demo()
