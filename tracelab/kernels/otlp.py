"""OTLP protobuf into columns: one walk over the bytes of an ExportTraceServiceRequest, no object per span.

It reads requests in the form that every exporter writes: known fields, singular messages once, ids and numbers that a
span may have. Whatever else a request holds, it is left alone: its rows are taken back and the caller decodes it
through protobuf's own classes, which say what is wrong with it, or that nothing is.

All state is in one block of int64, by address (`otlp_state`); attributes are read by `otlp_values`.
Source: opentelemetry-proto, trace/v1/trace.proto and common/v1/common.proto; the protobuf encoding guide.
"""

from __future__ import annotations

import numpy as np

from tracelab.kernels.compile import kernel
from tracelab.kernels.memory import SLACK, i64, put_i64, put_u8, put_u32, u8, u32
from tracelab.kernels.otlp_state import (
    ATTRIBUTES_END,
    BLOCK_RESOURCE,
    BLOCK_ROWS,
    BLOCK_SCOPE,
    BLOCKS,
    COUNT,
    DROPPED,
    DROPPED_EVENTS,
    DROPPED_LINKS,
    DURATION,
    EVENT_ATTRIBUTES_END,
    EVENT_DROPPED,
    EVENT_NAME,
    EVENT_STORE,
    EVENT_TIME,
    EVENTS,
    EVENTS_END,
    EXCEPTION,
    EXCEPTION_CODE,
    FLAGS,
    HAS_PARENT,
    IS_RESOURCE,
    IS_SCOPE,
    IS_TEXT,
    KIND,
    LINK_ATTRIBUTES_END,
    LINK_DROPPED,
    LINK_FLAGS,
    LINK_SPAN_ID,
    LINK_STATE,
    LINK_STORE,
    LINK_TRACE_ID,
    LINKS,
    LINKS_END,
    MARKS,
    MAX_ATTRIBUTES,
    MAX_SPANS,
    MAX_TEXT,
    MESSAGE,
    NAME,
    PARENT_ID,
    ROW_ROOM,
    ROWS,
    RUNG_AT,
    RUNGS,
    SLOT_MASK,
    SLOTS,
    SPAN_ID,
    SPAN_STORE,
    START,
    STATE,
    STATUS,
    STORE,
    STRING_AT,
    STRINGS,
    TEXT_SIZE,
    TRACE_ID,
    TRACE_STATE,
    get,
    grow,
    intern,
    length,
    put,
    varint,
)
from tracelab.kernels.otlp_values import attribute

# What `decode_request` says.
DONE, LEFT_ALONE, TABLE_FULL = 0, 1, 2


@kernel
def _event(p: int, at: int, end: int) -> int:
    """An event. Its `exception.type` as a code plus one, 0 if it has none; negative to leave the request alone."""
    store = get(p, EVENT_STORE)
    time, name, dropped, type_, place = 0, 0, 0, 0, 0
    while at < end:
        tag = u8(at)
        at += 1
        if tag == 0x09:
            if end - at < 8:
                return -1
            time, at = i64(at), at + 8
        elif tag == 0x12 or tag == 0x1A:
            size, at = length(at, end)
            if at == 0 or (tag == 0x12 and size > get(p, MAX_TEXT)):
                return -1
            if tag == 0x12:
                name = intern(p, at, size, IS_TEXT)
                if name < 0:
                    return -1
            else:
                found = attribute(p, store, place, at, at + size, -1, 1)
                if found < 0:
                    return -1
                type_ = type_ if type_ else found
                place += 1
            at += size
        elif tag == 0x20:
            dropped, at = varint(at, end)
            if at == 0 or dropped < 0 or dropped >= 2**32:
                return -1
        else:
            return -1
    if time < 0:
        return -1
    number = get(p, EVENTS)
    put_i64(get(p, EVENT_TIME) + 8 * number, time)
    put_u32(get(p, EVENT_NAME) + 4 * number, name)
    put_u32(get(p, EVENT_DROPPED) + 4 * number, dropped)
    put_u32(get(p, EVENT_ATTRIBUTES_END) + 4 * (number + 1), get(store, COUNT))
    put(p, EVENTS, number + 1)
    return type_ if name == get(p, EXCEPTION) else 0


@kernel
def _is_id(at: int, size: int, expected: int) -> bool:
    """Whether it is an id of that many bytes (8 or 16), not all zero."""
    return size == expected and (i64(at) != 0 or (expected == 16 and i64(at + 8) != 0))


