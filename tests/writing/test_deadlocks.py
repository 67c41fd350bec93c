"""Who is told of a deadlock: code that can't go on, but none that waits twice or may give up."""

from __future__ import annotations

import asyncio
import contextvars
import threading

from nbflow.errors import NodeTimeoutError
from nbflow.func import entrypoint, task
from nbflow.types import RetryPolicy


@task
async def slowly(n):
    await asyncio.sleep(0.01 * n)
    return n


def test_a_task_may_wait_for_several_results_in_threads_of_its_own():
    @entrypoint()
    async def flow(_):
        calls = [slowly(2), slowly(1)]
        return await asyncio.gather(*(asyncio.to_thread(call.result) for call in calls))

    assert flow.invoke(1) == [2, 1]


def test_an_attempt_that_was_given_up_doesnt_disturb_the_wait_of_the_next_one():
    first_ends, second_waits = threading.Event(), threading.Event()
    attempts = []

    @task
    def inner(number):
        (first_ends if number == 1 else second_waits).wait(10)
        return number

    again = RetryPolicy(initial_interval=0.01, max_attempts=2, retry_on=NodeTimeoutError)

    @task(timeout=0.2, retry_policy=again)
    def outer():
        attempts.append(1)
        if len(attempts) == 1:
            return inner(1).result()
        threading.Timer(0.05, second_waits.set).start()
        return inner(2).result()

    @entrypoint()
    def flow(_):
        return outer().result()

    assert flow.invoke(1) == 2
    first_ends.set()


def waiting_for_each_other(first, second):
    """What comes of two tasks of which each is given the other's future."""
    box = {}

    @entrypoint()
    async def flow(_):
        filled = threading.Event()
        box["first"], box["second"] = first(box, filled), second(box, filled)
        filled.set()
        return await asyncio.gather(box["first"], box["second"], return_exceptions=True)

    return flow.invoke(1)


@task
def waits_for_first(box, filled):
    filled.wait(10)
    return "second", box["first"].result()


def test_a_task_with_a_timeout_may_wait_for_one_that_waits_for_it():
    @task(timeout=0.1)
    def first(box, filled):
        filled.wait(10)
        return box["second"].result()

    results = waiting_for_each_other(first, waits_for_first)

    assert [type(result) for result in results] == [NodeTimeoutError] * 2


def test_a_task_may_give_up_a_thread_of_its_own_that_waits():
    @task
    def first(box, filled):
        filled.wait(10)
        wait = contextvars.copy_context().run
        thread = threading.Thread(target=wait, args=(box["second"].exception,), daemon=True)
        thread.start()
        thread.join(0.05)
        return "first"

    assert waiting_for_each_other(first, waits_for_first) == ["first", ("second", "first")]


def test_a_task_may_give_up_a_thread_that_asyncio_began_for_it():
    @task
    async def first(box, filled):
        await asyncio.to_thread(filled.wait, 10)
        try:
            await asyncio.wait_for(asyncio.to_thread(box["second"].exception), 0.05)
        except TimeoutError:
            return "first"

    assert waiting_for_each_other(first, waits_for_first) == ["first", ("second", "first")]
