"""Which segment holds which traces: the sorted keys of its trace ids, kept beside the lake as a cache.

A key is 64 bits of a trace id. Two traces may share one (about once in 10^6 lakes of 10^7 traces); then a segment is
read in vain, no more. The cache may be deleted at any time: it is made anew when it is needed.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracelab.lake.segments import TEMPORARY_PREFIX, read_segment
from tracelab.traceset import id_numbers

Keys = NDArray[np.uint64]
_MIX = np.uint64(0x9E3779B97F4A7C15)
_FEW = 64
_SPARSE = 32


def trace_keys(trace_ids: pa.ChunkedArray | pa.Array) -> Keys:
    """The key of each trace id, in its place."""
    column = trace_ids if isinstance(trace_ids, pa.ChunkedArray) else pa.chunked_array([trace_ids])
    words = id_numbers(column, 2)
    keys: Keys = words[:, 0] ^ (words[:, 1] * _MIX)
    return keys


def is_among(keys: Keys, known: Keys) -> NDArray[np.bool_]:
    """Which of the keys are in `known`, which is sorted."""
    if known.size == 0:
        return np.zeros(keys.size, np.bool_)
    at = np.minimum(np.searchsorted(known, keys), known.size - 1)
    found: NDArray[np.bool_] = known[at] == keys
    return found


class Sought:
    """Keys that are looked for in the lists of many segments.

    Few are searched for one by one. With many, a list is first held against a table of bits of their upper bits, which
    leaves of it about one key in `_SPARSE`: ten times faster for the 9,000 traces of an hour.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = np.unique(keys)
        bits = int(self._keys.size * _SPARSE).bit_length()
        self._shift = np.uint64(64 - bits)
        self._seen = np.zeros(1 << bits, np.bool_)
        self._seen[self._keys >> self._shift] = True

    def are_in(self, known: Keys) -> bool:
        """Whether any of them is in `known`, which is sorted."""
        if self._keys.size <= _FEW:
            return bool(is_among(self._keys, known).any())
        return bool(is_among(known[self._seen[known >> self._shift]], self._keys).any())


class TraceIndex:
    """The keys of segments, by name; from memory, from the cache folder, or from the segment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Keys] = {}
        self._lock = threading.Lock()

    def keys(self, path: Path) -> Keys:
        """Sorted, each once. LakeError if the segment cannot be read, FileNotFoundError if it is gone."""
        with self._lock:
            known = self._known.get(path.name)
        if known is None:
            known = self._load(path.name)
            if known is None:
                known = np.unique(trace_keys(read_segment(path, ("trace_id",)).column("trace_id")))
                if "_" in path.name:  # a fresh one is soon gone
                    self._save(path.name, known)
            with self._lock:
                self._known[path.name] = known
        return known

    def note(self, name: str, keys: Keys) -> None:
        """Keep the keys of a segment that was just written."""
        with self._lock:
            self._known[name] = keys
        self._save(name, keys)

    def forget_all_but(self, names: frozenset[str]) -> None:
        """Drop what is kept of segments that are gone."""
        with self._lock:
            for name in [name for name in self._known if name not in names]:
                del self._known[name]
        for path in self._folder.glob("*.npy"):
            if path.stem not in names and not path.name.startswith("."):
                path.unlink(missing_ok=True)

    def _load(self, name: str) -> Keys | None:
        try:
            loaded: Keys = np.load(self._folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return None
        return loaded if loaded.dtype == np.uint64 and loaded.ndim == 1 else None

    def _save(self, name: str, keys: Keys) -> None:
        temporary = self._folder / f"{TEMPORARY_PREFIX}{name}.npy"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                np.save(file, keys)
            temporary.rename(self._folder / f"{name}.npy")
        except OSError:  # a lake that may only be read: the next process finds out for itself
            return
