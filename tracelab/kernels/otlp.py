"""OTLP protobuf into columns: one walk over the bytes of an ExportTraceServiceRequest, no object per span.

It reads requests in the form that every exporter writes: known fields, singular messages once, ids and numbers that a
span may have. Whatever else a request holds, it is left alone: its rows are taken back and the caller decodes it
through protobuf's own classes, which say what is wrong with it, or that nothing is.

All state is in one block of int64 (`STATE`), by address: cursors, and where the columns are.
Source: opentelemetry-proto, trace/v1/trace.proto and common/v1/common.proto; the protobuf encoding guide.
"""

from __future__ import annotations

import numpy as np

from tracelab.kernels.compile import kernel
from tracelab.kernels.memory import (
    SLACK,
    copy_text,
    hash_bytes,
    i64,
    is_utf8,
    put_decimal,
    put_i64,
    put_u8,
    put_u32,
    same_bytes,
    u8,
    u32,
)

# What `decode_request` says.
DONE, LEFT_ALONE, TABLE_FULL = 0, 1, 2

# The state block. Cursors first: what is taken back if a request is left alone.
ROWS, EVENTS, LINKS, DEFERRED, BLOCKS = 0, 1, 2, 3, 56
SPAN_STORE, EVENT_STORE, LINK_STORE = 4, 5, 6  # where each store's block begins
STRINGS, SLOT_MASK, SLOTS, STRING_AT, SEED = 7, 8, 9, 10, 11
MAX_TEXT, MAX_ATTRIBUTES, MAX_SPANS = 12, 13, 14
RUNGS, RUNG_AT, ROW_ROOM = 15, 16, 17  # promoted attributes: how many keys, their codes [rung][row]
EXCEPTION, EXCEPTION_TYPE, URLS_FROM, URLS_TO = 18, 19, 20, 21  # codes of well-known texts
TRACE_ID, SPAN_ID, PARENT_ID, HAS_PARENT, TRACE_STATE, FLAGS, NAME, KIND = 22, 23, 24, 25, 26, 27, 28, 29
START, DURATION, STATUS, MESSAGE, DROPPED, DROPPED_EVENTS, DROPPED_LINKS = 30, 31, 32, 33, 34, 35, 36
ATTRIBUTES_END, EVENTS_END, LINKS_END, EXCEPTION_CODE = 37, 38, 39, 40
BLOCK_ROWS, BLOCK_RESOURCE, BLOCK_SCOPE = 41, 42, 43  # a ScopeSpans each; owners are (code, code of schema URL)
EVENT_TIME, EVENT_NAME, EVENT_DROPPED, EVENT_ATTRIBUTES_END = 45, 46, 47, 48
LINK_TRACE_ID, LINK_SPAN_ID, LINK_STATE, LINK_DROPPED, LINK_FLAGS, LINK_ATTRIBUTES_END = 49, 50, 51, 52, 53, 54
DEFERRED_AT = 55
STATE = 57
MARKS = 11

# A store of attributes: of spans, of events or of links.
COUNT, TEXT_SIZE, KEYS, TEXT_ENDS, TEXTS, LETTERS, MEMO = 0, 1, 2, 3, 4, 5, 6
STORE = 7
PLACES = 32  # keys are looked for first at the same place of the record before

_MAX_PROMOTED_INT = 2**30

IS_TEXT, IS_RESOURCE, IS_SCOPE = 0, 1, 2  # what an entry of the table of texts is
FORGOTTEN = -1


@kernel
def _get(p: int, field: int) -> int:
    return i64(p + 8 * field)


@kernel
def _put(p: int, field: int, value: int) -> None:
    put_i64(p + 8 * field, value)


@kernel
def _varint(at: int, end: int) -> tuple[int, int]:
    """(value, where it ends); the end is 0 if there is no varint of at most ten bytes."""
    value = np.uint64(0)
    shift = 0
    while at < end and shift < 70:
        byte = np.uint64(u8(at))
        at += 1
        if shift == 63 and byte > 1:
            return 0, 0
        value |= (byte & np.uint64(0x7F)) << np.uint64(shift)
        if byte < 0x80:
            return np.int64(value), at
        shift += 7
    return 0, 0


