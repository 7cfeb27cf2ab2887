"""Traces and span tables for property tests: small, and as awkward as they come."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.support.builders import span
from tracelab.codecs.rows import Event, Link, Resource, Scope, Span
from tracelab.codecs.values import KeyValues, attributes

SERVICES = ("web", "api", "db")


@st.composite
def trees(
    draw: st.DrawFn, max_size: int = 14, kinds: tuple[str, ...] = ("INTERNAL", "SERVER", "CLIENT")
) -> list[dict[str, Any]]:
    """One trace, every parent there, times anywhere: children may touch, overlap, outlive and precede their parent."""
    count = draw(st.integers(1, max_size))
    spans = []
    for number in range(1, count + 1):
        start = draw(st.integers(0, 220))
        length = draw(st.sampled_from([0, 1, 3, 10, 50, 100, 120, 220]))
        spans.append(
            span(
                number,
                draw(st.one_of(st.none(), st.integers(1, number - 1))) if number > 1 else None,
                start,
                start + length,
                draw(st.sampled_from(SERVICES)),
                kind=draw(st.sampled_from(kinds)),
                resource=draw(st.sampled_from([{}, {"host.name": "a"}, {"host.name": "b"}])),
            )
        )
    return spans


@st.composite
def broken_traces(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Spans of two traces with missing parents, rings, self-parents, duplicates that differ, reversed times."""
    count = draw(st.integers(1, 10))
    spans = []
    for _ in range(count):
        start = draw(st.integers(10, 60))
        made = span(
            draw(st.integers(1, 8)),
            draw(st.one_of(st.none(), st.integers(1, 9))),
            start,
            start + draw(st.integers(-5, 60)),
            draw(st.sampled_from(SERVICES)),
            kind=draw(st.sampled_from(["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"])),
            name=draw(st.sampled_from(["a", "b"])),
        )
        spans.append({**made, "trace_id": f"{draw(st.integers(1, 2)):032x}"})
    return spans


_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
_key = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6)
_scalars = st.one_of(
    _text, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary(max_size=5)
)
plain_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(_scalars, st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.lists(st.tuples(_key, inner), max_size=3).map(KeyValues)),
    max_leaves=6,
)


def _attributes(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(_key, values), max_size=3, unique_by=lambda pair: pair[0]).map(attributes)


_count = st.integers(0, 2**32 - 1)
_time = st.integers(0, 2**63 - 1)
_trace_id = st.binary(min_size=16, max_size=16).filter(any)
_span_id = st.binary(min_size=8, max_size=8).filter(any)


@st.composite
def otlp_spans(draw: st.DrawFn) -> Span:
    """Any span that OTLP can say."""
    values = _attributes(plain_values)
    events = st.lists(st.builds(Event, _time, _text, values, _count), max_size=2)
    links = st.lists(st.builds(Link, _trace_id, _span_id, _text, values, _count, _count), max_size=2)
    return Span(
        draw(_trace_id), draw(_span_id), draw(st.none() | _span_id), draw(_text), draw(st.integers(0, 5)), draw(_time),
        draw(_time), draw(st.builds(Resource, values, _count, st.none(), _text)),
        draw(st.builds(Scope, _text, _text, values, _count, _text)), draw(_text), draw(_count), draw(st.integers(0, 2)),
        draw(_text), draw(values), draw(_count), draw(events), draw(_count), draw(links), draw(_count),
    )  # fmt: skip


@st.composite
def jaeger_spans(draw: st.DrawFn) -> Span:
    """Any span that Jaeger can say: microseconds, plain tags, links without attributes."""
    micros = st.integers(0, 2**52).map(lambda us: 1000 * us)
    scalars = st.one_of(
        _text, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary(max_size=5)
    )
    tag = st.text("abcdefg.", min_size=1, max_size=6)
    values = st.lists(st.tuples(tag, scalars), max_size=3, unique_by=lambda pair: pair[0]).map(attributes)
    ref = st.sampled_from(["child_of", "follows_from"]).map(lambda kind: attributes([("opentracing.ref_type", kind)]))
    trace_id = draw(_trace_id)
    elsewhere = _trace_id.filter(lambda other: other != trace_id)
    service = draw(st.sampled_from(SERVICES))
    resource = draw(st.lists(st.tuples(tag, scalars), max_size=2, unique_by=lambda pair: pair[0]))
    return Span(
        trace_id, draw(_span_id), draw(st.none() | _span_id), draw(_text), draw(st.integers(0, 5)), draw(micros),
        draw(micros), Resource(attributes([("service.name", service), *resource])),
        Scope(draw(_text), draw(_text)), draw(_text), draw(_count), draw(st.integers(0, 2)),
        draw(_text), draw(values), draw(_count), draw(st.lists(st.builds(Event, micros, _text, values), max_size=2)),
        draw(_count), draw(st.lists(st.builds(Link, elsewhere, _span_id, st.none(), ref), max_size=2)), draw(_count),
    )  # fmt: skip
