"""Zipkin's shared ids and spans in parts."""

from __future__ import annotations

from typing import Any

import pytest

from tracelab.codecs import zipkin
from tracelab.codecs.sink import Sink
from tracelab.errors import InputError


def row(span_id: str, kind: str | None, service: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    made = {"traceId": "a", "id": span_id, "kind": kind, "parentId": parent, "timestamp": 10, "duration": 5, **more}
    return {**made, "localEndpoint": {"serviceName": service, "ipv4": "10.0.0.1"}}


def decoded(*rows: dict[str, Any]) -> tuple[dict[tuple[str, int], dict[str, Any]], Sink]:
    sink = Sink()
    zipkin.decode(list(rows), sink)
    spans = sink.rows.table().to_pylist()
    return {(span["service_name"], span["kind"]): span for span in spans}, sink


CALL = (row("1", "SERVER", "web"), row("2", "CLIENT", "web", "1"), row("2", "SERVER", "api", "1", shared=True))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_two_halves_become_two_spans(order: tuple[int, ...]) -> None:
    spans, sink = decoded(*(CALL[at] for at in order))
    client, server = spans["web", 3], spans["api", 2]
    assert client["span_id"].hex() == "0000000000000002"
    assert server["parent_span_id"] == client["span_id"]
    assert sink.diagnostics["split_shared_spans"] == 1


def test_the_made_up_id_is_the_same_on_every_run() -> None:
    first, again = decoded(*CALL)[0], decoded(*reversed(CALL))[0]
    assert first["api", 2]["span_id"] == again["api", 2]["span_id"]


def test_children_hang_below_the_half_of_their_own_service() -> None:
    spans, _ = decoded(*CALL, row("3", None, "api", "2"), row("4", "CLIENT", "web", "2"))
    assert spans["api", 0]["parent_span_id"] == spans["api", 2]["span_id"]
    children = decoded(*CALL, row("4", None, "web", "2"))[0]
    assert children["web", 0]["parent_span_id"].hex() == "0000000000000002"


def test_parts_are_merged() -> None:
    late = row("2", "CLIENT", "web", "1", timestamp=8, duration=None, tags={"a": "1"})
    early = row("2", None, "web", None, timestamp=None, duration=90, tags={"b": "2"}, name="get")
    spans, sink = decoded(late, early)
    span = spans["web", 3]
    assert (span["start_ns"], span["duration_ns"], span["name"]) == (8_000, 90_000, "get")
    assert dict(span["attributes"]) == {"a": "1", "b": "2"}
    assert sink.diagnostics["merged_parts"] == 1


def test_a_server_half_alone_keeps_its_id() -> None:
    spans, sink = decoded(row("2", "SERVER", "api", "1", shared=True))
    assert spans["api", 2]["span_id"].hex() == "0000000000000002"
    assert sink.diagnostics["shared_without_client"] == 1


def test_version_1_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="v1"):
        zipkin.decode([{"traceId": "a", "id": "b", "binaryAnnotations": []}], Sink())


def test_an_error_tag_is_a_failure() -> None:
    spans, _ = decoded(row("1", "SERVER", "web", tags={"error": "boom"}), row("2", "CLIENT", "web", tags={"error": ""}))
    assert (spans["web", 2]["status_code"], spans["web", 2]["status_message"]) == (2, "boom")
    assert (spans["web", 3]["status_code"], spans["web", 3]["status_message"]) == (2, None)


def test_a_database_that_bears_the_callers_name_is_no_self_call() -> None:
    from tracelab.adjusters import assemble
    from tracelab.analysis.service_graph import service_graph

    sink = Sink()
    query = row("2", "CLIENT", "auth", "1", tags={"cassandra.query": "SELECT"}, remoteEndpoint={"serviceName": "auth"})
    zipkin.decode([row("1", "SERVER", "auth"), query], sink)
    edges = service_graph(assemble(sink.rows.table())).edges
    assert [(edge.client, edge.server) for edge in edges] == [("auth", "database:auth"), ("user:user", "auth")]


def test_a_message_that_reached_many_is_many_spans() -> None:
    received = [row("2", "SERVER", "mail", "1", shared=True, timestamp=at, duration=None) for at in (20, 30, 40)]
    sink = Sink()
    zipkin.decode([row("2", "CLIENT", "shop", "1"), *received, received[0]], sink)
    spans = sink.rows.table().to_pylist()
    assert len({span["span_id"] for span in spans}) == len(spans) == 4
    assert (sink.diagnostics["split_shared_spans"], sink.diagnostics["merged_parts"]) == (3, 1)
