"""Of rows of one span one is kept: the one that a slow twin chooses, however alike they are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import span, span_table
from tracelab.adjusters.duplicates import drop_duplicates
from tracelab.schema import ANALYSIS_COLUMNS, HEAVY_COLUMNS
from tracelab.traceset import from_table

_maps = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["", "x", "y"]), max_size=2)
_events = st.lists(
    st.builds(lambda at, name, said: {"time_ns": at, "name": name, "attributes": said}, st.integers(0, 1),
              st.sampled_from(["e", "f"]), _maps), max_size=2,
)  # fmt: skip
_rows = st.builds(
    lambda number, start, end, service, name, attributes, events: span(
        number, None, start, end, service, name, attributes=attributes, events=events
    ),
    st.integers(1, 3), st.integers(0, 1), st.integers(5, 6), st.sampled_from(["web", None]),
    st.sampled_from(["x", "y"]), _maps, _events,
)  # fmt: skip


def chosen(table: pa.Table) -> dict[bytes, dict[str, Any]]:
    """By span id the row that ends last, starts first, sorts first: what the analysis sees before the rest."""

    def key(row: dict[str, Any]) -> Any:
        seen, rest = ([pair for pair in row.items() if pair[0] in names] for names in (ANALYSIS_COLUMNS, HEAVY_COLUMNS))
        return -(row["start_ns"] + row["duration_ns"]), row["start_ns"], repr(seen), repr(rest)

    found: dict[bytes, dict[str, Any]] = {}
    for row in table.to_pylist():
        if row["span_id"] not in found or key(row) < key(found[row["span_id"]]):
            found[row["span_id"]] = row
    return found


@given(st.lists(_rows, min_size=1, max_size=12), st.integers(1, 4), st.booleans())
def test_the_same_row_as_the_twin(rows: list[dict[str, Any]], chunk: int, coded: bool) -> None:
    whole = span_table(rows + rows[:2])
    table = pa.concat_tables([whole.slice(at, chunk) for at in range(0, whole.num_rows, chunk)])
    if coded:
        for name in ("name", "service_name"):
            column = table.column(name).dictionary_encode()
            table = table.set_column(table.column_names.index(name), name, column)
    kept = drop_duplicates(from_table(table))
    found = table.take(pa.array(kept.source_row)).to_pylist()
    assert {row["span_id"]: row for row in found} == chosen(whole)
    assert len(found) == len(chosen(whole))
    assert kept.diagnostics["duplicates"] == whole.num_rows - len(found)
