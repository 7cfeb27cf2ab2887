"""JSON nodes that are what they should be, or a RecordError that says where they are not."""

from __future__ import annotations

from typing import Any

from tracelab.codecs.values import short
from tracelab.errors import RecordError


def as_object(node: Any, where: str) -> dict[str, Any]:
    """An object; null is an empty one."""
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise RecordError(where, f"expected an object, not {short(node)}")
    return node


def object_in(node: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    """An object under a key, empty if it is absent."""
    return as_object(node.get(key), f"{where}.{key}")


def list_in(node: dict[str, Any], key: str, where: str) -> list[Any]:
    """A list under a key, empty if it is absent."""
    value = node.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise RecordError(f"{where}.{key}", f"expected a list, not {short(value)}")
    return value


def text_in(node: dict[str, Any], key: str, where: str) -> str:
    """A string under a key, empty if it is absent."""
    value = node.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RecordError(f"{where}.{key}", f"expected a string, not {short(value)}")
    return value
