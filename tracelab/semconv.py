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


NUMBERS = {"http_status_code": 1000, "server_port": 65536}
"""Columns that are numbers, and the number that is too large."""


def _rungs(source: str) -> dict[str, tuple[str, int]]:
    """attribute key -> (column, how old the name is); 0 is the newest. A key belongs to one column."""
    return {key: (column.name, age) for column in COLUMNS if column.source == source
            for age, key in enumerate(column.ladder)}  # fmt: skip


RUNGS = {source: _rungs(source) for source in ("attributes", "resource")}


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


def as_column(column: str, text: str) -> str | int | None:
    """What a column holds of an attribute's text; None if that says nothing."""
    if column in NUMBERS:
        return _number(text, NUMBERS[column])
    if column == "rpc_status":
        return rpc_status_name(text)
    if column == "url_host":
        return url_host(text)
    return text


def promote(source: str, attributes: Iterable[tuple[str, str]]) -> dict[str, str | int]:
    """The columns that these attributes fill; the newest name wins, an empty value fills nothing.

    `source` is `attributes` or `resource`. Of a key that comes twice the first that is not empty counts.
    """
    rungs = RUNGS[source]
    best: dict[str, int] = {}
    found: dict[str, str | int] = {}
    seen: set[str] = set()
    for key, text in attributes:
        if key not in rungs or text == "" or key in seen:
            continue
        seen.add(key)
        column, age = rungs[key]
        if best.get(column, 99) > age and (value := as_column(column, text)) is not None:
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
