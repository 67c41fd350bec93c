"""Running a graph: who runs when, what each node sees, and what comes of it."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections import Counter
from typing import Annotated, Any, Literal, TypedDict

import pytest

from nbflow.config import get_config, get_stream_writer
from nbflow.core.run import last_run
from nbflow.errors import (
    EmptyInputError,
    GraphRecursionError,
    InvalidUpdateError,
    NodeCancelledError,
    NodeError,
    NodeTimeoutError,
    RunCancelled,
)
from nbflow.graph import END, START, MessagesState, StateGraph
from nbflow.runtime import Runtime, get_runtime
from nbflow.types import Command, Overwrite, RetryPolicy, Send, StreamWriter, TimeoutPolicy
from tests.core.virtual import run_virtually


class State(TypedDict):
    seen: Annotated[list[str], operator.add]


class Plain(TypedDict, total=False):
    x: Any
    y: Any


def says(name: str, seconds: float = 0.0):
    async def node(state):
        await asyncio.sleep(seconds)
        return {"seen": [name]}

    return node


def leads(where: Any):
    """A path on the loop, for graphs that run on the virtual clock."""

    async def path(state):
        return where(state) if callable(where) else where

    return path


def graph_of(edges: str, seconds: dict[str, float] | None = None, **ways: Any) -> StateGraph:
    """A graph of nodes named by one letter: `START` is `0`, `END` is `1`, `ab` an edge."""
    builder = StateGraph(State)
    names = sorted({letter for edge in edges.split() for letter in edge} - {"0", "1"})
    for name in names:
        builder.add_node(name, says(name, (seconds or {}).get(name, 0.0)))
    for start, end in edges.split():
        builder.add_edge({"0": START}.get(start, start), {"1": END}.get(end, end))
    for source, path in ways.items():
        builder.add_conditional_edges(source, path)
    return builder


def timed(graph: Any) -> tuple[Any, float]:
    """What a graph returns, and how many seconds it takes on the virtual clock."""

    async def run() -> tuple[Any, float]:
        loop = asyncio.get_running_loop()
        start = loop.time()
        result = await graph.ainvoke({"seen": []})
        return result, loop.time() - start

    return run_virtually(run())


# Joins


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


# What nodes are and take


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


@pytest.mark.parametrize("given", [None, {"nothing": "known"}])
def test_an_input_without_any_of_the_keys_is_refused(given):
    graph = StateGraph(Plain).add_node("a", lambda state: {}).add_edge(START, "a").compile()
    with pytest.raises(EmptyInputError, match="give some of these keys: 'x', 'y'"):
        graph.invoke(given)


def test_an_empty_input_is_one():
    graph = StateGraph(Plain).add_node("a", lambda state: {"x": 1}).add_edge(START, "a").compile()
    assert graph.invoke({}) == {"x": 1}


# Updates that contradict


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


# Choices


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


@pytest.mark.parametrize("path_map", [{True: "b", False: "c"}, {True: "b", False: END}])
def test_a_path_map_translates_the_answer(path_map):
    builder = graph_of("0a b1 c1")
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


# Sends


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


# Commands


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
    for name in set(builder) - {"a"}:
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


# Loops


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


def test_a_long_chain_without_a_loop_needs_no_limit():
    builder = StateGraph(Plain)
    builder.add_sequence([(f"n{i}", lambda state: {"x": state["x"] + 1}) for i in range(60)])
    assert builder.add_edge(START, "n0").compile().invoke({"x": 0}) == {"x": 60}


def test_a_join_in_a_loop_runs_once_in_each_round():
    builder = graph_of("0a ab ac cd bj dj")
    builder.add_conditional_edges("j", leads(lambda state: "a" if len(state["seen"]) < 15 else END))
    seen = timed(builder.compile())[0]["seen"]
    assert seen == list("abcdj") * 3


# Graphs in graphs


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


# Policies


def flaky(fails: int, error: type[Exception] = ConnectionError):
    tries: list[int] = []

    def node(state):
        tries.append(1)
        if len(tries) <= fails:
            raise error("again")
        return {"x": len(tries)}

    return node


QUICK = RetryPolicy(initial_interval=0.001, jitter=False)


def test_a_retry_policy_tries_again():
    builder = StateGraph(Plain).add_node("a", flaky(2), retry_policy=QUICK)
    assert builder.add_edge(START, "a").compile().invoke({"x": 0}) == {"x": 3}


def test_a_retry_policy_gives_up():
    builder = StateGraph(Plain).add_node("a", flaky(3), retry_policy=QUICK)
    with pytest.raises(ConnectionError, match="again"):
        builder.add_edge(START, "a").compile().invoke({"x": 0})


def test_a_retry_policy_covers_what_it_says():
    picky = QUICK._replace(retry_on=KeyError)
    builder = StateGraph(Plain).add_node("a", flaky(1, ValueError), retry_policy=picky)
    with pytest.raises(ValueError, match="again"):
        builder.add_edge(START, "a").compile().invoke({"x": 0})


def test_the_first_of_several_retry_policies_that_covers_the_error_counts():
    policies = [QUICK._replace(retry_on=KeyError, max_attempts=1), QUICK]
    builder = StateGraph(Plain).add_node("a", flaky(1), retry_policy=policies)
    assert builder.add_edge(START, "a").compile().invoke({"x": 0}) == {"x": 2}


@pytest.mark.parametrize("timeout", [0.5, TimeoutPolicy(run_timeout=0.5)])
def test_a_node_that_takes_too_long_fails(timeout):
    builder = StateGraph(State).add_node("slow", says("slow", 9), timeout=timeout)
    graph = builder.add_edge(START, "slow").compile()
    with pytest.raises(NodeTimeoutError, match="'slow' took longer than its timeout of 0.5 s"):
        run_virtually(graph.ainvoke({"seen": []}))


def test_an_error_handler_runs_in_place_of_what_failed():
    def bad(state):
        raise LookupError("gone")

    def handler(state, error: NodeError):
        return Command(update={"seen": [f"{error.node}: {error.error}"]}, goto="c")

    builder = graph_of("c1").add_node("bad", bad, error_handler=handler).add_edge(START, "bad")
    assert builder.compile().invoke({"seen": []})["seen"] == ["bad: gone", "c"]


def test_an_error_handler_runs_once_the_retries_are_over():
    builder = StateGraph(Plain).add_node(
        "a", flaky(9), retry_policy=QUICK, error_handler=lambda state: {"y": "handled"}
    )
    assert builder.add_edge(START, "a").compile().invoke({"x": 0}) == {"x": 0, "y": "handled"}


def test_an_error_handler_that_fails_fails_the_graph():
    def handler(state):
        raise LookupError("handling")

    builder = StateGraph(Plain).add_node("a", flaky(9), error_handler=handler)
    with pytest.raises(LookupError, match="handling"):
        builder.add_edge(START, "a").compile().invoke({"x": 0})


# Failures and cancels


def test_the_exception_is_the_original():
    error = LookupError("mine")

    def bad(state):
        raise error

    graph = StateGraph(State).add_node(bad).add_edge(START, "bad").compile()
    with pytest.raises(LookupError) as caught:
        graph.invoke({"seen": []})
    assert caught.value is error


def test_a_failure_cancels_those_beside_it():
    stopped: list[str] = []

    async def slow(state):
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            stopped.append("slow")
            raise

    async def bad(state):
        await asyncio.sleep(1)
        raise LookupError("mine")

    builder = StateGraph(State).add_node(slow).add_node(bad)
    graph = builder.add_edge(START, "slow").add_edge(START, "bad").compile()

    async def run() -> float:
        with pytest.raises(LookupError, match="mine"):
            await graph.ainvoke({"seen": []})
        return asyncio.get_running_loop().time()

    assert run_virtually(run()) == pytest.approx(1)
    assert stopped == ["slow"]


def test_a_second_failure_is_noted_on_the_first():
    def fails(name):
        async def node(state):
            try:
                await asyncio.sleep(0 if name == "a" else 100)
            finally:
                raise LookupError(name)

        return node

    builder = StateGraph(State)
    for name in "ab":
        builder.add_node(name, fails(name)).add_edge(START, name)
    with pytest.raises(LookupError) as caught:
        builder.compile().invoke({"seen": []})
    assert caught.value.args == ("a",)
    assert caught.value.__notes__ == ["Another branch failed too: LookupError('b')"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_node_that_raises_cancelled_by_itself_fails(kind):
    def in_thread(state):
        raise asyncio.CancelledError

    async def on_loop(state):
        raise asyncio.CancelledError

    node = {"sync": in_thread, "async": on_loop}[kind]
    graph = StateGraph(State).add_node("a", node).add_edge(START, "a").compile()
    with pytest.raises(NodeCancelledError, match="'a' raised CancelledError"):
        graph.invoke({"seen": []})


def test_a_run_may_be_cancelled_and_keeps_what_had_finished():
    graph = graph_of("0a 0b", {"a": 1, "b": 100}).compile()

    async def run() -> Any:
        handle = graph.start({"seen": []})
        await asyncio.sleep(2)
        handle.cancel()
        with pytest.raises(RunCancelled):
            await handle
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return handle["a"]

    assert run_virtually(run()) == {"seen": ["a"]}


def test_cancelling_the_caller_cancels_the_graph():
    ended: list[str] = []

    async def slow(state):
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("slow")

    graph = StateGraph(State).add_node(slow).add_edge(START, "slow").compile()

    async def run() -> None:
        call = asyncio.ensure_future(graph.ainvoke({"seen": []}))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(run())
    assert ended == ["slow"]


def test_nothing_is_left_behind_after_a_failure():
    def bad(state):
        raise LookupError

    builder = graph_of("0a 0b", {"a": 50, "b": 50}).add_node(bad).add_edge(START, "bad")

    async def run() -> set[Any]:
        with pytest.raises(LookupError):
            await builder.compile().ainvoke({"seen": []})
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()


# Many at once


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
