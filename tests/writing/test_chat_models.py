"""LangChain's chat models in nodes and tasks: what they say comes in LangGraph's pieces."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig

from nbflow.core.run import Run
from nbflow.graph import START, MessagesState, StateGraph


class State(TypedDict):
    said: str


def model(**how: Any) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter([AIMessage("three little words", id="one")]), **how)


def asks(state):
    return {"said": model().invoke("Say something.").content}


async def awaits(state):
    return {"said": (await model().ainvoke("Say something.")).content}


def streams(state):
    return {"said": "".join(chunk.content for chunk in model().stream("Say something."))}


def pieces(parts: Any) -> list[tuple[Any, ...]]:
    kept = ("langgraph_node", "ls_model_type", "tags")
    return [
        (type(part).__name__, part.content, part.id, *map(about.get, kept)) for part, about in parts
    ]


def both(program: Any) -> list[Any]:
    """What a program streams with nbflow and with LangGraph."""
    found = []
    for package in ("nbflow", "langgraph"):
        graph = importlib.import_module(f"{package}.graph")
        found.append(pieces(program(graph, importlib.import_module(f"{package}.func"))))
    return found


async def collected(stream: Any) -> list[Any]:
    return [part async for part in stream]


@pytest.mark.parametrize("node", [asks, awaits, streams])
def test_what_a_model_says_in_a_node_comes_in_the_pieces_of_langgraph(node):
    def program(graph, _func):
        builder = graph.StateGraph(State).add_node("says", node)
        compiled = builder.add_edge(graph.START, "says").compile()
        return asyncio.run(collected(compiled.astream({"said": ""}, stream_mode="messages")))

    ours, theirs = both(program)

    assert ours == theirs
    assert [piece[1] for piece in ours] == ["three", " ", "little", " ", "words"]


def test_what_a_model_says_in_a_task_comes_in_the_pieces_of_langgraph():
    def program(_graph, func):
        @func.task
        def says(topic):
            return model(tags=["mine"]).invoke(topic).content

        @func.entrypoint()
        def flow(topic):
            return says(topic).result()

        return list(flow.stream("cats", stream_mode="messages"))

    ours, theirs = both(program)

    assert ours == theirs
    assert len(ours) == 5


def test_an_answer_that_goes_into_the_state_is_streamed_once():
    def says(state):
        return {"messages": model().invoke(state["messages"])}

    builder = StateGraph(MessagesState).add_node(says).add_edge(START, "says")
    parts = list(builder.compile().stream({"messages": "hi"}, stream_mode="messages"))

    assert [part.content for part, _ in parts] == ["three", " ", "little", " ", "words"]


def test_a_graph_in_the_code_of_a_node_is_heard_once():
    inner = StateGraph(State).add_node("says", asks).add_edge(START, "says").compile()
    outer = StateGraph(State).add_node("outer", inner.invoke).add_edge(START, "outer").compile()

    parts = list(outer.stream({"said": ""}, stream_mode="messages", subgraphs=True))

    assert [part.content for _, (part, _about) in parts] == ["three", " ", "little", " ", "words"]
    assert {where[0].split(":")[0] for where, _ in parts} == {"outer"}


def test_a_model_that_nobody_is_to_hear_of_is_not_heard():
    def hidden(state):
        return {"said": model(tags=["nostream"]).invoke("Say something.").content}

    graph = StateGraph(State).add_node(hidden).add_edge(START, "hidden").compile()

    assert list(graph.stream({"said": ""}, stream_mode="messages")) == []


@pytest.mark.parametrize("config", [None, {"callbacks": [BaseCallbackHandler()]}])
def test_a_model_is_called_as_it_is_written_if_nobody_wants_its_pieces(config):
    calls = []

    class Counted(GenericFakeChatModel):
        def _stream(self, *args, **how):
            calls.append("in pieces")
            return super()._stream(*args, **how)

    def node(state):
        return {"said": Counted(messages=iter(["all at once"])).invoke("Say something.").content}

    graph = StateGraph(State).add_node(node).add_edge(START, "node").compile()

    assert graph.invoke({"said": ""}, config) == {"said": "all at once"}
    assert calls == []


def test_who_watches_a_run_sees_the_pieces(monkeypatch):
    seen: list[Run] = []
    monkeypatch.setattr(Run, "watchers", [seen.append])
    graph = StateGraph(State).add_node("asks", asks).add_edge(START, "asks").compile()

    graph.invoke({"said": ""})

    assert [event.data["text"] for event in events_of(seen[0], "chunk")] == [
        *("three", " ", "little", " ", "words")
    ]


def events_of(run: Run, kind: str) -> list[Any]:
    async def collect() -> list[Any]:
        return [event async for event in run.events() if event.kind == kind]

    return asyncio.run(collect())


def chained(state):
    chain = ChatPromptTemplate.from_template("{said}") | model() | StrOutputParser()
    return {"said": chain.invoke(state)}


def tagged(state):
    return {"said": model().with_config(tags=["its own"]).invoke("Say something.").content}


def handing_on(state, config: RunnableConfig):
    return {"said": model().invoke("Say something.", config).content}


class Counting(BaseCallbackHandler):
    """Counts the models that are called."""

    def __init__(self) -> None:
        self.count = 0

    def on_chat_model_start(self, *args: Any, **how: Any) -> None:
        self.count += 1


@pytest.mark.parametrize("node", [chained, tagged, handing_on])
def test_tags_and_callbacks_of_the_config_are_those_of_langgraph(node):
    counted = []

    def program(graph, _func):
        callback = Counting()
        builder = graph.StateGraph(State).add_node("says", node)
        compiled = builder.add_edge(graph.START, "says").compile()
        config = {"callbacks": [callback], "tags": ["all"]}
        parts = list(compiled.stream({"said": ""}, config, stream_mode="messages"))
        compiled.invoke({"said": ""}, config)
        counted.append(callback.count)
        return parts

    ours, theirs = both(program)

    assert ours == theirs
    assert len(ours) == 5
    assert counted == [2, 2]


def test_callbacks_are_called_back_once_from_what_a_node_invokes():
    callback = Counting()
    inner = StateGraph(State).add_node("says", asks).add_edge(START, "says").compile()
    outer = StateGraph(State).add_node("outer", inner.invoke).add_edge(START, "outer").compile()

    parts = list(outer.stream({"said": ""}, {"callbacks": [callback]}, stream_mode="messages"))

    assert callback.count == 1
    assert parts == []


@pytest.mark.parametrize("subgraphs", [True, False])
def test_an_answer_of_a_graph_that_is_a_node_is_streamed_as_by_langgraph(subgraphs):
    def says(state):
        return {"messages": model().invoke(state["messages"])}

    def program(graph, _func):
        builder = graph.StateGraph(graph.MessagesState).add_node(says)
        inner = builder.add_edge(graph.START, "says").compile()
        builder = graph.StateGraph(graph.MessagesState).add_node("outer", inner)
        outer = builder.add_edge(graph.START, "outer").compile()
        how = {"stream_mode": "messages", "subgraphs": subgraphs}
        parts = outer.stream({"messages": "hi"}, **how)
        return [part[1] if subgraphs else part for part in parts]

    ours, theirs = both(program)

    assert ours == theirs
    assert len(ours) == (5 if subgraphs else 1)


def test_in_an_error_handler_a_model_is_heard_under_the_name_that_streams_tell():
    def fails(state):
        raise LookupError

    builder = StateGraph(State).add_node("says", fails, error_handler=asks)
    graph = builder.add_edge(START, "says").compile()

    about = [about for _, about in graph.stream({"said": ""}, stream_mode="messages")]

    assert {one["langgraph_node"] for one in about} == {"__error_handler__says"}
