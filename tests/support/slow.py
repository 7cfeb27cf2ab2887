"""Slow, obvious twins of the kernels: straight from the definitions, on dictionaries, by recursion."""

from __future__ import annotations

from typing import Any

Span = dict[str, Any]
HOST_KEYS = ("host.id", "host.name", "container.id", "service.instance.id")


def tree(spans: list[Span]) -> tuple[list[Span], dict[str, list[Span]]]:
    """(roots, children by span id) of spans that are one trace, without duplicates, rings or missing parents."""
    children: dict[str, list[Span]] = {span["span_id"]: [] for span in spans}
    roots = []
    for span in spans:
        (children[span["parent_span_id"]] if span["parent_span_id"] else roots).append(span)
    return sorted(roots, key=lambda span: (span["start_ns"], span["span_id"])), children


def other_host(a: Span, b: Span) -> bool:
    for key in HOST_KEYS:
        if key in a.get("resource", {}) and key in b.get("resource", {}):
            return bool(a["resource"][key] != b["resource"][key])
    return False


def critical_path(root: Span, children: dict[str, list[Span]]) -> list[tuple[str, int, int]]:
    """The sections of a root's path in time order."""
    return _walk(root, root["start_ns"], root["end_ns"], children)


def _walk(span: Span, from_ns: int, to_ns: int, children: dict[str, list[Span]]) -> list[tuple[str, int, int]]:
    tolerance = min((to_ns - from_ns) // 100, 1_000_000)
    blocking = []
    for child in children[span["span_id"]]:
        start, end = max(child["start_ns"], from_ns), min(child["end_ns"], to_ns)
        in_process = (
            child["service_name"] == span["service_name"]
            and child["kind"] not in ("SERVER", "CONSUMER")
            and not other_host(child, span)
        )
        if start >= end or (child["kind"] == "CONSUMER" and span["kind"] == "PRODUCER"):
            continue
        if in_process and child["end_ns"] > span["end_ns"] + tolerance:
            continue
        blocking.append((start, end, child))
    sections: list[tuple[str, int, int]] = []
    cursor = to_ns
    while True:
        candidates = [
            (min(end, cursor), start, child)
            for start, end, child in blocking
            if start < cursor and end <= cursor + tolerance
        ]
        if not candidates:
            break
        end, start, child = min(candidates, key=lambda found: (-found[0], found[1], found[2]["span_id"]))
        sections = [*_walk(child, start, end, children), (span["span_id"], end, cursor), *sections]
        cursor = start
    sections = [(span["span_id"], from_ns, cursor), *sections]
    return [section for section in sections if section[1] < section[2]]


def self_ns(span: Span, children: dict[str, list[Span]]) -> int:
    """Nanosecond by nanosecond: those that no child covers."""
    covered = {
        ns
        for child in children[span["span_id"]]
        for ns in range(max(child["start_ns"], span["start_ns"]), min(child["end_ns"], span["end_ns"]))
    }
    return int(span["end_ns"] - span["start_ns"] - len(covered))


def plain_calls(spans: list[Span]) -> list[tuple[str, str, str | None, str | None]]:
    """(client service, server service, client span, server span) of calls between services and of entries.

    Only what the definition says of SERVER, CLIENT and INTERNAL spans in one whole trace: no messages, no peers.
    """
    by_id = {span["span_id"]: span for span in spans}
    calls = []
    for span in spans:
        parent = by_id.get(span["parent_span_id"] or "")
        entered = parent is not None and parent["service_name"] != span["service_name"]
        if span["kind"] != "SERVER" and not entered:
            continue
        if parent is None:
            calls.append(("user:user", span["service_name"], None, span["span_id"]))
            continue
        at = parent
        while at["kind"] == "INTERNAL":
            above = by_id.get(at["parent_span_id"] or "")
            if above is None or above["service_name"] != at["service_name"]:
                break
            at = above
        if not entered and at["kind"] != "CLIENT":
            continue  # nested
        client = at["span_id"] if at["kind"] == "CLIENT" else None
        calls.append(
            (
                parent["service_name"],
                span["service_name"],
                client,
                None if span["kind"] == "CLIENT" else span["span_id"],
            )
        )
    return sorted(calls, key=str)
