"""Times and durations, read from what people type and printed as they read them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from tracelab.errors import UsageError

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
          "d": 86400 * 10**9, "w": 7 * 86400 * 10**9}  # fmt: skip
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|m|h|d|w)")


def parse_duration_ns(text: str) -> int:
    """`15m`, `1h30m`, `250ms`: nanoseconds."""
    parts = _DURATION.findall(text.strip())
    if not parts or "".join(number + unit for number, unit in parts) != text.replace(" ", ""):
        raise UsageError(f"{text!r} is no duration; write for example 15m, 1h30m, 250ms")
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))


def parse_time_ns(text: str, now_ns: int | None = None) -> int:
    """An ISO time (local zone unless it says otherwise), `now`, a duration before now, or ns since the epoch."""
    now = time.time_ns() if now_ns is None else now_ns
    text = text.strip()
    if text == "now":
        return now
    if text.isdigit() and len(text) > 4:
        return int(text)
    if _DURATION.fullmatch(text) or (_DURATION.match(text) and not re.match(r"\d{4}-", text)):
        return now - parse_duration_ns(text.removesuffix(" ago"))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time; write 15m (ago), 2026-01-31T12:00, 2026-01-31T12:00Z or now") from None
    seconds = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (seconds.days * 86400 + seconds.seconds) * 10**9 + seconds.microseconds * 1000


def duration_text(ns: float | None) -> str:
    """Three significant digits and a unit: `12.3 ms`; a dash for what is not known."""
    if ns is None:
        return "–"
    for unit, size in (("s", 10**9), ("ms", 10**6), ("µs", 10**3)):
        if abs(ns) >= size:
            value = ns / size
            digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
            return f"{value:.{digits}f} {unit}"
    return f"{ns:.0f} ns"


def count_text(count: float) -> str:
    """A count with its thousands set apart; an adjusted one that is no whole number with a digit more."""
    return f"{count:,.0f}" if float(count).is_integer() else f"{count:,.1f}"


def rate_text(per_s: float | None) -> str:
    """`1.2 k/s`, `3.4/s`."""
    if per_s is None:
        return "–"
    if per_s >= 1000:
        return f"{per_s / 1000:.1f} k/s"
    return f"{per_s:.{0 if per_s >= 100 else 1 if per_s >= 1 else 2}f}/s"


def time_text(ns: int) -> str:
    """A moment in the reader's zone, to the millisecond."""
    moment = datetime.fromtimestamp(ns // 10**9).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S") + f".{ns % 10**9 // 10**6:03d}"


def percent_text(ratio: float) -> str:
    """A ratio as a percentage that never rounds a failure away: 100 % means all."""
    percent = 100 * ratio
    if ratio < 1 and percent > 99.99:
        return "99.99 %"
    return f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.2f} %" if percent > 99 else f"{percent:.1f} %"
