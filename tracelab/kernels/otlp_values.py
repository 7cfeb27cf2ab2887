"""Attributes of OTLP protobuf into a store: keys as codes, values as text with a letter for their type."""

from __future__ import annotations

from tracelab.kernels.compile import kernel
from tracelab.kernels.memory import copy_text, i64, put_decimal, put_i64, put_u8, put_u32, same_bytes, u8, u32
from tracelab.kernels.otlp_state import (
    COUNT,
    DEFERRED,
    DEFERRED_AT,
    EXCEPTION_TYPE,
    IS_TEXT,
    KEYS,
    LETTERS,
    MAX_TEXT,
    MEMO,
    PLACES,
    ROW_ROOM,
    RUNG_AT,
    RUNGS,
    STRING_AT,
    TEXT_ENDS,
    TEXT_SIZE,
    TEXTS,
    URLS_FROM,
    URLS_TO,
    get,
    intern,
    length,
    put,
    varint,
)

_MAX_PROMOTED_INT = 2**30


@kernel
def _key(p: int, store: int, place: int, at: int, size: int) -> int:
    """The code of an attribute's key, tried first: the key at the same place of the record before."""
    memo = get(store, MEMO) + 4 * (place % PLACES)
    code = u32(memo)
    string = get(p, STRING_AT) + 16 * code
    if i64(string + 8) == 4 * size and same_bytes(i64(string), at, size):
        return code
    code = intern(p, at, size, IS_TEXT)
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
    cell = get(p, RUNG_AT) + 4 * (rung * get(p, ROW_ROOM) + row)
    if size == 0 or u32(cell) != 0:
        return True
    if get(p, URLS_FROM) <= rung < get(p, URLS_TO):
        size = _authority(at, size)
    code = intern(p, at, size, IS_TEXT)
    if code < 0:
        return False
    put_u32(cell, code + 1)
    return True


@kernel
def _defer(p: int, store: int, at: int, size: int, letter: int) -> None:
    """A value that is made a text outside; an empty one keeps its place."""
    count = get(p, DEFERRED)
    entry = get(p, DEFERRED_AT) + 32 * count
    put_i64(entry, store)
    put_i64(entry + 8, get(store, COUNT))
    put_i64(entry + 16, at)
    put_i64(entry + 24, size)
    put_u8(get(store, LETTERS) + get(store, COUNT), letter)
    put(p, DEFERRED, count + 1)


@kernel
def _value(p: int, store: int, at: int, end: int, rung: int, row: int) -> int:
    """An AnyValue into the store, and into its rung if it has one (else rung is -1): its code there plus one, or 0.

    Negative if the request is to be left alone.
    """
    count, size_before = get(store, COUNT), get(store, TEXT_SIZE)
    to = get(store, TEXTS) + size_before
    letter = get(store, LETTERS) + count
    text_size = 0
    if at == end:
        put_u8(letter, 110)  # n
    else:
        whole_at, tag = at, u8(at)
        at += 1
        if tag == 0x0A:
            size, at = length(at, end)
            if at == 0 or at + size != end or size > get(p, MAX_TEXT) or not copy_text(to, at, size):
                return -1
            text_size = size
            put_u8(letter, 115)  # s
            if rung >= 0 and not _promote(p, row, rung, at, size):
                return -1
        elif tag == 0x10 or tag == 0x18:
            value, at = varint(at, end)
            if at == 0 or at != end:
                return -1
            if tag == 0x18:
                text_size = put_decimal(to, value)
                put_u8(letter, 105)  # i
                if rung >= 0:
                    if value < 0 or value > _MAX_PROMOTED_INT:
                        return -1
                    cell = get(p, RUNG_AT) + 4 * (rung * get(p, ROW_ROOM) + row)
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
            size, at = length(at, end)
            if at == 0 or at + size != end or size > get(p, MAX_TEXT):
                return -1
            _defer(p, store, whole_at, end - whole_at, 0)
        else:
            return -1
    put(store, COUNT, count + 1)
    put(store, TEXT_SIZE, size_before + text_size)
    put_u32(get(store, TEXT_ENDS) + 4 * (count + 1), size_before + text_size)
    return 0


@kernel
def attribute(p: int, store: int, place: int, at: int, end: int, row: int, exceptions: int) -> int:
    """A KeyValue into the store. Negative if the request is to be left alone.

    Of a span's attributes (row >= 0) those that are columns are noted. With `exceptions` the result is the code of the
    value plus one if the key is `exception.type` and its value a text.
    """
    key_at, key_size, value_at, value_end = 0, 0, 0, 0
    while at < end:
        tag = u8(at)
        size, at = length(at + 1, end)
        if at == 0:
            return -1
        if tag == 0x0A and key_at == 0:
            key_at, key_size = at, size
        elif tag == 0x12 and value_at == 0:
            value_at, value_end = at, at + size
        else:
            return -1
        at += size
    if key_size > get(p, MAX_TEXT):
        return -1
    code = 0
    if key_size:
        code = _key(p, store, place, key_at, key_size)
        if code < 0:
            return -1
    put_u32(get(store, KEYS) + 4 * get(store, COUNT), code)
    rung = code - 1 if row >= 0 and 0 < code <= get(p, RUNGS) else -1
    if _value(p, store, value_at, value_end, rung, row) < 0:
        return -1
    if exceptions and code == get(p, EXCEPTION_TYPE) and value_end > value_at:
        if u8(value_at) != 0x0A:
            return -1
        size, at = length(value_at + 1, value_end)
        if size:
            return intern(p, at, size, IS_TEXT) + 1
    return 0
