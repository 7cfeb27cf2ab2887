"""A lake as partitions of whole traces, and the few traces that no partition has to itself.

A compacted trace lives in one partition, so what is computed of a partition stays true as long as its files do. Apart
from that are traces with spans in fresh segments, and those that links connect across partitions: they are read
together, wherever they lie.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tracelab.diagnostics import Diagnostics
from tracelab.errors import LakeError
from tracelab.lake.choose import distinct_ids, links_between_traces, no_links
from tracelab.lake.compact import partition_of
from tracelab.lake.lake import Lake
from tracelab.lake.segments import TEMPORARY_PREFIX, as_spans, open_segment, read_traces, rows_by_name, span_of_time
from tracelab.lake.stream import BATCH_ROWS, Group, groups_of, sweep
from tracelab.lake.trace_index import Keys, is_among, trace_keys
from tracelab.schema import TRACE_ID

MAX_TIME_NS = 2**63 - 1


@dataclass(frozen=True)
class Partition:
    """The segments of one hour.

    Attributes:
        key: changes whenever an answer about its traces may
        first_ns, last_ns: least and greatest start of its spans
        apart: ids of its traces that are read with others, and are not its own
    """

    hour: str
    paths: tuple[Path, ...]
    key: str
    first_ns: int
    last_ns: int
    apart: pa.Array

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Its traces, but for those apart, whole, in batches."""
        with ExitStack() as stack:
            groups: list[Group] = []
            for path in self.paths:
                groups += groups_of(path, stack.enter_context(open_segment(path)), is_sorted=True)
            for stored in sweep(sorted(groups), columns, BATCH_ROWS):
                table = as_spans(stored, columns)
                if len(self.apart):
                    table = table.filter(pc.invert(pc.is_in(table.column("trace_id"), value_set=self.apart)))
                if table.num_rows:
                    yield table


@dataclass(frozen=True)
class Partitioned:
    """All partitions, and what is apart from them."""

    partitions: tuple[Partition, ...]
    apart: pa.Array
    segments: tuple[Path, ...]

    def apart_table(self, lake: Lake, columns: Sequence[str]) -> pa.Table | None:
        """The traces that are apart, all in one table; None if there are none."""
        keys = trace_keys(self.apart)
        found = [
            read_traces(path, self.apart, columns)
            for path in self.segments
            if is_among(keys, lake.index.keys(path)).any()
        ]
        return pa.concat_tables(found) if found else None


@dataclass(frozen=True)
class _Facts:
    """Of a partition: its span of time, and the links of its traces that lead elsewhere."""

    first_ns: int
    last_ns: int
    elsewhere: pa.Table


def partitioned(lake: Lake, diagnostics: Diagnostics) -> Partitioned | None:
    """The lake as it is now; None where most of it is fresh, so that partitions are of no use.

    FileNotFoundError if it was compacted meanwhile: look again.
    """
    hours: dict[str, list[Path]] = defaultdict(list)
    loose = []
    for path in lake.segments():
        hour = partition_of(path)
        if hour is None:
            loose.append(path)
        else:
            hours[hour].append(path)
    if not hours or sum(rows_by_name(path.name) for path in loose) > BATCH_ROWS:
        return None
    good_loose, loose_links = _loose(lake, loose, diagnostics)
    facts: dict[str, _Facts] = {}
    for hour in sorted(hours):
        try:
            facts[hour] = _facts(lake, hour, hours[hour])
        except LakeError:
            return None  # a damaged file: the other way of reading names it, and reads what is left
    links = pa.concat_tables([loose_links, *(fact.elsewhere for fact in facts.values())])
    fresh = [lake.read(path, ("trace_id",)).column("trace_id") for path in good_loose]
    ends = distinct_ids([*fresh, links.column("trace_id"), links.column("linked")])
    keys = np.unique(trace_keys(ends))
    found = [_partition(lake, hour, hours[hour], facts[hour], ends, keys) for hour in sorted(hours)]
    apart = distinct_ids([pa.chunked_array([ends]), *(pa.chunked_array([part.apart]) for part in found)])
    return Partitioned(tuple(found), apart, (*good_loose, *(path for paths in hours.values() for path in paths)))


def _loose(lake: Lake, paths: list[Path], diagnostics: Diagnostics) -> tuple[list[Path], pa.Table]:
    good, links = [], [no_links()]
    for path in paths:
        try:
            with open_segment(path) as file:
                links.append(links_between_traces(file))
            lake.index.keys(path)
            good.append(path)
        except LakeError:
            diagnostics.add("damaged_segments")
    return good, pa.concat_tables(links)