@kernel
def _length(at: int, end: int) -> tuple[int, int]:
    """(size, where the content begins) of a length-delimited field; the beginning is 0 if it does not fit."""
    if at < end and u8(at) < 0x80:
        size, at = u8(at), at + 1
    else:
        size, at = _varint(at, end)
    if at == 0 or size < 0 or size > end - at:
        return 0, 0
    return size, at


@kernel
def _intern(p: int, at: int, size: int, what: int) -> int:
    """The code of these bytes, the same for the same; -1 if they are no text, -2 if the table is full."""
    if size == 0:
        return 0
    mask = _get(p, SLOT_MASK)
    slots, strings = _get(p, SLOTS), _get(p, STRING_AT)
    slot = np.int64(hash_bytes(at, size, _get(p, SEED)) & np.uint64(mask))
    marked = 4 * size + what
    while True:
        code = u32(slots + 4 * slot)
        if code == 0:
            break
        if i64(strings + 16 * code + 8) == marked and same_bytes(i64(strings + 16 * code), at, size):
            return code
        slot = (slot + 1) & mask
    if what == IS_TEXT and not is_utf8(at, size):
        return -1
    code = _get(p, STRINGS)
    if 2 * code > mask:
        return -2
    _put(p, STRINGS, code + 1)
    put_i64(strings + 16 * code, at)
    put_i64(strings + 16 * code + 8, marked)
    put_u32(slots + 4 * slot, code)
    return code


@kernel
def grow(p: int, slots: int, mask: int) -> None:
    """Move all codes into another, larger, empty table of slots."""
    strings = _get(p, STRING_AT)
    for code in range(1, _get(p, STRINGS)):
        at, size = i64(strings + 16 * code), i64(strings + 16 * code + 8) // 4
        slot = np.int64(hash_bytes(at, size, _get(p, SEED)) & np.uint64(mask))
        while u32(slots + 4 * slot) != 0:
            slot = (slot + 1) & mask
        put_u32(slots + 4 * slot, code)
    _put(p, SLOTS, slots)
    _put(p, SLOT_MASK, mask)


@kernel
def _key(p: int, store: int, place: int, at: int, size: int) -> int:
    """The code of an attribute's key, tried first: the key at the same place of the record before."""
    memo = _get(store, MEMO) + 4 * (place % PLACES)
    code = u32(memo)
    string = _get(p, STRING_AT) + 16 * code
    if i64(string + 8) == 4 * size and same_bytes(i64(string), at, size):
        return code
    code = _intern(p, at, size, IS_TEXT)
    if code >= 0:
        put_u32(memo, code)
    return code


@kernel
def _authority(at: int, size: int) -> int:
    """How much of a URL says its host: up to the first / ? # behind `://`; all of it if that is unclear."""
    for place in range(1, min(size - 3, 12)):
        byte = u8(at + place)
        if byte == 58:  # a colon
            if u8(at + place + 1) != 47 or u8(at + place + 2) != 47:
                return size
            for after in range(place + 3, size):
                byte = u8(at + after)
                if byte in (47, 63, 35):
                    return after
                if byte <= 32 or byte in (91, 92, 93) or byte >= 127:
                    return size
            return size
        if not (97 <= (byte | 32) <= 122):
            return size
    return size


@kernel
def _promote(p: int, row: int, rung: int, at: int, size: int) -> bool:
    """Note a text that is a column of its own, the first that is not empty; its code, plus one."""
    cell = _get(p, RUNG_AT) + 4 * (rung * _get(p, ROW_ROOM) + row)
    if size == 0 or u32(cell) != 0:
        return True
    if _get(p, URLS_FROM) <= rung < _get(p, URLS_TO):
        size = _authority(at, size)
    code = _intern(p, at, size, IS_TEXT)
    if code < 0:
        return False
    put_u32(cell, code + 1)
    return True


