"""Findings: what each rule says, and what it keeps silent about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.support.builders import span, span_table
from tests.support.golden import SHARED, shared
from tracelab.adjusters import assemble
from tracelab.analysis.cohorts import cohort
from tracelab.analysis.findings import Finding, find_all
from tracelab.codecs.files import read_file
from tracelab.codecs.sink import Sink

DB = {"db.system.name": "postgresql", "server.address": "db"}


def findings_of(spans: list[dict[str, Any]]) -> dict[str, Finding]:
    return {finding.kind: finding for finding in find_all(cohort(assemble(span_table(spans)))).findings}


def root(end: int = 1000) -> dict[str, Any]:
    return span(1, None, 0, end, "web", "GET /", kind="SERVER")


def calls(times: list[tuple[int, int]], **more: Any) -> list[dict[str, Any]]:
    more = {"service": "web", "name": "SELECT", "kind": "CLIENT", **more}
    return [span(at, 1, start, end, **more) for at, (start, end) in enumerate(times, 2)]


def in_a_row(count: int, length: int = 50, gap: int = 10) -> list[tuple[int, int]]:
    return [(at * (length + gap), at * (length + gap) + length) for at in range(count)]


def test_n_plus_one() -> None:
    found = findings_of([root(), *calls(in_a_row(6), attributes=DB)])
    assert (found["n_plus_one"].most, found["n_plus_one"].cost_ns) == (6, 250)
    assert found["n_plus_one"].examples[0].span_ids[0] == f"{2:016x}"
    assert "n_plus_one" not in findings_of([root(), *calls(in_a_row(4), attributes=DB)])
    assert "n_plus_one" not in findings_of([root(), *calls([(0, 90)] * 8, attributes=DB)])  # all at once


def test_retries_and_storms() -> None:
    failing = calls(in_a_row(2), name="POST /charge", status_code="ERROR")
    last = span(9, 1, 300, 350, "web", "POST /charge", kind="CLIENT")
    assert findings_of([root(), failing[0], last])["retries"].most == 2
    storm = findings_of([root(), *calls(in_a_row(4), name="POST /charge", status_code="ERROR"), last])
    assert storm["retry_storm"].most == 5
    assert "retries" not in findings_of([root(), *calls(in_a_row(3), name="POST /charge")])


def test_chatty() -> None:
    assert findings_of([root(), *calls(in_a_row(12), name="GET /item")])["chatty"].most == 12


def test_reads_one_after_another() -> None:
    reads = {"name": "GET", "attributes": {"http.request.method": "GET"}}
    assert findings_of([root(300), *calls(in_a_row(4), **reads)])["could_be_parallel"].cost_ns == 150
    assert "could_be_parallel" not in findings_of([root(100_000), *calls(in_a_row(4), **reads)])  # not worth it
    writes = {"name": "POST", "attributes": {"http.request.method": "POST"}}
    assert "could_be_parallel" not in findings_of([root(300), *calls(in_a_row(4), **writes)])


def test_the_same_call_twice() -> None:
    def get(url: str) -> dict[str, Any]:
        return {"name": "GET", "attributes": {"http.request.method": "GET", "url.full": url}}

    one, two = (calls([time], **get("http://api/user/7"))[0] for time in ((0, 50), (60, 90)))
    two["span_id"] = f"{3:016x}"
    assert findings_of([root(), one, two])["same_call_twice"].most == 2
    two["attributes"] = get("http://api/user/8")["attributes"]
    assert "same_call_twice" not in findings_of([root(), one, two])
    statement = {**DB, "db.query.text": "SELECT * FROM users WHERE id = ?"}
    assert "same_call_twice" not in findings_of([root(), *calls(in_a_row(2), attributes=statement)])


def test_time_outs() -> None:
    gave_up = span(2, 1, 0, 5_000_000, "web", "GET", kind="CLIENT", status_code="ERROR")
    server = span(3, 2, 100, 90_000_000, "api", "GET /slow", kind="SERVER")
    assert findings_of([root(), gave_up, server])["time_out"].service_name == "web"
    answered = {**gave_up, "attributes": {"http.response.status_code": "500"}}
    assert "time_out" not in findings_of([root(), answered, server])
    said = {**gave_up, "attributes": {"error.type": "httpx.ReadTimeout"}}
    assert findings_of([root(), said])["time_out"].traces == 1


def test_orphans_by_service() -> None:
    found = findings_of([span(2, 1, 0, 9, "api", kind="SERVER"), span(3, 1, 0, 9, "api", kind="SERVER")])
    assert (found["orphan_spans"].service_name, found["orphan_spans"].traces) == ("api", 1)


def test_skew() -> None:
    client = span(2, 1, 100, 200, "web", kind="CLIENT", resource={"host.name": "a"})
    server = span(3, 2, 500, 550, "api", kind="SERVER", resource={"host.name": "b"})
    assert findings_of([root(), client, server])["clock_skew"].service_name == "api"


REAL = ("jaeger/deathstarbench-compose-post.json.gz", "otlp/oteldb-shop.jsonl", "otlp/robotframework-run.jsonl.gz")


@pytest.mark.skipif(not SHARED.exists(), reason="no shared test data at ../shared")
@pytest.mark.parametrize("file", REAL)
def test_few_alarms_on_real_traces(file: str) -> None:
    """Ordinary traffic of real systems: the rules say little of it, and nothing without evidence."""
    path: Path = shared("traces", file)
    traces = assemble(pa.concat_tables(list(read_file(path, Sink()))))
    found = find_all(cohort(traces)).findings
    assert all(finding.examples for finding in found)
    assert len({finding.kind for finding in found} - {"orphan_spans", "clock_skew"}) <= 2