def _partition(lake: Lake, hour: str, paths: list[Path], facts: _Facts, ends: pa.Array, keys: Keys) -> Partition:
    """A partition without the traces that fresh spans or links from elsewhere lead to, or that those link to."""
    names = sorted(path.name for path in paths)
    here = np.zeros(keys.size, np.bool_)
    for path in paths:
        here |= is_among(keys, lake.index.keys(path))
    apart = pa.array([], TRACE_ID)
    if here.any():
        apart = _connected(paths, ends.filter(pa.array(is_among(trace_keys(ends), keys[here]))))
    digest = hashlib.blake2b(digest_size=16)
    for part in (*names, *sorted(trace_id.hex() for trace_id in apart.to_pylist())):
        digest.update(part.encode() + b"\0")
    return Partition(hour, tuple(paths), digest.hexdigest(), facts.first_ns, facts.last_ns, apart)


def _connected(paths: list[Path], ids: pa.Array) -> pa.Array:
    """These traces, and those of the partition that links connect them with, by any number of steps."""
    links = [no_links()]
    for path in paths:
        with open_segment(path) as file:
            links.append(links_between_traces(file))
    pairs = pa.concat_tables(links)
    while True:
        forth = pairs.filter(pc.is_in(pairs.column("trace_id"), value_set=ids)).column("linked")
        back = pairs.filter(pc.is_in(pairs.column("linked"), value_set=ids)).column("trace_id")
        more = distinct_ids([pa.chunked_array([ids]), forth, back])
        if len(more) == len(ids):
            return more
        ids = more


def _facts(lake: Lake, hour: str, paths: list[Path]) -> _Facts:
    """From the cache, or from the files."""
    digest = hashlib.blake2b("\0".join(sorted(path.name for path in paths)).encode(), digest_size=16).hexdigest()
    cache = Cache(lake.path / "cache" / "partitions")
    known = cache.load(hour, digest)
    try:
        elsewhere = [[bytes.fromhex(pair[side]) for pair in known["elsewhere"]] for side in (0, 1)]
        return _Facts(known["first_ns"], known["last_ns"], _pairs(*elsewhere))
    except (KeyError, TypeError, ValueError):  # not there, or somebody else's file
        found = _found_facts(lake, paths)
    ids, linked = (found.elsewhere.column(name).to_pylist() for name in ("trace_id", "linked"))
    pairs = [(one.hex(), other.hex()) for one, other in zip(ids, linked, strict=True)]
    cache.save(hour, digest, {"first_ns": found.first_ns, "last_ns": found.last_ns, "elsewhere": pairs})
    return found


def _found_facts(lake: Lake, paths: list[Path]) -> _Facts:
    times, links = [], [no_links()]
    for path in paths:
        between = span_of_time(path)
        times += [] if between is None else [between]
        with open_segment(path) as file:
            links.append(links_between_traces(file))
    pairs = pa.concat_tables(links)
    inside = np.zeros(pairs.num_rows, np.bool_)
    for path in paths:
        inside |= is_among(trace_keys(pairs.column("linked")), lake.index.keys(path))
    if len(times) < len(paths):  # one does not say: it may be any time
        times.append((0, MAX_TIME_NS))
    return _Facts(min(one for one, _ in times), max(other for _, other in times), pairs.filter(pa.array(~inside)))


def _pairs(ids: list[bytes], linked: list[bytes]) -> pa.Table:
    return pa.table({"trace_id": pa.array(ids, TRACE_ID), "linked": pa.array(linked, TRACE_ID)})


class Cache:
    """JSON documents by (name, digest) in a folder. Of a name the latest is kept; all may be deleted at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, name: str, digest: str) -> Any:
        """A document; None if it is not there."""
        try:
            return orjson.loads((self._folder / f"{name}_{digest}.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None

    def save(self, name: str, digest: str, document: object) -> None:
        """Keep a document in place of older ones of that name."""
        path = self._folder / f"{name}_{digest}.json"
        temporary = self._folder / f"{TEMPORARY_PREFIX}{path.name}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(orjson.dumps(document))
            temporary.rename(path)
            for other in self._folder.glob(f"{name}_*.json"):
                if other != path:
                    other.unlink(missing_ok=True)
        except OSError:  # a lake that may only be read
            return
