"""Who is told of a deadlock: code that can't go on, but none that waits twice or may give up."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress

import pytest

from nbflow.errors import DeadlockError, NodeTimeoutError
from nbflow.func import entrypoint, task
from nbflow.types import RetryPolicy
from tests.writing.test_func import ONE, combine


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


@task
def waits_for(box):
    box["is_full"].wait(60)
    return box["future"].result()


@task
async def awaits_for(box):
    await asyncio.to_thread(box["is_full"].wait, 60)
    return await box["future"]


def boxed(*tasks):
    """The futures of tasks that each wait for the next one's result, and the last for the first."""
    boxes = [{"is_full": threading.Event()} for _ in tasks]
    futures = [one(box) for one, box in zip(tasks, boxes, strict=True)]
    for box, future in zip(boxes, [*futures[1:], futures[0]], strict=True):
        box["future"] = future
        box["is_full"].set()
    return futures


@pytest.mark.parametrize("kind", [waits_for, awaits_for])
def test_a_task_that_waits_for_its_own_result_is_told_so(kind):
    @entrypoint()
    def flow(_):
        return boxed(kind)[0].result()

    with pytest.raises(DeadlockError, match=f"{kind.name} -> {kind.name}. One of them"):
        flow.invoke(1, ONE)


@pytest.mark.parametrize("second", [waits_for, awaits_for])
@pytest.mark.parametrize("first", [waits_for, awaits_for])
def test_tasks_that_wait_for_each_others_results_are_told_so(first, second):
    @entrypoint()
    def flow(_):
        return [future.exception() for future in boxed(first, second, first)]

    errors = flow.invoke(1)

    assert [type(error) for error in errors] == [DeadlockError] * 3
    assert "waits for the result of" in str(errors[0])


def test_a_task_that_waits_for_a_task_which_needs_its_result_is_told_so():
    @task
    def gives_itself(box):
        box["is_full"].wait(60)
        return combine(box["future"]).result()

    @entrypoint()
    def flow(_):
        return boxed(gives_itself)[0].result()

    with pytest.raises(DeadlockError, match="gives_itself -> combine -> gives_itself"):
        flow.invoke(1)


def test_a_task_may_wait_with_a_timeout_for_one_that_waits_for_it():
    @task
    def is_patient_for_a_while(box):
        box["is_full"].wait(60)
        with suppress(TimeoutError):
            box["future"].result(timeout=0.01)
        return "without"

    @entrypoint()
    def flow(_):
        return [future.result() for future in boxed(is_patient_for_a_while, waits_for)]

    assert flow.invoke(1) == ["without", "without"]
