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
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider

from demo_services import telemetry

TIMEOUT_S = 10.0


def url_of(service: str) -> str:
    """Where a service is: `FRONTEND_URL` and the like."""
    return os.environ[f"{service.upper().replace('-', '_')}_URL"]


EXTRA_WORK_S = float(os.environ.get("SHOP_EXTRA_WORK_MS", "0")) / 1000
"""Makes a service slower by a known amount, each time that it works."""


async def work(typical_ms: float) -> None:
    """Take about as long as real work would: log-normal, so that there is a tail."""
    await asyncio.sleep(typical_ms / 1000 * random.lognormvariate(0, 0.35) + EXTRA_WORK_S)


class Web:
    """An app, its HTTP client, and tasks that nobody waits for."""

    def __init__(self) -> None:
        self.provider: TracerProvider = telemetry.start()
        self.client = httpx.AsyncClient(timeout=TIMEOUT_S)
        self.app = FastAPI(lifespan=self._lifespan, docs_url=None, redoc_url=None, openapi_url=None)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.app.get("/healthz")(self._health)
        telemetry.instrument_app(self.app)

    async def _health(self) -> dict[str, str]:
        return {"status": "ok"}

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.client.aclose()
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
