"""Graphs as nodes of graphs."""

from __future__ import annotations

import asyncio
from typing import TypedDict

import pytest

from nbflow.graph import START, StateGraph
from nbflow.types import Command
from tests.core.virtual import run_virtually
from tests.writing.graphs import Plain, State, graph_of, says


def test_a_graph_may_be_a_node():
    inner = graph_of("0x xy").compile()
    graph = graph_of("0a b1").add_node("inner", inner)
    graph.add_edge("a", "inner").add_edge("inner", "b")
    # The inner graph returns all of its state, which the reducer adds to the outer's.
    assert graph.compile().invoke({"seen": []})["seen"] == ["a", "a", "x", "y", "b"]


def test_a_graph_in_a_graph_may_have_other_keys():
    class Inner(TypedDict):
        y: int
        own: int

    inner = (
        StateGraph(Inner)
        .add_node("first", lambda state: {"own": state["y"] + 1})
        .add_node("second", lambda state: {"y": state["own"] * 10})
        .add_edge(START, "first")
        .add_edge("first", "second")
        .compile()
    )
    graph = StateGraph(Plain).add_node("inner", inner).add_edge(START, "inner").compile()
    assert graph.invoke({"x": "kept", "y": 4}) == {"x": "kept", "y": 50}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_graph_may_be_invoked_inside_a_node(kind):
    inner = StateGraph(Plain).add_node("n", lambda s: {"x": s["x"] * 2}).add_edge(START, "n")
    compiled = inner.compile()

    def in_thread(state):
        return {"y": compiled.invoke({"x": state["x"]})["x"]}

    async def on_loop(state):
        return {"y": (await compiled.ainvoke({"x": state["x"]}))["x"]}

    node = {"sync": in_thread, "async": on_loop}[kind]
    graph = StateGraph(Plain).add_node("outer", node).add_edge(START, "outer").compile()
    assert graph.invoke({"x": 21}) == {"x": 21, "y": 42}


def test_graphs_in_graphs_share_the_room_of_the_run():
    inner = graph_of("0x 0y", {"x": 1, "y": 1}).compile()
    builder = StateGraph(State).add_node("one", inner).add_node("two", inner)
    graph = builder.add_edge(START, "one").add_edge(START, "two").compile()

    async def run() -> float:
        await graph.ainvoke({"seen": []}, {"max_concurrency": 1})
        return asyncio.get_running_loop().time()

    assert run_virtually(run()) == pytest.approx(4)


def test_a_graph_in_a_graph_may_send_its_parent_somewhere_else():
    def leave(state):
        return Command(graph=Command.PARENT, goto="b", update={"seen": ["left"]})

    inner = StateGraph(State).add_node(leave).add_node("never", says("never"))
    compiled = inner.add_edge(START, "leave").add_edge("leave", "never").compile()
    graph = graph_of("0a b1").add_node("inner", compiled).add_edge("a", "inner").compile()
    assert graph.invoke({"seen": []})["seen"] == ["a", "left", "b"]


def test_a_failure_in_a_graph_in_a_graph_is_the_outers():
    def bad(state):
        raise LookupError("deep down")

    inner = StateGraph(State).add_node(bad).add_edge(START, "bad").compile()
    middle = StateGraph(State).add_node("inner", inner).add_edge(START, "inner").compile()
    graph = StateGraph(State).add_node("middle", middle).add_edge(START, "middle").compile()
    with pytest.raises(LookupError, match="deep down"):
        graph.invoke({"seen": []})
