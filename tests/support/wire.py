"""OTLP requests as bytes, good and bad: cut, flipped, with fields too many or of a wrong kind."""

from __future__ import annotations

from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.otlp import otlp_requests
from tests.support.strategies import otlp_spans
from tracelab.codecs.rows import SpanRows

_SPECIAL = (0, 1, 2, 7, 8, 15, 16, 127, 128, 200, 2**14, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
_KEYS = (
    "http.request.method", "http.method", "http.response.status_code", "http.status_code", "url.full", "http.url",
    "server.port", "net.peer.port", "rpc.grpc.status_code", "db.system", "db.system.name", "exception.type", "a", "",
)  # fmt: skip
_TEXTS = (
    "",
    "GET",
    "200",
    "999",
    "1e3",
    "x" * 40,
    "http://u:p@h.example:81/p?q#f",
    "HTTP://[::1]/",
    "h",
    "é\u202e",
    "://",
)


def varint(value: int) -> bytes:
    """A varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


@st.composite
def odd_fields(draw: st.DrawFn) -> bytes:
    """One field of any number and wire type, mostly well formed."""
    number, kind = draw(st.integers(0, 20)), draw(st.integers(0, 7))
    tag = varint(number << 3 | kind)
    if kind == 0:
        return tag + varint(draw(st.sampled_from(_SPECIAL)))
    if kind == 1:
        return tag + draw(st.binary(min_size=8, max_size=8))
    if kind == 5:
        return tag + draw(st.binary(min_size=4, max_size=4))
    if kind == 2:
        return field(number, draw(st.binary(max_size=12)))
    return tag + draw(st.binary(max_size=3))


@st.composite
def _values(draw: st.DrawFn) -> bytes:
    which = draw(st.integers(0, 9))
    if which <= 3:
        return field(1, draw(st.sampled_from(_TEXTS)).encode())
    if which == 4:
        return b"\x10" + varint(draw(st.sampled_from((0, 1, 2))))
    if which == 5:
        return b"\x18" + varint(draw(st.sampled_from(_SPECIAL)))
    if which == 6:
        return b"\x21" + draw(st.binary(min_size=8, max_size=8))
    if which == 7:
        return field(5, field(1, draw(_values()))) if draw(st.booleans()) else field(7, draw(st.binary(max_size=4)))
    return b"" if which == 8 else draw(odd_fields())


@st.composite
def _attributes(draw: st.DrawFn) -> bytes:
    key, value = field(1, draw(st.sampled_from(_KEYS)).encode()), field(2, draw(_values()))
    return draw(
        st.sampled_from((key + value, key + value, key + value, value + key, key, value, b"", key + value + key))
    )


_ids = st.sampled_from((bytes(8), b"12345678", b"87654321", b"short", b""))


@st.composite
def _spans(draw: st.DrawFn) -> bytes:
    parts = [
        field(1, draw(st.sampled_from((b"a" * 16, b"a" * 16, b"b" * 16, bytes(16), b"short")))),
        field(2, draw(st.sampled_from((b"12345678", b"12345678", b"abcdefgh", bytes(8), b"")))),
        field(4, draw(_ids)),
        field(5, draw(st.sampled_from((b"get", b"\xff\xfe", "é".encode(), b"")))),
        b"\x30" + varint(draw(st.sampled_from((0, 1, 2, 3, 4, 5, 6, 2**40)))),
        b"\x39" + draw(st.sampled_from((0, 5, 2**63, 10**18))).to_bytes(8, "little"),
        b"\x41" + draw(st.sampled_from((0, 9, 2**63 - 1))).to_bytes(8, "little"),
        *(field(9, made) for made in draw(st.lists(_attributes(), max_size=4))),
    ]
    if draw(st.booleans()):
        name = draw(st.sampled_from((b"exception", b"e")))
        inner = b"".join(field(3, made) for made in draw(st.lists(_attributes(), max_size=2)))
        parts.append(field(11, b"\x09" + bytes(8) + field(2, name) + inner))
    if draw(st.booleans()):
        parts.append(field(13, field(1, b"c" * 16) + field(2, draw(_ids)) + field(3, b"s") + b"\x35" + bytes(4)))
    if draw(st.booleans()):
        parts.append(field(15, field(2, b"no") + b"\x18" + varint(draw(st.sampled_from((0, 1, 2, 3))))))
    if draw(st.integers(0, 9)) == 0:
        parts.append(draw(odd_fields()))
    if draw(st.integers(0, 9)) == 0:
        parts = draw(st.permutations(parts))
    return b"".join(parts)


@st.composite
def odd_requests(draw: st.DrawFn) -> bytes:
    """A request put together by hand, with everything that the decoder must tell apart."""
    spans = b"".join(field(2, made) for made in draw(st.lists(_spans(), max_size=3)))
    scope = field(1, field(1, b"lib")) if draw(st.booleans()) else b""
    scope_spans = field(2, draw(st.sampled_from((scope + spans, spans + scope, scope + scope + spans))))
    resource = field(1, field(1, draw(_attributes()))) if draw(st.booleans()) else b""
    url = field(3, b"https://schema") if draw(st.booleans()) else b""
    return field(1, draw(st.sampled_from((resource + scope_spans + url, scope_spans + resource, url + scope_spans))))


@st.composite
def bent_requests(draw: st.DrawFn) -> bytes:
    """A good request, bent: cut, a byte changed, a field put in somewhere; or left as it is."""
    rows = SpanRows()
    for made in draw(st.lists(otlp_spans(), max_size=2)):
        rows.add(made)
    messages = list(otlp_requests(rows.table())) if len(rows) else [ExportTraceServiceRequest()]
    body = b"".join(message.SerializeToString() for message in messages)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(body)))
        how = draw(st.integers(0, 2))
        if how == 0:
            body = body[:at]
        elif how == 1:
            body = body[:at] + bytes([draw(st.integers(0, 255))]) + body[at + 1 :]
        else:
            body = body[:at] + draw(odd_fields()) + body[at:]
    return body