@kernel
def _defer(p: int, store: int, at: int, size: int, letter: int) -> None:
    """A value that is made a text outside; an empty one keeps its place."""
    count = _get(p, DEFERRED)
    entry = _get(p, DEFERRED_AT) + 32 * count
    put_i64(entry, store)
    put_i64(entry + 8, _get(store, COUNT))
    put_i64(entry + 16, at)
    put_i64(entry + 24, size)
    put_u8(_get(store, LETTERS) + _get(store, COUNT), letter)
    _put(p, DEFERRED, count + 1)


@kernel
def _value(p: int, store: int, at: int, end: int, rung: int, row: int) -> int:
    """An AnyValue into the store, and into its rung if it has one (else rung is -1): its code there plus one, or 0.

    Negative if the request is to be left alone.
    """
    count, size_before = _get(store, COUNT), _get(store, TEXT_SIZE)
    to = _get(store, TEXTS) + size_before
    letter = _get(store, LETTERS) + count
    text_size = 0
    if at == end:
        put_u8(letter, 110)  # n
    else:
        whole_at, tag = at, u8(at)
        at += 1
        if tag == 0x0A:
            size, at = _length(at, end)
            if at == 0 or at + size != end or size > _get(p, MAX_TEXT) or not copy_text(to, at, size):
                return -1
            text_size = size
            put_u8(letter, 115)  # s
            if rung >= 0 and not _promote(p, row, rung, at, size):
                return -1
        elif tag == 0x10 or tag == 0x18:
            value, at = _varint(at, end)
            if at == 0 or at != end:
                return -1
            if tag == 0x18:
                text_size = put_decimal(to, value)
                put_u8(letter, 105)  # i
                if rung >= 0:
                    if value < 0 or value > _MAX_PROMOTED_INT:
                        return -1
                    cell = _get(p, RUNG_AT) + 4 * (rung * _get(p, ROW_ROOM) + row)
                    if u32(cell) == 0:
                        put_u32(cell, -(value + 1))
            else:
                if rung >= 0 or value < 0 or value > 1:
                    return -1
                put_u8(letter, 98)  # b
                word = "true" if value else "false"
                text_size = len(word)
                for place in range(text_size):
                    put_u8(to + place, ord(word[place]))
        elif rung >= 0:
            return -1
        elif tag == 0x21:
            if at + 8 != end:
                return -1
            _defer(p, store, at, 8, 100)  # d
        elif tag == 0x2A or tag == 0x32 or tag == 0x3A:
            size, at = _length(at, end)
            if at == 0 or at + size != end or size > _get(p, MAX_TEXT):
                return -1
            _defer(p, store, whole_at, end - whole_at, 0)
        else:
            return -1
    _put(store, COUNT, count + 1)
    _put(store, TEXT_SIZE, size_before + text_size)
    put_u32(_get(store, TEXT_ENDS) + 4 * (count + 1), size_before + text_size)
    return 0


@kernel
def _attribute(p: int, store: int, place: int, at: int, end: int, row: int, exceptions: int) -> int:
    """A KeyValue into the store. Negative if the request is to be left alone.

    Of a span's attributes (row >= 0) those that are columns are noted. With `exceptions` the result is the code of the
    value plus one if the key is `exception.type` and its value a text.
    """
    key_at, key_size, value_at, value_end = 0, 0, 0, 0
    while at < end:
        tag = u8(at)
        size, at = _length(at + 1, end)
        if at == 0:
            return -1
        if tag == 0x0A and key_at == 0:
            key_at, key_size = at, size
        elif tag == 0x12 and value_at == 0:
            value_at, value_end = at, at + size
        else:
            return -1
        at += size
    if key_size > _get(p, MAX_TEXT):
        return -1
    code = 0
    if key_size:
        code = _key(p, store, place, key_at, key_size)
        if code < 0:
            return -1
    put_u32(_get(store, KEYS) + 4 * _get(store, COUNT), code)
    rung = code - 1 if row >= 0 and 0 < code <= _get(p, RUNGS) else -1
    if _value(p, store, value_at, value_end, rung, row) < 0:
        return -1
    if exceptions and code == _get(p, EXCEPTION_TYPE) and value_end > value_at:
        if u8(value_at) != 0x0A:
            return -1
        size, at = _length(value_at + 1, value_end)
        if size:
            return _intern(p, at, size, IS_TEXT) + 1
    return 0


