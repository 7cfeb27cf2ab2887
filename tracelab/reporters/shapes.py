"""Results as plain JSON values: the shapes that scripts may rely on (docs/reference/json.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tracelab.analysis.calls import Node
from tracelab.analysis.completion import CompletionPaths
from tracelab.analysis.critical_path import CriticalPaths
from tracelab.analysis.order import LearnedOrders, Order
from tracelab.analysis.service_graph import Edge, Latency, ServiceGraph
from tracelab.analysis.skew import clock_skews
from tracelab.analysis.summaries import TraceSummary
from tracelab.codecs.values import NO_ATTRIBUTES, Attributes, plain_items, to_otlp_json
from tracelab.diagnostics import DIAGNOSTICS, Diagnostics
from tracelab.reporters.plain import plain
from tracelab.schema import KINDS, STATUS_CODES
from tracelab.traceset import TraceSet
from tracelab.window import Window


def window_shape(window: Window) -> dict[str, Any]:
    return {"since_ns": window.since_ns, "until_ns": window.until_ns}


def diagnostics_shape(diagnostics: Diagnostics) -> dict[str, int]:
    return dict(diagnostics)


def diagnostics_explained(diagnostics: Diagnostics) -> list[dict[str, Any]]:
    """What was odd, how often, what it means and what to do."""
    return [{"count": count, **vars(DIAGNOSTICS[name])} for name, count in diagnostics.items()]


def critical_path_shape(paths: CriticalPaths, root_ats: Iterable[int]) -> dict[str, Any]:
    """`{"traces": [...]}`, an entry per root, sections in time order."""
    return {
        "traces": [_path_shape(paths, at) for at in root_ats],
        "clock_skew": plain(clock_skews(paths.traces)),
        "diagnostics": diagnostics_shape(paths.traces.diagnostics),
    }


def learned_path_shape(
    learned: CriticalPaths, plain: CriticalPaths, orders: LearnedOrders, root_ats: Iterable[int]
) -> dict[str, Any]:
    """As `critical_path_shape`, by learned order: `plain_sections` stand beside where the plain path differs."""
    entries = []
    for at in root_ats:
        entry, before = _path_shape(learned, at), _path_shape(plain, at)
        differs = entry["sections"] != before["sections"]
        entries.append({**entry, "differs": differs, "plain_sections": before["sections"] if differs else None})
    return {
        "traces": entries,
        "orders": [_order_shape(order) for order in orders.orders],
        "diagnostics": diagnostics_shape(learned.traces.diagnostics),
    }


def _order_shape(order: Order) -> dict[str, Any]:
    ends = {"parent": order.parent, "first": order.first, "then": order.then}
    return {
        **{role: {"service_name": service, "name": name} for role, (service, name) in ends.items()},
        "support": order.support,
        "refuted_by": order.refuted_by,
        "confidence": order.confidence,
        "examples": list(order.examples),
    }


def _path_shape(paths: CriticalPaths, at: int) -> dict[str, Any]:
    traces, root = paths.traces, paths.roots[at]
    sections = slice(paths.section_offsets[at], paths.section_offsets[at + 1])
    return {
        "trace_id": traces.trace_id(int(traces.trace[root])),
        "root_span_id": traces.span_id_hex(root),
        "duration_ns": int(traces.end_ns[root] - traces.start_ns[root]),
        "incomplete": bool(paths.incomplete[at]),
        "sections": [
            {
                "span_id": traces.span_id_hex(row),
                "service_name": traces.service_name(row),
                "name": traces.span_name(row),
                "start_ns": start,
                "end_ns": end,
            }
            for row, start, end in zip(
                paths.section_row[sections].tolist(),
                paths.section_start_ns[sections].tolist(),
                paths.section_end_ns[sections].tolist(),
                strict=True,
            )
        ],
    }


def completion_shape(answer: CompletionPaths) -> dict[str, Any]:
    """`{"traces": [...], "destinations": [...], "diagnostics"}`."""
    traces = answer.traces
    return {
        "traces": [
            {
                "trace_id": traces.trace_id(int(traces.trace[path.root_row])),
                "root_span_id": traces.span_id_hex(path.root_row),
                "response_ns": path.response_ns,
                "completion_ns": path.completion_ns,
                "incomplete": path.incomplete,
                "sections": [
                    {
                        "kind": section.kind,
                        "trace_id": traces.trace_id(int(traces.trace[section.span_row])),
                        "span_id": traces.span_id_hex(section.span_row),
                        "service_name": traces.service_name(section.span_row),
                        "name": traces.span_name(section.span_row),
                        "start_ns": section.start_ns,
                        "end_ns": section.end_ns,
                    }
                    for section in path.sections
                ],
            }
            for path in answer.paths
        ],
        "destinations": [
            {
                "destination": queue.destination, "consumer": queue.consumer, "messages": queue.messages,
                **_latency_shape("queue_delay", queue.delay),
            }
            for queue in answer.destinations
        ],
        "diagnostics": diagnostics_shape(answer.diagnostics),
    }  # fmt: skip


def topology_shape(graph: ServiceGraph) -> dict[str, Any]:
    """`{"window", "nodes", "edges", "diagnostics"}`."""
    return {
        "window": window_shape(graph.window),
        "nodes": [_node_shape(node) for node in graph.nodes],
        "edges": [edge_shape(edge) for edge in graph.edges],
        "diagnostics": diagnostics_shape(graph.diagnostics),
    }


def _node_shape(node: Node) -> dict[str, Any]:
    return {"id": node.id, "name": node.name, "kind": node.kind, "virtual": node.virtual}


def _latency_shape(side: str, latency: Latency) -> dict[str, int | None]:
    return {f"{side}_{name}": value for name, value in vars(latency).items()}


def edge_shape(edge: Edge) -> dict[str, Any]:
    """An edge, its latencies flat."""
    return {
        "client": edge.client,
        "server": edge.server,
        "connection_type": edge.connection_type,
        "calls": edge.calls,
        "failed": edge.failed,
        "failed_client": edge.failed_client,
        "failed_server": edge.failed_server,
        "success_rate": edge.success_rate,
        "calls_per_s": edge.calls_per_s,
        **_latency_shape("client", edge.client_latency),
        **_latency_shape("server", edge.server_latency),
        "error_types": edge.error_types,
        "self_call": edge.self_call,
        **_latency_shape("queue_delay", edge.queue_delay),
        "protocols": list(edge.protocols),
        "client_versions": list(edge.client_versions),
        "server_versions": list(edge.server_versions),
        "critical_path_calls": edge.path_calls,
        "critical_path_ns": edge.path_ns,
        "slowest_traces": list(edge.slowest_traces),
        "failed_traces": list(edge.failed_traces),
    }


def traces_shape(summaries: Sequence[TraceSummary], total: int, diagnostics: Diagnostics) -> dict[str, Any]:
    """`{"traces": [...], "total"}`: `total` counts the matches, also those beyond the limit."""
    return {
        "traces": [vars(summary) for summary in summaries],
        "total": total,
        "diagnostics": diagnostics_shape(diagnostics),
    }


def trace_shape(paths: CriticalPaths) -> dict[str, Any]:
    """One whole trace: spans in tree order, and its critical paths. `paths.traces` holds that trace alone."""
    traces = paths.traces
    rows, depths = traces.pre_order
    on_path = paths.on_path_ns()
    details = span_details(traces, rows.tolist())
    return {
        "trace_id": traces.trace_id(0),
        "spans": [
            {**detail, "depth": depth, "on_path_ns": int(on_path[row])}
            for detail, depth, row in zip(details, depths.tolist(), rows.tolist(), strict=True)
        ],
        "critical_path": critical_path_shape(paths, range(paths.roots.size))["traces"],
        "clock_skew": plain(clock_skews(traces)),
        "diagnostics": diagnostics_shape(traces.diagnostics),
    }


_DETAILS = (
    "start_ns", "duration_ns", "status_message", "trace_state", "service_version", "scope_name", "attributes",
    "attribute_types", "resource", "resource_types", "events", "links",
)  # fmt: skip


def span_details(traces: TraceSet, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Everything a person asks of these spans. Times are as reported; `shift_ns` is what skew correction added."""
    import numpy as np

    row_array = np.array(rows, np.int64)
    columns = {name: traces.values(name, row_array) for name in _DETAILS}
    return [
        _span_shape(traces, row, {name: values[at] for name, values in columns.items()}) for at, row in enumerate(rows)
    ]


