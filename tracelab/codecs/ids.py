"""Trace and span ids as real systems write them, and how each oddity is read.

Strict (the collector): hex of exactly 32 or 16 digits, not all zero. Lenient (files): what can be meant is read, and
counted: base64 that decodes to the right number of bytes, hex or base64 that is too short (padded with zeros on the
left), text of an id's length that is no hexadecimal number (replaced by its hash). Jaeger alone allows any text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from tracelab.codecs.values import short
from tracelab.diagnostics import Diagnostics
from tracelab.errors import RecordError

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
_HEX = re.compile(r"[0-9a-fA-F]+")


def _hex(text: str) -> bytes | None:
    """Bytes of a hexadecimal number, None if it is none; an odd digit count lost its leading zero."""
    return bytes.fromhex(text.zfill(len(text) + len(text) % 2)) if _HEX.fullmatch(text) else None


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _not_zero(raw: bytes, where: str) -> bytes:
    if not any(raw):
        raise RecordError(where, "an id must not be all zero")
    return raw


def strict_id(text: Any, size: int, where: str) -> bytes:
    """An id of exactly `size` bytes in hex, or a RecordError."""
    if isinstance(text, str) and len(text) == 2 * size and _HEX.fullmatch(text):
        return _not_zero(bytes.fromhex(text), where)
    raise RecordError(where, f"{short(text)} is no id, expected {2 * size} hex digits")


def lenient_id(text: Any, size: int, where: str, diagnostics: Diagnostics) -> bytes:
    """An id in any spelling that can only mean one thing; each leniency is counted."""
    if not isinstance(text, str):
        raise RecordError(where, f"{short(text)} is no id, expected {2 * size} hex digits")
    from_hex = _hex(text)
    if from_hex is not None and len(text) == 2 * size:
        return _not_zero(from_hex, where)
    from_base64 = _base64(text)
    if from_base64 is not None and len(from_base64) == size:
        diagnostics.add("base64_ids")
        return _not_zero(from_base64, where)
    for raw in (from_hex, from_base64):
        if raw and len(raw) <= size:
            diagnostics.add("short_ids")
            return _not_zero(raw.rjust(size, b"\0"), where)
    if text.isalnum() and 2 * size - 1 <= len(text) <= 2 * size:  # meant as hex, by its length
        diagnostics.add("made_up_ids")
        return made_up_id(text, size=size)
    raise RecordError(where, f"{short(text)} is no id, expected {2 * size} hex digits (or base64 of {size} bytes)")


def any_id(text: Any, size: int, where: str, diagnostics: Diagnostics) -> bytes:
    """An id as Jaeger and Zipkin write it: a hexadecimal number of any length up to `size` bytes, else any text."""
    if not isinstance(text, str) or text == "":
        raise RecordError(where, f"{short(text)} is no id, expected up to {2 * size} hex digits")
    raw = _hex(text)
    if raw is not None and len(raw) <= size:
        return _not_zero(raw.rjust(size, b"\0"), where)
    diagnostics.add("made_up_ids")
    return made_up_id(text, size=size)


def made_up_id(*parts: str, size: int = SPAN_ID_BYTES) -> bytes:
    """An id that is the same on every run: a hash of `parts`, never all zero."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=size).digest()
    return digest if any(digest) else b"\1".rjust(size, b"\0")


def parent_id(text: Any, read: Any, where: str) -> bytes | None:
    """A parent id that is absent, empty or all zero is none; else what `read(text, where)` makes of it."""
    if text is None or (isinstance(text, str) and text.strip("0") == ""):
        return None
    if isinstance(text, str) and (raw := _base64(text)) is not None and len(raw) == SPAN_ID_BYTES and not any(raw):
        return None
    result: bytes = read(text, where)
    return result
