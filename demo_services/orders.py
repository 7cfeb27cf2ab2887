"""Checkout: reserve, charge, write down, and leave a message for shipping."""

from __future__ import annotations

import json
import os

import httpx
import sqlalchemy as sa
from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

from demo_services import control
from demo_services.broker import open_broker, publish
from demo_services.database import open_database
from demo_services.inventory import RESERVE, InventoryClient
from demo_services.telemetry import tracer
from demo_services.web import TIMEOUT_S, Web, url_of, user_of, work

QUEUE = "orders"

_metadata = sa.MetaData()
orders = sa.Table(
    "orders", _metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("user_id", sa.String(64))
)


def main() -> None:
    GrpcAioInstrumentorClient().instrument()
    web = Web()
    engine = open_database("orders", _metadata)
    SQLAlchemyInstrumentor().instrument(engine=engine)
    broker = open_broker()
    inventory = InventoryClient(os.environ["INVENTORY_ADDRESS"])

    def store(user: str) -> int:
        with engine.begin() as connection:
            result = connection.execute(orders.insert().values(user_id=user))
        return int(result.inserted_primary_key[0])  # type: ignore[index]  # an insert has one

    @web.app.post("/orders")
    async def place(request: Request) -> dict[str, int]:
        user = user_of(request)
        body = await request.json()
        with tracer.start_as_current_span("validate order", attributes={"order.product_id": body["product_id"]}):
            await work(2)
        await inventory.call(RESERVE, {"product_id": body["product_id"]})
        patience_s = float(control.fault("payment_timeout_s", TIMEOUT_S))
        try:
            charged = await web.client.post(
                f"{url_of('payment', request)}/charge", json={"amount": body["amount"]}, timeout=patience_s
            )
        except httpx.TimeoutException:
            raise HTTPException(504, "payment took too long") from None
        if charged.status_code == 402:
            raise HTTPException(402, "card declined")
        if charged.status_code != 200:
            raise HTTPException(502, "payment failed")
        order_id = await run_in_threadpool(store, user)
        await run_in_threadpool(publish, broker, QUEUE, json.dumps({"order_id": order_id, **body}))
        return {"order_id": order_id}

    web.run()