def _span_shape(traces: TraceSet, row: int, values: dict[str, Any]) -> dict[str, Any]:
    placeholder = bool(traces.is_placeholder[row])
    parent = int(traces.parent_row[row])
    start = int(traces.start_ns[row]) if placeholder else values["start_ns"]
    duration = int(traces.end_ns[row] - traces.start_ns[row]) if placeholder else values["duration_ns"]
    return {
        "span_id": traces.span_id_hex(row),
        "parent_span_id": traces.span_id_hex(parent) if parent >= 0 else None,
        "placeholder": placeholder,
        "service_name": traces.service_name(row),
        "name": traces.span_name(row),
        "kind": KINDS[traces.kind[row]],
        "start_ns": start,
        "end_ns": start + duration,
        "duration_ns": duration,
        "shift_ns": int(traces.shift_ns[row]),
        "status_code": STATUS_CODES[traces.status_code[row]],
        "status_message": values["status_message"],
        "trace_state": values["trace_state"],
        "service_version": values["service_version"],
        "scope_name": values["scope_name"],
        "attributes": _plain(Attributes(values["attributes"] or (), values["attribute_types"] or "")),
        "resource": _plain(Attributes(values["resource"] or (), values["resource_types"] or "")),
        "events": [
            {
                "time_ns": event["time_ns"],
                "name": event["name"],
                "attributes": _plain(Attributes(event["attributes"], event["attribute_types"])),
            }
            for event in values["events"] or ()
        ],
        "links": [
            {
                "trace_id": link["trace_id"].hex(),
                "span_id": link["span_id"].hex(),
                "attributes": _plain(Attributes(link["attributes"], link["attribute_types"])),
            }
            for link in values["links"] or ()
        ],
    }


def _plain(attributes: Attributes = NO_ATTRIBUTES) -> dict[str, Any]:
    """Attributes as JSON values; what JSON has no word for (bytes, NaN) in the OTLP/JSON form."""
    shaped = {}
    for (key, text), letter, (_, value) in zip(
        attributes.pairs, attributes.types, plain_items(attributes.pairs, attributes.types), strict=True
    ):
        if letter in "sbi":
            shaped[key] = value
        elif letter in "ak":
            import json

            shaped[key] = json.loads(text)
        elif letter == "d":
            shaped[key] = value if value == value and abs(value) != float("inf") else text
        else:
            shaped[key] = to_otlp_json(value)
    return shaped