@kernel
def _put_id(to: int, at: int, size: int) -> None:
    for place in range(0, size, 8):
        put_i64(to + place, i64(at + place))


@kernel
def _link(p: int, at: int, end: int) -> int:
    """A link. Negative if the request is to be left alone."""
    store = get(p, LINK_STORE)
    trace_at, trace_size, span_at, span_size, state, dropped, flags, place = 0, 0, 0, 0, 0, 0, 0, 0
    while at < end:
        tag = u8(at)
        at += 1
        if tag == 0x35:
            if end - at < 4:
                return -1
            flags, at = u32(at), at + 4
        elif tag == 0x28:
            dropped, at = varint(at, end)
            if at == 0 or dropped < 0 or dropped >= 2**32:
                return -1
        elif tag == 0x0A or tag == 0x12 or tag == 0x1A or tag == 0x22:
            size, at = length(at, end)
            if at == 0:
                return -1
            if tag == 0x0A:
                trace_at, trace_size = at, size
            elif tag == 0x12:
                span_at, span_size = at, size
            elif tag == 0x1A:
                state = intern(p, at, size, IS_TEXT)
                if state < 0 or size > get(p, MAX_TEXT):
                    return -1
            else:
                if attribute(p, store, place, at, at + size, -1, 0) < 0:
                    return -1
                place += 1
            at += size
        else:
            return -1
    if not _is_id(trace_at, trace_size, 16) or not _is_id(span_at, span_size, 8):
        return -1
    number = get(p, LINKS)
    _put_id(get(p, LINK_TRACE_ID) + 16 * number, trace_at, 16)
    _put_id(get(p, LINK_SPAN_ID) + 8 * number, span_at, 8)
    put_u32(get(p, LINK_STATE) + 4 * number, state)
    put_u32(get(p, LINK_DROPPED) + 4 * number, dropped)
    put_u32(get(p, LINK_FLAGS) + 4 * number, flags)
    put_u32(get(p, LINK_ATTRIBUTES_END) + 4 * (number + 1), get(store, COUNT))
    put(p, LINKS, number + 1)
    return 0


@kernel
def _status(p: int, row: int, at: int, end: int) -> int:
    """A Status. Negative if the request is to be left alone."""
    while at < end:
        tag = u8(at)
        at += 1
        if tag == 0x12:
            size, at = length(at, end)
            if at == 0 or size > get(p, MAX_TEXT):
                return -1
            code = intern(p, at, size, IS_TEXT)
            if code < 0:
                return -1
            put_u32(get(p, MESSAGE) + 4 * row, code)
            at += size
        elif tag == 0x18:
            code, at = varint(at, end)
            if at == 0 or code < 0 or code > 2:
                return -1
            put_u8(get(p, STATUS) + row, code)
        else:
            return -1
    return 0


