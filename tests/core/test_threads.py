"""Sync functions awaited from a loop."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue

import pytest

from nbflow.core import threads
from nbflow.core.threads import Inbox, call_in_thread, iterate_in_thread


async def test_what_a_function_raises_is_raised_where_it_is_awaited():
    def bad():
        raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        await call_in_thread(bad)


async def test_stop_iteration_from_a_function_does_not_vanish():
    with pytest.raises(RuntimeError, match="StopIteration"):
        await call_in_thread(next, iter([]))


async def test_calls_nested_in_calls_do_not_starve():
    def nested(depth):
        return depth if depth == 0 else asyncio.run(call_in_thread(nested, depth - 1)) + 1

    assert await call_in_thread(nested, 40) == 40


def test_a_call_never_waits_for_the_end_of_another(monkeypatch):
    asks, has_taken, goes_on = threading.Semaphore(0), threading.Event(), threading.Event()

    class Slow(SimpleQueue):
        """A thread that has taken a call from it does nothing before it `goes_on`."""

        def get(self, **how):
            asks.release()
            call = super().get(**how)
            has_taken.set()
            goes_on.wait(10)
            return call

    monkeypatch.setattr(threads, "SimpleQueue", Slow)
    others = threading.active_count()
    pool = threads.ThreadPool()
    goes_on.set()
    pool.submit(lambda: None)
    assert asks.acquire(timeout=10)
    assert asks.acquire(timeout=10)  # it has made that call and is idle now
    while threading.active_count() > others + 1:  # who adds threads has nothing to do any more
        pass
    has_taken.clear()
    goes_on.clear()
    never, called = threading.Event(), threading.Event()
    pool.submit(never.wait)
    assert has_taken.wait(10)
    pool.submit(called.set)
    goes_on.set()
    assert called.wait(10)
    never.set()


async def test_elements_come_one_by_one_while_the_thread_goes_on():
    proceed = threading.Event()

    def numbers():
        yield 1
        proceed.wait()
        yield 2

    seen = []
    async for number in iterate_in_thread(numbers):
        seen.append(number)
        proceed.set()
    assert seen == [1, 2]


async def test_a_consumer_that_stops_early_closes_the_generator():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    elements = iterate_in_thread(endless)
    async for _ in elements:
        break
    await elements.aclose()
    assert await asyncio.to_thread(closed.wait, 30)


async def test_an_error_in_a_generator_comes_after_its_elements():
    def numbers():
        yield 1
        raise ValueError("no luck")

    seen = []
    with pytest.raises(ValueError, match="no luck"):
        async for number in iterate_in_thread(numbers):
            seen.append(number)
    assert seen == [1]


async def test_many_words_from_a_thread_wake_the_loop_once_and_keep_their_order():
    loop, inbox, heard, wakings = asyncio.get_running_loop(), Inbox(), [], []
    everything = asyncio.Event()
    call_soon = loop.call_soon_threadsafe

    def say():
        for number in range(2000):
            inbox.post(loop, heard.append, number)
        inbox.post(loop, everything.set)

    loop.call_soon_threadsafe = lambda *args: wakings.append(args) or call_soon(*args)
    thread = threading.Thread(target=say)
    thread.start()
    thread.join()
    del loop.call_soon_threadsafe
    await everything.wait()
    assert heard == list(range(2000))
    assert len(wakings) == 1


async def test_a_word_that_fails_leaves_the_others_heard():
    loop, inbox, heard, told = asyncio.get_running_loop(), Inbox(), [], []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    inbox.post(loop, heard.index, "missing")
    inbox.post(loop, heard.append, 1)
    inbox.empty(loop)
    assert heard == [1]
    assert isinstance(told[0], ValueError)


def test_nobody_hears_a_word_to_a_closed_loop():
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        Inbox().post(loop, print)
