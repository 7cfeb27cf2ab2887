"""Memory by address, for kernels that walk bytes: an array argument costs seven registers a call, an address one.

Nothing here checks a bound. Who calls has checked it, and keeps `SLACK` readable and writable bytes behind every
buffer, since texts are read and copied eight bytes at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from tracelab.kernels.compile import kernel

SLACK = 64
_ASCII = np.uint64(0x8080808080808080)
_PRIME = np.uint64(0x9E3779B97F4A7C15)


def _load(bits: int, result: Any) -> Any:
    def load(_context: Any, address: Any) -> Any:
        def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            value = builder.load(builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer()), align=1)
            return value if bits == 64 else builder.zext(value, ir.IntType(64))

        return result(types.int64), generate

    return intrinsic(load)


def _store(bits: int) -> Any:
    def store(_context: Any, address: Any, value: Any) -> Any:
        def generate(_target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            slim = arguments[1] if bits == 64 else builder.trunc(arguments[1], ir.IntType(bits))
            builder.store(slim, builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer()), align=1)
            return ir.Constant(ir.IntType(64), 0)

        return types.int64(types.int64, types.int64), generate

    return intrinsic(store)


u8 = _load(8, types.int64)
u32 = _load(32, types.int64)
i64 = _load(64, types.int64)
u64 = _load(64, types.uint64)
put_u8 = _store(8)
put_u32 = _store(32)
put_i64 = _store(64)


@kernel
def _word(at: int, left: int) -> np.uint64:
    """The next eight bytes of a text, those behind its end as zeros."""
    word = u64(at)
    if left < 8:
        word &= (np.uint64(1) << np.uint64(8 * left)) - np.uint64(1)
    return word


@kernel
def same_bytes(one: int, other: int, size: int) -> bool:
    """Whether two runs of bytes are equal."""
    at = 0
    while at < size:
        if _word(one + at, size - at) != _word(other + at, size - at):
            return False
        at += 8
    return True


@kernel
def hash_bytes(at: int, size: int, seed: int) -> np.uint64:
    """A hash for tables in memory; the seed keeps senders from knowing what collides."""
    h = np.uint64(seed) ^ (np.uint64(size) * _PRIME)
    end = at + size
    while at < end:
        h = (h ^ _word(at, end - at)) * _PRIME
        h ^= h >> np.uint64(29)
        at += 8
    return h ^ (h >> np.uint64(32))


@kernel
def is_ascii(at: int, size: int) -> bool:
    """Whether no byte has its highest bit set."""
    end = at + size
    high = np.uint64(0)
    while at < end:
        high |= _word(at, end - at)
        at += 8
    return (high & _ASCII) == 0


@kernel
def is_utf8(at: int, size: int) -> bool:
    """Whether the bytes are UTF-8: no overlong form, no surrogate, nothing above U+10FFFF (Unicode 3.9, table 3-7)."""
    if is_ascii(at, size):
        return True
    end = at + size
    while at < end:
        first = u8(at)
        if first < 0x80:
            at += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= first <= 0xDF:
            more = 1
        elif 0xE0 <= first <= 0xEF:
            more = 2
            if first == 0xE0:
                low = 0xA0
            elif first == 0xED:
                high = 0x9F
        elif 0xF0 <= first <= 0xF4:
            more = 3
            if first == 0xF0:
                low = 0x90
            elif first == 0xF4:
                high = 0x8F
        else:
            return False
        if at + more >= end:
            return False
        second = u8(at + 1)
        if second < low or second > high:
            return False
        for following in range(2, more + 1):
            if u8(at + following) & 0xC0 != 0x80:
                return False
        at += more + 1
    return True


@kernel
def copy_text(to: int, at: int, size: int) -> bool:
    """Copy a text; whether it is UTF-8. Up to seven bytes behind its end are overwritten."""
    high = np.uint64(0)
    done = 0
    while done < size:
        high |= _word(at + done, size - done)
        put_i64(to + done, i64(at + done))
        done += 8
    return (high & _ASCII) == 0 or is_utf8(at, size)


@kernel
def put_decimal(to: int, value: int) -> int:
    """Write a whole number as decimal text; how many bytes it took."""
    rest = np.uint64(value)
    size = 0
    if value < 0:
        put_u8(to, 45)
        size = 1
        rest = np.uint64(0) - rest
    digits = 1
    probe = rest
    while probe >= np.uint64(10):
        probe //= np.uint64(10)
        digits += 1
    for place in range(digits):
        put_u8(to + size + digits - 1 - place, 48 + np.int64(rest % np.uint64(10)))
        rest //= np.uint64(10)
    return size + digits
