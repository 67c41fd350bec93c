"""The futures of called tasks: the standard library's tools take them, wherever they were made."""

from __future__ import annotations

import asyncio
import concurrent.futures
import signal
import threading

import pytest

import nbflow
from nbflow.core.states import RunState, State
from nbflow.func import entrypoint, task
from nbflow.writing.request import Request
from tests.writing.test_func import adouble, combine, double, fails


@task
async def forever():
    await asyncio.Event().wait()


def called(function):
    """What a sync function of no arguments does in an entrypoint."""
    return entrypoint()(lambda _: function()).invoke(1)


async def acalled(function):
    """What an async function of no arguments does in an entrypoint."""

    async def flow(_):
        return await function()

    return await entrypoint()(flow).ainvoke(1)


def test_in_plain_code_a_call_is_a_future_of_concurrent_futures():
    def flow():
        futures = [double(n) for n in range(4)]
        done, _ = concurrent.futures.wait(futures)
        ended = [future.result() for future in concurrent.futures.as_completed(futures)]
        return len(done), sorted(ended)

    assert called(flow) == (4, [0, 2, 4, 6])


async def test_on_a_loop_a_call_is_a_future_of_asyncio():
    async def flow():
        futures = [double(n) for n in range(4)]
        done, _ = await asyncio.wait(futures)
        ended = [await future for future in asyncio.as_completed(futures)]
        return len(done), sorted(ended), await asyncio.gather(*futures)

    assert await acalled(flow) == (4, [0, 2, 4, 6], [0, 2, 4, 6])


async def test_a_result_that_is_asked_for_too_early_on_a_loop_says_to_await_it():
    async def flow():
        return adouble(1).result()

    with pytest.raises(asyncio.InvalidStateError, match=r"await it: `await adouble\(...\)`"):
        await acalled(flow)


async def test_a_future_made_on_a_loop_may_be_taken_in_a_thread():
    gate = threading.Event()

    @task
    def late():
        gate.wait(60)
        return 4

    @task
    def takes(hidden):
        gate.set()
        return hidden["deep"][0].result()

    async def flow():
        return await takes({"deep": [late()]})

    assert await acalled(flow) == 4


def test_a_future_made_in_a_thread_may_be_awaited():
    @task
    async def awaits(hidden):
        return await hidden["deep"][0]

    assert called(lambda: awaits({"deep": [double(2)]}).result()) == 4


def test_a_result_may_be_waited_for_for_some_time():
    gate = threading.Event()

    @task
    def late():
        gate.wait(60)

    def flow():
        future = late()
        with pytest.raises(TimeoutError):
            future.result(timeout=0.001)
        gate.set()
        return future.result(timeout=60)

    assert called(flow) is None


def test_a_failure_read_as_an_exception_is_taken():
    assert called(lambda: str(fails("read").exception())) == "read"
    assert called(lambda: double(1).exception()) is None


async def test_failures_gathered_as_values_are_taken():
    async def flow():
        return await asyncio.gather(fails("one"), double(1), return_exceptions=True)

    error, value = await acalled(flow)
    assert (str(error), value) == ("one", 2)


def test_a_cancelled_future_cancels_its_call_and_nobody_needed_it():
    def flow():
        future = forever()
        assert future.cancel()
        assert not double(1).result() or future.cancelled()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result()
        return concurrent.futures.wait([future]).done == {future}

    assert called(flow)
    run = nbflow.last_run()
    assert run.status is RunState.DONE
    assert run.record.tasks["forever"].state is State.CANCELLED
    assert run.record.tasks["forever"].unneeded


async def test_a_wait_with_a_timeout_cancels_the_call():
    async def flow():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever(), 0.001)
        return "on"

    assert await acalled(flow) == "on"
    assert nbflow.last_run().record.tasks["forever"].state is State.CANCELLED


def test_what_needs_a_cancelled_call_is_cancelled_too():
    def flow():
        first = forever()
        second = combine(first)
        first.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            second.result()
        return second.cancelled()

    assert called(flow)


# Outside of any run


def test_a_task_called_in_a_script_just_runs():
    assert double(4).result() == 8
    assert adouble(4).result() == 8
    assert nbflow.last_run().record.name == "adouble"
    assert combine(double(1), [adouble(2)]).result() == [2, [4]]
    with pytest.raises(ValueError, match="no"):
        fails().result()


async def test_a_task_called_on_a_loop_runs_there():
    future = double(4)
    run = nbflow.last_run()
    assert run.record.name == "double"
    assert await future == 8
    assert await combine(double(1), {"k": adouble(2)}) == [2, {"k": 4}]
    with pytest.raises(ValueError, match="no"):
        await fails()


async def test_a_result_asked_for_in_a_notebooks_loop_is_waited_for():
    later = asyncio.ensure_future(asyncio.sleep(0, "others go on"))
    assert combine(double(1), adouble(2)).result() == [2, 4]
    assert await later == "others go on"


async def test_async_generators_take_futures_of_other_runs():
    @task
    async def spell(word):
        for letter in await asyncio.sleep(0, word):
            yield letter

    @task
    def word():
        return "cat"

    assert await spell(word()) == "cat"


def test_a_future_made_in_a_script_may_be_awaited_later():
    future = double(4)

    async def main():
        return await future

    assert asyncio.run(main()) == 8


def test_an_interrupt_while_a_script_waits_cancels_the_call(monkeypatch):
    waiting, stopped = threading.Event(), threading.Event()
    monkeypatch.setattr(Request, "awaited", lambda self: waiting.set())

    @task
    async def interrupted():
        await asyncio.to_thread(waiting.wait, 60)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    future = interrupted()
    with pytest.raises(KeyboardInterrupt):
        future.result(60)
    assert future.cancelled()
    assert stopped.wait(60)


def test_a_task_called_outside_may_call_others():
    @task
    def outer(n):
        return double(double(n)).result()

    assert outer(1).result() == 4
    assert set(nbflow.last_run().record.nodes) == {"outer", "double"}


def test_one_cancelled_call_of_several_leaves_the_run_well():
    @task
    async def waits(event):
        await event.wait()

    def flow():
        first, second = waits(asyncio.Event()), waits(asyncio.Event())
        first.cancel()
        second.cancel()
        return combine(double(1), double(2)).result()

    assert called(flow) == [2, 4]
    assert nbflow.last_run().status is RunState.DONE
    assert nbflow.last_run().record.groups["waits"].unneeded
