"""What a graph streams: each mode, several at once, and graphs in graphs."""

from __future__ import annotations

import asyncio
import inspect
import operator
import threading
from typing import Annotated, Any, TypedDict
from uuid import UUID

import pytest

from nbflow.config import get_stream_writer
from nbflow.core.context import emit
from nbflow.core.events import Kind
from nbflow.errors import FlowError, NbflowError
from nbflow.graph import END, START, MessagesState, StateGraph
from nbflow.graph.message import Message
from nbflow.types import Command, Overwrite, RetryPolicy, Send
from tests.core.virtual import run_virtually
from tests.writing.graphs import hangs, says


class State(TypedDict):
    x: int
    seen: Annotated[list[str], operator.add]


def diamond(b: float = 2, c: float = 1) -> Any:
    builder = StateGraph(State)
    for name, seconds in {"a": 0, "b": b, "c": c, "d": 0}.items():
        builder.add_node(name, says(name, seconds))
    builder.add_edge(START, "a").add_edge("a", "b").add_edge("a", "c")
    return builder.add_edge("b", "d").add_edge("c", "d").compile()


def parts_of(graph: Any, given: Any = None, **how: Any) -> list[Any]:
    """All that a graph streams, on the virtual clock."""

    async def collect() -> list[Any]:
        return [part async for part in graph.astream(given or {"seen": []}, **how)]

    return run_virtually(collect())


def test_updates_come_in_the_order_in_which_nodes_finish():
    assert parts_of(diamond()) == [
        {"a": {"seen": ["a"]}},
        {"c": {"seen": ["c"]}},
        {"b": {"seen": ["b"]}},
        {"d": {"seen": ["d"]}},
    ]


def test_values_are_the_whole_state_after_each_step():
    seen = [part["seen"] for part in parts_of(diamond(), stream_mode="values")]
    assert seen == [[], ["a"], ["a", "b", "c"], ["a", "b", "c", "d"]]


def test_a_node_that_writes_nothing_updates_with_none():
    graph = StateGraph(State).add_node("a", lambda state: None).add_edge(START, "a").compile()
    assert list(graph.stream({"x": 1})) == [{"a": None}]


def test_updates_show_an_overwrite_as_it_was_written():
    builder = StateGraph(State).add_node("a", lambda state: {"seen": Overwrite(["n"])})
    [part] = builder.add_edge(START, "a").compile().stream({"seen": ["o"]})
    assert part == {"a": {"seen": Overwrite(["n"])}}


def test_several_commands_stream_as_a_list_of_updates():
    def node(state):
        return [Command(update={"seen": ["1"]}), Command(update={"seen": ["2"]})]

    graph = StateGraph(State).add_node(node).add_edge(START, "node").compile()
    assert list(graph.stream({"seen": []})) == [{"node": [{"seen": ["1"]}, {"seen": ["2"]}]}]


def test_several_modes_come_as_pairs():
    parts = parts_of(diamond(), stream_mode=["updates", "values"])
    assert parts[:3] == [
        ("values", {"seen": []}),
        ("updates", {"a": {"seen": ["a"]}}),
        ("values", {"seen": ["a"]}),
    ]


def test_the_second_version_comes_as_dicts():
    parts = parts_of(diamond(), stream_mode="updates", version="v2")
    assert parts[0] == {"type": "updates", "ns": (), "data": {"a": {"seen": ["a"]}}}


def test_values_of_the_second_version_have_interrupts_and_a_result_is_an_object():
    part = parts_of(diamond(), stream_mode="values", version="v2")[-1]
    assert (part["type"], part["interrupts"]) == ("values", ())
    output = diamond().invoke({"seen": []}, version="v2")
    assert (output.value, output.interrupts) == (part["data"], ())


def test_what_is_only_printed_is_not_yielded(capsys):
    assert diamond().invoke({"seen": []}, print_mode="updates")["seen"][0] == "a"
    assert "[updates] {'a': {'seen': ['a']}}" in capsys.readouterr().out
    parts = parts_of(diamond(), stream_mode="custom", print_mode=["updates"])
    assert (parts, capsys.readouterr().out.count("[updates]")) == ([], 4)


def test_output_keys_that_the_state_does_not_have_are_refused():
    with pytest.raises(ValueError, match="Key sen not in channels.*'seen'"):
        diamond().invoke({"seen": []}, output_keys=["sen"])


def test_an_option_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(FlowError, match="no option 'print_modes'.*'print_mode'"):
        diamond().invoke({"seen": []}, print_modes="updates")
    with pytest.raises(NbflowError, match="interrupt_before=... isn't there yet"):
        diamond().stream({"seen": []}, interrupt_before=["a"])


