"""One run of the demo shop, shared by the tests that look at what it left behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.system import run


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
