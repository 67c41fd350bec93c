"""Where a node leads: conditional edges, sends and commands."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, Literal, TypedDict

import pytest

from nbflow.errors import (
    InvalidUpdateError,
    NodeTimeoutError,
)
from nbflow.graph import END, START, StateGraph
from nbflow.types import Command, Send
from tests.writing.graphs import State, graph_of, says


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("b", ["a", "b"]),
        (["b", "c"], ["a", "b", "c"]),
        (END, ["a"]),
        ([END], ["a"]),
        ([], ["a"]),
        ([Send("b", None), Send("b", None)], ["a", "b", "b"]),
        (["c", Send("b", None), END], ["a", "c", "b"]),
    ],
    ids=str,
)
def test_a_conditional_edge_may_answer(answer, expected):
    builder = graph_of("0a b1 c1", a=lambda state: answer)
    assert builder.compile().invoke({"seen": []})["seen"] == expected


@pytest.mark.parametrize(
    ("path_map", "edges"),
    [({True: "b", False: "c"}, "0a b1 c1"), ({True: "b", False: END}, "0a b1")],
)
def test_a_path_map_translates_the_answer(path_map, edges):
    builder = graph_of(edges)
    builder.add_conditional_edges("a", lambda state: "a" in state["seen"], path_map)
    assert builder.compile().invoke({"seen": []})["seen"] == ["a", "b"]


def test_an_answer_that_the_path_map_does_not_have_is_refused():
    builder = graph_of("0a b1").add_conditional_edges("a", lambda state: "bb", ["b"])
    with pytest.raises(InvalidUpdateError, match="'a' returned 'bb'.*Did you mean 'b'"):
        builder.compile().invoke({"seen": []})


def test_an_answer_that_is_no_node_is_refused():
    builder = graph_of("0a b1", a=lambda state: "story")
    with pytest.raises(InvalidUpdateError, match="valid destination.*'story'"):
        builder.compile().invoke({"seen": []})


def test_nothing_can_be_sent_to_the_end():
    builder = graph_of("0a", a=lambda state: Send(END, {}))
    with pytest.raises(InvalidUpdateError, match="Cannot send a packet to the END node"):
        builder.compile().invoke({"seen": []})


def test_a_path_may_say_by_its_type_where_it_leads():
    def route(state) -> Literal["b", "c"]:
        return "c"

    builder = graph_of("0a b1 c1").add_conditional_edges("a", route)
    assert builder.compile().invoke({"seen": []})["seen"] == ["a", "c"]


def test_a_path_may_be_async_and_ask_for_config():
    async def route(state, config):
        await asyncio.sleep(0)
        return config["configurable"]["way"]

    builder = graph_of("0a b1 c1").add_conditional_edges("a", route)
    config = {"configurable": {"way": "c"}}
    assert builder.compile().invoke({"seen": []}, config)["seen"] == ["a", "c"]


def test_where_a_graph_begins_may_be_a_choice():
    builder = graph_of("a1 b1").set_conditional_entry_point(lambda state: state["seen"][0])
    assert builder.compile().invoke({"seen": ["b"]}) == {"seen": ["b", "b"]}


def test_several_conditional_edges_of_one_node_all_count():
    builder = graph_of("0a b1 c1")
    builder.add_conditional_edges("a", lambda state: "b")

    def other(state):
        return "c"

    builder.add_conditional_edges("a", other)
    assert builder.compile().invoke({"seen": []})["seen"] == ["a", "b", "c"]


def test_a_path_that_raises_is_the_graphs_error():
    def route(state):
        raise LookupError("no way")

    with pytest.raises(LookupError, match="no way"):
        graph_of("0a", a=route).compile().invoke({"seen": []})


class Jokes(TypedDict):
    subjects: list[str]
    jokes: Annotated[list[str], operator.add]
    best: str


def jokes_graph(seconds: dict[str, float] | None = None) -> Any:
    async def write(state):
        await asyncio.sleep((seconds or {}).get(state["subject"], 0))
        return {"jokes": [f"about {state['subject']}"]}

    def choose(state):
        return {"best": state["jokes"][-1]}

    builder = StateGraph(Jokes)
    builder.add_node("plan", lambda state: {"subjects": ["cats", "dogs", "ducks"]})
    builder.add_node("write", write).add_node("choose", choose)
    builder.add_edge(START, "plan").add_edge("write", "choose").add_edge("choose", END)
    builder.add_conditional_edges(
        "plan", lambda state: [Send("write", {"subject": s}) for s in state["subjects"]]
    )
    return builder.compile()


def test_sends_map_and_a_join_reduces_in_the_order_sent():
    expected = ["about cats", "about dogs", "about ducks"]
    result = jokes_graph().invoke({"subjects": []})
    assert (result["jokes"], result["best"]) == (expected, "about ducks")


def test_the_order_of_sends_does_not_depend_on_how_long_they_take():
    result = asyncio.run(jokes_graph({"cats": 0.02, "dogs": 0.01}).ainvoke({"subjects": []}))
    assert result["jokes"] == ["about cats", "about dogs", "about ducks"]


def test_a_send_to_a_node_that_is_not_there_names_the_nearest():
    builder = graph_of("0a b1", a=lambda state: [Send("bb", {})])
    with pytest.raises(InvalidUpdateError, match="'bb'.*Did you mean 'b'"):
        builder.compile().invoke({"seen": []})


def test_a_send_may_have_a_timeout_of_its_own():
    async def slow(state):
        await asyncio.sleep(state)

    builder = StateGraph(State).add_node("slow", slow)
    builder.set_conditional_entry_point(
        lambda state: [Send("slow", 1), Send("slow", 1, timeout=0.01)]
    )
    with pytest.raises(NodeTimeoutError, match="'slow' took longer"):
        builder.compile().invoke({"seen": ["x"]})


def test_a_command_updates_and_leads_on():
    def route(state) -> Command[Literal["b", "c"]]:
        return Command(update={"seen": ["route"]}, goto="c")

    builder = graph_of("b1 c1").add_node(route).add_edge(START, "route")
    assert builder.compile().invoke({"seen": []})["seen"] == ["route", "c"]


@pytest.mark.parametrize(
    ("goto", "expected"),
    [
        (["b", "c"], ["b", "c"]),
        (Send("b", {}), ["b"]),
        ([Send("b", {}), "c"], ["c", "b"]),
        (END, []),
        ((), []),
    ],
    ids=str,
)
def test_a_command_may_lead(goto, expected):
    builder = graph_of("b1 c1").add_node("a", lambda state: Command(goto=goto))
    assert builder.add_edge(START, "a").compile().invoke({"seen": []})["seen"] == expected


def test_a_command_leads_on_beside_the_edges_of_its_node():
    builder = graph_of("ab c1").nodes  # only for the names
    graph = StateGraph(State).add_node("a", lambda state: Command(goto="c"))
    for name in sorted(set(builder) - {"a"}):
        graph.add_node(name, says(name))
    graph.add_edge(START, "a").add_edge("a", "b")
    assert graph.compile().invoke({"seen": []})["seen"] == ["b", "c"]


def test_several_commands_in_a_list_all_count():
    def route(state):
        return [Command(update={"seen": ["1"]}), Command(update={"seen": ["2"]}, goto="b")]

    graph = graph_of("b1").add_node(route).add_edge(START, "route").compile()
    assert graph.invoke({"seen": []})["seen"] == ["1", "2", "b"]


def test_a_command_to_a_node_that_is_not_there_names_the_nearest():
    builder = graph_of("story1".replace("story", "b")).add_node("a", lambda s: Command(goto="bb"))
    with pytest.raises(InvalidUpdateError, match="'bb'.*Did you mean 'b'"):
        builder.add_edge(START, "a").compile().invoke({"seen": []})


def test_a_command_to_a_parent_that_is_not_there_is_an_error():
    from nbflow.errors import ParentCommand  # noqa: PLC0415 - only here

    builder = graph_of("b1")
    builder.add_node("a", lambda state: Command(graph=Command.PARENT, goto="b"))
    with pytest.raises(ParentCommand, match="no graph around"):
        builder.add_edge(START, "a").compile().invoke({"seen": []})