@kernel
def _event(p: int, at: int, end: int) -> int:
    """An event. Its `exception.type` as a code plus one, 0 if it has none; negative to leave the request alone."""
    store = _get(p, EVENT_STORE)
    time, name, dropped, type_, place = 0, 0, 0, 0, 0
    while at < end:
        tag = u8(at)
        at += 1
        if tag == 0x09:
            if end - at < 8:
                return -1
            time, at = i64(at), at + 8
        elif tag == 0x12 or tag == 0x1A:
            size, at = _length(at, end)
            if at == 0 or (tag == 0x12 and size > _get(p, MAX_TEXT)):
                return -1
            if tag == 0x12:
                name = _intern(p, at, size, IS_TEXT)
                if name < 0:
                    return -1
            else:
                found = _attribute(p, store, place, at, at + size, -1, 1)
                if found < 0:
                    return -1
                type_ = type_ if type_ else found
                place += 1
            at += size
        elif tag == 0x20:
            dropped, at = _varint(at, end)
            if at == 0 or dropped < 0 or dropped >= 2**32:
                return -1
        else:
            return -1
    if time < 0:
        return -1
    number = _get(p, EVENTS)
    put_i64(_get(p, EVENT_TIME) + 8 * number, time)
    put_u32(_get(p, EVENT_NAME) + 4 * number, name)
    put_u32(_get(p, EVENT_DROPPED) + 4 * number, dropped)
    put_u32(_get(p, EVENT_ATTRIBUTES_END) + 4 * (number + 1), _get(store, COUNT))
    _put(p, EVENTS, number + 1)
    return type_ if name == _get(p, EXCEPTION) else 0


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
    store = _get(p, LINK_STORE)
    trace_at, trace_size, span_at, span_size, state, dropped, flags, place = 0, 0, 0, 0, 0, 0, 0, 0
    while at < end:
        tag = u8(at)
        at += 1
        if tag == 0x35:
            if end - at < 4:
                return -1
            flags, at = u32(at), at + 4
        elif tag == 0x28:
            dropped, at = _varint(at, end)
            if at == 0 or dropped < 0 or dropped >= 2**32:
                return -1
        elif tag == 0x0A or tag == 0x12 or tag == 0x1A or tag == 0x22:
            size, at = _length(at, end)
            if at == 0:
                return -1
            if tag == 0x0A:
                trace_at, trace_size = at, size
            elif tag == 0x12:
                span_at, span_size = at, size
            elif tag == 0x1A:
                state = _intern(p, at, size, IS_TEXT)
                if state < 0 or size > _get(p, MAX_TEXT):
                    return -1
            else:
                if _attribute(p, store, place, at, at + size, -1, 0) < 0:
                    return -1
                place += 1
            at += size
        else:
            return -1
    if not _is_id(trace_at, trace_size, 16) or not _is_id(span_at, span_size, 8):
        return -1
    number = _get(p, LINKS)
    _put_id(_get(p, LINK_TRACE_ID) + 16 * number, trace_at, 16)
    _put_id(_get(p, LINK_SPAN_ID) + 8 * number, span_at, 8)
    put_u32(_get(p, LINK_STATE) + 4 * number, state)
    put_u32(_get(p, LINK_DROPPED) + 4 * number, dropped)
    put_u32(_get(p, LINK_FLAGS) + 4 * number, flags)
    put_u32(_get(p, LINK_ATTRIBUTES_END) + 4 * (number + 1), _get(store, COUNT))
    _put(p, LINKS, number + 1)
    return 0


