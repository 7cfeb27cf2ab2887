"""From results to what the views draw: pure functions, no Streamlit."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import altair as alt
import numpy as np
import pandas as pd

import tracelab
from dashboards.layout import Layout
from tracelab import count_text, duration_text, percent_text, rate_text

if TYPE_CHECKING:
    from dashboards.store import View

# Okabe and Ito's colours for the colour-blind, and darker and lighter relatives of them.
PALETTE = ("#4c78a8", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6bb1", "#b8a600", "#2b8cbe",
           "#a6761d", "#66a182", "#e78ac3", "#7f7f7f", "#1b6f8a")  # fmt: skip
_BARS = 150
_MARKS = 60
_S = 10**9
_STEPS_NS = tuple(
    size * _S for size in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
)
WARM, BAD = 0.001, 0.01  # shares of failed calls


def colour(service: str | None) -> str:
    """The colour of a service: the same on every page and in every run."""
    if service is None:
        return "#9aa5b1"
    return PALETTE[hashlib.blake2b(service.encode(), digest_size=4).digest()[0] % len(PALETTE)]


def address(page: str, **parameters: Any) -> str:
    """A link within the dashboard, without what is empty."""
    query = urlencode({key: value for key, value in parameters.items() if value not in (None, "", False)})
    return f"/{page}{'?' if query else ''}{query}"


def signed_text(ns: float) -> str:
    """A difference of times: +12.0 ms, −3.10 ms."""
    return ("+" if ns > 0 else "−" if ns < 0 else "") + duration_text(abs(ns))


def health(calls: float, failed: float) -> str:
    """A class of failure share; `idle` for what was never called."""
    if calls == 0:
        return "idle"
    return "bad" if failed / calls >= BAD else "warm" if failed / calls >= WARM else "good"


def edge_id(edge: tracelab.Edge) -> str:
    return f"{edge.client} → {edge.server} {edge.connection_type}".strip()


def p99_ns(edge: tracelab.Edge) -> int | None:
    """As the client saw it, else as the server did."""
    return edge.client_latency.p99_ns if edge.client_latency.p99_ns is not None else edge.server_latency.p99_ns


COLOUR_BY: dict[str, Callable[[tracelab.Edge], float] | None] = {
    "failures": None,  # by classes, which a legend is not needed for
    "p99": lambda edge: float(p99_ns(edge) or 0),
    "critical path": lambda edge: float(edge.path_ns),
}
"""What an edge's colour may say; darker is more, on a scale of logarithms from the least to the most."""
_SCALE = ((158, 188, 218), (76, 120, 168), (136, 65, 157), (173, 0, 88))
_FLOWING = 5


def _scaled(values: Sequence[float]) -> list[str]:
    """A colour for each; grey for zero."""
    known = [math.log(value) for value in values if value > 0]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    return [_on_scale((math.log(value) - low) / (high - low or 1)) if value > 0 else "#b8c0ca" for value in values]


