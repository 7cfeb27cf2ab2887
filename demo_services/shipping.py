"""Ships orders in its own time: takes them from the queue, prints a label, writes down that it is done."""

from __future__ import annotations

import json
import random
import signal
import time

import sqlalchemy as sa
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

from demo_services import control, telemetry
from demo_services.broker import handle_one, open_broker
from demo_services.database import open_database
from demo_services.orders import QUEUE
from demo_services.telemetry import tracer

DRAIN_S = 5.0

_metadata = sa.MetaData()
shipments = sa.Table("shipments", _metadata, sa.Column("order_id", sa.Integer, primary_key=True))


def main() -> None:
    provider = telemetry.start()
    engine = open_database("shipping", _metadata)
    SQLAlchemyInstrumentor().instrument(engine=engine)
    broker = open_broker()
    stopping_since: list[float] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping_since.append(time.monotonic()))

    def ship(body: str) -> None:
        order = json.loads(body)
        with tracer.start_as_current_span("print label"):
            time.sleep(float(control.fault("label_s", 0.03)) * random.lognormvariate(0, 0.4))
            if order["product_id"] == control.fault("unprintable_product"):
                raise ValueError("no label for this product")
        order_id = order["order_id"]
        with engine.begin() as connection:
            connection.execute(shipments.delete().where(shipments.c.order_id == order_id))
            connection.execute(shipments.insert().values(order_id=order_id))

    while True:
        handled = handle_one(broker, QUEUE, ship)
        if stopping_since and (not handled or time.monotonic() > stopping_since[0] + DRAIN_S):
            break  # what was ordered is shipped before the shop closes
    provider.shutdown()
