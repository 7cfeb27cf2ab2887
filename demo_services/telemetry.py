"""Instrumentation, configured by the standard OTEL_* variables; what can go wrong with it can be switched on."""

from __future__ import annotations

import os
import random
import time
from typing import Any

from fastapi import FastAPI
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from demo_services import control

tracer = trace.get_tracer("shop")


def _exporter() -> SpanExporter:
    if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        return GrpcExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

    return HttpExporter()


class _Forgetful(TextMapPropagator):
    """Passes the context on, unless it has been switched off."""

    def __init__(self, propagator: TextMapPropagator) -> None:
        self._propagator = propagator

    def extract(self, *arguments: Any, **options: Any) -> Context:
        return self._propagator.extract(*arguments, **options)

    def inject(self, *arguments: Any, **options: Any) -> None:
        if not control.fault("no_propagation", False):
            self._propagator.inject(*arguments, **options)

    @property
    def fields(self) -> set[str]:
        return self._propagator.fields


class _Provider(TracerProvider):
    """Knows its tracers: when the process has been moved to another host, what they make says so."""

    def __init__(self) -> None:
        super().__init__()
        self._made: list[sdk.Tracer] = []
        self._here = self.resource
        self._host: str | None = None

    def get_tracer(self, *arguments: Any, **options: Any) -> trace.Tracer:
        made = super().get_tracer(*arguments, **options)
        if isinstance(made, sdk.Tracer):
            self._made.append(made)
        return made

    def on_host(self, name: str | None) -> None:
        """It runs on this host now; None: where it began."""
        if name != self._host:
            self._host = name
            resource = self._here if name is None else self._here.merge(Resource({"host.name": name, "host.id": name}))
            for made in self._made:
                made.resource = resource


class _Choosy(Sampler):
    """Samples as configured; when it is set wrong, it decides for itself what its callers had decided already."""

    def __init__(self, provider: _Provider) -> None:
        self._provider, self._sampler = provider, provider.sampler

    def should_sample(
        self, parent_context: Context | None, trace_id: int, name: str, *rest: Any, **options: Any
    ) -> SamplingResult:
        self._provider.on_host(control.fault("host"))
        share = control.fault("sample_share")
        parent = trace.get_current_span(parent_context).get_span_context()
        if share is not None and (parent.is_remote or not parent.is_valid) and random.random() >= share:
            return SamplingResult(Decision.DROP)
        return self._sampler.should_sample(parent_context, trace_id, name, *rest, **options)

    def get_description(self) -> str:
        return self._sampler.get_description()


def _time_ns() -> int:
    """This host's clock, which may be wrong."""
    return time.time_ns() + int(float(control.fault("clock_ahead_s", 0.0)) * 10**9)


def start() -> TracerProvider:
    """Send spans where OTEL_EXPORTER_OTLP_ENDPOINT says; call `shutdown` on the provider before the process ends."""
    control.start()
    provider = _Provider()
    provider.sampler = _Choosy(provider)
    provider.add_span_processor(BatchSpanProcessor(_exporter()))
    sdk.time_ns = _time_ns  # type: ignore[attr-defined]  # the clock that every span is timed by
    propagate.set_global_textmap(_Forgetful(propagate.get_global_textmap()))
    trace.set_tracer_provider(provider)
    return provider


def instrument_app(app: FastAPI) -> None:
    """Spans for what the app serves and for what it calls over HTTP."""
    FastAPIInstrumentor.instrument_app(app, excluded_urls="healthz", exclude_spans=["receive", "send"])
    HTTPXClientInstrumentor().instrument()
