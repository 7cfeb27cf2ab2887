"""OTLP export requests as a fleet of services would send them: the same for the same seed, any number, streamed.

Six services of a shop; each request is one exporter's batch: one resource, two scopes, spans of many traces. A span has
eight attributes; one in ten an event, half of those an exception.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

SERVICES = ("gateway", "catalog", "cart", "orders", "payments", "inventory")
START_NS = 1_750_000_000 * 10**9
_ROUTES = ("/", "/products", "/products/{id}", "/cart", "/cart/{id}/items", "/orders", "/orders/{id}", "/pay", "/stock")
_TABLES = ("products", "carts", "orders", "payments", "stock")
_STACK = 'Traceback (most recent call last):\n  File "/app/shop/handlers.py", line 88, in handle\n    pay(order)\nTimeoutError: the bank did not answer in 2 s'


def _items(pairs: dict[str, str | int | float]) -> list[KeyValue]:
    made = []
    for key, value in pairs.items():
        kind = "string_value" if isinstance(value, str) else "int_value" if isinstance(value, int) else "double_value"
        made.append(KeyValue(key=key, value=AnyValue(**{kind: value})))
    return made


@dataclass
class Fleet:
    """Makes requests. Traces are eight spans, and more: a call a service, each a CLIENT, a SERVER and a query."""

    seed: int = 1
    now_ns: int = START_NS
    spans_per_s: float = 2_000.0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.waiting: dict[str, list[Span]] = {name: [] for name in SERVICES}

    def requests(self, count: int, spans: int = 512) -> Iterator[bytes]:
        """`count` requests of `spans` spans each."""
        made = 0
        while made < count:
            self._trace()
            for service in SERVICES:
                if len(self.waiting[service]) >= spans and made < count:
                    batch, self.waiting[service] = self.waiting[service][:spans], self.waiting[service][spans:]
                    made += 1
                    yield self._request(service, batch).SerializeToString()

    def _request(self, service: str, spans: list[Span]) -> ExportTraceServiceRequest:
        resource_spans = ResourceSpans(schema_url="https://opentelemetry.io/schemas/1.37.0")
        instance = f"{service}-{self.chance.randrange(3)}"
        resource_spans.resource.attributes.extend(
            _items({
                "service.name": service, "service.version": "2.4.1", "service.instance.id": instance,
                "service.namespace": "shop", "host.name": instance, "deployment.environment.name": "production",
                "telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "1.43.0",
            })
        )  # fmt: skip
        for name, mine in (
            ("opentelemetry.instrumentation.asgi", False),
            ("opentelemetry.instrumentation.dbapi", True),
        ):
            scope = ScopeSpans()
            scope.scope.name, scope.scope.version = name, "0.64b0"
            scope.spans.extend(span for span in spans if (span.attributes[0].key == "db.system.name") is mine)
            if scope.spans:
                resource_spans.scope_spans.append(scope)
        return ExportTraceServiceRequest(resource_spans=[resource_spans])

    def _trace(self) -> None:
        chance = self.chance
        trace_id = chance.randbytes(16)
        self.now_ns += int(chance.expovariate(self.spans_per_s / 12) * 1e9)
        route = chance.choice(_ROUTES)
        depth = chance.choices((2, 3, 4, 5, 6), (2, 4, 3, 2, 1))[0]
        callers = ["gateway", *chance.sample(SERVICES[1:], depth - 1)]
        start, length, parent = self.now_ns, int(chance.lognormvariate(17.5, 0.7)), b""
        for at, service in enumerate(callers):
            start, length = start + length // 20, length * 9 // 10
            server = self._span(trace_id, parent, service, f"GET {route}", Span.SPAN_KIND_SERVER, start, length)
            server.attributes.extend(_items({
                "http.request.method": "GET", "url.scheme": "http", "url.path": route.replace("{id}", str(chance.randrange(99999))),
                "http.route": route, "http.response.status_code": 200 if chance.random() < 0.98 else 503,
                "server.address": service, "server.port": 8080, "network.protocol.version": "1.1",
            }))  # fmt: skip
            parent = server.span_id
            if at % 2:
                table = chance.choice(_TABLES)
                query = self._span(
                    trace_id, parent, service, f"SELECT {table}", Span.SPAN_KIND_CLIENT, start + 1000, length // 9
                )
                query.attributes.extend(_items({
                    "db.system.name": "postgresql", "db.namespace": "shop", "db.operation.name": "SELECT",
                    "db.collection.name": table, "db.query.text": f"SELECT * FROM {table} WHERE id = ?",
                    "server.address": "postgres", "server.port": 5432, "db.response.returned_rows": chance.randrange(50),
                }))  # fmt: skip
            if at + 1 < len(callers):
                client = self._span(
                    trace_id, parent, service, "GET", Span.SPAN_KIND_CLIENT, start + length // 30, length * 19 // 20
                )
                client.attributes.extend(_items({
                    "http.request.method": "GET", "url.full": f"http://{callers[at + 1]}:8080{route.replace('{id}', str(chance.randrange(99999)))}",
                    "server.address": callers[at + 1], "server.port": 8080, "http.response.status_code": 200,
                    "network.protocol.version": "1.1", "http.request.resend_count": 0, "thread.name": f"worker-{chance.randrange(8)}",
                }))  # fmt: skip
                parent = client.span_id

    def _span(
        self, trace_id: bytes, parent: bytes, service: str, name: str, kind: int, start: int, length: int
    ) -> Span:
        chance = self.chance
        span = Span(
            trace_id=trace_id, span_id=chance.randbytes(8), parent_span_id=parent, name=name, kind=kind,
            start_time_unix_nano=start, end_time_unix_nano=start + length, flags=257,
        )  # fmt: skip
        draw = chance.random()
        if draw < 0.05:
            span.status.code, span.status.message = 2, "TimeoutError: the bank did not answer in 2 s"
            event = span.events.add(time_unix_nano=start + length - 10, name="exception")
            event.attributes.extend(
                _items(
                    {
                        "exception.type": "TimeoutError",
                        "exception.message": "the bank did not answer in 2 s",
                        "exception.stacktrace": _STACK,
                    }
                )
            )
        elif draw < 0.10:
            event = span.events.add(time_unix_nano=start + 10, name="cache.miss")
            event.attributes.extend(_items({"cache.key": f"product:{chance.randrange(999)}"}))
        self.waiting[service].append(span)
        return span
