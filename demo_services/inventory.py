"""Stock, over gRPC and out of SQL. Messages are google.protobuf.Struct, so that no generated code is needed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import sqlalchemy as sa
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from demo_services import control
from demo_services.database import open_database

SERVICE = "shop.Inventory"
STOCK, RESERVE = "Stock", "Reserve"
PRODUCTS = 40
MOVEMENTS = 400_000
BUSY_SHARE = 0.03

_metadata = sa.MetaData()
stock = sa.Table(
    "stock", _metadata, sa.Column("product_id", sa.Integer, primary_key=True), sa.Column("units", sa.Integer)
)
movement = sa.Table("movement", _metadata, sa.Column("sku", sa.String(16)), sa.Column("units", sa.Integer))
_INDEX = "CREATE INDEX IF NOT EXISTS movement_sku ON movement (sku)"
_FILL = f"""INSERT INTO movement
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MOVEMENTS})
SELECT 'sku-' || i, i - 50 * (i / 50) FROM n"""  # noqa: S608  a constant of ours


class InventoryClient:
    """Calls the inventory; errors are grpc's own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._channel: grpc.aio.Channel | None = None

    async def call(self, method: str, message: dict[str, Any]) -> dict[str, Any]:
        if self._channel is None:  # a channel belongs to the event loop it is made in
            self._channel = grpc.aio.insecure_channel(self._address)
        request = Struct()
        request.update(message)
        invoke = self._channel.unary_unary(f"/{SERVICE}/{method}", Struct.SerializeToString, Struct.FromString)
        answer: dict[str, Any] = MessageToDict(await invoke(request, timeout=5))
        return answer


def main() -> None:
    from opentelemetry.instrumentation.grpc import GrpcInstrumentorServer
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    from demo_services import telemetry

    provider = telemetry.start()
    engine = open_database("inventory", _metadata)
    with engine.begin() as connection:
        if connection.scalar(sa.select(sa.func.count()).select_from(stock)) == 0:
            connection.execute(stock.insert(), [{"product_id": at, "units": 10**6} for at in range(1, PRODUCTS + 1)])
            connection.exec_driver_sql(_FILL)
        connection.exec_driver_sql(_INDEX)
    threading.Thread(target=_troubles, args=(engine,), daemon=True).start()
    SQLAlchemyInstrumentor().instrument(engine=engine)
    GrpcInstrumentorServer().instrument()

    def get_stock(request: Struct, context: grpc.ServicerContext) -> Struct:
        if random.random() < float(control.fault("busy_share", BUSY_SHARE)):
            context.abort(grpc.StatusCode.UNAVAILABLE, "no free connection")
        product_id = int(MessageToDict(request)["product_id"])
        with engine.connect() as connection:
            units = connection.scalar(sa.select(stock.c.units).where(stock.c.product_id == product_id))
            for at in range(int(control.fault("queries", 1))):
                moved = sa.select(sa.func.sum(movement.c.units)).where(
                    movement.c.sku == f"sku-{1000 * product_id + at}"
                )
                connection.scalar(moved)
        if units is None:
            return _struct({"known": False})
        return _struct({"known": True, "product_id": product_id, "units": units})

    def reserve(request: Struct, _context: grpc.ServicerContext) -> Struct:
        product_id = int(MessageToDict(request)["product_id"])
        with engine.begin() as connection:
            connection.execute(sa.update(stock).where(stock.c.product_id == product_id).values(units=stock.c.units - 1))
        return _struct({"reserved": True})

    _serve({STOCK: get_stock, RESERVE: reserve})
    provider.shutdown()


def _troubles(engine: sa.Engine) -> None:
    """The index that somebody dropped, and a report that locks what it reads."""
    indexed = True
    while True:
        with contextlib.suppress(sa.exc.OperationalError):  # locked for too long: tried again, so no fault stays on
            wanted = not control.fault("no_index", False)
            if wanted != indexed:
                with engine.begin() as connection:
                    connection.exec_driver_sql(_INDEX if wanted else "DROP INDEX IF EXISTS movement_sku")
                indexed = wanted
            lock_s = float(control.fault("lock_s", 0.0))
            if lock_s:
                with engine.begin() as connection:
                    connection.execute(sa.update(stock).values(units=stock.c.units))
                    time.sleep(lock_s)
        time.sleep(0.1)


def _struct(values: dict[str, Any]) -> Struct:
    message = Struct()
    message.update(values)
    return message


def _serve(methods: dict[str, Callable[[Struct, grpc.ServicerContext], Struct]]) -> None:
    server = grpc.server(ThreadPoolExecutor(8))
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(function, Struct.FromString, Struct.SerializeToString)
        for name, function in methods.items()
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    server.add_insecure_port(f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ['PORT']}")
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    server.start()
    ending.wait()
    server.stop(5).wait()