def test_what_a_graph_in_a_graph_writes_comes_from_there():
    def node(state):
        get_stream_writer()("inner")
        return {"x": 1}

    inner = StateGraph(State).add_node(node).add_edge(START, "node").compile()
    graph = StateGraph(State).add_node("sub", inner).add_edge(START, "sub").compile()
    assert list(graph.stream({"x": 0}, stream_mode="custom")) == []
    ((where, data),) = graph.stream({"x": 0}, stream_mode="custom", subgraphs=True)
    assert (where[0].partition(":")[0], data) == ("sub", "inner")


def test_custom_parts_come_at_once_in_their_order():
    def node(state):
        writer = get_stream_writer()
        for number in range(3):
            writer({"step": number})
        return {"x": 1}

    graph = StateGraph(State).add_node(node).add_edge(START, "node").compile()
    parts = list(graph.stream({"x": 0}, stream_mode=["custom", "updates"]))
    expected = [("custom", {"step": number}) for number in range(3)]
    assert parts == [*expected, ("updates", {"node": {"x": 1}})]


def test_tasks_tell_of_starts_and_ends():
    def node(state):
        return {"x": state["x"] + 1}

    graph = StateGraph(State).add_node(node).add_edge(START, "node").compile()
    start, end = graph.stream({"x": 0}, stream_mode="tasks")
    assert start["name"] == end["name"] == "node"
    assert start["id"] == end["id"]
    assert start["input"] == {"x": 0, "seen": []}
    assert start["triggers"] == ("branch:to:node",)
    assert (end["error"], end["result"], end["interrupts"]) == (None, {"x": 1}, [])


def test_a_node_that_is_tried_again_begins_once():
    graph = StateGraph(State)
    failures = [ValueError("once"), ValueError("twice")]

    def node(state):
        if failures:
            raise failures.pop()
        return {"x": 1}

    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError)
    graph = graph.add_node("node", node, retry_policy=policy).add_edge(START, "node").compile()
    start, end = graph.stream({"x": 0}, stream_mode="tasks")
    assert (start["id"], start["input"]) == (end["id"], {"x": 0, "seen": []})
    assert str(UUID(start["id"])) == start["id"]
    assert end["result"] == {"x": 1}


@pytest.mark.parametrize("method", ["invoke", "ainvoke", "stream", "astream"])
def test_help_shows_every_option_of_a_stream(method):
    shown = inspect.signature(getattr(diamond(), method)).parameters
    assert list(shown)[:4] == ["input", "config", "context", "stream_mode"]
    assert shown["subgraphs"].default is False
    assert {"print_mode", "output_keys", "version", "durability"} <= set(shown)


def test_tasks_tell_of_errors():
    def node(state):
        raise LookupError("mine")

    graph = StateGraph(State).add_node(node).add_edge(START, "node").compile()
    stream = graph.stream({"x": 0}, stream_mode="tasks")
    assert next(stream)["name"] == "node"
    assert repr(next(stream)["error"]) == "LookupError('mine')"
    with pytest.raises(LookupError):
        next(stream)


def test_debug_wraps_tasks_with_steps_and_times():
    parts = parts_of(diamond(), stream_mode="debug")
    assert [(p["type"], p["step"], p["payload"]["name"]) for p in parts] == [
        ("task", 1, "a"),
        ("task_result", 1, "a"),
        ("task", 2, "b"),
        ("task", 2, "c"),
        ("task_result", 2, "c"),
        ("task_result", 2, "b"),
        ("task", 3, "d"),
        ("task_result", 3, "d"),
    ]


def test_what_a_model_says_is_streamed_piece_by_piece():
    def node(state):
        for word in ("Once", " upon"):
            emit(Kind.CHUNK, text=word)
        return {"x": 1}

    graph = StateGraph(State).add_node("story", node).add_edge(START, "story").compile()
    parts = list(graph.stream({"x": 0}, stream_mode="messages"))
    assert [(chunk.content, about["langgraph_node"]) for chunk, about in parts] == [
        ("Once", "story"),
        (" upon", "story"),
    ]
    assert len({chunk.id for chunk, _ in parts}) == 1


