"""Less of a graph: what is left is what was there, and what is put together adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dashboards.reduce import GROUP, around, busy_only, grouped, grouping, services_only, with_owners
from tests.support.builders import span, span_table
from tracelab import ServiceGraph, assemble, service_graph

_names = st.sampled_from(["a-1", "a-2", "a-3", "b-1", "b-2", "b-3", "c", "d"])
_graphs = st.lists(st.tuples(_names, _names, st.booleans()), min_size=1, max_size=25)


def graph_of(calls: list[tuple[str, str, bool]]) -> ServiceGraph:
    spans = []
    for number, (client, server, failed) in enumerate(calls, 1):
        status = "ERROR" if failed else "UNSET"
        trace = {"trace_id": f"{number:032x}"}
        spans.append({**span(2 * number, None, 0, 100, client, "x", kind="CLIENT", status_code=status), **trace})
        spans.append(
            {**span(2 * number + 1, 2 * number, 10, 90, server, "x", kind="SERVER", status_code=status), **trace}
        )
    return service_graph(assemble(span_table(spans)))


@given(_graphs)
def test_groups_add_up_and_open(calls: list[tuple[str, str, bool]]) -> None:
    graph = graph_of(calls)
    groups = with_owners(graph, grouping(graph.nodes))
    assert grouped(graph, groups, set(groups.group_of.values())).edges == graph.edges
    closed = grouped(graph, groups, ())
    inside = [
        edge
        for edge in graph.edges
        if not edge.self_call
        and groups.group_of.get(edge.client) is not None
        and groups.group_of.get(edge.client) == groups.group_of.get(edge.server)
    ]
    for name in ("calls", "failed", "path_ns"):
        all_, hidden, shown = (
            sum(getattr(edge, name) for edge in edges) for edges in (graph.edges, inside, closed.edges)
        )
        assert all_ - hidden == shown
    assert {node.id for node in closed.nodes} >= {end for edge in closed.edges for end in (edge.client, edge.server)}
    assert not {node.id for node in closed.nodes} & set(groups.group_of)
    assert {node.id for node in closed.nodes if node.kind == "group"} == {
        GROUP + name for name in groups.group_of.values()
    }


def test_namespaces_group_before_names_do() -> None:
    nodes = graph_of([("a-1", "b-1", False), ("a-2", "b-2", False), ("a-3", "c", False)]).nodes
    said = {"a-1": "sales", "b-1": "sales", "c": "sales", "a-2": "stock", "b-2": "stock"}
    assert grouping(nodes, said).group_of == dict.fromkeys(("a-1", "b-1", "c"), "sales")
    assert grouping(nodes, dict.fromkeys(said, "shop")).group_of == {f"a-{at}": "a" for at in (1, 2, 3)}


@given(_graphs, _names, st.integers(1, 3))
def test_around_is_what_so_many_steps_reach(calls: list[tuple[str, str, bool]], centre: str, hops: int) -> None:
    graph = graph_of(calls)
    near = {centre}
    for forward in (True, False):
        reached = {centre}
        for _ in range(hops):
            ends = [(edge.client, edge.server) if forward else (edge.server, edge.client) for edge in graph.edges]
            reached = reached | {target for source, target in ends if source in reached}
        near |= reached
    present = {node.id for node in graph.nodes}
    assert {node.id for node in around(graph, centre, hops).nodes} == near & present


def test_noise_is_hidden_but_never_a_failure() -> None:
    calls = [("a", "b", False)] * 2000 + [("a", "c", False), ("a", "d", True)]
    assert {edge.server for edge in busy_only(graph_of(calls)).edges} == {"b", "d"}
    assert all(node.kind in ("service", "user") for node in services_only(graph_of(calls)).nodes)
