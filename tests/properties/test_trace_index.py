"""Looking for keys in lists, against sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracelab.lake.trace_index import Sought, is_among

some_keys = st.lists(st.integers(0, 2**64 - 1), max_size=8)


@given(some_keys, some_keys, some_keys, st.integers(0, 2**32), st.sampled_from([0, 1, 64, 65, 3_000]))
def test_sought_keys_are_found(mine: list[int], theirs: list[int], shared: list[int], seed: int, more: int) -> None:
    others = np.random.default_rng(seed).integers(0, 2**64, more, np.uint64)
    wanted = np.concatenate([others, np.array(mine + shared, np.uint64)])
    known = np.unique(np.array(theirs + shared, np.uint64))
    meet = set(wanted.tolist()) & set(known.tolist())
    assert set(wanted[is_among(wanted, known)].tolist()) == meet
    assert Sought(wanted).are_in(known) == bool(meet)
