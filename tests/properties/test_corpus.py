"""Requests that once were, or might have been, trouble: what became of each is kept in tests/corpus/outcomes.json.

What fuzzing finds is added there as a file. After a change that is meant, `python -m tests.properties.test_corpus`
writes the outcomes anew.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.properties.test_decoders_agree import check
from tracelab.codecs.files import read_file
from tracelab.codecs.limits import Limits
from tracelab.codecs.requests import decode_requests
from tracelab.codecs.sink import Sink
from tracelab.diagnostics import Diagnostics
from tracelab.errors import InputError, RecordError

CORPUS = Path(__file__).parent.parent / "corpus"
FILES = sorted([*CORPUS.glob("protobuf/*"), *CORPUS.glob("json/*")])


def outcome(path: Path) -> dict[str, Any]:
    """What the collector says to it."""
    decoded = decode_requests([path.read_bytes()], [path.suffix == ".json"], Limits())
    (found,) = decoded.outcomes
    rows = sum(table.num_rows for table in decoded.tables)
    assert rows == found.spans, "what is said to be taken is there"
    return {
        "spans": found.spans,
        "rejected": found.rejected_spans,
        "error": type(found.error).__name__ if found.error else None,
        "noted": dict(decoded.diagnostics),
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_became_of_it(path: Path) -> None:
    kept = json.loads((CORPUS / "outcomes.json").read_text())
    assert outcome(path) == kept[f"{path.parent.name}/{path.name}"]


def test_together_as_alone() -> None:
    check([path.read_bytes() for path in FILES if path.suffix == ".bin"], Limits())


@pytest.mark.parametrize("format_", ["auto", "otlp-json", "otlp-proto", "jaeger", "zipkin"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_import_reads_it_or_says_why_not(path: Path, format_: str) -> None:
    skipped: list[RecordError] = []
    sink = Sink(diagnostics=Diagnostics(), skip=skipped.append)
    with suppress(InputError):  # any other error is a crash
        tables = list(read_file(path, sink, format_))
        assert all(None not in table.column("trace_id").to_pylist() for table in tables)
    assert all(str(error) for error in skipped)


if __name__ == "__main__":
    outcomes = {f"{path.parent.name}/{path.name}": outcome(path) for path in FILES}
    (CORPUS / "outcomes.json").write_text(json.dumps(outcomes, indent=1, sort_keys=True) + "\n")
