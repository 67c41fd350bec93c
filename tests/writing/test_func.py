"""Tasks and entrypoints: whatever calls whatever, it ends; and what is told of it is true."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from contextvars import ContextVar
from functools import partial

import pytest

import nbflow
from nbflow import Flow
from nbflow.core.states import RunState, State
from nbflow.errors import (
    EmptyInputError,
    NbflowError,
    NodeCancelledError,
    NodeTimeoutError,
    RunCancelled,
    RunError,
)
from nbflow.func import entrypoint, task
from nbflow.types import RetryPolicy

ONE = {"max_concurrency": 1}


@task
def double(n):
    return 2 * n


@task
async def adouble(n):
    return 2 * n


@task
def combine(*values):
    return list(values)


@task
def fails(message="no"):
    raise ValueError(message)


@task
def fib(n):
    return n if n < 2 else fib(n - 1).result() + fib(n - 2).result()


@task
async def afib(n):
    return n if n < 2 else sum(await asyncio.gather(afib(n - 1), afib(n - 2)))


@task
def descend(depth):
    return depth and 1 + descend(depth - 1).result()


@task
async def adescend(depth):
    return depth and 1 + await adescend(depth - 1)


def entrypoint_of(called, kind):
    """An entrypoint, sync or async, that returns what a task does."""

    @entrypoint()
    def plain(n):
        return called(n).result()

    @entrypoint()
    async def awaiting(n):
        return await called(n)

    return plain if kind == "sync" else awaiting


def inputs_of(workflow):
    """What is drawn before each node of what a workflow did last."""
    return {info.name: set(info.inputs) for info in nbflow.last_run().record.nodes.values()}


def test_the_critical_path_goes_on_with_what_came_before_the_caller():
    @task
    def first(n):
        return n

    @task
    def calls(n):
        return double(n).result()

    @entrypoint()
    def flow(n):
        return combine(calls(first(n).result()).result()).result()

    flow.invoke(1)
    path = nbflow.last_run().critical_path
    assert path == ["first", "double", "calls", "combine", "flow"]


# Nothing deadlocks


@pytest.mark.parametrize("jobs", [None, 1])
@pytest.mark.parametrize("called", [fib, afib])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_recursion_works_in_sync_and_async_code_within_any_limit(kind, called, jobs):
    assert entrypoint_of(called, kind).invoke(8, {"max_concurrency": jobs}) == 21


@pytest.mark.parametrize("called", [descend, adescend])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_tasks_call_tasks_to_any_depth(kind, called):
    assert entrypoint_of(called, kind).invoke(60, ONE) == 60


def test_five_hundred_sync_tasks_run_at_once():
    together = threading.Barrier(500)

    @task
    def meet(n):
        together.wait(60)
        return n

    @entrypoint()
    def meeting(count):
        return sum(future.result() for future in [meet(n) for n in range(count)])

    assert meeting.invoke(500) == sum(range(500))


def test_a_task_that_waits_for_its_siblings_call_needs_no_room():
    @task
    def calls(n):
        return double(n).result()

    @task
    def waits(hidden):
        return hidden["deep"][0].result() + 1

    @task
    async def awaits(hidden):
        return await hidden["deep"][0] + 1

    @entrypoint()
    def siblings(n):
        first = calls(n)
        others = [waits({"deep": [first]}), awaits({"deep": [first]})]
        return [other.result() for other in others]

    assert siblings.invoke(4, ONE) == [9, 9]


def test_a_task_may_run_a_loop_of_its_own():
    @task
    def own_loop(n):
        async def main():
            return await asyncio.gather(double(n), adouble(n))

        return asyncio.run(main())

    assert entrypoint_of(own_loop, "sync").invoke(4, ONE) == [8, 8]


def test_a_task_may_call_tasks_from_a_thread_of_its_own():
    @task
    def threaded(n):
        found = []
        thread = threading.Thread(target=lambda: found.append(double(n).result()))
        thread.start()
        thread.join()
        return found

    assert entrypoint_of(threaded, "sync").invoke(4, ONE) == [8]


def test_a_workflow_may_be_invoked_in_a_task():
    inner = entrypoint_of(double, "sync")

    @task
    def outer(n):
        return inner.invoke(n) + 1

    assert entrypoint_of(outer, "async").invoke(4, ONE) == 9


async def test_many_workflows_run_beside_each_other():
    workflow = entrypoint_of(fib, "async")
    results = await asyncio.gather(*(workflow.ainvoke(n) for n in range(8)))
    assert results == [0, 1, 1, 2, 3, 5, 8, 13]


# Failures


def test_a_failed_call_that_nobody_took_is_raised_at_the_end():
    @entrypoint()
    def forgets(_):
        fails("lost")
        return "fine"

    with pytest.raises(ValueError, match="lost"):
        forgets.invoke(1)
    assert nbflow.last_run().status is RunState.FAILED


def test_a_failure_heard_from_a_task_that_needed_it_is_taken():
    @entrypoint()
    def mends(_):
        try:
            return combine(fails("first")).result()
        except ValueError as error:
            return f"mended {error}"

    assert mends.invoke(1) == "mended first"
    record = nbflow.last_run().record
    assert record.tasks["combine"].state is State.SKIPPED


def test_an_exception_keeps_its_type_and_traceback():
    @entrypoint()
    def flow(_):
        return fails("here").result()

    with pytest.raises(ValueError, match="here") as caught:
        flow.invoke(1)
    assert any(entry.name == "fails" for entry in caught.traceback)


def test_an_entrypoint_that_fails_cancels_what_it_has_called():
    started, stopped = threading.Event(), threading.Event()

    @task
    async def forever():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    @entrypoint()
    def flow(_):
        forever()
        started.wait(60)
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        flow.invoke(1)
    assert stopped.is_set()
    assert nbflow.last_run().record.tasks["forever"].state is State.CANCELLED


def test_the_run_waits_for_calls_that_go_on_after_the_entrypoint():
    gate = threading.Event()

    @task
    def late():
        gate.wait(60)
        return "late"

    @entrypoint()
    def flow(_):
        late()
        gate.set()
        return "early"

    assert flow.invoke(1) == "early"
    assert nbflow.last_run()["late"] == "late"


def test_calls_of_an_attempt_that_failed_are_cancelled_when_the_next_one_calls():
    tries = []

    @task
    async def forever():
        await asyncio.Event().wait()

    @task(retry_policy=RetryPolicy(initial_interval=0, jitter=False, retry_on=ValueError))
    async def tries_again(n):
        tries.append(n)
        if len(tries) < 2:
            forever()
            fails("unheard")
            raise ValueError("again")
        return await double(n)

    assert entrypoint_of(tries_again, "async").invoke(4) == 8
    assert nbflow.last_run().record.tasks["forever"].state is State.CANCELLED


async def test_cancelling_who_awaits_a_workflow_is_a_cancel_and_no_error():
    @entrypoint()
    async def endless(_):
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await endless.ainvoke(1)
    assert nbflow.last_run().status is RunState.CANCELLED


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_task_sees_the_context_variables_of_its_caller(kind):
    variable = ContextVar("variable", default=0)

    @task
    def see():
        return variable.get()

    @entrypoint()
    def plain(_):
        variable.set(7)
        return see().result()

    @entrypoint()
    async def awaiting(_):
        variable.set(7)
        return await see()

    assert (plain if kind == "sync" else awaiting).invoke(1) == 7
    assert variable.get() == 0


def test_a_task_that_takes_too_long_raises_its_timeout():
    @task(timeout=0.01)
    async def slow():
        await asyncio.Event().wait()

    @entrypoint()
    async def flow(_):
        await slow()

    with pytest.raises(NodeTimeoutError, match="'slow' took longer than its timeout of 0.01 s"):
        flow.invoke(1)


class WithBrokenNotes(ValueError):
    @property
    def __notes__(self):
        raise RuntimeError


def test_a_task_may_raise_and_return_what_cannot_be_looked_at():
    class Strange(type):
        def __getattr__(cls, name):
            raise RuntimeError(name)

    class Odd(metaclass=Strange):
        pass

    @task
    def odd(raises):
        if raises:
            raise WithBrokenNotes
        return Odd()

    @entrypoint()
    def flow(_):
        return type(odd(True).exception()), type(odd(False).result())

    assert flow.invoke(1) == (WithBrokenNotes, Odd)


def test_who_raises_cancelled_error_by_itself_has_failed():
    @task
    async def stops():
        raise asyncio.CancelledError

    @entrypoint()
    async def flow(_):
        results = await asyncio.gather(stops(), fails(), fails(), return_exceptions=True)
        return [type(result) for result in results]

    assert flow.invoke(1) == [NodeCancelledError, ValueError, ValueError]


async def test_who_waits_for_a_call_that_is_cancelled_from_outside_is_cancelled_too():
    began = asyncio.Event()

    @task
    async def lasts():
        began.set()
        await asyncio.sleep(60)

    @task
    async def waits():
        return await lasts()

    @entrypoint()
    async def flow(_):
        return await waits()

    run = flow.start(1)
    await began.wait()
    run.cancel("lasts")

    with pytest.raises(RunError, match="flow, waits, lasts were cancelled"):
        await run
    assert run.status is RunState.CANCELLED


async def test_a_run_whose_task_failed_when_it_was_called_again_says_so():
    @entrypoint()
    def flow(_):
        calls = [fails(), fails()]
        return [call.result() for call in calls]

    with pytest.raises(RunError, match="fails failed .ValueError: no"):
        await flow.start(1)


async def test_what_a_cancelled_task_calls_is_cancelled_though_nobody_hears_of_it_any_more():
    began, goes_on, has_called = (threading.Event() for _ in range(3))
    calls = []

    @task
    def lasts():
        began.set()
        goes_on.wait(10)
        calls.append(double(1))
        has_called.set()

    @entrypoint()
    def flow(_):
        return lasts().result()

    run = flow.start(1)
    await asyncio.to_thread(began.wait, 10)
    run.cancel()
    goes_on.set()
    has_called.wait(10)  # the loop that would hear of the call stands still

    assert calls[0].cancelled()
    with suppress(RunCancelled):
        await run


# Elsewhere than in an entrypoint


def test_tasks_may_be_called_in_the_branches_of_a_flow():
    def left():
        return double(1).result()

    async def right(left):
        return await adouble(left)

    run = Flow(left, right).run()
    assert (run["left"], run["right"], run["double"]) == (2, 4, 2)
    assert run.record.tasks["double"].caller == "left"


def test_a_task_called_like_a_node_of_the_flow_gets_another_name():
    other = task(name="right")(lambda: 7)

    def left():
        return other().result()

    def right(left):
        return left

    run = Flow(left, right).run()
    assert (run["right"], run["right()"]) == (7, 7)


# What may be a task, and an entrypoint


class Joker:
    def __init__(self, word):
        self.word = word

    def said(self, n):
        return self.word * n

    @task
    def joke(self, n):
        return self.word * n


def test_functions_of_every_kind_may_be_tasks():
    @entrypoint()
    def flow(n):
        callables = [task(Joker("a").said), Joker("b").joke, task(partial(pow, 2)), task(name="x")]
        callables[-1] = callables[-1](lambda n: n)
        return [one(n).result() for one in callables]

    assert flow.invoke(3) == ["aaa", "bbb", 8, 3]
    assert {"said", "joke", "x"} < nbflow.last_run().record.nodes.keys()


def test_a_generator_task_streams_its_chunks_and_returns_them_joined():
    @task
    def words():
        yield "a "
        yield "cat"

    @task
    async def numbers(_text):
        yield 1
        yield 2

    @entrypoint()
    def flow(_):
        return words().result(), numbers(words()).result()

    assert flow.invoke(1) == ("a cat", [1, 2])


def test_an_entrypoint_takes_options_and_a_function_of_one_input():
    with pytest.raises(NbflowError, match="with parentheses"):
        entrypoint(lambda n: n)
    with pytest.raises(NbflowError, match="checkpointer=...\\) isn't there yet"):
        entrypoint(checkpointer=object())
    with pytest.raises(NbflowError, match="store=...\\) isn't there yet"):
        entrypoint(store=object())
    with pytest.raises(ValueError, match="at least one parameter"):
        entrypoint()(lambda: 1)
    with pytest.raises(NotImplementedError, match="'words' is a generator"):

        @entrypoint()
        def words(n):
            yield n


def test_no_input_is_refused():
    with pytest.raises(EmptyInputError, match="'plain' was given no input"):
        entrypoint_of(double, "sync").invoke(None)


def test_a_task_asks_by_name_for_what_its_caller_does_not_pass():
    @task
    def asks(n, config=None, previous="p"):
        return n, config["configurable"]["who"], previous

    @entrypoint()
    def flow(n):
        mine = {"configurable": {"who": "mine"}}
        return asks(n).result(), asks(n, mine, previous=1).result()

    given = {"configurable": {"who": "me"}}
    assert flow.invoke(1, given) == ((1, "me", None), (1, "mine", 1))


def test_a_parameter_of_another_type_is_not_given_by_its_name():
    @task
    def tells(writer: str = "a person"):
        return writer

    assert tells().result() == "a person"


def test_batch_and_start_work_as_for_graphs():
    assert entrypoint_of(double, "sync").batch([1, 2, 3]) == [2, 4, 6]


async def test_a_sync_workflow_is_invoked_and_streamed_in_a_running_loop():
    later = asyncio.ensure_future(asyncio.sleep(0, "others go on"))
    workflow = entrypoint_of(double, "sync")
    assert workflow.invoke(4) == 8
    assert list(workflow.stream(4)) == [{"double": 8}, {"plain": 8}]
    assert entrypoint_of(adouble, "async").invoke(4) == 8
    assert await later == "others go on"


def test_a_cancelled_run_says_so():
    @task
    async def cancels():
        nbflow.last_run().cancel()
        await asyncio.Event().wait()

    @entrypoint()
    def flow(_):
        return cancels().result()

    with pytest.raises(RunCancelled):
        flow.invoke(1)


async def test_a_started_workflow_is_a_run():
    run = await entrypoint_of(double, "async").start(4)
    assert run["awaiting"] == 8
    assert run is nbflow.last_run()
