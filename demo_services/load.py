"""Users: several kinds of them, at a stated rate, and an account of what they did.

    python -m demo_services load --url http://127.0.0.1:8080 --rate 10 --duration 30

The account is one JSON object: requests sent, failed (no answer, or a status of 500 and above), by status and by kind
of user. With --report it is also kept in a file while the load runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

KINDS = {"browser": 0.55, "buyer": 0.35, "explorer": 0.06, "stranger": 0.04}
REPORT_EVERY_S = 1.0


@dataclass
class Account:
    """What was sent and what came back."""

    started_s: float = field(default_factory=time.time)
    requests: int = 0
    failed: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, status: str, failed: bool) -> None:
        self.requests += 1
        self.failed += failed
        self.by_status[status] += 1
        self.by_kind[kind] += 1

    def text(self) -> str:
        return json.dumps({**vars(self), "seconds": round(time.time() - self.started_s, 3)}, sort_keys=True)


async def _visit(client: httpx.AsyncClient, kind: str, chance: random.Random, account: Account) -> None:
    headers = {"x-user": f"{kind}-{chance.randrange(50)}"}
    try:
        if kind == "buyer":
            order = {"product_id": chance.randrange(1, 41), "amount": round(chance.uniform(5, 200), 2)}
            answer = await client.post("/checkout", json=order, headers=headers)
        elif kind == "browser" and chance.random() < 0.5:
            answer = await client.get("/", headers=headers)
        else:
            wanted = chance.randrange(900, 999) if kind == "explorer" else chance.randrange(1, 41)
            answer = await client.get(f"/products/{wanted}", headers=headers)
        account.add(kind, str(answer.status_code), answer.status_code >= 500)
    except httpx.HTTPError as error:
        account.add(kind, type(error).__name__, True)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


async def _report(path: Path, account: Account) -> None:
    while True:
        _write(path, account.text())
        await asyncio.sleep(REPORT_EVERY_S)


async def run(url: str, rate: float, duration_s: float | None, seed: int, report: Path | None) -> Account:
    """Send requests at random moments, `rate` a second on average, until `duration_s` or a signal; await them all."""
    chance, account = random.Random(seed), Account()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    visits: set[asyncio.Task[None]] = set()
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        reporter = asyncio.create_task(_report(report, account)) if report else None
        due = time.monotonic()
        end = due + duration_s if duration_s is not None else float("inf")
        while not stopping.is_set() and due < end:
            kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
            visit = asyncio.create_task(_visit(client, kind, chance, account))
            visits.add(visit)
            visit.add_done_callback(visits.discard)
            due += chance.expovariate(rate)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), max(0.0, min(due, end) - time.monotonic()))
        await asyncio.gather(*visits)
        if reporter:
            reporter.cancel()
    if report:
        _write(report, account.text())
    return account


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo_services load", description=__doc__.splitlines()[0])
    parser.add_argument("--url", default=os.environ.get("GATEWAY_URL", "http://127.0.0.1:8080"))
    parser.add_argument("--rate", type=float, default=float(os.environ.get("LOAD_RATE", "5")), help="requests a second")
    parser.add_argument("--duration", type=float, help="seconds; until a signal by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="file to keep the account in")
    options = parser.parse_args()
    account = asyncio.run(run(options.url, options.rate, options.duration, options.seed, options.report))
    sys.stdout.write(account.text() + "\n")
