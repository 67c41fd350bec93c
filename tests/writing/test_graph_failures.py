"""Policies, failures and cancels."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypedDict

import pytest

from nbflow import last_run
from nbflow.errors import (
    NodeCancelledError,
    NodeError,
    NodeTimeoutError,
    RunCancelled,
)
from nbflow.graph import START, StateGraph
from nbflow.runtime import Runtime
from nbflow.types import CachePolicy, Command, RetryPolicy, Send, TimeoutPolicy
from tests.core.virtual import run_virtually
from tests.writing.graphs import Plain, State, graph_of, hangs, says


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


def test_the_step_timeout_is_that_of_nodes_without_one():
    builder = StateGraph(State).add_node("slow", says("slow", 9))
    builder.add_node("patient", says("patient", 9), timeout=10)
    graph = builder.add_edge(START, "patient").add_edge("patient", "slow").compile()
    graph.step_timeout = 5
    with pytest.raises(TimeoutError, match="it took longer than 5 s"):
        run_virtually(graph.ainvoke({"seen": []}))


def speaking(word):
    """A node that gives a sign of itself every second for ten seconds."""

    async def node(state, runtime: Runtime):
        for _ in range(10):
            await asyncio.sleep(1)
            word(runtime)
        return {"seen": ["said"]}

    return node


def heartbeat(runtime):
    runtime.heartbeat()


def write(runtime):
    runtime.stream_writer("still here")


def idle_after(seconds, node, **how):
    policy = TimeoutPolicy(idle_timeout=seconds, **how)
    return (
        StateGraph(State).add_node("slow", node, timeout=policy).add_edge(START, "slow").compile()
    )


@pytest.mark.parametrize("word", [heartbeat, write])
def test_a_node_that_gives_signs_of_progress_may_take_as_long_as_it_wants(word):
    graph = idle_after(1.5, speaking(word))
    assert run_virtually(graph.ainvoke({"seen": []})) == {"seen": ["said"]}


def test_a_generator_and_a_graph_as_a_node_give_signs_of_progress_by_what_they_do():
    async def yields(state):
        for _ in range(5):
            await asyncio.sleep(1)
            yield {"seen": ["part"]}

    graph = idle_after(1.5, yields)
    assert run_virtually(graph.ainvoke({"seen": []})) == {"seen": ["part"] * 5}
    inner = StateGraph(State).add_sequence([(name, says(name, 1)) for name in "abc"])
    graph = idle_after(1.5, inner.add_edge(START, "a").compile())
    assert run_virtually(graph.ainvoke({"seen": []}))["seen"] == ["a", "b", "c"]


def test_a_node_without_a_sign_of_progress_fails():
    graph = idle_after(0.5, speaking(heartbeat))
    with pytest.raises(NodeTimeoutError, match="'slow' made no progress for 0.5 s") as caught:
        run_virtually(graph.ainvoke({"seen": []}))
    error = caught.value
    assert (error.node, error.kind, error.timeout) == ("slow", "idle", 0.5)
    assert (error.idle_timeout, error.run_timeout) == (0.5, None)
    assert error.elapsed == pytest.approx(0.5)


def test_only_a_heartbeat_counts_where_the_policy_says_so():
    graph = idle_after(1.5, speaking(heartbeat), refresh_on="heartbeat")
    assert run_virtually(graph.ainvoke({"seen": []})) == {"seen": ["said"]}
    graph = idle_after(1.5, speaking(write), refresh_on="heartbeat")
    with pytest.raises(NodeTimeoutError, match="made no progress"):
        run_virtually(graph.ainvoke({"seen": []}))


def test_of_both_timeouts_the_one_that_is_over_first_counts():
    graph = idle_after(1.5, speaking(heartbeat), run_timeout=4)
    with pytest.raises(NodeTimeoutError, match="took longer than its timeout of 4 s") as caught:
        run_virtually(graph.ainvoke({"seen": []}))
    assert (caught.value.kind, caught.value.idle_timeout) == ("run", 1.5)


def test_the_time_that_a_node_takes_to_stop_is_not_counted():
    async def stubborn(state, runtime: Runtime):
        try:
            await asyncio.Event().wait()
        finally:
            runtime.heartbeat()
            await asyncio.sleep(0.3)

    graph = idle_after(1, stubborn, run_timeout=1.1)
    with pytest.raises(NodeTimeoutError) as caught:
        run_virtually(graph.ainvoke({"seen": []}))
    assert (caught.value.kind, caught.value.elapsed) == ("idle", pytest.approx(1))


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"run_timeout": 0}, "run_timeout must be greater than 0"),
        ({"idle_timeout": -1}, "idle_timeout must be greater than 0"),
        ({"run_timeout": 1, "refresh_on": "never"}, "refresh_on must be"),
    ],
)
def test_a_timeout_policy_that_makes_no_sense_is_refused(how, problem):
    with pytest.raises(ValueError, match=problem):
        StateGraph(State).add_node("a", says("a"), timeout=TimeoutPolicy(**how))


@pytest.mark.parametrize("is_async", [False, True])
def test_the_traceback_of_a_node_begins_in_its_own_code(is_async):
    def bad(state):
        raise LookupError("gone")

    async def abad(state):
        return bad(state)

    graph = StateGraph(Plain).add_node("a", abad if is_async else bad).add_edge(START, "a")
    with pytest.raises(LookupError):
        graph.compile().invoke({"x": 1})
    text = last_run().record.tasks["a"].error.traceback
    assert text.splitlines()[1].strip().startswith(f'File "{__file__}"')


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


def test_node_defaults_hold_where_a_node_says_nothing_whenever_it_was_added():
    def handler(state, error: NodeError):
        return {"y": str(error.error)}

    builder = StateGraph(Plain).add_node("a", flaky(2)).add_edge(START, "a")
    builder.set_node_defaults(retry_policy=QUICK).set_node_defaults(error_handler=handler)
    assert builder.compile().invoke({"x": 0}) == {"x": 3}
    builder.add_node("b", flaky(1), retry_policy=QUICK._replace(max_attempts=1))
    assert builder.add_edge("a", "b").compile().invoke({"x": 0}) == {"x": 4, "y": "again"}


def test_a_default_error_handler_is_attempted_as_the_defaults_say_and_not_called_for_itself():
    tries = []

    def handler(state, error: NodeError):
        tries.append(error.node)
        raise ConnectionError("handling")

    builder = StateGraph(Plain).add_node("a", flaky(9)).add_edge(START, "a")
    builder.set_node_defaults(retry_policy=QUICK, error_handler=handler)
    with pytest.raises(ConnectionError, match="handling"):
        builder.compile().invoke({"x": 0})
    assert tries == ["a"] * 3


def test_an_error_handler_runs_though_the_nodes_result_came_from_its_cache():
    errors = []

    def handler(state, error: NodeError):
        errors.append(str(error.error))
        return {"y": "handled"}

    def nowhere(state):
        raise LookupError("no way")

    builder = StateGraph(Plain).add_node(
        "a", lambda state: {"y": "made"}, cache_policy=CachePolicy(), error_handler=handler
    )
    graph = builder.add_edge(START, "a").add_conditional_edges("a", nowhere, ["a"]).compile()
    for _ in range(2):
        assert graph.invoke({"x": 1}) == {"x": 1, "y": "handled"}
    assert errors == ["no way"] * 2


class Folded(TypedDict):
    seen: Annotated[list[str], lambda _old, _new: broken_reducer()]


def broken_reducer():
    raise RuntimeError("the reducer")


def writes(state):
    return {"seen": ["a"]}


def sends(state):
    return Command(update={"seen": ["a"]}, goto=[Send("b", {})])


@pytest.mark.parametrize("mode", ["values", "updates", None])
@pytest.mark.parametrize("node", [writes, sends])
def test_a_reducer_that_raises_ends_the_run(node, mode):
    builder = StateGraph(Folded).add_node("a", node).add_node("b", lambda state: {})
    graph = builder.add_edge(START, "a").compile()
    with pytest.raises(RuntimeError, match="the reducer"):
        list(graph.stream({"seen": []}, stream_mode=mode)) if mode else graph.invoke({"seen": []})


def test_an_error_handler_that_fails_fails_the_graph():
    def handler(state):
        raise LookupError("handling")

    builder = StateGraph(Plain).add_node("a", flaky(9), error_handler=handler)
    with pytest.raises(LookupError, match="handling"):
        builder.add_edge(START, "a").compile().invoke({"x": 0})


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

    async def bad(state):
        await asyncio.sleep(1)
        raise LookupError("mine")

    builder = StateGraph(State).add_node(hangs(stopped)).add_node(bad)
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
    graph = StateGraph(State).add_node(hangs(ended)).add_edge(START, "slow").compile()

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