@kernel
def _span(p: int, at: int, end: int, row: int) -> int:
    """A span as the row `row`. Negative if the request is to be left alone."""
    store = get(p, SPAN_STORE)
    trace_at, trace_size, span_at, span_size, parent_at, parent_size = 0, 0, 0, 0, 0, 0
    state, name, kind, start, finish, flags = 0, 0, 0, 0, 0, 0
    dropped, dropped_events, dropped_links = 0, 0, 0
    attributes, exception, has_status = 0, 0, 0
    put_u32(get(p, MESSAGE) + 4 * row, 0)
    put_u8(get(p, STATUS) + row, 0)
    while at < end:
        tag = u8(at)
        at += 1
        if tag == 0x39 or tag == 0x41:
            if end - at < 8:
                return -1
            if tag == 0x39:
                start = i64(at)
            else:
                finish = i64(at)
            at += 8
        elif tag == 0x85:
            if end - at < 5 or u8(at) != 0x01:
                return -1
            flags, at = u32(at + 1), at + 5
        elif tag & 7 == 0:
            value, at = varint(at, end)
            if at == 0 or value < 0 or value >= 2**32:
                return -1
            if tag == 0x30:
                if value > 5:
                    return -1
                kind = value
            elif tag == 0x50:
                dropped = value
            elif tag == 0x60:
                dropped_events = value
            elif tag == 0x70:
                dropped_links = value
            else:
                return -1
        elif tag & 7 == 2:
            size, at = length(at, end)
            if at == 0:
                return -1
            if tag == 0x4A:
                if attribute(p, store, attributes, at, at + size, row, 0) < 0:
                    return -1
                attributes += 1
                if attributes > get(p, MAX_ATTRIBUTES):
                    return -1
            elif tag == 0x0A:
                trace_at, trace_size = at, size
            elif tag == 0x12:
                span_at, span_size = at, size
            elif tag == 0x22:
                parent_at, parent_size = at, size
            elif tag == 0x1A or tag == 0x2A:
                if size > get(p, MAX_TEXT):
                    return -1
                code = intern(p, at, size, IS_TEXT)
                if code < 0:
                    return -1
                if tag == 0x1A:
                    state = code
                else:
                    name = code
            elif tag == 0x5A:
                type_ = _event(p, at, at + size)
                if type_ < 0:
                    return -1
                exception = type_ if type_ else exception
            elif tag == 0x6A:
                if _link(p, at, at + size) < 0:
                    return -1
            elif tag == 0x7A and has_status == 0:
                has_status = 1
                if _status(p, row, at, at + size) < 0:
                    return -1
            else:
                return -1
            at += size
        else:
            return -1
    if start < 0 or finish < 0:
        return -1
    if not _is_id(trace_at, trace_size, 16) or not _is_id(span_at, span_size, 8) or parent_size not in (0, 8):
        return -1
    _put_id(get(p, TRACE_ID) + 16 * row, trace_at, 16)
    _put_id(get(p, SPAN_ID) + 8 * row, span_at, 8)
    parent = i64(parent_at) if parent_size else 0
    put_i64(get(p, PARENT_ID) + 8 * row, parent)
    put_u8(get(p, HAS_PARENT) + row, 1 if parent != 0 else 0)
    put_u32(get(p, TRACE_STATE) + 4 * row, state)
    put_u32(get(p, FLAGS) + 4 * row, flags)
    put_u32(get(p, NAME) + 4 * row, name)
    put_u8(get(p, KIND) + row, kind)
    put_i64(get(p, START) + 8 * row, start)
    put_i64(get(p, DURATION) + 8 * row, finish - start)
    put_u32(get(p, DROPPED) + 4 * row, dropped)
    put_u32(get(p, DROPPED_EVENTS) + 4 * row, dropped_events)
    put_u32(get(p, DROPPED_LINKS) + 4 * row, dropped_links)
    put_u32(get(p, ATTRIBUTES_END) + 4 * (row + 1), get(store, COUNT))
    put_u32(get(p, EVENTS_END) + 4 * (row + 1), get(p, EVENTS))
    put_u32(get(p, LINKS_END) + 4 * (row + 1), get(p, LINKS))
    put_u32(get(p, EXCEPTION_CODE) + 4 * row, exception)
    return 0


@kernel
def _owner(p: int, at: int, end: int, what: int) -> tuple[int, int]:
    """(code of the bytes of a resource or scope, code of its schema URL) of a ResourceSpans or ScopeSpans.

    They may follow what they describe. Negative if the request is to be left alone.
    """
    owner, url, seen = 0, 0, 0
    while at < end:
        tag = u8(at)
        size, at = length(at + 1, end)
        if at == 0:
            return -1, -1
        if tag == 0x0A:
            seen += 1
            owner = intern(p, at, size, what)
            if owner < 0 or seen > 1:
                return -1, -1
        elif tag == 0x1A:
            url = intern(p, at, size, IS_TEXT)
            if url < 0:
                return -1, -1
        elif tag != 0x12:
            return -1, -1
        at += size
    return owner, url


@kernel
def _scope_spans(p: int, at: int, end: int, resource: int, resource_url: int) -> int:
    scope, scope_url = _owner(p, at, end, IS_SCOPE)
    if scope < 0:
        return -1
    first = row = get(p, ROWS)
    while at < end:
        tag = u8(at)
        size, at = length(at + 1, end)
        if tag == 0x12:
            if _span(p, at, at + size, row) < 0:
                return -1
            row += 1
            put(p, ROWS, row)
        at += size
    block = get(p, BLOCKS)
    put_u32(get(p, BLOCK_ROWS) + 4 * block, row - first)
    put_i64(get(p, BLOCK_RESOURCE) + 8 * block, resource << 32 | resource_url)
    put_i64(get(p, BLOCK_SCOPE) + 8 * block, scope << 32 | scope_url)
    put(p, BLOCKS, block + 1)
    return 0


@kernel
def _resource_spans(p: int, at: int, end: int) -> int:
    resource, resource_url = _owner(p, at, end, IS_RESOURCE)
    if resource < 0:
        return -1
    while at < end:
        tag = u8(at)
        size, at = length(at + 1, end)
        if tag == 0x12 and _scope_spans(p, at, at + size, resource, resource_url) < 0:
            return -1
        at += size
    return 0


