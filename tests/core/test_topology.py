"""Edges from names, order, cycles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.topology import CycleFound, Node, Topology
from nbflow.errors import FlowError


def topology(**inputs):
    return Topology(Node(name, print, tuple(reads)) for name, reads in inputs.items())


def test_an_input_that_names_a_node_is_an_edge_and_any_other_is_a_value():
    flow = topology(joke=["topic"], both=["joke", "topic", "style"])
    assert flow.predecessors["both"] == ("joke",)
    assert flow.successors["joke"] == ("both",)
    assert flow.values == ("topic", "style")


def test_two_nodes_of_one_name_are_refused():
    with pytest.raises(FlowError, match="two nodes are called 'a'"):
        Topology([Node("a", print), Node("a", print)])


def test_a_cycle_is_refused_with_its_path():
    with pytest.raises(CycleFound) as caught:
        topology(a=["c"], b=["a"], c=["b"])
    assert caught.value.path[0] == caught.value.path[-1]
    assert set(caught.value.path) == {"a", "b", "c"}


def test_a_chain_of_ten_thousand_nodes_is_no_deeper_than_its_list():
    flow = topology(**{f"n{i}": [f"n{i - 1}"] if i else [] for i in range(10_000)})
    assert flow.order[-1] == "n9999"
    assert flow.predecessors["n9999"] == ("n9998",)


@given(st.dictionaries(st.integers(0, 30), st.sets(st.integers(0, 30)), max_size=30))
def test_every_node_comes_after_what_it_reads(raw):
    flow = topology(
        **{f"n{i}": [f"n{j}" for j in reads if j < i and j in raw] for i, reads in raw.items()}
    )
    place = {name: index for index, name in enumerate(flow.order)}
    for name, sources in flow.predecessors.items():
        assert all(place[source] < place[name] for source in sources)
