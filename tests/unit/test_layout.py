"""Places for nodes: callers left of callees, nobody on top of anybody, nobody moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dashboards.layout import Layout, lay_out

_edges = st.dictionaries(
    st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("abcdefghij")), st.floats(1, 100), min_size=1, max_size=20
)


def nodes_of(edges: dict[tuple[str, str], float]) -> list[str]:
    return sorted({node for edge in edges for node in edge})


def apart(layout: Layout) -> bool:
    places = list(layout.places.values())
    return all(a[0] != b[0] or abs(a[1] - b[1]) > 0.99 for at, a in enumerate(places) for b in places[at + 1 :])


def test_callers_stand_left_of_those_they_call() -> None:
    edges = {("user", "web"): 9.0, ("web", "api"): 5.0, ("api", "db"): 5.0, ("web", "db"): 1.0}
    layout = lay_out(nodes_of(edges), edges)
    assert [layout.places[node][0] for node in ("user", "web", "api", "db")] == [0, 1, 2, 3]
    assert [point[0] for point in layout.bends["web", "db"]] == [2]


@given(_edges)
def test_no_two_in_one_place(edges: dict[tuple[str, str], float]) -> None:
    assert apart(lay_out(nodes_of(edges), edges))


@given(_edges, _edges)
def test_who_has_a_place_keeps_it(first: dict[tuple[str, str], float], second: dict[tuple[str, str], float]) -> None:
    before = lay_out(nodes_of(first), first)
    both = {**first, **second}
    after = lay_out(nodes_of(both), both, before.places)
    assert {node: after.places[node] for node in before.places} == before.places
    assert set(after.places) == set(nodes_of(both))
    assert apart(after)
