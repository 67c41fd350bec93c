"""What is heard of invocations in invocations, and by whom: the parts are LangGraph's."""

from __future__ import annotations

import asyncio
import gc
import importlib
import operator
import re
import sys
import threading
import weakref
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langgraph.errors import NodeError

from nbflow.errors import NodeTimeoutError
from nbflow.graph import START, StateGraph
from nbflow.writing.session import get_stream_writer
from tests.writing.test_graph_peers import APIS, says

MODES = ["values", "updates", "custom", "tasks"]


class State(TypedDict, total=False):
    seen: Annotated[list[Any], operator.add]


def in_names(part: Any) -> Any:
    """A part with the ids of tasks replaced by their order: they are random."""
    ids: dict[str, str] = {}
    return re.sub(UUID, lambda found: ids.setdefault(found[0], f"id {len(ids)}"), repr(part))


UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def inner_of(api: Any) -> Any:
    def speaks(state):
        api.get_stream_writer()("inner")
        return {"seen": ["i"]}

    return api.StateGraph(State).add_node("i", speaks).add_edge(api.START, "i").compile()


def around(api: Any, node: Any, **how: Any) -> Any:
    return (
        api.StateGraph(State).add_node("outer", node, **how).add_edge(api.START, "outer").compile()
    )


def invoked_twice(api, func):
    inner = inner_of(api)

    def outer(state):
        return {"seen": [inner.invoke({"seen": [n]}) for n in (1, 2)]}

    return around(api, outer)


def in_a_retry(api, func):
    inner, attempts = inner_of(api), []

    def outer(state):
        attempts.append(inner.invoke({"seen": []}))
        if len(attempts) == 1:
            raise LookupError
        return attempts[0]

    policy = api.RetryPolicy(max_attempts=2, retry_on=LookupError, initial_interval=0.01)
    return around(api, outer, retry_policy=policy)


def writing_in_tasks(api, func):
    @func.task
    def deeper(n):
        api.get_stream_writer()("deeper")
        return n

    @func.task
    def deep(n):
        api.get_stream_writer()("deep")
        return deeper(n).result()

    def outer(state):
        return {"seen": [deep(1).result()]}

    return around(api, outer)


def an_entrypoint(api, func):
    @func.task
    def called(n):
        api.get_stream_writer()("called")
        return n

    @func.entrypoint()
    def flow(given):
        return called(1).result()

    return flow


def an_entrypoint_in_a_node(api, func):
    flow = an_entrypoint(api, func)
    return around(api, lambda state: {"seen": [flow.invoke(1)]})


def a_node_for_the_parent(api, func):
    def up(state):
        return api.Command(graph=api.Command.PARENT, goto="next", update={"seen": ["up"]})

    inner = api.StateGraph(State).add_node("i", up).add_edge(api.START, "i").compile()
    builder = api.StateGraph(State).add_node("outer", inner)
    builder.add_node("next", lambda state: {"seen": ["next"]})
    return builder.add_edge(api.START, "outer").compile()


def a_handler(api, func):
    def fails(state):
        raise LookupError("gone")

    def handler(state, error: NodeError):
        return {"seen": ["handled"]}

    return around(api, fails, error_handler=handler)


def a_known_result(api, func):
    memory = {"nbflow": "nbflow.writing.caching", "langgraph": "langgraph.cache.memory"}
    cache = importlib.import_module(memory[func.__name__.split(".")[0]]).InMemoryCache()
    builder = api.StateGraph(State)
    builder.add_node("outer", lambda state: {"seen": ["o"]}, cache_policy=api.CachePolicy())
    graph = builder.add_edge(api.START, "outer").compile(cache=cache)
    graph.invoke({"seen": []})
    return graph


@pytest.mark.parametrize("subgraphs", [True, False])
@pytest.mark.parametrize(
    "build",
    [
        invoked_twice,
        in_a_retry,
        writing_in_tasks,
        an_entrypoint,
        an_entrypoint_in_a_node,
        a_node_for_the_parent,
        a_handler,
        a_known_result,
    ],
)
def test_the_parts_are_langgraphs(build, subgraphs):
    def parts(package: str) -> str:
        graph = build(APIS[package], importlib.import_module(f"{package}.func"))
        found = graph.stream({"seen": []}, stream_mode=MODES, subgraphs=subgraphs)
        return in_names([part for part in found if "interrupts" not in part])

    assert parts("nbflow") == parts("langgraph")


