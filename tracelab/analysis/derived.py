"""Service graphs of a lake, of which the parts that cannot have changed are remembered.

What the calls of a partition add up to is kept in the lake's cache under a key of its files, and of this program's own
source: nothing can go stale, and the cache may be deleted at any time. Days and months are kept merged.
A window's border partitions and the traces that are apart are computed each time.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import tracelab
from tracelab.adjusters import assemble
from tracelab.analysis.calls import Node
from tracelab.analysis.edge_sums import EdgeSums
from tracelab.analysis.samples import Samples
from tracelab.analysis.service_graph import GraphSums, merge_graphs, sum_graph
from tracelab.diagnostics import Diagnostics
from tracelab.lake.lake import Lake
from tracelab.lake.partitions import Cache, Partition, partitioned
from tracelab.lake.stream import read_ahead, whole_traces
from tracelab.schema import ANALYSIS_COLUMNS
from tracelab.window import EVERYTHING, Window

_PERIODS = (len("2026-01"), len("2026-01-31"), len("2026-01-31T23"))
_MEANING = ("adjusters", "analysis", "kernels", "schema.py", "semconv.py", "stored.py", "traceset.py", "window.py")


def lake_graph(lake: Lake, window: Window, diagnostics: Diagnostics, skew_correction: bool = True) -> GraphSums:
    """What the calls in a lake that start in `window` add up to. What is odd about the lake is added to `diagnostics`.

    The same as `merge_graphs` of `sum_graph` of all its traces.
    """
    while True:
        noted = Diagnostics()
        try:
            parts = list(_parts(lake, window, noted, skew_correction))
        except FileNotFoundError:
            continue  # compacted meanwhile: look again
        for name, count in noted.items():
            diagnostics.add(name, count)
        return merge_graphs(parts, window)


def _parts(lake: Lake, window: Window, noted: Diagnostics, skew_correction: bool) -> Iterator[GraphSums]:
    plan = partitioned(lake, noted)
    if plan is None:
        for table in read_ahead(whole_traces(lake, ANALYSIS_COLUMNS, window.since_ns, window.until_ns, noted)):
            yield sum_graph(assemble(table, skew_correction), window)
        return
    apart = plan.apart_table(lake, ANALYSIS_COLUMNS)
    if apart is not None:
        yield sum_graph(assemble(apart, skew_correction), window)
    kept = Cache(lake.path / "cache" / ("graphs" if skew_correction else "graphs-raw"))
    inside = []
    for partition in plan.partitions:
        if window.holds_all(partition.first_ns, partition.last_ns):
            inside.append(partition)
        elif window.touches(partition.first_ns, partition.last_ns):
            yield _of_partition(partition, window, skew_correction)
    for partitions in _by_period(inside, 0):
        yield replace(_of_period(kept, partitions, skew_correction), window=window)


def _of_partition(partition: Partition, window: Window, skew_correction: bool) -> GraphSums:
    tables: Iterator[pa.Table] = partition.tables(ANALYSIS_COLUMNS)
    return merge_graphs((sum_graph(assemble(table, skew_correction), window) for table in tables), window)


def _of_period(kept: Cache, partitions: list[Partition], skew_correction: bool, level: int = 0) -> GraphSums:
    """The sums of these partitions of a month, a day or an hour, from the cache as far as they are there."""
    is_hour = level == len(_PERIODS) - 1
    if len(partitions) == 1 and not is_hour:
        return _of_period(kept, partitions, skew_correction, level + 1)
    name, digest = partitions[0].hour[: _PERIODS[level]], _digest(*(partition.key for partition in partitions))
    found = _load(kept, name, digest)
    if found is None:
        if is_hour:
            found = _of_partition(partitions[0], EVERYTHING, skew_correction)
        else:
            shorter = _by_period(partitions, level + 1)
            found = merge_graphs(_of_period(kept, inner, skew_correction, level + 1) for inner in shorter)
        kept.save(name, digest, to_document(found))
    return found


def _by_period(partitions: Iterable[Partition], level: int) -> Iterator[list[Partition]]:
    """Partitions, which are in the order of time, of one month, day or hour after another."""
    for _, inside in groupby(partitions, lambda partition: partition.hour[: _PERIODS[level]]):
        yield list(inside)


def _load(kept: Cache, name: str, digest: str) -> GraphSums | None:
    document = kept.load(name, digest)
    try:
        return None if document is None else from_document(document)
    except (KeyError, TypeError, ValueError):  # somebody else's file
        return None


@cache
def _source_digest() -> bytes:
    """Of the source that decides what the sums are."""
    root = Path(tracelab.__file__).parent
    digest = hashlib.blake2b(digest_size=16)
    for part in _MEANING:
        for path in sorted((root / part).rglob("*.py")) if (root / part).is_dir() else [root / part]:
            digest.update(path.read_bytes())
    return digest.digest()


def _digest(*keys: str) -> str:
    return hashlib.blake2b("\0".join(keys).encode(), key=_source_digest(), digest_size=16).hexdigest()


def to_document(sums: GraphSums) -> dict[str, Any]:
    """Sums as JSON values; the window is left to who reads them."""
    return {
        "edges": [[*key, _edge_document(edge)] for key, edge in sorted(sums.edges.items())],
        "nodes": [asdict(node) for _, node in sorted(sums.nodes.items())],
        "services": sorted(sums.services),
        "first_ns": sums.first_ns,
        "last_ns": sums.last_ns,
        "diagnostics": dict(sums.diagnostics),
    }


def from_document(document: dict[str, Any]) -> GraphSums:
    """The inverse; KeyError, TypeError or ValueError if it is not one."""
    return GraphSums(
        EVERYTHING,
        {(client, server, type_): _edge_of(edge) for client, server, type_, edge in document["edges"]},
        {node["id"]: Node(**node) for node in document["nodes"]},
        frozenset(document["services"]),
        document["first_ns"],
        document["last_ns"],
        Diagnostics(document["diagnostics"]),
    )


_TALLIES = ("calls", "failed", "failed_client", "failed_server")
_SAMPLES = ("client", "server", "delay")
_SETS = ("protocols", "client_versions", "server_versions")
_TRACES = ("slowest", "broken")


def _edge_document(edge: EdgeSums) -> dict[str, Any]:
    return {
        **{name: sorted(getattr(edge, name).items()) for name in _TALLIES},
        "errors": sorted([word, count, times] for (word, count), times in edge.errors.items()),
        **{name: _samples_document(getattr(edge, name)) for name in _SAMPLES},
        **{name: sorted(getattr(edge, name)) for name in _SETS},
        "path_calls": edge.path_calls,
        "path_ns": edge.path_ns,
        **{name: getattr(edge, name) for name in _TRACES},
    }


def _edge_of(document: dict[str, Any]) -> EdgeSums:
    fields: dict[str, Any] = {name: document[name] for name in ("path_calls", "path_ns")}
    fields |= {name: Counter({float(count): times for count, times in document[name]}) for name in _TALLIES}
    fields |= {name: _samples_of(document[name]) for name in _SAMPLES}
    fields |= {name: frozenset(document[name]) for name in _SETS}
    fields |= {name: tuple((duration, trace_id) for duration, trace_id in document[name]) for name in _TRACES}
    errors = Counter({(word, float(count)): times for word, count, times in document["errors"]})
    return EdgeSums(errors=errors, **fields)


def _samples_document(samples: Samples) -> list[Any]:
    unweighted = bool((samples.weights == 1).all())
    arrays = (samples.values, samples.counts) if unweighted else (samples.values, samples.counts, samples.weights)
    kinds = ("<i8", "<i8", "<f8")
    packed = [
        base64.b64encode(np.ascontiguousarray(array, kind).tobytes()).decode()
        for array, kind in zip(arrays, kinds, strict=False)
    ]
    return [samples.exact, *packed]


def _samples_of(document: list[Any]) -> Samples:
    exact, *packed = document
    values, counts = (np.frombuffer(base64.b64decode(text), "<i8") for text in packed[:2])
    weights = np.frombuffer(base64.b64decode(packed[2]), "<f8") if len(packed) > 2 else np.ones(values.size)
    return Samples(values, weights, counts, exact)