@kernel
def _status(p: int, row: int, at: int, end: int) -> int:
    """A Status. Negative if the request is to be left alone."""
    while at < end:
        tag = u8(at)
        at += 1
        if tag == 0x12:
            size, at = _length(at, end)
            if at == 0 or size > _get(p, MAX_TEXT):
                return -1
            code = _intern(p, at, size, IS_TEXT)
            if code < 0:
                return -1
            put_u32(_get(p, MESSAGE) + 4 * row, code)
            at += size
        elif tag == 0x18:
            code, at = _varint(at, end)
            if at == 0 or code < 0 or code > 2:
                return -1
            put_u8(_get(p, STATUS) + row, code)
        else:
            return -1
    return 0


@kernel
def _span(p: int, at: int, end: int, row: int) -> int:
    """A span as the row `row`. Negative if the request is to be left alone."""
    store = _get(p, SPAN_STORE)
    trace_at, trace_size, span_at, span_size, parent_at, parent_size = 0, 0, 0, 0, 0, 0
    state, name, kind, start, finish, flags = 0, 0, 0, 0, 0, 0
    dropped, dropped_events, dropped_links = 0, 0, 0
    attributes, exception, has_status = 0, 0, 0
    put_u32(_get(p, MESSAGE) + 4 * row, 0)
    put_u8(_get(p, STATUS) + row, 0)
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
            value, at = _varint(at, end)
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
            size, at = _length(at, end)
            if at == 0:
                return -1
            if tag == 0x4A:
                if _attribute(p, store, attributes, at, at + size, row, 0) < 0:
                    return -1
                attributes += 1
                if attributes > _get(p, MAX_ATTRIBUTES):
                    return -1
            elif tag == 0x0A:
                trace_at, trace_size = at, size
            elif tag == 0x12:
                span_at, span_size = at, size
            elif tag == 0x22:
                parent_at, parent_size = at, size
            elif tag == 0x1A or tag == 0x2A:
                if size > _get(p, MAX_TEXT):
                    return -1
                code = _intern(p, at, size, IS_TEXT)
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
    _put_id(_get(p, TRACE_ID) + 16 * row, trace_at, 16)
    _put_id(_get(p, SPAN_ID) + 8 * row, span_at, 8)
    parent = i64(parent_at) if parent_size else 0
    put_i64(_get(p, PARENT_ID) + 8 * row, parent)
    put_u8(_get(p, HAS_PARENT) + row, 1 if parent != 0 else 0)
    put_u32(_get(p, TRACE_STATE) + 4 * row, state)
    put_u32(_get(p, FLAGS) + 4 * row, flags)
    put_u32(_get(p, NAME) + 4 * row, name)
    put_u8(_get(p, KIND) + row, kind)
    put_i64(_get(p, START) + 8 * row, start)
    put_i64(_get(p, DURATION) + 8 * row, finish - start)
    put_u32(_get(p, DROPPED) + 4 * row, dropped)
    put_u32(_get(p, DROPPED_EVENTS) + 4 * row, dropped_events)
    put_u32(_get(p, DROPPED_LINKS) + 4 * row, dropped_links)
    put_u32(_get(p, ATTRIBUTES_END) + 4 * (row + 1), _get(store, COUNT))
    put_u32(_get(p, EVENTS_END) + 4 * (row + 1), _get(p, EVENTS))
    put_u32(_get(p, LINKS_END) + 4 * (row + 1), _get(p, LINKS))
    put_u32(_get(p, EXCEPTION_CODE) + 4 * row, exception)
    return 0


