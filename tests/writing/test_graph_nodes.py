"""What nodes are, what they take, and what they write."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest

import nbflow
import nbflow.types
from nbflow.config import get_config, get_stream_writer
from nbflow.errors import (
    EmptyInputError,
    InvalidUpdateError,
)
from nbflow.graph import START, StateGraph
from nbflow.graph.message import Message
from nbflow.runtime import Runtime, get_runtime
from nbflow.types import Overwrite, RetryPolicy, StreamWriter
from tests.writing.graphs import Plain, State, says


def test_a_node_may_be_written_in_every_way():
    def plain(state):
        return {"seen": ["plain"]}

    async def coroutine(state):
        return {"seen": ["coroutine"]}

    def generator(state):
        yield "some text"
        yield {"seen": ["generator"]}

    async def async_generator(state):
        yield {"seen": ["async"]}
        yield {"seen": ["generator too"]}

    class Callable_:
        def __call__(self, state):
            return {"seen": ["object"]}

    class Runnable:
        def invoke(self, state, config=None):
            return {"seen": ["runnable"]}

    nodes = [
        plain,
        coroutine,
        generator,
        async_generator,
        ("object", Callable_()),
        ("runnable", Runnable()),
    ]
    graph = StateGraph(State).add_sequence(nodes).add_edge(START, "plain").compile()
    expected = ["plain", "coroutine", "generator", "async", "generator too", "object", "runnable"]
    assert graph.invoke({"seen": []})["seen"] == expected


def test_a_sync_node_runs_in_a_thread():
    def node(state):
        return {"x": threading.current_thread() is not threading.main_thread()}

    graph = StateGraph(Plain).add_node(node).add_edge(START, "node").compile()
    assert graph.invoke({"x": None}) == {"x": True}


def test_nodes_may_ask_for_config_runtime_and_writer():
    def config_too(state, config):
        return {"x": config["configurable"]["who"]}

    async def runtime_too(state, runtime: Runtime[dict[str, str]]):
        assert get_runtime().context == runtime.context
        runtime.stream_writer("from the runtime")
        return {"y": runtime.context["where"]}

    def writer_too(state, *, writer: StreamWriter):
        writer("from the writer")
        get_stream_writer()(get_config()["configurable"]["who"])

    builder = StateGraph(Plain).add_sequence([config_too, runtime_too, writer_too])
    graph = builder.add_edge(START, "config_too").compile()
    config = {"configurable": {"who": "me"}}
    context = {"where": "here"}
    assert graph.invoke({"x": 0}, config, context=context) == {"x": "me", "y": "here"}
    parts = list(graph.stream({"x": 0}, config, context=context, stream_mode="custom"))
    assert parts == ["from the runtime", "from the writer", "me"]


@dataclass
class Where:
    place: str


@pytest.mark.parametrize("given", [Where("here"), {"place": "here"}], ids=str)
def test_a_context_may_be_given_as_its_class_or_its_fields(given):
    def node(state, runtime: Runtime[Where]):
        return {"x": runtime.context.place}

    builder = StateGraph(Plain, context_schema=Where).add_node(node).add_edge(START, "node")
    assert builder.compile().invoke({}, context=given) == {"x": "here"}


def test_a_context_without_a_field_is_refused():
    graph = StateGraph(Plain, context_schema=Where).add_node("a", lambda s: {}).add_edge(START, "a")
    with pytest.raises(TypeError, match="place"):
        graph.compile().invoke({}, context={})


def test_a_node_may_know_which_attempt_it_is():
    told: list[Any] = []

    def node(state, runtime: Runtime):
        told.append(runtime.execution_info)
        if len(told) < 3:
            raise ConnectionError

    builder = StateGraph(Plain).add_node(
        node, retry_policy=RetryPolicy(initial_interval=0.001, jitter=False)
    )
    builder.add_edge(START, "node")
    builder.compile().invoke({}, {"configurable": {"thread_id": "t"}})
    assert [info.node_attempt for info in told] == [1, 2, 3]
    assert len({info.task_id for info in told}) == 1
    assert {info.checkpoint_ns for info in told} == {f"node:{told[0].task_id}"}
    assert {info.thread_id for info in told} == {"t"}
    assert len({info.node_first_attempt_time for info in told}) == 1


def test_a_config_may_be_bound():
    def node(state, config):
        return {"x": config["configurable"]["who"]}

    graph = StateGraph(Plain).add_node(node).add_edge(START, "node").compile()
    assert graph.with_config({"configurable": {"who": "you"}}).invoke({"x": 0}) == {"x": "you"}


def test_a_node_that_returns_nothing_changes_nothing():
    graph = StateGraph(Plain).add_node("a", lambda state: None).add_edge(START, "a").compile()
    assert graph.invoke({"x": 1}) == {"x": 1}


@pytest.mark.parametrize("value", ["text", 3, ["x"]])
def test_what_is_no_update_is_refused(value):
    graph = StateGraph(Plain).add_node("a", lambda state: value).add_edge(START, "a").compile()
    with pytest.raises(InvalidUpdateError, match="Expected dict, got .*'a' must return"):
        graph.invoke({"x": 1})


def test_keys_that_the_state_does_not_have_are_left_out():
    graph = StateGraph(Plain).add_node("a", lambda state: {"z": 1}).add_edge(START, "a").compile()
    assert graph.invoke({"x": 1}) == {"x": 1}


def test_no_input_is_refused():
    graph = StateGraph(Plain).add_node("a", lambda state: {}).add_edge(START, "a").compile()
    with pytest.raises(EmptyInputError, match="give some of these keys: 'x', 'y'"):
        graph.invoke(None)


def test_an_input_without_any_of_the_keys_is_warned_of():
    graph = StateGraph(Plain).add_node("a", lambda state: {"x": 1}).add_edge(START, "a").compile()
    with pytest.warns(UserWarning, match="the input has 'nothing', but the graph reads 'x', 'y'"):
        assert graph.invoke({"nothing": "known"}) == {"x": 1}


def test_an_empty_input_is_one():
    graph = StateGraph(Plain).add_node("a", lambda state: {"x": 1}).add_edge(START, "a").compile()
    assert graph.invoke({}) == {"x": 1}


def test_two_unordered_writes_name_both_nodes_and_the_key():
    builder = StateGraph(Plain)
    for name in ("left", "right"):
        builder.add_node(name, lambda state: {"x": 1}).add_edge(START, name)
    with pytest.raises(InvalidUpdateError, match="At key 'x'.*'left' and 'right'"):
        builder.compile().invoke({"x": 0})


def test_two_writes_one_after_the_other_are_fine():
    builder = StateGraph(Plain)
    for name in ("a", "b"):
        builder.add_node(name, lambda state: {"x": state["x"] + 1})
    graph = builder.add_edge(START, "a").add_edge("a", "b").compile()
    assert graph.invoke({"x": 0}) == {"x": 2}


def test_writes_of_different_keys_are_fine():
    builder = StateGraph(Plain)
    builder.add_node("a", lambda state: {"x": 1}).add_edge(START, "a")
    builder.add_node("b", lambda state: {"y": 2}).add_edge(START, "b")
    assert builder.compile().invoke({"x": 0}) == {"x": 1, "y": 2}


def test_an_overwrite_goes_round_the_reducer():
    builder = StateGraph(State)
    builder.add_node("a", says("a")).add_edge(START, "a")
    builder.add_node("b", lambda state: {"seen": Overwrite(["only"])}).add_edge("a", "b")
    builder.add_node("c", says("c")).add_edge("b", "c")
    assert builder.compile().invoke({"seen": ["0"]}) == {"seen": ["only", "c"]}


def test_a_node_finds_what_was_said_of_it_in_its_config():
    def node(state, config):
        return {"y": config["metadata"]}

    builder = StateGraph(Plain).add_node("a", node, metadata={"owner": "me"}).add_edge(START, "a")
    about = builder.compile().invoke({"x": 1}, {"metadata": {"run": 7}})["y"]
    assert about == {"owner": "me", "run": 7, "langgraph_node": "a", "langgraph_step": 1}


@pytest.mark.parametrize("limit", [0, -3])
def test_a_recursion_limit_that_makes_no_sense_is_refused(limit):
    graph = StateGraph(Plain).add_node("a", lambda state: {}).add_edge(START, "a").compile()
    with pytest.raises(ValueError, match="recursion_limit must be at least 1"):
        graph.invoke({"x": 1}, {"recursion_limit": limit})


def test_a_command_that_a_function_finds_elsewhere_may_lead_anywhere():
    def first(state):
        return nbflow.types.Command(goto="b")

    builder = StateGraph(Plain).add_node("a", first).add_node("b", lambda state: {"y": 2})
    assert builder.add_edge(START, "a").compile().invoke({"x": 1}) == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        ({"x": "Ha."}, "Ha."),
        ({"x": ["Ha.", "Ho."]}, "Ha.\n\nHo."),
        ({"x": [Message("Ha.", "ai"), "Ho."]}, "Ha.\n\nHo."),
        ({"x": Message([{"type": "text", "text": "Ha."}], "ai")}, "Ha."),
        ({"x": "Ha.", "y": [1, "two"]}, "x: Ha.\ny: [1, 'two']"),
        ({"x": []}, "x: []"),
    ],
)
def test_what_a_node_says_is_shown_as_a_person_reads_it(returned, shown):
    graph = StateGraph(Plain).add_node("node", lambda state: returned).add_edge(START, "node")
    graph.compile().invoke({"x": 0})
    assert nbflow.last_run().record.tasks["node"].text == shown