def _on_scale(share: float) -> str:
    place = share * (len(_SCALE) - 1)
    first = min(int(place), len(_SCALE) - 2)
    mixed = [round(a + (b - a) * (place - first)) for a, b in zip(_SCALE[first], _SCALE[first + 1], strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def topology_data(
    graph: tracelab.ServiceGraph, layout: Layout, selected: str, colour_by: str = "failures", flows: bool = False
) -> dict[str, Any]:
    """What topology.js and matrix.js draw."""
    labels = len(graph.edges) <= 40
    of = COLOUR_BY[colour_by]
    colours: list[str | None] = (
        [None] * len(graph.edges) if of is None else [*_scaled([of(edge) for edge in graph.edges])]
    )
    busy = sorted(graph.edges, key=lambda edge: -edge.calls)[: _FLOWING if flows else 0]
    busiest = max((edge.calls for edge in graph.edges), default=1)
    return {
        "selected": selected,
        "nodes": [_node(graph, node, layout) for node in graph.nodes],
        "edges": [
            {
                "id": edge_id(edge),
                "client": edge.client,
                "server": edge.server,
                "bends": layout.bends.get((edge.client, edge.server), []),
                "width": round(1.5 + 4.5 * math.log1p(edge.calls) / math.log1p(busiest), 2),
                "tone": (health(edge.calls, edge.failed) if of is None else "scaled")
                + (" flows" if edge in busy else ""),
                "colour": shade,
                "label": [percent_text(edge.success_rate), duration_text(p99_ns(edge))],
                "showLabel": labels,
                "tip": _edge_tip(edge),
            }
            for edge, shade in zip(graph.edges, colours, strict=True)
        ],
    }


def strip_data(view: View, part: tracelab.Window | None, marks: Sequence[tracelab.Annotation] = ()) -> dict[str, Any]:
    """Requests and failed ones over the window, for strip.js. Buckets lie on multiples of their size, so they stay."""
    since, until = view.details.extent(view.window)
    step = next((size for size in _STEPS_NS if (until - since) / size <= _BARS), _STEPS_NS[-1])
    step = max(step, (until - since) // _BARS // _STEPS_NS[-1] * _STEPS_NS[-1])
    first = since // step
    count = int(until // step - first + 1)
    at = np.array([trace.start_ns for trace in view.summaries], np.int64) // step - first
    failed = np.array([trace.failed for trace in view.summaries], np.bool_)
    inside = (at >= 0) & (at < count)
    shown = [mark for mark in marks if first * step <= mark.at_ns < (first + count) * step]
    return {
        "marks": [[mark.at_ns / 1e6, mark.kind, mark.text] for mark in shown[-_MARKS:]],
        "from_ms": first * step // 1_000_000,
        "step_ms": step / 1e6,
        "calls": np.bincount(at[inside], minlength=count).tolist(),
        "failed": np.bincount(at[inside & failed], minlength=count).tolist(),
        "chosen": [] if part is None else [(part.since_ns or 0) // 1_000_000, (part.until_ns or 0) // 1_000_000],
    }


def _edge_tip(edge: tracelab.Edge) -> list[str]:
    client, server = edge.client_latency, edge.server_latency
    lines = [
        f"{edge.client} → {edge.server}",
        f"{count_text(edge.calls)} calls, {rate_text(edge.calls_per_s)}, {percent_text(edge.success_rate)} good",
    ]
    for side, latency in (("client", client), ("server", server)):
        if latency.p50_ns is not None:
            texts = " / ".join(duration_text(value) for value in (latency.p50_ns, latency.p90_ns, latency.p99_ns))
            lines.append(f"{side} saw p50 / p90 / p99: {texts}")
    if edge.queue_delay.p50_ns is not None:
        delay = f"{duration_text(edge.queue_delay.p50_ns)} / {duration_text(edge.queue_delay.p99_ns)}"
        lines.append(f"in the queue p50 / p99: {delay}")
    if edge.error_types:
        lines.append("errors: " + ", ".join(f"{name} {count_text(count)}" for name, count in edge.error_types.items()))
    return lines


def node_calls(graph: tracelab.ServiceGraph, node_id: str) -> tuple[float, float]:
    """(calls, failed) that a node received; what it sent, for a node that receives none (the users)."""
    received = [edge for edge in graph.edges if edge.server == node_id]
    edges = received or [edge for edge in graph.edges if edge.client == node_id]
    return sum(edge.calls for edge in edges), sum(edge.failed for edge in edges)


def _node(graph: tracelab.ServiceGraph, node: tracelab.Node, layout: Layout) -> dict[str, Any]:
    calls, failed = node_calls(graph, node.id)
    rate = rate_text(calls / graph.seconds) if graph.seconds and calls else f"{count_text(calls)} calls"
    kind = "" if node.kind == "service" else f"{node.kind} · "
    good = f" · {percent_text(1 - failed / calls)}" if calls else ""
    return {
        "id": node.id,
        "name": node.name,
        "kind": node.kind,
        "virtual": node.virtual,
        "place": layout.places[node.id],
        "health": health(calls, failed),
        "figures": f"{kind}{rate}{good}",
        "tip": [
            f"{node.kind} {node.name}",
            f"{count_text(calls)} calls, {count_text(failed)} failed",
            *([f"not instrumented; known from: {node.reason}"] if node.virtual else []),
        ],
    }


def pack_timeline(paths: tracelab.CriticalPaths) -> bytes:
    """The spans of one trace for timeline.js: rows in tree order, as columns."""
    traces = paths.traces
    rows, depths = traces.pre_order
    position = np.empty(len(traces), np.int64)
    position[rows] = np.arange(rows.size)
    begin = int(traces.start_ns.min())
    used_services, service = np.unique(traces.service[rows], return_inverse=True)
    used_names, name = np.unique(traces.name[rows], return_inverse=True)
    services = [traces.services[code] if code >= 0 else None for code in used_services]
    failed = traces.status_code[rows] == 2
    on_path = paths.path_to_ns[rows] > paths.path_from_ns[rows]
    size = _subtree_sizes(depths)
    failures = np.concatenate([[0], np.cumsum(failed)])
    columns = {
        "start": (traces.start_ns[rows] - begin).astype("<f8"),
        "length": (traces.end_ns[rows] - traces.start_ns[rows]).astype("<f8"),
        "on_path": paths.on_path_ns()[rows].astype("<f8"),
        "section_from": (paths.section_start_ns - begin).astype("<f8"),
        "section_to": (paths.section_end_ns - begin).astype("<f8"),
        "section_row": position[paths.section_row].astype("<i4"),
        "depth": depths.astype("<i4"),
        "size": size.astype("<i4"),
        "service": service.reshape(-1).astype("<i4"),
        "name": name.reshape(-1).astype("<i4"),
        "flags": (failed + 2 * traces.is_placeholder[rows] + 4 * on_path).astype("u1"),
        "failed_below": (failures[np.arange(rows.size) + size] > failures[: rows.size]).astype("u1"),
    }
    header = {
        "total_ns": int(traces.end_ns.max()) - begin,
        "deepest": int(depths.max()),
        "services": [service or "unknown_service" for service in services],
        "colours": [colour(service) for service in services],
        "names": [traces.names[code] if code >= 0 else "" for code in used_names],
        "ids": [f"{number:016x}" for number in traces.span_id[rows].tolist()],
    }
    return _packed(header, columns)


def _subtree_sizes(depths: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of each subtree, itself included: up to the next row that is no deeper."""
    size = np.ones(depths.size, np.int64)
    open_rows: list[int] = []
    for row, depth in enumerate(depths.tolist()):
        while open_rows and depths[open_rows[-1]] >= depth:
            done = open_rows.pop()
            size[done] = row - done
        open_rows.append(row)
    for row in open_rows:
        size[row] = depths.size - row
    return size


def _packed(header: dict[str, Any], columns: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """u32 header length, JSON header padded to 8 bytes, columns padded to 8 bytes each."""

    def text_at(first: int) -> bytes:
        offset, listed = first, []
        for name, values in columns.items():
            listed.append([name, values.dtype.str.lstrip("<|"), offset, values.size])
            offset += values.nbytes + -values.nbytes % 8
        return json.dumps({**header, "columns": listed}).encode()

    # offsets are digits of the header they stand behind: room for them is found by laying it out twice
    first = 4 + len(text_at(10**12)) + 8
    first += -first % 8
    text = text_at(first).ljust(first - 4)
    body = b"".join(values.tobytes() + b"\0" * (-values.nbytes % 8) for values in columns.values())
    return len(text).to_bytes(4, "little") + text + body


def scatter(summaries: list[tracelab.TraceSummary]) -> alt.Chart:
    """Duration over time, failed ones marked by colour and shape; a brush chooses."""
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime([trace.start_ns for trace in summaries], unit="ns", utc=True),
            "duration_ms": [max(trace.duration_ns, 1_000) / 1e6 for trace in summaries],
            "result": ["failed" if trace.failed else "good" for trace in summaries],
            "root": [f"{trace.root_service or '?'}  {trace.root_name or '?'}" for trace in summaries],
            "trace": [trace.trace_id for trace in summaries],
        }
    )
    brush = alt.selection_interval(name="brush", encodings=["x", "y"])
    results = ["good", "failed"]
    return (
        alt.Chart(frame)
        .mark_point(filled=True, size=44, opacity=0.75)
        .encode(
            x=alt.X("time:T", title=None),
            y=alt.Y("duration_ms:Q", title="duration (ms)", scale=alt.Scale(type="log")),
            color=alt.Color(
                "result:N",
                scale=alt.Scale(domain=results, range=["#4c78a8", "#d1383d"]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            shape=alt.Shape("result:N", scale=alt.Scale(domain=results, range=["circle", "cross"])),
            tooltip=["root", alt.Tooltip("duration_ms:Q", format=",.2f", title="ms"), "result", "trace"],
        )
        .add_params(brush)
        .properties(height=230)
    )


_LEAST_FRAME = 0.001
_DURATION_BARS = 64


def flame_data(profile: tracelab.PathProfile) -> dict[str, Any]:
    """What flame.js draws: frames of at least a thousandth of all time, parents first."""
    tree = profile.tree
    number: dict[int, int] = {}
    frames: list[list[Any]] = []
    for node, (service, name) in enumerate(tree.operations):
        above = int(tree.parent[node])
        if tree.inclusive_ns[node] < _LEAST_FRAME * profile.total_ns or (above >= 0 and above not in number):
            continue
        number[node] = len(frames)
        figures = [int(values[node]) for values in (tree.inclusive_ns, tree.exclusive_ns, tree.spans)]
        frames.append([number.get(above, -1), name or "(not seen)", service or "?", colour(service), *figures])
    depth: list[int] = []
    for frame in frames:
        depth.append(depth[frame[0]] + 1 if frame[0] >= 0 else 1)
    return {"frames": frames, "total_ns": profile.total_ns, "depth": max(depth, default=1)}


def histogram_data(
    series: Sequence[tuple[str, np.ndarray[Any, Any]]], chosen: tuple[int, int] | None = None, drag: bool = False
) -> dict[str, Any]:
    """What histogram.js draws: durations in buckets of equal ratio, with the median and p99 of a single series."""
    values = np.concatenate([durations for _, durations in series])
    low, high = (max(int(values.min()), 1), int(values.max())) if values.size else (1, 1)
    edges = np.geomspace(low, max(high, low * 1.05) + 1, _DURATION_BARS + 1)
    edges[0] = min(edges[0], low)
    marks = []
    if len(series) == 1 and values.size:
        for text, share in (("p50", 0.5), ("p99", 0.99)):
            marks.append([int(np.quantile(values, share, method="inverted_cdf")), text])
    return {
        "edges_ns": [float(edge) for edge in edges],
        "series": [
            {"name": name, "colour": shade, "counts": np.histogram(np.maximum(durations, 1), edges)[0].tolist()}
            for (name, durations), shade in zip(series, ("#7b8da6", "#d55e00"), strict=False)
        ],
        "chosen": list(chosen or []),
        "marks": marks,
        "drag": drag,
    }


_COLUMNS, _ROWS = 90, 34


def heat_map(summaries: list[tracelab.TraceSummary]) -> alt.Chart:
    """How many traces took how long when; cells with failed ones have a red edge. A brush chooses."""
    start = np.array([trace.start_ns for trace in summaries], np.float64)
    duration = np.maximum(np.array([trace.duration_ns for trace in summaries], np.float64), 1e3)
    failed = np.array([trace.failed for trace in summaries], np.bool_)
    times = np.linspace(start.min(), start.max() + 1, _COLUMNS + 1)
    lengths = np.geomspace(duration.min(), duration.max() * 1.001, _ROWS + 1)
    count = np.histogram2d(start, duration, (times, lengths))[0]
    bad = np.histogram2d(start[failed], duration[failed], (times, lengths))[0]
    column, row = np.nonzero(count)
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(times[column].astype(np.int64), unit="ns", utc=True),
            "until": pd.to_datetime(times[column + 1].astype(np.int64), unit="ns", utc=True),
            "duration_ms": lengths[row] / 1e6,
            "to_ms": lengths[row + 1] / 1e6,
            "traces": count[column, row].astype(int),
            "failed": bad[column, row].astype(int),
        }
    )
    brush = alt.selection_interval(name="brush", encodings=["x", "y"])
    return (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X("time:T", title=None),
            x2="until:T",
            y=alt.Y("duration_ms:Q", title="duration (ms)", scale=alt.Scale(type="log")),
            y2="to_ms:Q",
            color=alt.Color(
                "traces:Q",
                scale=alt.Scale(type="log", range=["#c6d6e8", "#4c78a8", "#1c2f4a"]),
                legend=alt.Legend(orient="top", title="traces"),
            ),
            stroke=alt.condition("datum.failed > 0", alt.value("#d1383d"), alt.value(None)),
            tooltip=["traces", "failed", alt.Tooltip("duration_ms:Q", format=",.2f", title="from ms")],
        )
        .add_params(brush)
        .properties(height=250)
    )