@kernel
def _owner(p: int, at: int, end: int, what: int) -> tuple[int, int]:
    """(code of the bytes of a resource or scope, code of its schema URL) of a ResourceSpans or ScopeSpans.

    They may follow what they describe. Negative if the request is to be left alone.
    """
    owner, url, seen = 0, 0, 0
    while at < end:
        tag = u8(at)
        size, at = _length(at + 1, end)
        if at == 0:
            return -1, -1
        if tag == 0x0A:
            seen += 1
            owner = _intern(p, at, size, what)
            if owner < 0 or seen > 1:
                return -1, -1
        elif tag == 0x1A:
            url = _intern(p, at, size, IS_TEXT)
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
    first = row = _get(p, ROWS)
    while at < end:
        tag = u8(at)
        size, at = _length(at + 1, end)
        if tag == 0x12:
            if _span(p, at, at + size, row) < 0:
                return -1
            row += 1
            _put(p, ROWS, row)
        at += size
    block = _get(p, BLOCKS)
    put_u32(_get(p, BLOCK_ROWS) + 4 * block, row - first)
    put_i64(_get(p, BLOCK_RESOURCE) + 8 * block, resource << 32 | resource_url)
    put_i64(_get(p, BLOCK_SCOPE) + 8 * block, scope << 32 | scope_url)
    _put(p, BLOCKS, block + 1)
    return 0


@kernel
def _resource_spans(p: int, at: int, end: int) -> int:
    resource, resource_url = _owner(p, at, end, IS_RESOURCE)
    if resource < 0:
        return -1
    while at < end:
        tag = u8(at)
        size, at = _length(at + 1, end)
        if tag == 0x12 and _scope_spans(p, at, at + size, resource, resource_url) < 0:
            return -1
        at += size
    return 0


@kernel
def _request(p: int, at: int, end: int) -> int:
    before = _get(p, ROWS)
    while at < end:
        tag = u8(at)
        size, at = _length(at + 1, end)
        if at == 0 or tag != 0x0A or _resource_spans(p, at, at + size) < 0:
            return -1
        at += size
    return 0 if _get(p, ROWS) - before <= _get(p, MAX_SPANS) else -1


@kernel
def count_spans(at: int, end: int, level: int) -> tuple[int, int]:
    """(spans, scopes) that `decode_request` may find in these bytes, at most; `level` is 0 for a request."""
    spans, scopes = 0, 0
    while at < end:
        tag = u8(at)
        size, at = _length(at + 1, end)
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
        put_i64(to + 8 * at, _get(p, ROWS + at))
    put_i64(to + 80, _get(p, BLOCKS))
    for at in range(3):
        store = _get(p, SPAN_STORE + at)
        put_i64(to + 8 * (4 + 2 * at), _get(store, COUNT))
        put_i64(to + 8 * (5 + 2 * at), _get(store, TEXT_SIZE))


@kernel
def take_back(p: int, mark: int) -> None:
    """Drop what was appended since `marks`; the table of texts keeps what it learned."""
    rows = i64(mark)
    for rung in range(_get(p, RUNGS)):
        for row in range(rows, _get(p, ROWS) + 1):
            put_u32(_get(p, RUNG_AT) + 4 * (rung * _get(p, ROW_ROOM) + row), 0)
    for at in range(4):
        _put(p, ROWS + at, i64(mark + 8 * at))
    _put(p, BLOCKS, i64(mark + 80))
    for at in range(3):
        store = _get(p, SPAN_STORE + at)
        _put(store, COUNT, i64(mark + 8 * (4 + 2 * at)))
        _put(store, TEXT_SIZE, i64(mark + 8 * (5 + 2 * at)))


@kernel
def decode_request(p: int, at: int, end: int, mark: int) -> int:
    """Append the spans of the request in the bytes [at, end) to the columns: DONE; `mark` is where they began.

    LEFT_ALONE: it is not in the usual form; TABLE_FULL: `grow` and try again. Then nothing was appended.
    """
    marks(p, mark)
    if _request(p, at, end) == 0:
        return DONE
    take_back(p, mark)
    return TABLE_FULL if 2 * _get(p, STRINGS) > _get(p, SLOT_MASK) else LEFT_ALONE


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