@pytest.mark.parametrize("modes", [["updates", "custom"], ["values"], ["tasks"], "updates"])
@pytest.mark.parametrize("subgraphs", [True, False])
@pytest.mark.parametrize("within", ["a graph", "an entrypoint", "an entrypoint in a graph"])
def test_streams_of_what_is_invoked_in_code_are_equal(within, subgraphs, modes):
    def parts(package: str) -> str:
        api, func = APIS[package], importlib.import_module(f"{package}.func")

        def speaks(state):
            api.get_stream_writer()("inner")
            return {"seen": ["i"]}

        inner = api.StateGraph(State).add_node("i", speaks).add_edge(api.START, "i")
        inner = inner.add_node("j", says("j")).add_edge("i", "j").compile()

        @func.task
        def invokes(n):
            return inner.invoke({"seen": [n]})["seen"]

        @func.entrypoint()
        def flow(n):
            return invokes(n).result()

        nodes = {
            "a graph": lambda state: {"seen": [str(len(list(inner.stream({"seen": ["0"]}))))]},
            "an entrypoint in a graph": lambda state: {"seen": flow.invoke("0")},
        }
        if within == "an entrypoint":
            return in_names(list(flow.stream("0", stream_mode=modes, subgraphs=subgraphs)))
        outer = api.StateGraph(State).add_node("outer", nodes[within])
        outer = outer.add_edge(api.START, "outer").compile()
        return in_names(list(outer.stream({"seen": []}, stream_mode=modes, subgraphs=subgraphs)))

    assert parts("nbflow") == parts("langgraph")


def test_the_state_that_a_failure_prevented_isnt_told():
    together = threading.Barrier(2)

    def build(api: Any) -> Any:
        def fails(state):
            together.wait(10)
            raise LookupError

        def works(state):
            together.wait(10)
            return {"seen": ["w"]}

        builder = api.StateGraph(State).add_node(fails).add_node(works)
        return builder.add_edge(api.START, "fails").add_edge(api.START, "works").compile()

    def values(api: Any) -> list[Any]:
        found = []
        with pytest.raises(LookupError):
            found.extend(build(api).stream({"seen": []}, stream_mode="values"))
        return found

    assert values(APIS["nbflow"]) == values(APIS["langgraph"])


def test_a_task_has_one_id_even_if_many_begin_at_once():
    builder = StateGraph(State)
    for n in range(40):
        builder.add_node(f"n{n}", lambda state: {"seen": [1]}).add_edge(START, f"n{n}")
    graph, interval = builder.compile(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(60):
            ids: dict[str, set[str]] = {}
            for part in graph.stream({"seen": []}, stream_mode="tasks"):
                ids.setdefault(part["name"], set()).add(part["id"])
            assert all(len(of_one) == 1 for of_one in ids.values())
    finally:
        sys.setswitchinterval(interval)


def messages_of(build: Any, subgraphs: bool) -> list[Any]:
    found = []
    for package in ("nbflow", "langgraph"):
        parts = build(APIS[package]).stream(
            {"seen": []}, stream_mode="messages", subgraphs=subgraphs
        )
        told = [(part[0] if subgraphs else (), *(part[1] if subgraphs else part)) for part in parts]
        kept = ("langgraph_node", "langgraph_checkpoint_ns")
        found.append(in_names([(where, m.id, *map(about.get, kept)) for where, m, about in told]))
    return found


@pytest.mark.parametrize("subgraphs", [True, False])
@pytest.mark.parametrize("is_node", [True, False])
def test_a_message_of_a_graph_in_a_graph_is_told_once_to_each(is_node, subgraphs):
    def build(api: Any) -> Any:
        inner = around(api, lambda state: {"seen": [AIMessage("said", id="one")]})
        return around(api, inner if is_node else lambda state: inner.invoke({"seen": []}))

    ours, theirs = messages_of(build, subgraphs)

    assert ours == theirs
    assert ours.count("'one'") == 1


def test_what_is_written_after_the_end_isnt_kept():
    is_over, written, may_end = (threading.Event() for _ in range(3))
    parts = []

    class Part:
        pass

    def lasts(state):
        write = get_stream_writer()
        is_over.wait(10)
        part = Part()
        parts.append(weakref.ref(part))
        write(part)
        del part
        written.set()
        may_end.wait(10)

    graph = StateGraph(State).add_node("lasts", lasts, timeout=0.05).add_edge(START, "lasts")

    async def stream():
        async for _ in graph.compile().astream({"seen": []}, stream_mode="custom"):
            pass

    with pytest.raises(NodeTimeoutError):
        asyncio.run(stream())
    is_over.set()
    written.wait(10)
    gc.collect()

    assert parts[0]() is None
    may_end.set()
