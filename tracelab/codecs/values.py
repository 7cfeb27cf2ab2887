"""Attribute values: what OTLP calls AnyValue, as (type letter, text), there and back.

The letters are explained in `tracelab.schema`. Between the wire forms and the text stands one plain Python value:
`str | bool | int | float | bytes | None`, a list of those for an array, and `KeyValues` for a kvlist.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from opentelemetry.proto.common.v1 import common_pb2

from tracelab.errors import RecordError

MAX_DEPTH = 100  # what protobuf's own parsers allow


class KeyValues(list[tuple[str, Any]]):
    """A kvlist: pairs in their order; a key may come twice."""


class Attributes(NamedTuple):
    """Attributes as the span table has them: (key, text) pairs, and a type letter for each."""

    pairs: tuple[tuple[str, str], ...]
    types: str


NO_ATTRIBUTES = Attributes((), "")


def attributes(items: Iterable[tuple[str, Any]]) -> Attributes:
    """Plain (key, value) pairs as text and letters."""
    pairs, letters = [], []
    for key, value in items:
        letter, text = to_text(value)
        pairs.append((key, text))
        letters.append(letter)
    return Attributes(tuple(pairs), "".join(letters))


def plain_items(pairs: Sequence[tuple[str, str]], types: str) -> list[tuple[str, Any]]:
    """The inverse of `attributes`."""
    return [(key, from_text(letter, text)) for (key, text), letter in zip(pairs, types, strict=True)]


def to_text(value: Any) -> tuple[str, str]:
    """(type letter, text) of a plain value."""
    if isinstance(value, str):
        return "s", value
    if isinstance(value, bool):
        return "b", "true" if value else "false"
    if isinstance(value, int):
        return "i", str(value)
    if isinstance(value, float):
        return "d", double_text(value)
    if isinstance(value, bytes):
        return "y", base64.b64encode(value).decode()
    if value is None:
        return "n", ""
    if _says_everything(value):
        return ("k" if isinstance(value, KeyValues) else "a"), _dump(_jsonable(value))
    return "j", _dump(to_otlp_json(value))


def from_text(letter: str, text: str) -> Any:
    """The plain value behind (type letter, text)."""
    match letter:
        case "s":
            return text
        case "b":
            return text == "true"
        case "i":
            return int(text)
        case "d":
            return float(text)
        case "y":
            return base64.b64decode(text)
        case "n":
            return None
        case "a" | "k":
            return json.loads(text, object_pairs_hook=KeyValues)
        case "j":
            return from_otlp_json(json.loads(text), "value")
    raise ValueError(f"unknown type letter {letter!r}")


def double_text(value: float) -> str:
    """Shortest text that reads back as the same double; NaN and Infinity as OTLP/JSON writes them."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _says_everything(value: Any) -> bool:
    """Whether plain JSON gives exactly this value back."""
    if isinstance(value, KeyValues):
        return len({key for key, _ in value}) == len(value) and all(_says_everything(item) for _, item in value)
    if isinstance(value, list):
        return all(_says_everything(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, bytes)


def _jsonable(value: Any) -> Any:
    if isinstance(value, KeyValues):
        return {key: _jsonable(item) for key, item in value}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return value


def to_otlp_json(value: Any) -> dict[str, Any]:
    """A plain value as the OTLP/JSON form of AnyValue."""
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else double_text(value)}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, KeyValues):
        return {"kvlistValue": {"values": [{"key": key, "value": to_otlp_json(item)} for key, item in value]}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [to_otlp_json(item) for item in value]}}
    return {}


def from_otlp_json(node: Any, where: str, depth: int = 0) -> Any:
    """The plain value of an OTLP/JSON AnyValue. Numbers may be texts and texts numbers, as the mapping allows."""
    if not isinstance(node, dict):
        raise RecordError(where, f"an AnyValue is an object such as {{'stringValue': …}}, not {_short(node)}")
    if depth > MAX_DEPTH:
        raise RecordError(where, f"values may be nested {MAX_DEPTH} deep at most")
    known = [key for key in node if key in _READERS and node[key] is not None]
    if not known:
        return None
    return _READERS[known[-1]](node[known[-1]], f"{where}.{known[-1]}", depth)


def _read_string(value: Any, where: str, _depth: int) -> str:
    if not isinstance(value, str):
        raise RecordError(where, f"expected a string, not {_short(value)}")
    return value


def _read_bool(value: Any, where: str, _depth: int) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise RecordError(where, f"expected true or false, not {_short(value)}")


def _read_int(value: Any, where: str, _depth: int) -> int:
    return read_int(value, where, -(2**63), 2**63)


def read_int(value: Any, where: str, low: int, high: int) -> int:
    """An integer in [low, high), as a number or as decimal text."""
    lossy = isinstance(value, bool) or (isinstance(value, float) and not value.is_integer())
    try:
        number = int("" if lossy else value)
    except (ValueError, TypeError, OverflowError):
        raise RecordError(where, f"expected an integer, not {_short(value)}") from None
    if not low <= number < high:
        raise RecordError(where, f"{number} is out of range, expected {low} to {high - 1}")
    return number


def _read_double(value: Any, where: str, _depth: int) -> float:
    try:
        return float("" if isinstance(value, bool) else value)
    except (ValueError, TypeError):
        raise RecordError(where, f"expected a number, not {_short(value)}") from None


def _read_bytes(value: Any, where: str, _depth: int) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise RecordError(where, f"expected base64, not {_short(value)}") from None


def _read_array(value: Any, where: str, depth: int) -> list[Any]:
    return [
        from_otlp_json(item, f"{where}.values[{at}]", depth + 1) for at, item in enumerate(read_values(value, where))
    ]


def _read_kvlist(value: Any, where: str, depth: int) -> KeyValues:
    return KeyValues(read_key_values(read_values(value, where), f"{where}.values", depth + 1))


def read_values(node: Any, where: str) -> list[Any]:
    """The `values` of an arrayValue or kvlistValue."""
    values = node.get("values") if isinstance(node, dict) else node
    if values is None:
        return []
    if not isinstance(values, list):
        raise RecordError(where, f"expected an object with a list 'values', not {_short(node)}")
    return values


def read_key_values(items: Any, where: str, depth: int = 0) -> list[tuple[str, Any]]:
    """OTLP/JSON `[{"key": …, "value": …}]` as plain pairs."""
    if not isinstance(items, list):
        raise RecordError(where, f"expected a list of key and value, not {_short(items)}")
    pairs = []
    for at, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("key", ""), str):
            raise RecordError(f"{where}[{at}]", "expected an object with a string 'key' and a 'value'")
        value = item.get("value")
        pairs.append(
            (item.get("key", ""), from_otlp_json({} if value is None else value, f"{where}[{at}].value", depth))
        )
    return pairs


_READERS = {
    "stringValue": _read_string,
    "boolValue": _read_bool,
    "intValue": _read_int,
    "doubleValue": _read_double,
    "arrayValue": _read_array,
    "kvlistValue": _read_kvlist,
    "bytesValue": _read_bytes,
}


def from_proto(value: common_pb2.AnyValue) -> Any:
    """The plain value of a protobuf AnyValue (its parser has limited the depth already)."""
    which = value.WhichOneof("value")
    if which is None or which.endswith("strindex"):  # string tables belong to the profiles signal
        return None
    if which == "array_value":
        return [from_proto(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return KeyValues((item.key, from_proto(item.value)) for item in value.kvlist_value.values)
    return getattr(value, which)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


short = _short
