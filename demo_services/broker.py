"""A queue for messages that are handled in their own time: RabbitMQ if BROKER_URL says so, else a file.

A message carries the sender's trace context in its headers. Publishing is a PRODUCER span, handling a CONSUMER span
that has the producer as its parent and is linked to it, as the messaging conventions ask.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, Protocol

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind

from demo_services import control
from demo_services.telemetry import tracer

POLL_S = 0.02
MOST_TIMES = 3
_TIMES = "x-delivery"


class Broker(Protocol):
    """What a queue can do. `receive` waits a moment and returns (headers, body), or None."""

    system: str

    def send(self, queue: str, headers: dict[str, str], body: str) -> None: ...

    def receive(self, queue: str) -> tuple[dict[str, str], str] | None: ...


class FileBroker:
    """A queue in an SQLite file: survives a restart, needs no server, hands each message out once."""

    system = "sqlite"

    def __init__(self, path: str = "broker.db") -> None:
        self._path = path
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, queue, headers, body)")

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10, isolation_level=None)

    def send(self, queue: str, headers: dict[str, str], body: str) -> None:
        with closing(self._connect()) as connection:
            connection.execute(
                "INSERT INTO message (queue, headers, body) VALUES (?, ?, ?)", (queue, json.dumps(headers), body)
            )

    def receive(self, queue: str) -> tuple[dict[str, str], str] | None:
        with closing(self._connect()) as connection:
            taken = connection.execute(
                "DELETE FROM message WHERE id = (SELECT min(id) FROM message WHERE queue = ?) RETURNING headers, body",
                (queue,),
            ).fetchall()
        if not taken:
            time.sleep(POLL_S)
            return None
        return json.loads(taken[0][0]), taken[0][1]


class RabbitBroker:
    """RabbitMQ; one connection per thread of use, made again when it is lost."""

    system = "rabbitmq"

    def __init__(self, url: str) -> None:
        import pika

        self._pika = pika
        self._parameters = pika.URLParameters(url)
        self._channel: Any = None
        self._declared: set[str] = set()

    def _open(self, queue: str) -> Any:
        if self._channel is None or self._channel.is_closed:
            self._channel, self._declared = self._pika.BlockingConnection(self._parameters).channel(), set()
        if queue not in self._declared:
            self._channel.queue_declare(queue, durable=True)
            self._declared.add(queue)
        return self._channel

    def send(self, queue: str, headers: dict[str, str], body: str) -> None:
        properties = self._pika.BasicProperties(headers=headers, delivery_mode=2)
        for attempt in (1, 2):
            try:
                self._open(queue).basic_publish("", queue, body, properties)
            except self._pika.exceptions.AMQPError:
                self._channel = None
                if attempt == 2:
                    raise
            else:
                return

    def receive(self, queue: str) -> tuple[dict[str, str], str] | None:
        method, properties, body = self._open(queue).basic_get(queue, auto_ack=True)
        if method is None:
            time.sleep(POLL_S)
            return None
        return dict(properties.headers or {}), body.decode()


def open_broker() -> Broker:
    """The broker that BROKER_URL names, else the file."""
    url = os.environ.get("BROKER_URL", "")
    return RabbitBroker(url) if url.startswith("amqp") else FileBroker()


def _attributes(broker: Broker, queue: str, operation: str) -> dict[str, str]:
    return {
        "messaging.system": broker.system,
        "messaging.destination.name": queue,
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
    }


def publish(broker: Broker, queue: str, body: str) -> None:
    """Send a message with the current trace context."""
    attributes = _attributes(broker, queue, "send")
    with tracer.start_as_current_span(f"send {queue}", kind=SpanKind.PRODUCER, attributes=attributes):
        headers: dict[str, str] = {}
        propagate.inject(headers)
        broker.send(queue, headers, body)


def handle_one(broker: Broker, queue: str, handle: Callable[[str], None]) -> bool:
    """Handle the next message, if there is one; one that fails is put back, in the end with the dead letters."""
    received = broker.receive(queue)
    if received is None:
        return False
    headers, body = received
    context = propagate.extract(headers)
    sender = trace.get_current_span(context).get_span_context()
    try:
        with tracer.start_as_current_span(
            f"process {queue}",
            context,
            SpanKind.CONSUMER,
            _attributes(broker, queue, "process"),
            [trace.Link(sender)] if sender.is_valid else None,
        ):
            handle(body)
    except Exception:  # whatever it was, the next message must be handled
        times = int(headers.get(_TIMES, "1"))
        again = times < int(control.fault("redeliveries", MOST_TIMES))
        broker.send(queue if again else f"{queue}.dead", {**headers, _TIMES: str(times + 1)}, body)
    return True
