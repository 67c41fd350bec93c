"""Who runs when: joins, loops, and many at once."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest

from nbflow.core.run import last_run
from nbflow.errors import (
    GraphRecursionError,
)
from nbflow.graph import END, START, MessagesState, StateGraph
from nbflow.types import Command, Send
from tests.core.virtual import run_virtually
from tests.writing.graphs import Plain, State, graph_of, leads, timed


def test_branches_run_beside_each_other_and_a_join_after_all_of_them():
    graph = graph_of("0a 0b 0c ad bd cd d1", {"a": 3, "b": 2, "c": 1}).compile()
    assert timed(graph) == ({"seen": ["a", "b", "c", "d"]}, 3)


def test_an_uneven_graph_takes_its_critical_path():
    graph = graph_of("0a ab ac cd be de", {"b": 1, "c": 0.1, "d": 1}).compile()
    result, seconds = timed(graph)
    assert result == {"seen": ["a", "b", "c", "d", "e"]}
    assert seconds == pytest.approx(1.1)


def test_a_join_runs_once_however_long_the_ways_to_it_are():
    result, _ = timed(graph_of("0a ab bc cd ad 0d de").compile())
    assert Counter(result["seen"]) == Counter("abcde")
    assert result["seen"][-1] == "e"


def test_a_join_waits_for_a_short_way_that_is_slow():
    result, _ = timed(graph_of("0a 0b bc cd ad", {"a": 10}).compile())
    assert result["seen"][-1] == "d"
    assert Counter(result["seen"]) == Counter("abcd")


def test_an_edge_of_several_waits_for_all_of_them():
    builder = graph_of("0a 0b bc d1", {"c": 2})
    result, _ = timed(builder.add_edge(["a", "c"], "d").compile())
    assert result["seen"] == ["a", "b", "c", "d"]


def test_a_way_that_is_not_taken_does_not_hold_up_a_join():
    builder = graph_of("0a 0b cd bd d1", a=leads(END))
    result, _ = timed(builder.compile())
    assert result == {"seen": ["a", "b", "d"]}


def test_a_join_whose_ways_are_all_not_taken_does_not_run():
    builder = graph_of("0a bd cd", a=leads(END))
    assert timed(builder.compile())[0] == {"seen": ["a"]}
    states = {name: life.state for name, life in last_run().record.tasks.items()}
    assert states["d"].name == "SKIPPED"


def test_a_join_below_a_choice_runs_once_after_the_way_taken():
    builder = graph_of("0a bd cd de", {"c": 5}, a=leads("c"))
    assert timed(builder.compile())[0] == {"seen": ["a", "c", "d", "e"]}


def test_a_node_sees_its_ancestors_and_nobody_beside_them():
    seen: dict[str, list[str]] = {}

    def looks(name):
        async def node(state):
            seen[name] = state["seen"]
            return {"seen": [name]}

        return node

    builder = StateGraph(State)
    for name in "abcd":
        builder.add_node(name, looks(name))
    for start, end in ((START, "a"), (START, "b"), ("a", "c"), ("c", "d"), ("b", "d")):
        builder.add_edge(start, end)
    builder.compile().invoke({"seen": ["0"]})
    assert seen == {
        "a": ["0"],
        "b": ["0"],
        "c": ["0", "a"],
        "d": ["0", "a", "b", "c"],
    }


def test_as_many_nodes_at_once_as_max_concurrency_says():
    graph = graph_of("0a 0b 0c 0d", dict.fromkeys("abcd", 1.0)).compile()

    async def run() -> float:
        loop = asyncio.get_running_loop()
        await graph.ainvoke({"seen": []}, {"max_concurrency": 2})
        return loop.time()

    assert run_virtually(run()) == pytest.approx(2)


def counting(limit: int) -> StateGraph:
    builder = StateGraph(Plain).add_node("count", lambda state: {"x": state["x"] + 1})
    builder.add_node("after", lambda state: {"y": state["x"]})
    builder.add_edge(START, "count")
    builder.add_conditional_edges(
        "count", lambda state: "after" if state["x"] >= limit else "count", ["count", "after"]
    )
    return builder


def test_a_loop_goes_round_until_it_is_left():
    assert counting(7).compile().invoke({"x": 0}) == {"x": 7, "y": 7}


def test_a_loop_that_goes_on_too_long_is_stopped():
    with pytest.raises(GraphRecursionError, match="Recursion limit of 25"):
        counting(1000).compile().invoke({"x": 0})


def test_the_recursion_limit_is_the_configs():
    assert counting(100).compile().invoke({"x": 0}, {"recursion_limit": 200})["y"] == 100
    with pytest.raises(RecursionError, match="limit of 3"):
        counting(100).compile().invoke({"x": 0}, {"recursion_limit": 3})


def test_a_loop_of_sends_is_stopped_too():
    builder = StateGraph(Plain).add_node("a", lambda given: {})
    builder.add_edge(START, "a").add_conditional_edges("a", lambda state: [Send("a", {})])
    with pytest.raises(GraphRecursionError, match="limit of 25"):
        builder.compile().invoke({"x": 0})


def test_a_loop_of_commands_that_nothing_announces_is_stopped_too():
    builder = StateGraph(Plain).add_node("a", lambda state: Command(goto="b"))
    builder.add_node("b", lambda state: Command(goto="a")).add_edge(START, "a")
    with pytest.raises(GraphRecursionError, match="limit of 25"):
        builder.compile().invoke({"x": 0})


def test_a_long_chain_without_a_loop_needs_no_limit():
    builder = StateGraph(Plain)
    builder.add_sequence([(f"n{i}", lambda state: {"x": state["x"] + 1}) for i in range(60)])
    assert builder.add_edge(START, "n0").compile().invoke({"x": 0}) == {"x": 60}


def test_a_join_in_a_loop_runs_once_in_each_round():
    builder = graph_of("0a ab ac cd bj dj")
    builder.add_conditional_edges("j", leads(lambda state: "a" if len(state["seen"]) < 15 else END))
    seen = timed(builder.compile())[0]["seen"]
    assert seen == list("abcdj") * 3


def test_a_batch_gives_results_in_the_order_of_the_inputs():
    graph = StateGraph(Plain).add_node("a", lambda s: {"y": s["x"] * 2}).add_edge(START, "a")
    inputs = [{"x": number} for number in range(5)]
    assert [r["y"] for r in graph.compile().batch(inputs)] == [0, 2, 4, 6, 8]
    results = asyncio.run(graph.compile().abatch(inputs, {"max_concurrency": 2}))
    assert [r["y"] for r in results] == [0, 2, 4, 6, 8]


def test_a_batch_may_return_what_was_raised():
    graph = StateGraph(Plain).add_node("a", lambda s: {"y": 1 // s["x"]}).add_edge(START, "a")
    first, second = graph.compile().batch([{"x": 1}, {"x": 0}], return_exceptions=True)
    assert first == {"x": 1, "y": 1}
    assert isinstance(second, ZeroDivisionError)


def test_a_graph_may_be_invoked_again_and_from_many_threads():
    graph = graph_of("0a 0b ac bc").compile()
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(graph.invoke({"seen": []})))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{"seen": ["a", "b", "c"]}] * 8


async def test_invoke_works_inside_a_running_loop():
    assert graph_of("0a ab").compile().invoke({"seen": []}) == {"seen": ["a", "b"]}


def test_messages_with_a_known_id_replace_each_other():
    def again(state: MessagesState):
        return {"messages": [{"role": "ai", "content": "better", "id": "1"}]}

    graph = StateGraph(MessagesState).add_node(again).add_edge(START, "again").compile()
    given = {"messages": [{"role": "ai", "content": "good", "id": "1"}]}
    assert [m.content for m in graph.invoke(given)["messages"]] == ["better"]


def test_what_a_graph_did_can_be_read_from_its_run():
    graph_of("0a ab ac bd cd").compile().invoke({"seen": []})
    run = last_run()
    assert run["d"] == {"seen": ["d"]}
    assert run.status.name == "DONE"
    assert run.record.nodes["d"].inputs == ("b", "c")
