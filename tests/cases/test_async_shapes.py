"""What asyncio and thread pools make of traces, by the real SDK: what we show, and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from tests.support.otlp import spans_of
from tracelab.adjusters import assemble
from tracelab.analysis.calls import collect_calls
from tracelab.analysis.completion import completion_paths
from tracelab.analysis.critical_path import CriticalPaths, critical_paths
from tracelab.analysis.order import learned_orders
from tracelab.traceset import TraceSet


class _Kept(SpanExporter):
    """What the SDK would send, as it would send it."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS

    def traces(self) -> TraceSet:
        return assemble(spans_of(encode_spans(self.spans).SerializeToString()))


@pytest.fixture
def sdk() -> Iterator[tuple[Tracer, _Kept]]:
    kept = _Kept()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    yield provider.get_tracer("test"), kept
    provider.shutdown()


def on_path(paths: CriticalPaths, at: int = 0) -> list[str]:
    """Names of the spans on a root's path, in the order in which it comes to them."""
    part = slice(paths.section_offsets[at], paths.section_offsets[at + 1])
    names = [paths.traces.span_name(row) or "" for row in paths.section_row[part].tolist()]
    return list(dict.fromkeys(names))


def run_async(make: Callable[[], Any]) -> None:
    asyncio.run(make())


def test_gather_waits_for_the_longest(sdk: tuple[Tracer, _Kept]) -> None:
    tracer, kept = sdk

    async def call(name: str, seconds: float) -> None:
        with tracer.start_as_current_span(name):
            await asyncio.sleep(seconds)

    async def request() -> None:
        with tracer.start_as_current_span("request"):
            await asyncio.gather(call("short", 0.02), call("long", 0.08), call("middle", 0.05))

    run_async(request)
    assert on_path(critical_paths(kept.traces())) == ["request", "long"]


def test_as_completed_goes_on_with_each_result(sdk: tuple[Tracer, _Kept]) -> None:
    """The work on each result is the parent's; what ran meanwhile held nothing up but the last one."""
    tracer, kept = sdk

    async def call(seconds: float) -> float:
        with tracer.start_as_current_span(f"call {seconds}"):
            await asyncio.sleep(seconds)
        return seconds

    async def request() -> None:
        with tracer.start_as_current_span("request"):
            for done in asyncio.as_completed([call(0.02), call(0.1)]):
                with tracer.start_as_current_span(f"handle {await done}"):
                    await asyncio.sleep(0.01)

    run_async(request)
    assert on_path(critical_paths(kept.traces())) == ["request", "call 0.1", "handle 0.1"]


def test_fire_and_forget_holds_nobody_up_but_completes_later(sdk: tuple[Tracer, _Kept]) -> None:
    tracer, kept = sdk

    async def mail() -> None:
        with tracer.start_as_current_span("send mail"):
            await asyncio.sleep(0.1)

    async def request() -> None:
        with tracer.start_as_current_span("request"):
            task = asyncio.create_task(mail())
            await asyncio.sleep(0.03)
        await task

    run_async(request)
    traces = kept.traces()
    assert on_path(critical_paths(traces)) == ["request"]
    (path,) = completion_paths(collect_calls(traces), traces.roots).paths
    assert [traces.span_name(section.span_row) for section in path.sections] == ["request", "send mail"]
    assert path.completion_ns > path.response_ns


def test_a_thread_pool_without_context_starts_traces_of_its_own(sdk: tuple[Tracer, _Kept]) -> None:
    """contextvars do not follow into threads by themselves: the child is a root, and the parent's time its own."""
    tracer, kept = sdk

    def work() -> None:
        with tracer.start_as_current_span("work"):
            time.sleep(0.02)

    with tracer.start_as_current_span("request"), ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    traces = kept.traces()
    assert traces.trace_count == 2
    assert sorted(on_path(critical_paths(traces), at)[0] for at in range(2)) == ["request", "work"]


def test_a_child_under_the_wrong_parent_is_shown_where_it_was_reported(sdk: tuple[Tracer, _Kept]) -> None:
    """A context kept from an earlier call: the child starts after its parent ended, and holds nobody up."""
    tracer, kept = sdk
    with tracer.start_as_current_span("request"):
        with tracer.start_as_current_span("first"):
            from opentelemetry import context

            stale = context.get_current()
            time.sleep(0.01)
        with tracer.start_as_current_span("second", context=stale):
            time.sleep(0.02)
    traces = kept.traces()
    second = next(row for row in range(len(traces)) if traces.span_name(row) == "second")
    assert traces.span_name(int(traces.parent_row[second])) == "first"
    assert "second" not in on_path(critical_paths(traces))
    assert on_path(critical_paths(traces)) == ["request", "first"]


def independent(tracer: Tracer, jitter: list[tuple[float, float]]) -> None:
    """Two calls at once below `gather`, of these lengths; and after them two that truly wait for each other."""

    async def call(name: str, before: float, seconds: float) -> None:
        await asyncio.sleep(before)
        with tracer.start_as_current_span(name):
            await asyncio.sleep(seconds)

    async def request(late: float, length: float) -> None:
        with tracer.start_as_current_span("request"):
            await asyncio.gather(call("left", 0, length), call("right", late, 0.02))
            await call("one", 0, 0.004)
            await call("two", 0, 0.004)

    async def all_() -> None:
        for late, length in jitter:
            await request(late, length)

    asyncio.run(all_())


def test_independent_siblings_are_told_from_sequential_ones(sdk: tuple[Tracer, _Kept]) -> None:
    """It takes the first trace in which they overlap: here the third."""
    tracer, kept = sdk
    independent(tracer, [(0.03, 0.01), (0.03, 0.012), (0.01, 0.03), (0.03, 0.01)])
    traces = kept.traces()
    orders = {(order.first[1], order.then[1]): order for order in learned_orders(traces).orders}
    assert orders["one", "two"].holds
    assert (orders["one", "two"].support, orders["one", "two"].refuted_by) == (4, 0)
    assert orders["one", "two"].confidence == pytest.approx(5 / 6)
    assert (orders["left", "right"].support, orders["left", "right"].refuted_by) == (3, 1)
    plain, learned = critical_paths(traces), critical_paths(traces, learned_orders(traces).refuted)
    first = int(np.argmin(traces.start_ns[plain.roots]))
    assert on_path(plain, first) == ["request", "left", "right", "one", "two"]
    assert on_path(learned, first) == ["request", "right", "one", "two"]


def test_two_traces_alone_cannot_tell(sdk: tuple[Tracer, _Kept]) -> None:
    tracer, kept = sdk
    independent(tracer, [(0.03, 0.01), (0.03, 0.012)])
    orders = {(order.first[1], order.then[1]): order for order in learned_orders(kept.traces()).orders}
    assert orders["left", "right"].holds
    assert orders["left", "right"].confidence == pytest.approx(3 / 4)
