"""Semantic conventions: which attribute means what, in which generation of the names.

The ladders themselves stand in the schema, one per column, newest name first; here is how a value becomes the
column's text. Sources: OpenTelemetry semantic conventions 1.20 (http.method, db.system), 1.26 and later
(http.request.method, db.system.name), and the OpenTracing names that older instrumentation still writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from tracelab.schema import COLUMNS

# https://grpc.io/docs/guides/status-codes/
GRPC_STATUS = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip

HOST_COLUMNS = ("host_id", "host_name", "container_id", "service_instance_id")
"""What tells one host's clock from another's, the strongest evidence first."""


def _rungs(source: str) -> dict[str, list[tuple[int, str]]]:
    """attribute key -> [(how old the name is, column)]; 0 is the newest."""
    rungs: dict[str, list[tuple[int, str]]] = {}
    for column in COLUMNS:
        if column.source == source:
            for age, key in enumerate(column.ladder):
                rungs.setdefault(key, []).append((age, column.name))
    return rungs


_RUNGS = {source: _rungs(source) for source in ("attributes", "resource")}


def _number(text: str, limit: int) -> int | None:
    try:
        number = int(float(text))
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < limit else None


def url_host(url: str) -> str | None:
    """The host of a URL, without user, password and port; None where there is none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def rpc_status_name(text: str) -> str:
    """`14` and `UNAVAILABLE` are one status: the name."""
    number = _number(text, len(GRPC_STATUS))
    return text if number is None else GRPC_STATUS[number]


def _as_column(column: str, text: str) -> str | int | None:
    if column == "http_status_code":
        return _number(text, 1000)
    if column == "server_port":
        return _number(text, 65536)
    if column == "rpc_status":
        return rpc_status_name(text)
    if column == "url_host":
        return url_host(text)
    return text


def promote(source: str, attributes: Iterable[tuple[str, str]]) -> dict[str, str | int]:
    """The columns that these attributes fill; the newest name wins, an empty value fills nothing.

    `source` is `attributes` or `resource`. The first of a key that comes twice counts.
    """
    rungs = _RUNGS[source]
    best: dict[str, int] = {}
    found: dict[str, str | int] = {}
    for key, text in attributes:
        for age, column in rungs.get(key, ()):
            if text == "" or best.get(column, 99) <= age:
                continue
            value = _as_column(column, text)
            if value is not None:
                best[column] = age
                found[column] = value
    return found


def exception_type(events: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str | None:
    """`exception.type` of the last event named `exception` that has one. An event is (name, attributes)."""
    for name, attributes in reversed(events):
        if name == "exception":
            for key, text in attributes:
                if key == "exception.type" and text:
                    return text
    return None
