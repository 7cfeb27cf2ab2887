"""Small traces, drawn."""

from __future__ import annotations

from tests.support.builders import span, span_table
from tests.support.draw import MS, draw
from tracelab.adjusters import assemble
from tracelab.analysis.critical_path import critical_paths
from tracelab.analysis.journey import journey
from tracelab.analysis.service_graph import service_graph
from tracelab.analysis.skew import clock_skews
from tracelab.analysis.summaries import Search, trace_summaries
from tracelab.window import Window


def path_of(picture: str, **kinds: str) -> list[tuple[str | None, int, int]]:
    paths = critical_paths(assemble(span_table(draw(picture, **kinds))))
    return [
        (paths.traces.span_name(row), int(start) // MS, int(end) // MS)
        for row, start, end in zip(paths.section_row, paths.section_start_ns, paths.section_end_ns, strict=True)
    ]


def test_one_after_the_other() -> None:
    picture = """
        web   checkout  |-------------------|
          auth  verify  |---------|
          db    insert            |---------|
    """
    assert path_of(picture) == [("verify", 0, 10), ("insert", 10, 20)]


def test_of_two_at_once_the_later_one_counts() -> None:
    picture = """
        web   home     |-------------------|
          api   slow     |-------------|
          ads   quick    |------|
    """
    assert path_of(picture) == [("home", 0, 2), ("slow", 2, 16), ("home", 16, 20)]


def test_what_goes_on_after_its_parent_in_process_was_not_waited_for() -> None:
    picture = """
        web   home     |---------|
          web   audit    |---------------|
    """
    assert path_of(picture, audit="CLIENT") == [("home", 0, 10)]


def test_a_message_is_not_waited_for() -> None:
    picture = """
        shop  order    |-------------|
          shop  send     |---|
            mail  handle    |------|
    """
    assert path_of(picture, send="PRODUCER", handle="CONSUMER") == [("order", 0, 2), ("send", 2, 6), ("order", 6, 14)]


def test_a_journey_names_the_services_in_the_order_of_the_path() -> None:
    picture = """
        gateway  get      |---------------|
          front    page    |-------------|
            auth     who    |--|
            api      list       |------|
    """
    trip = journey(critical_paths(assemble(span_table(draw(picture)))), 0)
    assert trip.from_user
    assert [stop.service_name for stop in trip.stops] == ["gateway", "front", "auth", "api"]
    assert sum(stop.on_path_ns for stop in trip.stops) == trip.duration_ns


def test_searches() -> None:
    traces = assemble(span_table(draw("""
        web   home     |---------|
          api   list     |---|
    """)))  # fmt: skip
    everything = Window()
    assert len(trace_summaries(traces, everything, Search(service="api", operation="list"))) == 1
    assert trace_summaries(traces, everything, Search(service="web", operation="list")) == []
    assert trace_summaries(traces, everything, Search(min_duration_ns=11 * MS)) == []
    assert trace_summaries(traces, everything, Search(failed=True)) == []
    assert len(trace_summaries(traces, everything, Search(attributes=[("service.name", "api")]))) == 1
    assert trace_summaries(traces, Window(1, None)) == []


def test_services_without_a_name_are_one_node() -> None:
    spans = draw("""
        web              home   |---------|
          unknown_service a       |-|
          nobody          b           |-|
    """)
    spans[2]["service_name"] = None
    graph = service_graph(assemble(span_table(spans)))
    assert [node.id for node in graph.nodes] == ["unknown_service", "web", "user:user"]
    assert [(edge.client, edge.server, edge.calls) for edge in graph.edges] == [
        ("user:user", "web", 1),
        ("web", "unknown_service", 2),
    ]


def test_skew_says_which_hosts_disagree_and_by_how_much() -> None:
    """Two calls between hosts a and b: b's clock is 5 and 7 ms behind; what is below on b moves along."""
    spans = [span(1, None, 0, 100 * MS, "web", kind="SERVER", resource={"host.name": "a"})]
    for number, behind in ((2, 5), (5, 7)):
        start = 10 * number * MS
        spans += [
            span(number, 1, start, start + 9 * MS, "web", kind="CLIENT", resource={"host.name": "a"}),
            span(number + 1, number, start - behind * MS, start + (4 - behind) * MS, "api", kind="SERVER",
                 resource={"host.name": "b"}),
            span(number + 2, number + 1, start - behind * MS + 10, start - behind * MS + 20, "api",
                 resource={"host.name": "b"}),
        ]  # fmt: skip
    traces = assemble(span_table(spans))
    (skew,) = clock_skews(traces)
    assert (skew.client, skew.server, skew.client_host, skew.server_host) == ("web", "api", "a", "b")
    assert (skew.calls, skew.spans, skew.least_ns, skew.most_ns) == (2, 4, 5 * MS, 7 * MS)
    assert skew.examples[0][1] == f"{6:016x}"
    assert clock_skews(assemble(span_table(spans), skew_correction=False)) == ()
