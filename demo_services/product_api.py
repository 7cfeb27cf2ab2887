"""What there is: a cache in front of the inventory, and one retry when that is busy."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import grpc
from fastapi import HTTPException
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient

from demo_services import control
from demo_services.inventory import PRODUCTS, STOCK, InventoryClient
from demo_services.telemetry import tracer
from demo_services.web import Web, more_work, work

CACHE_S = 1.0
ATTEMPTS = 2


def main() -> None:
    GrpcAioInstrumentorClient().instrument()
    web = Web()
    inventory = InventoryClient(os.environ["INVENTORY_ADDRESS"])
    cache: dict[int, tuple[float, dict[str, Any]]] = {}

    async def ask(product_id: int) -> dict[str, Any]:
        attempts = int(control.fault("attempts", ATTEMPTS))
        for attempt in range(1, attempts + 1):
            try:
                return await inventory.call(STOCK, {"product_id": product_id})
            except grpc.aio.AioRpcError as error:
                trace.get_current_span().add_event("retry", {"attempt": attempt, "code": error.code().name})
                if attempt == attempts:
                    raise HTTPException(503, "the inventory is busy") from None
                await work(2)
        raise AssertionError

    async def find(product_id: int) -> dict[str, Any]:
        until, known = cache.get(product_id, (0.0, {}))
        hit = until > time.monotonic()
        trace.get_current_span().set_attribute("cache.hit", hit)
        if not hit:
            known = await ask(product_id)
            cache[product_id] = (time.monotonic() + CACHE_S, known)
            if control.fault("stampede", False):  # one entry has expired, and everybody fills the whole cache again
                await asyncio.gather(*(ask(other) for other in range(1, PRODUCTS + 1)))
        if not known["known"]:
            raise HTTPException(404, "no such product")
        return known

    @web.app.get("/products")
    async def products() -> list[dict[str, Any]]:
        found = [await find(product_id) for product_id in (1, 2, 3)]
        with tracer.start_as_current_span("rank products"):
            await work(3)
        return found

    @web.app.get("/products/{product_id}")
    async def product(product_id: int) -> dict[str, Any]:
        with tracer.start_as_current_span("validate"):
            await work(1)
            await more_work("slow_product_ms")
        if control.happens("product_error_share"):
            raise HTTPException(500, "internal error")
        return await find(product_id)

    web.run()
