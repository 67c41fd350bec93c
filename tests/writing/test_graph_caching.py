"""Nodes whose results are used again for the same input."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest

from nbflow.core.run import last_run
from nbflow.graph import START, StateGraph
from nbflow.types import CachePolicy, Command, Send
from nbflow.writing.caching import InMemoryCache


class State(TypedDict, total=False):
    x: int
    y: int
    seen: Annotated[list[int], operator.add]


class Counted:
    """A node that counts its calls."""

    def __init__(self, result: Any = None) -> None:
        self.calls = 0
        self.result = result

    def sync(self, state):
        self.calls += 1
        return self.result or {"y": state["x"] * 2}

    async def on_loop(self, state):
        return self.sync(state)


def graph_of(node: Any, policy: CachePolicy | None = None, **how: Any) -> Any:
    builder = StateGraph(State).add_node("n", node, cache_policy=policy or CachePolicy())
    return builder.add_edge(START, "n").compile(**how)


@pytest.mark.parametrize("kind", ["sync", "on_loop"])
def test_a_result_is_used_again_for_the_same_input(kind):
    counted = Counted()
    graph = graph_of(getattr(counted, kind))
    assert [graph.invoke({"x": x})["y"] for x in (1, 1, 2, 1)] == [2, 2, 4, 2]
    assert counted.calls == 2


def test_an_update_says_that_it_was_used_again():
    graph = graph_of(Counted().sync)
    assert list(graph.stream({"x": 1})) == [{"n": {"y": 2}}]
    assert list(graph.stream({"x": 1})) == [{"n": {"y": 2}, "__metadata__": {"cached": True}}]


def test_each_compiled_graph_has_a_cache_of_its_own():
    counted = Counted()
    graph_of(counted.sync).invoke({"x": 1})
    graph_of(counted.sync).invoke({"x": 1})
    assert counted.calls == 2


def test_graphs_may_share_a_cache():
    counted, cache = Counted(), InMemoryCache()
    graph_of(counted.sync, cache=cache).invoke({"x": 1})
    graph_of(counted.sync, cache=cache).invoke({"x": 1})
    assert counted.calls == 1


def test_a_cache_may_be_cleared_by_node():
    counted = Counted()
    graph = graph_of(counted.sync)
    graph.invoke({"x": 1})
    graph.clear_cache(["n"])
    graph.invoke({"x": 1})
    assert counted.calls == 2


def test_a_result_lives_as_long_as_its_policy_says():
    now = [0.0]
    counted = Counted()
    graph = graph_of(counted.sync, CachePolicy(ttl=10), cache=InMemoryCache(clock=lambda: now[0]))
    for seconds in (0, 9, 11):
        now[0] = seconds
        graph.invoke({"x": 1})
    assert counted.calls == 2


def test_a_key_may_be_made_of_a_part_of_the_input():
    counted = Counted()
    graph = graph_of(counted.sync, CachePolicy(key_func=lambda state: str(state["x"] % 10)))
    assert [graph.invoke({"x": x})["y"] for x in (1, 11, 2)] == [2, 2, 4]


def test_a_failure_is_not_kept():
    calls: list[int] = []

    def node(state):
        calls.append(1)
        if len(calls) == 1:
            raise LookupError
        return {"y": 1}

    graph = graph_of(node)
    with pytest.raises(LookupError):
        graph.invoke({"x": 1})
    assert graph.invoke({"x": 1})["y"] == 1


def test_what_a_command_says_is_used_again_too():
    counted = Counted(Command(update={"y": 5}, goto="after"))
    builder = StateGraph(State).add_node("n", counted.sync, cache_policy=CachePolicy())
    builder.add_node("after", lambda state: {"seen": [state["y"]]}).add_edge(START, "n")
    graph = builder.compile()
    assert graph.invoke({"x": 1})["seen"] == [5]
    assert graph.invoke({"x": 1})["seen"] == [5]
    assert counted.calls == 1


def test_a_conditional_edge_decides_again():
    ways: list[str] = []

    def route(state):
        ways.append("asked")
        return "__end__"

    builder = StateGraph(State).add_node("n", Counted().sync, cache_policy=CachePolicy())
    graph = builder.add_edge(START, "n").add_conditional_edges("n", route).compile()
    graph.invoke({"x": 1})
    graph.invoke({"x": 1})
    assert ways == ["asked", "asked"]


def test_sends_are_told_apart_by_what_was_sent():
    counted = Counted()

    def node(given):
        counted.calls += 1
        return {"seen": [given * 10]}

    builder = StateGraph(State).add_node("n", node, cache_policy=CachePolicy())
    builder.set_conditional_entry_point(lambda state: [Send("n", 1), Send("n", 2)])
    graph = builder.compile()
    assert graph.invoke({"x": 0})["seen"] == [10, 20]
    assert graph.invoke({"x": 9})["seen"] == [10, 20]
    assert counted.calls == 2


def test_a_graph_in_a_graph_may_be_used_again():
    counted = Counted()
    inner = StateGraph(State).add_node("i", counted.sync).add_edge(START, "i").compile()
    graph = graph_of(inner)
    assert [graph.invoke({"x": 1})["y"] for _ in range(2)] == [2, 2]
    assert counted.calls == 1


def test_the_board_says_that_a_result_was_used_again():
    graph = graph_of(Counted().sync)
    graph.invoke({"x": 1})
    graph.invoke({"x": 1})
    assert last_run().record.tasks["n"].reused
