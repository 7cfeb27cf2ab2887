"""What every HTTP service of the shop has: settings from the environment, a client, health, a tidy end."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from opentelemetry.sdk.trace import TracerProvider

from demo_services import control, telemetry

TIMEOUT_S = 10.0
REGIONS = ("north", "east", "south", "west")
_PASSED_ON = ("x-user", "x-release")


def url_of(service: str, request: Request | None = None) -> str:
    """Where a service is: one of `PAYMENT_URL` and the like, or where the version runs that the request shall get."""
    if request is not None:
        releases = dict(part.split("=", 1) for part in request.headers.get("x-release", "").split(";") if part)
        found = control.addresses_of(service, releases[service]) if service in releases else []
        if found:
            return random.choice(found)
    return random.choice(os.environ[f"{service.upper().replace('-', '_')}_URL"].split(","))


def user_of(request: Request) -> str:
    return request.headers.get("x-user", "anonymous")


def passed_on(request: Request) -> dict[str, str]:
    """The headers that go with a request through all services: whose it is, and which versions serve it."""
    return {name: request.headers[name] for name in _PASSED_ON if name in request.headers}


def region_of(user: str) -> str:
    """Where a user lives."""
    number = user.rpartition("-")[2]
    return REGIONS[int(number) % len(REGIONS)] if number.isdigit() else REGIONS[0]


EXTRA_WORK_S = float(os.environ.get("SHOP_EXTRA_WORK_MS", "0")) / 1000
"""Makes a service slower by a known amount, each time that it works."""


async def work(typical_ms: float) -> None:
    """Take about as long as real work would: log-normal, so that there is a tail."""
    await asyncio.sleep(typical_ms / 1000 * random.lognormvariate(0, 0.35) + EXTRA_WORK_S + _extra_s())


async def more_work(fault: str) -> None:
    """Work that is done only while a fault is on, which says how many milliseconds."""
    typical_ms = float(control.fault(fault, 0.0))
    if typical_ms:
        await work(typical_ms)


def _extra_s() -> float:
    most_ms = float(control.fault("extra_ms", 0.0))
    return random.uniform(0.5, 1.5) * most_ms / 1000 if most_ms else 0.0


class Web:
    """An app, its HTTP client, and tasks that nobody waits for."""

    def __init__(self) -> None:
        self.provider: TracerProvider = telemetry.start()
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S)
        self._narrow = httpx.AsyncClient(timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=1))
        self.app = FastAPI(
            lifespan=self._lifespan,
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            dependencies=[Depends(self._troubles)],
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self.app.get("/healthz")(self._health)
        telemetry.instrument_app(self.app)

    @property
    def client(self) -> httpx.AsyncClient:
        """For calls to other services."""
        return self._narrow if control.fault("one_connection", False) else self._client

    async def _troubles(self, request: Request) -> None:
        if request.url.path != "/healthz" and control.happens("error_share"):
            raise HTTPException(500, "internal error")

    async def _health(self) -> dict[str, str]:
        return {"status": "ok"}

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()
        await self._narrow.aclose()
        self.provider.shutdown()

    def in_background(self, work_to_do: Coroutine[Any, Any, Any]) -> None:
        """Start it and answer without waiting; it is finished before the process ends."""
        task = asyncio.create_task(work_to_do)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def run(self) -> None:
        """Serve on HOST and PORT until SIGTERM."""
        uvicorn.run(
            self.app,
            host=os.environ.get("HOST", "127.0.0.1"),
            port=int(os.environ["PORT"]),
            log_level="warning",
            access_log=False,
        )
