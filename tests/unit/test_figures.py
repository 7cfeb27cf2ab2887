"""What the views are given: the same numbers, packed."""

from __future__ import annotations

import json

import numpy as np

from dashboards.figures import address, colour, pack_timeline
from tests.support.builders import span_table
from tests.support.draw import MS, draw
from tracelab.adjusters import assemble
from tracelab.analysis.critical_path import critical_paths

PICTURE = """
    web   checkout  |-------------------|
      auth  verify   |-------|
      db    insert            |-------|
"""


def unpack(packed: bytes) -> dict[str, object]:
    length = int.from_bytes(packed[:4], "little")
    header = json.loads(packed[4 : 4 + length])
    found = dict(header)
    for name, dtype, offset, count in header["columns"]:
        assert offset % 8 == 0
        found[name] = np.frombuffer(packed, dtype, count, offset).tolist()
    return found


def test_a_packed_timeline_says_what_the_paths_say() -> None:
    paths = critical_paths(assemble(span_table(draw(PICTURE))))
    packed = unpack(pack_timeline(paths))
    assert packed["depth"] == [0, 1, 1]
    assert packed["size"] == [3, 1, 1]
    assert packed["start"] == [0, 1 * MS, 10 * MS]
    assert packed["total_ns"] == 20 * MS
    assert packed["section_row"] == [0, 1, 0, 2, 0]
    assert packed["section_to"] == [1 * MS, 9 * MS, 10 * MS, 18 * MS, 20 * MS]
    assert sum(packed["on_path"]) == 20 * MS  # type: ignore[arg-type]


def test_addresses_are_quoted() -> None:
    assert address("trace", trace_id="a b&c", since="") == "/trace?trace_id=a+b%26c"


def test_a_service_has_one_colour() -> None:
    assert colour("web") == colour("web") != colour(None)