def test_messages_that_nodes_write_are_streamed_once_each():
    def first(state: MessagesState):
        return {"messages": [Message("hi", "ai", "1")]}

    def second(state: MessagesState):
        return {"messages": [*state["messages"], Message("ho", "ai", "2")]}

    graph = StateGraph(MessagesState).add_sequence([first, second]).add_edge(START, "first")
    parts = list(graph.compile().stream({"messages": ["hello"]}, stream_mode="messages"))
    assert [(message.content, about["langgraph_node"]) for message, about in parts] == [
        ("hi", "first"),
        ("ho", "second"),
    ]


def test_messages_carry_what_the_config_says_but_no_secrets():
    def node(state: MessagesState):
        return {"messages": [Message("hi", "ai", "1")]}

    graph = StateGraph(MessagesState).add_node(node).add_edge(START, "node").compile()
    config = {
        "configurable": {"thread_id": "t", "api_key": "secret"},
        "metadata": {"purpose": "test"},
        "tags": ["mine"],
    }
    [(message, about)] = graph.stream({"messages": []}, config, stream_mode="messages")
    assert message.content == "hi"
    assert (about["thread_id"], about["purpose"], about["tags"]) == ("t", "test", ["mine"])
    assert about["langgraph_path"] == ("__pregel_pull", "node")
    assert about["langgraph_checkpoint_ns"].startswith("node:")
    assert "secret" not in repr(about)


def nested() -> Any:
    inner = StateGraph(State).add_node("x", says("x")).add_edge(START, "x").compile()
    builder = StateGraph(State).add_node("inner", inner).add_node("a", says("a"))
    return builder.add_edge(START, "a").add_edge("a", "inner").add_edge("inner", END).compile()


def test_graphs_in_graphs_stream_only_when_asked():
    assert [list(part) for part in parts_of(nested())] == [["a"], ["inner"]]


def test_parts_of_graphs_in_graphs_begin_with_where():
    parts = parts_of(nested(), subgraphs=True)
    assert [(len(where), list(part)) for where, part in parts] == [
        (0, ["a"]),
        (1, ["x"]),
        (0, ["inner"]),
    ]
    assert parts[1][0][0].startswith("inner:")


def test_subgraphs_and_several_modes_come_as_triples():
    parts = parts_of(nested(), subgraphs=True, stream_mode=["updates"])
    assert [(len(where), mode) for where, mode, _ in parts] == [
        (0, "updates"),
        (1, "updates"),
        (0, "updates"),
    ]


def test_sends_stream_one_update_each():
    builder = StateGraph(State).add_node("a", lambda given: {"seen": [given]})
    builder.set_conditional_entry_point(lambda state: [Send("a", n) for n in "xyz"])
    parts = list(builder.compile().stream({"seen": []}))
    assert sorted(part["a"]["seen"][0] for part in parts) == ["x", "y", "z"]


def test_what_finished_before_a_failure_was_streamed():
    async def bad(state):
        await asyncio.sleep(5)
        raise LookupError("late")

    builder = StateGraph(State).add_node("a", says("a")).add_node(bad)
    graph = builder.add_edge(START, "a").add_edge(START, "bad").compile()
    parts: list[Any] = []

    async def collect() -> None:
        with pytest.raises(LookupError, match="late"):
            async for part in graph.astream({"seen": []}):
                parts.append(part)

    run_virtually(collect())
    assert parts == [{"a": {"seen": ["a"]}}]


def test_who_stops_reading_ends_the_run():
    stopped: list[str] = []
    builder = StateGraph(State).add_node("a", says("a")).add_node(hangs(stopped))
    graph = builder.add_edge(START, "a").add_edge(START, "slow").compile()

    async def read_one() -> None:
        stream = graph.astream({"seen": []})
        async for _ in stream:
            break
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(read_one())
    assert stopped == ["slow"]


def test_a_mode_that_is_not_there_names_the_nearest():
    with pytest.raises(FlowError, match="'update'.*Did you mean 'updates'"):
        diamond().stream({"seen": []}, stream_mode="update")


def test_invoke_gives_the_parts_of_another_mode():
    graph = StateGraph(State).add_node("a", lambda state: {"x": 1}).add_edge(START, "a").compile()
    assert graph.invoke({"x": 0}, stream_mode="updates") == [{"a": {"x": 1}}]


def test_a_sync_stream_yields_while_the_graph_goes_on():
    go_on = threading.Event()

    def last(state):
        assert go_on.wait(20)
        return {"x": 2}

    builder = StateGraph(State).add_sequence([("first", lambda state: {"x": 1}), last])
    stream = builder.add_edge(START, "first").compile().stream({"x": 0})
    assert next(stream) == {"first": {"x": 1}}
    go_on.set()
    assert list(stream) == [{"last": {"x": 2}}]
