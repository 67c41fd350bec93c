"""Real LangGraph, watched: its own results and chunks, and a run that tells what went on."""

from __future__ import annotations

import asyncio
import operator
import threading
from typing import Annotated, TypedDict

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt

import nbflow
from nbflow.core.states import RunState, State
from nbflow.errors import NbflowError, RunCancelled
from nbflow.views import bundle


class Topic(TypedDict, total=False):
    topic: str
    joke: str
    story: str
    both: str
    parts: Annotated[list, operator.add]


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Print no board."""
    monkeypatch.setenv("NBFLOW_BOARD", "none")


def fan_out():
    builder = StateGraph(Topic)
    builder.add_node("tell", lambda state: {"joke": f"A joke about {state['topic']}"})
    builder.add_node("write", lambda state: {"story": f"A story about {state['topic']}"})
    builder.add_node("join", lambda state: {"both": f"{state['joke']}; {state['story']}"})
    for name in ("tell", "write"):
        builder.add_edge(START, name)
        builder.add_edge(name, "join")
    builder.add_edge("join", END)
    return builder.compile(name="cats")


def alone(name, node, **how):
    """A graph of one node."""
    builder = StateGraph(Topic)
    builder.add_node(name, node, **how)
    builder.add_edge(START, name)
    return builder.compile()


def map_reduce():
    builder = StateGraph(Topic)
    builder.add_node("split", lambda _state: {})
    builder.add_node("part", lambda sent: {"parts": [sent["n"]]})
    builder.add_edge(START, "split")
    sends = [Send("part", {"n": n}) for n in range(3)]
    builder.add_conditional_edges("split", lambda _state: sends, ["part"])
    return builder.compile()


def nested():
    inner = StateGraph(Topic)
    inner.add_node("inner", lambda _state: {"joke": "Ha."})
    inner.add_edge(START, "inner")
    builder = StateGraph(Topic)
    builder.add_node("sub", inner.compile())
    builder.add_node("never", lambda _state: {})
    builder.add_node("after", lambda _state: {"both": "!"})
    builder.add_edge(START, "sub")
    builder.add_conditional_edges("sub", lambda _state: "after", ["after", "never"])
    return builder.compile()


def chatting():
    model = GenericFakeChatModel(messages=iter([AIMessage("one two three")] * 9))

    def chat(state):
        return {"messages": [model.invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("chat", chat)
    builder.add_edge(START, "chat")
    return builder.compile()


@task
def double(n):
    return 2 * n


@task
def nested_double(n):
    return double(n).result() + 1


@entrypoint()
def workflow(numbers):
    futures = [double(n) for n in numbers]
    return [future.result() for future in futures] + [nested_double(5).result()]


TOPIC = {"topic": "cats"}
GRAPHS = [fan_out, map_reduce, nested]


@pytest.mark.parametrize("make", GRAPHS)
async def test_results_are_langgraphs_own_sync_and_async(make):
    graph = make()
    expected = graph.invoke(TOPIC)
    watched = nbflow.watch(graph)
    assert watched.invoke(TOPIC) == expected
    assert await watched.ainvoke(TOPIC) == expected
    assert watched.invoke(TOPIC, version="v2").value == expected
    assert watched.batch([TOPIC, TOPIC]) == [expected, expected]


def _comparable(chunks):
    return sorted(repr(chunk) for chunk in chunks)


@pytest.mark.parametrize("make", GRAPHS)
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("subgraphs", [False, True])
@pytest.mark.parametrize("mode", [None, "updates", "values", "custom", ["values", "updates"]])
async def test_chunks_are_langgraphs_own(make, mode, subgraphs, version):
    graph = make()
    how = {"stream_mode": mode, "subgraphs": subgraphs, "version": version}
    expected = list(graph.stream(TOPIC, **how))
    chunks = list(nbflow.watch(graph).stream(TOPIC, **how))
    achunks = [chunk async for chunk in nbflow.watch(graph).astream(TOPIC, **how)]
    assert len(chunks) == len(achunks) == len(expected)
    if not subgraphs:  # with them, chunks carry ids that differ from run to run
        assert _comparable(chunks) == _comparable(achunks) == _comparable(expected)


async def test_a_graph_that_joins_is_a_run_that_joins():
    await nbflow.watch(fan_out()).ainvoke(TOPIC)
    run = nbflow.last_run()
    assert (run.record.name, run.status) == ("cats", RunState.DONE)
    assert run["tell"] == {"joke": "A joke about cats"}
    assert run.record.tasks["tell"].text == "A joke about cats"
    assert run.record.nodes["join"].inputs == ("tell", "write")
    assert run.critical_path[-1] == "join"


async def test_every_send_is_a_task_of_one_node():
    await nbflow.watch(map_reduce()).ainvoke(TOPIC)
    run = nbflow.last_run()
    assert run.record.groups["part"].members == ["part", "part[1]", "part[2]"]
    assert [one["parts"] for one in run["part"]] == [[0], [1], [2]]
    assert run.record.nodes["part"].perhaps == ("split",)


async def test_nodes_of_a_subgraph_bear_its_name_and_what_never_ran_is_skipped():
    await nbflow.watch(nested()).ainvoke(TOPIC)
    record = nbflow.last_run().record
    states = {name: record.life(name).state for name in record.nodes}
    assert states["sub:inner"] is states["sub"] is states["after"] is State.DONE
    assert states["never"] is State.SKIPPED
    assert record.nodes["sub"].kind == "subgraph"


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_tokens_are_chunks_of_the_node_that_asked(version):
    watched = nbflow.watch(chatting())
    [_ async for _ in watched.astream({"messages": ["hello"]}, version=version)]
    run = nbflow.last_run()
    said = [event async for event in run.events() if event.kind == "chunk"]
    assert "".join(event.data["text"] for event in said) == "one two three"
    assert len(said) == 5  # words and the spaces between them
    assert {event.task for event in said} == {"chat"}
    assert run.record.tasks["chat"].text == "one two three"


async def test_message_chunks_for_the_caller_are_langgraphs_own():
    def contents(chunks):
        return [message.content for message, about in chunks if about["langgraph_node"] == "chat"]

    question = {"messages": ["hello"]}
    expected = contents(chatting().stream(question, stream_mode="messages"))
    watched = nbflow.watch(chatting())
    assert contents(watched.stream(question, stream_mode="messages")) == expected
    chunks = [chunk async for chunk in watched.astream(question, stream_mode="messages")]
    assert contents(chunks) == expected


def failing():
    async def slow(_state):
        await asyncio.Event().wait()

    def bad(_state):
        raise ValueError("no jokes today")

    builder = StateGraph(Topic)
    builder.add_node("slow", slow)
    builder.add_node("bad", bad)
    builder.add_node("after", lambda _state: {})
    builder.add_edge(START, "slow")
    builder.add_edge(START, "bad")
    builder.add_edge(["slow", "bad"], "after")
    return builder.compile()


async def test_an_error_is_raised_as_it_is_and_shown_at_its_node():
    with pytest.raises(ValueError, match="no jokes today"):
        await nbflow.watch(failing()).ainvoke(TOPIC)
    run = nbflow.last_run()
    assert run.status is RunState.FAILED
    assert {name: run.record.life(name).state.value for name in run.record.nodes} == {
        "bad": "failed",
        "slow": "cancelled",
        "after": "skipped",
    }
    assert isinstance(run.errors["bad"], ValueError)
    assert "no jokes today" in run.record.tasks["bad"].error.message


async def test_an_error_of_the_graph_itself_fails_the_run():
    builder = StateGraph(Topic)
    builder.add_node("again", lambda _state: {})
    builder.add_edge(START, "again")
    builder.add_conditional_edges("again", lambda _state: "again", ["again"])
    with pytest.raises(RecursionError):
        await nbflow.watch(builder.compile()).ainvoke(TOPIC, {"recursion_limit": 3})
    run = nbflow.last_run()
    assert run.status is RunState.FAILED
    assert len(run.record.groups["again"].members) == 3


async def test_a_workflow_draws_its_tasks_in_the_order_in_which_they_came():
    assert await nbflow.watch(workflow).ainvoke([1, 2]) == [2, 4, 11]
    run = nbflow.last_run()
    assert run.record.name == "workflow"
    assert run["double"] == [2, 4, 10]
    assert run["nested_double"] == 11
    nodes = run.record.nodes
    assert nodes["workflow"].kind == "entrypoint"
    assert nodes["nested_double"].inputs == ("double",)
    assert nodes["workflow"].inputs == ("nested_double",)
    assert run.record.tasks["double"].caller == "workflow"


def test_a_workflow_runs_sync_too():
    assert nbflow.watch(workflow).invoke([1]) == [2, 11]
    assert list(nbflow.watch(workflow).stream([1])) == list(workflow.stream([1]))


async def test_a_task_that_fails_and_is_caught_fails_no_run():
    @task
    async def bad():
        raise ValueError

    @entrypoint()
    async def careful(_input):
        try:
            await bad()
        except ValueError:
            return "caught"

    assert await nbflow.watch(careful).ainvoke(1) == "caught"
    run = nbflow.last_run()
    assert run.status is RunState.DONE
    assert run.record.tasks["bad"].state is State.FAILED


async def test_an_error_that_langgraph_handles_fails_no_run():
    def bad(_state):
        raise ValueError

    graph = alone("bad", bad, error_handler=lambda _state: {"joke": "None today."})
    assert (await nbflow.watch(graph).ainvoke(TOPIC))["joke"] == "None today."
    assert nbflow.last_run().status is RunState.DONE


async def test_cancelling_the_run_cancels_langgraph():
    started, stopped = asyncio.Event(), asyncio.Event()

    async def waits(_state):
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            stopped.set()

    calling = asyncio.ensure_future(nbflow.watch(alone("waits", waits)).ainvoke(TOPIC))
    await started.wait()
    with pytest.raises(NbflowError, match="one branch alone"):
        nbflow.last_run().cancel("waits")
    nbflow.last_run().cancel()
    with pytest.raises(RunCancelled):
        await calling
    assert stopped.is_set()
    assert nbflow.last_run().record.tasks["waits"].state is State.CANCELLED


async def test_cancelling_the_caller_cancels_langgraph():
    started = asyncio.Event()

    async def waits(_state):
        started.set()
        await asyncio.Event().wait()

    calling = asyncio.ensure_future(nbflow.watch(alone("waits", waits)).ainvoke(TOPIC))
    await started.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert nbflow.last_run().status is RunState.CANCELLED


def test_who_stops_reading_a_stream_stops_the_graph():
    builder = StateGraph(Topic)
    builder.add_node("first", lambda _state: {"joke": "Ha."})
    builder.add_node("second", lambda _state: free.wait(30) and {})
    builder.add_edge("first", "second")
    builder.add_edge(START, "first")
    free = threading.Event()
    stream = nbflow.watch(builder.compile()).stream(TOPIC)
    assert next(stream) == {"first": {"joke": "Ha."}}
    stream.close()
    free.set()
    assert nbflow.last_run().status is RunState.CANCELLED


async def test_a_question_and_its_answer_are_two_runs():
    def ask(_state):
        return {"joke": interrupt("Which topic?")}

    builder = StateGraph(Topic)
    builder.add_node("ask", ask)
    builder.add_node("side", lambda _state: {"story": "Once."})
    builder.add_edge(START, "ask")
    builder.add_edge(START, "side")
    watched = nbflow.watch(builder.compile(checkpointer=InMemorySaver()))
    thread = {"configurable": {"thread_id": "1"}}
    asked = await watched.ainvoke(TOPIC, thread)
    assert asked["__interrupt__"][0].value == "Which topic?"
    first = nbflow.last_run().record
    assert first.tasks["ask"].state is State.CANCELLED
    assert "Which topic?" in first.tasks["ask"].text
    answered = await watched.ainvoke(Command(resume="dogs"), thread)
    assert answered == {"topic": "cats", "joke": "dogs", "story": "Once.", "parts": []}
    second = nbflow.last_run().record
    assert second.state is RunState.DONE
    assert second.tasks["ask"].text == "dogs"
    assert second.life("side").state in (State.DONE, State.SKIPPED)


async def test_what_a_node_writes_is_shown_with_it():
    def writes(_state):
        get_stream_writer()("half of it")
        return {}

    await nbflow.watch(alone("writes", writes)).ainvoke(TOPIC)
    assert nbflow.last_run().record.tasks["writes"].text == "half of it\n"


def test_what_tasks_of_tasks_write_comes_to_who_asked():
    @task
    def inner():
        get_stream_writer()("from within")

    @task
    def outer():
        return inner().result()

    @entrypoint()
    def writes(_input):
        return outer().result()

    expected = list(writes.stream(1, stream_mode="custom"))
    assert list(nbflow.watch(writes).stream(1, stream_mode="custom")) == expected == ["from within"]


@pytest.mark.parametrize("make", GRAPHS)
def test_it_never_hangs_with_one_worker(make):
    """LangGraph has a worker wait for tokens; with only one, nothing else could run."""
    config = {"max_concurrency": 1}
    assert nbflow.watch(make()).invoke(TOPIC, config) == make().invoke(TOPIC, config)
    run = nbflow.last_run()
    assert run.status is RunState.DONE
    assert not [name for name in run.record.nodes if ":" in name]


async def test_a_watched_graph_is_used_like_the_original():
    graph = fan_out()
    watched = nbflow.watch(graph)
    assert isinstance(watched, type(graph))
    assert list(watched.get_graph().nodes) == list(graph.get_graph().nodes)
    assert watched.with_config({"tags": ["x"]}).invoke(TOPIC) == graph.invoke(TOPIC)
    assert nbflow.last_run().record.name == "cats"


async def test_a_watched_graph_within_a_graph_is_shown_with_that_one():
    builder = StateGraph(Topic)
    builder.add_node("sub", nbflow.watch(fan_out()))
    builder.add_edge(START, "sub")
    await nbflow.watch(builder.compile(name="outer")).ainvoke(TOPIC)
    run = nbflow.last_run()
    assert run.record.name == "outer"
    assert run.record.tasks["sub:join"].state is State.DONE


async def test_it_can_be_read_and_drawn_like_any_run():
    await nbflow.watch(nested()).ainvoke(TOPIC)
    run = nbflow.last_run()
    assert set(bundle(run.record)) >= {"text/plain", "text/html"}
    assert "sub:inner" in bundle(run.record)["text/html"]
    assert [event.kind.value async for event in run.events()][-1] == "run_ended"
    with pytest.raises(NbflowError, match="call it again"):
        run.retry()


def test_watching_a_watched_graph_shows_it_once():
    watched = nbflow.watch(fan_out())
    assert nbflow.watch(watched) is watched


async def test_a_thousand_sends_are_told_in_time():
    builder = StateGraph(Topic)
    builder.add_node("part", lambda sent: {"parts": [sent["n"]]})
    builder.add_conditional_edges(
        START, lambda _state: [Send("part", {"n": n}) for n in range(1000)], ["part"]
    )
    result = await nbflow.watch(builder.compile()).ainvoke(TOPIC)
    assert result["parts"] == list(range(1000))
    assert len(nbflow.last_run()["part"]) == 1000


def test_what_cant_be_watched_is_said():
    with pytest.raises(NbflowError, match="Compile it first"):
        nbflow.watch(StateGraph(Topic))
