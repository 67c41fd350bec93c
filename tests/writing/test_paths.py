"""Algorithms on graphs, against the simplest that could be right."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nbflow.writing import paths


@st.composite
def graphs(draw: st.DrawFn, most: int = 7) -> list[list[int]]:
    """For each node, the nodes that it leads to."""
    count = draw(st.integers(1, most))
    nodes = st.integers(0, count - 1)
    return [sorted(draw(st.sets(nodes, max_size=3))) for _ in range(count)]


@st.composite
def acyclic(draw: st.DrawFn, most: int = 8) -> list[list[int]]:
    """The same without loops, in any numbering."""
    count = draw(st.integers(1, most))
    names = draw(st.permutations(range(count)))
    found: list[list[int]] = [[] for _ in range(count)]
    for index, name in enumerate(names):
        later = st.sets(st.sampled_from(names[index + 1 :] or [name]), max_size=3)
        found[name] = sorted(target for target in draw(later) if target != name)
    return found


def reached(successors: list[list[int]], start: int) -> set[int]:
    """The nodes to which one can come from a node, in one step or more."""
    found: set[int] = set()
    queue = list(successors[start])
    while queue:
        node = queue.pop()
        if node not in found:
            found.add(node)
            queue += successors[node]
    return found


def has_loop(successors: list[list[int]]) -> bool:
    return any(node in reached(successors, node) for node in range(len(successors)))


def without(successors: list[list[int]], edges: set[tuple[int, int]]) -> list[list[int]]:
    return [[t for t in targets if (n, t) not in edges] for n, targets in enumerate(successors)]


@given(graphs())
def test_without_the_back_edges_there_is_no_loop(successors):
    assert not has_loop(without(successors, paths.back_edges(successors, 0)))


@given(acyclic())
def test_a_graph_without_loops_has_no_back_edges(successors):
    assert paths.back_edges(successors, 0) == set()


@given(graphs())
def test_every_back_edge_is_in_a_loop(successors):
    for source, target in paths.back_edges(successors, 0):
        assert source == target or source in reached(successors, target)


@given(acyclic())
def test_the_order_puts_each_node_before_those_it_leads_to(successors):
    order = paths.order(successors)
    assert sorted(order) == list(range(len(successors)))
    place = {node: index for index, node in enumerate(order)}
    for node, targets in enumerate(successors):
        assert all(place[node] < place[target] for target in targets)


@given(acyclic())
def test_ancestors_are_those_from_which_one_can_come(successors):
    before = paths.ancestors(successors)
    for node in range(len(successors)):
        expected = {s for s in range(len(successors)) if node in reached(successors, s)}
        assert set(paths.bits(before[node])) == expected


@given(acyclic(), st.data())
def test_edges_added_later_lead_on_and_never_back(successors, data):
    before = paths.ancestors(successors)
    nodes = st.integers(0, len(successors) - 1)
    for _ in range(3):
        node, targets = data.draw(nodes), data.draw(st.sets(nodes))
        ahead = [t for t in targets if t != node and node not in reached(successors, t)]
        successors[node] = sorted({*successors[node], *ahead})
        paths.lead_on(before, node, sum(1 << target for target in targets))
        assert before == paths.ancestors(successors)
        assert not has_loop(successors)


@given(graphs())
def test_a_cycle_is_found_if_there_is_one_and_is_one(successors):
    found = paths.cycle(successors)
    assert (found is not None) == has_loop(successors)
    if found is not None:
        assert found[0] == found[-1]
        assert all(after in successors[node] for node, after in pairwise(found))


@given(graphs())
def test_nodes_that_can_come_to_each_other_are_in_one_loop(successors):
    back = paths.back_edges(successors, 0)
    before = paths.ancestors(without(successors, back))
    scope = paths.loops(successors, before)
    for one in range(len(successors)):
        for other in range(len(successors)):
            together = one in reached(successors, other) and other in reached(successors, one)
            if together:
                assert scope[one] is not None
                assert scope[one] == scope[other]


@given(acyclic())
def test_a_graph_without_loops_has_none(successors):
    assert paths.loops(successors, paths.ancestors(successors)) == [None] * len(successors)


@given(st.sets(st.integers(0, 200)))
def test_bits_are_the_members_of_a_set(members):
    assert list(paths.bits(sum(1 << member for member in members))) == sorted(members)