@kernel
def _request(p: int, at: int, end: int) -> int:
    before = get(p, ROWS)
    while at < end:
        tag = u8(at)
        size, at = length(at + 1, end)
        if at == 0 or tag != 0x0A or _resource_spans(p, at, at + size) < 0:
            return -1
        at += size
    return 0 if get(p, ROWS) - before <= get(p, MAX_SPANS) else -1


@kernel
def count_spans(at: int, end: int, level: int) -> tuple[int, int]:
    """(spans, scopes) that `decode_request` may find in these bytes, at most; `level` is 0 for a request."""
    spans, scopes = 0, 0
    while at < end:
        tag = u8(at)
        size, at = length(at + 1, end)
        if at == 0:
            break
        if level == 2:
            spans += tag == 0x12
        elif tag == (0x0A if level == 0 else 0x12):
            more_spans, more_scopes = count_spans(at, at + size, level + 1)
            spans += more_spans
            scopes += more_scopes + level
        at += size
    return spans, scopes


@kernel
def marks(p: int, to: int) -> None:
    """Note where everything ends now: `MARKS` numbers, for `take_back`."""
    for at in range(4):
        put_i64(to + 8 * at, get(p, ROWS + at))
    put_i64(to + 80, get(p, BLOCKS))
    for at in range(3):
        store = get(p, SPAN_STORE + at)
        put_i64(to + 8 * (4 + 2 * at), get(store, COUNT))
        put_i64(to + 8 * (5 + 2 * at), get(store, TEXT_SIZE))


@kernel
def take_back(p: int, mark: int) -> None:
    """Drop what was appended since `marks`; the table of texts keeps what it learned."""
    rows = i64(mark)
    for rung in range(get(p, RUNGS)):
        for row in range(rows, get(p, ROWS) + 1):
            put_u32(get(p, RUNG_AT) + 4 * (rung * get(p, ROW_ROOM) + row), 0)
    for at in range(4):
        put(p, ROWS + at, i64(mark + 8 * at))
    put(p, BLOCKS, i64(mark + 80))
    for at in range(3):
        store = get(p, SPAN_STORE + at)
        put(store, COUNT, i64(mark + 8 * (4 + 2 * at)))
        put(store, TEXT_SIZE, i64(mark + 8 * (5 + 2 * at)))


@kernel
def decode_request(p: int, at: int, end: int, mark: int) -> int:
    """Append the spans of the request in the bytes [at, end) to the columns: DONE; `mark` is where they began.

    LEFT_ALONE: it is not in the usual form; TABLE_FULL: `grow` and try again. Then nothing was appended.
    """
    marks(p, mark)
    if _request(p, at, end) == 0:
        return DONE
    take_back(p, mark)
    return TABLE_FULL if 2 * get(p, STRINGS) > get(p, SLOT_MASK) else LEFT_ALONE


@kernel
def dense(codes: np.ndarray, number: np.ndarray, distinct: np.ndarray) -> int:
    """Renumber codes, in place, by first appearance; how many distinct ones there are, which `distinct` then lists.

    `number` is scratch for every code, all -1 before and after.
    """
    count = 0
    for row in range(codes.size):
        code = codes[row]
        if number[code] < 0:
            number[code] = count
            distinct[count] = code
            count += 1
        codes[row] = number[code]
    for at in range(count):
        number[distinct[at]] = -1
    return count


def warm() -> None:
    """Compile what a collector calls, over a request of one empty ResourceSpans."""
    body = np.frombuffer(bytes([0x0A, 0x00]) + bytes(SLACK), np.uint8)
    strings, slots, mark = np.zeros(4, np.int64), np.zeros(16, np.int32), np.zeros(MARKS, np.int64)
    stores = [np.zeros(STORE, np.int64) for _ in range(3)]
    state = np.zeros(STATE, np.int64)
    for field, value in (
        (SLOTS, slots.ctypes.data), (SLOT_MASK, slots.size - 1), (STRING_AT, strings.ctypes.data), (STRINGS, 1),
        (MAX_SPANS, 1), *((SPAN_STORE + at, store.ctypes.data) for at, store in enumerate(stores)),
    ):  # fmt: skip
        state[field] = value
    begin, p = body.ctypes.data, state.ctypes.data
    count_spans(begin, begin + 2, 0)
    decode_request(p, begin, begin + 2, mark.ctypes.data)
    take_back(p, mark.ctypes.data)
    grow(p, slots.ctypes.data, slots.size - 1)
    dense(np.zeros(1, np.int32), np.full(1, -1, np.int32), np.zeros(1, np.int32))
