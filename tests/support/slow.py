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


def own_ns(entry: Span, children: dict[str, list[Span]]) -> int:
    """Nanosecond by nanosecond: a request's time in its service, less that in which it waits for other services."""
    local, at = [entry], 0
    while at < len(local):
        local += [c for c in children[local[at]["span_id"]] if c["service_name"] == entry["service_name"]]
        at += 1
    waits: list[Span] = []
    for span in local:
        below = children[span["span_id"]]
        foreign = [c for c in below if c["service_name"] != entry["service_name"]]
        is_call = span["kind"] in ("CLIENT", "PRODUCER")
        alone = not is_call and span is not entry and bool(foreign) and len(foreign) == len(below)
        if alone or (is_call and (foreign or not below)):
            waits.append(span)
        else:
            waits += [c for c in foreign if not (c["kind"] == "CONSUMER" and span["kind"] == "PRODUCER")]
    covered = {
        ns for w in waits for ns in range(max(w["start_ns"], entry["start_ns"]), min(w["end_ns"], entry["end_ns"]))
    }
    return int(entry["end_ns"] - entry["start_ns"] - len(covered))


def orders(traces: list[list[Span]]) -> dict[tuple[Any, Any, Any], tuple[int, int]]:
    """(parent, first, then) operations -> (traces that support it, traces that refute it), by looking at every pair.

    Each trace is a list of spans without missing parents; operations are (service, name).
    """

    def operation(span: Span) -> tuple[Any, Any]:
        return span["service_name"], span["name"]

    found: dict[tuple[Any, Any, Any], tuple[int, int]] = {}
    for spans in traces:
        _, children = tree(spans)
        by_id = {span["span_id"]: span for span in spans}
        said: dict[tuple[Any, Any, Any], bool] = {}
        for parent_id, below in children.items():
            parent = by_id[parent_id]
            tolerance = min((parent["end_ns"] - parent["start_ns"]) // 100, 1_000_000)
            some = [c for c in below if c["start_ns"] < c["end_ns"]]
            times = {operation(c): sum(operation(o) == operation(c) for o in below) for c in some}
            for a in some:
                for b in some:
                    if a is b:
                        continue
                    lone = operation(a) != operation(b) and times[operation(a)] == times[operation(b)] == 1
                    ended = b["start_ns"] >= a["end_ns"] - tolerance
                    overlap = not ended and a["start_ns"] <= b["start_ns"]
                    key = (operation(parent), operation(a), operation(b))
                    earlier = (a["start_ns"], a["span_id"]) < (b["start_ns"], b["span_id"])
                    if earlier and ended:
                        said[key] = said.get(key, False)
                    elif overlap or (lone and not ended) or (lone and not earlier):
                        said[key] = True
                        if overlap and operation(a) != operation(b):
                            said[key[0], key[2], key[1]] = True
        for key, refuted in said.items():
            support, against = found.get(key, (0, 0))
            found[key] = (support + (not refuted), against + refuted)
    return found


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
