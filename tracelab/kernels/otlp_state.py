"""The memory of the OTLP decoder: one block of int64, by address, with cursors and where the columns are.

Numbers here are places in that block, or in one of its three stores of attributes. Texts have codes: the same code for
the same bytes, from an open-addressed table whose hash has a seed of its own each time.
"""

from __future__ import annotations

import numpy as np

from tracelab.kernels.compile import kernel
from tracelab.kernels.memory import hash_bytes, i64, is_utf8, put_i64, put_u32, same_bytes, u8, u32

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

IS_TEXT, IS_RESOURCE, IS_SCOPE = 0, 1, 2  # what an entry of the table of texts is
FORGOTTEN = -1


@kernel
def get(p: int, field: int) -> int:
    return i64(p + 8 * field)


@kernel
def put(p: int, field: int, value: int) -> None:
    put_i64(p + 8 * field, value)


@kernel
def varint(at: int, end: int) -> tuple[int, int]:
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
def length(at: int, end: int) -> tuple[int, int]:
    """(size, where the content begins) of a length-delimited field; the beginning is 0 if it does not fit."""
    if at < end and u8(at) < 0x80:
        size, at = u8(at), at + 1
    else:
        size, at = varint(at, end)
    if at == 0 or size < 0 or size > end - at:
        return 0, 0
    return size, at


@kernel
def intern(p: int, at: int, size: int, what: int) -> int:
    """The code of these bytes, the same for the same; -1 if they are no text, -2 if the table is full."""
    if size == 0:
        return 0
    mask = get(p, SLOT_MASK)
    slots, strings = get(p, SLOTS), get(p, STRING_AT)
    slot = np.int64(hash_bytes(at, size, get(p, SEED)) & np.uint64(mask))
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
    code = get(p, STRINGS)
    if 2 * code > mask:
        return -2
    put(p, STRINGS, code + 1)
    put_i64(strings + 16 * code, at)
    put_i64(strings + 16 * code + 8, marked)
    put_u32(slots + 4 * slot, code)
    return code


@kernel
def grow(p: int, slots: int, mask: int) -> None:
    """Move all codes into another, larger, empty table of slots."""
    strings = get(p, STRING_AT)
    for code in range(1, get(p, STRINGS)):
        at, size = i64(strings + 16 * code), i64(strings + 16 * code + 8) // 4
        slot = np.int64(hash_bytes(at, size, get(p, SEED)) & np.uint64(mask))
        while u32(slots + 4 * slot) != 0:
            slot = (slot + 1) & mask
        put_u32(slots + 4 * slot, code)
    put(p, SLOTS, slots)
    put(p, SLOT_MASK, mask)
