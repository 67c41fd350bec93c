"""The sync door, with and without a loop around it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import traceback
from pathlib import Path

import pytest

from nbflow import Flow, RunError, blocking
from nbflow.graph import START, StateGraph

NESTED = """
import asyncio
from nbflow import Flow

async def inner():
    await asyncio.sleep(0)
    return "deep"

def answer(inner):
    return inner

async def main():
    print(Flow(inner, answer).run()["answer"])

asyncio.run(main())
"""


def test_without_a_loop_it_runs_one():
    assert blocking.run(asyncio.sleep(0, result=1)) == 1


def test_inside_a_running_loop_it_runs_on_that_loop():
    """In a process of its own, for it patches the loop."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", NESTED], capture_output=True, text=True, check=False
    )
    assert (ended.stdout.strip(), ended.stderr) == ("deep", "")


def test_an_interrupt_cancels_and_drains_before_it_is_raised():
    started, cleaned = threading.Event(), []

    async def endless():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(1)

    def interrupt():
        started.wait()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        Flow(endless).run()
    thread.join()
    assert cleaned == [1]


async def test_a_sync_call_in_a_branch_is_cancelled_with_the_branch():
    started, ended = threading.Event(), threading.Event()

    async def endless():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def branch():
        blocking.run(endless())

    run = Flow(branch).start()
    await asyncio.to_thread(started.wait)
    run.cancel()
    assert await asyncio.to_thread(ended.wait, 30)
    with pytest.raises(Exception, match="cancelled"):
        await run


def test_a_branch_that_swallows_every_cancel_cannot_hang_a_script():
    script = textwrap.dedent(
        """
        import asyncio
        from nbflow import Flow, RunError, node

        @node(timeout=0.1)
        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(0.05)
                except asyncio.CancelledError:
                    pass

        try:
            Flow(stubborn).run()
        except RunError as error:
            print(error)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    assert "stubborn failed (TimeoutError" in done.stdout


SIGNALS = """
import asyncio, os, signal, threading, time
from nbflow import Flow, blocking
from nbflow.interrupts import interruptible

def press(after):
    threading.Timer(after, os.kill, [os.getpid(), signal.SIGINT]).start()

def attempt(call):
    try:
        print(call())
    except BaseException as error:
        print(type(error).__name__)
"""


def said_by(code: str) -> list[str]:
    """What a process prints that gets signals: they are a process's own."""
    ended = subprocess.run(
        [sys.executable, "-c", SIGNALS + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.stderr == ""
    return ended.stdout.split()


def test_an_interrupt_that_was_heard_is_not_repeated():
    """The branch doesn't stop when it hears of it: each further one would be heard too."""
    code = """
    heard = []
    async def keeps_the_loop():
        press(0.05)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            try:
                time.sleep(0.01)
            except KeyboardInterrupt:
                heard.append(1)
    attempt(Flow(keeps_the_loop).run)
    print(len(heard))
    """
    assert said_by(code) == ["KeyboardInterrupt", "1"]


def test_an_interrupt_cancels_the_newest_of_several_and_another_one_the_next():
    code = """
    heard = []
    async def main():
        first, second = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        def cancels(name, event):
            return lambda: (heard.append(name), loop.call_soon_threadsafe(event.set))
        with interruptible(cancels("outer", first)):
            with interruptible(cancels("inner", second)):
                press(0)
                await second.wait()
                await asyncio.sleep(0.6)
            press(0)
            await first.wait()
    asyncio.run(main())
    print(*heard)
    """
    assert said_by(code) == ["inner", "outer"]


def test_contexts_that_end_in_another_order_give_back_the_handler_that_was():
    code = """
    async def main():
        one, two = (interruptible(lambda: None) for _ in range(2))
        one.__enter__()
        two.__enter__()
        one.__exit__(None, None, None)
        two.__exit__(None, None, None)
    asyncio.run(main())
    print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    print(signal.set_wakeup_fd(-1))
    """
    assert said_by(code) == ["True", "-1"]


def test_an_interrupt_that_comes_with_the_end_is_not_lost():
    code = """
    async def ends():
        os.kill(os.getpid(), signal.SIGINT)
        return "ended"
    attempt(lambda: blocking.run(ends()))
    """
    assert said_by(code) == ["KeyboardInterrupt"]


def files_of(error):
    """The files that an exception's traceback shows, each once for code that follows itself."""
    names = [Path(frame.filename).name for frame in traceback.extract_tb(error.__traceback__)]
    return [name for name, before in zip(names, ["", *names], strict=False) if name != before]


@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("is_sync", [True, False])
def test_a_traceback_leads_from_the_callers_code_through_one_door_to_the_branchs(
    is_sync, is_nested
):
    def fails(state):
        raise ValueError("mine")

    async def afails(state):
        raise ValueError("mine")

    graph = StateGraph(dict).add_node("node", fails if is_sync else afails)
    compiled = graph.add_edge(START, "node").compile()

    def caught():
        with pytest.raises(ValueError, match="mine") as raised:
            compiled.invoke({"x": 1})
        return raised.value

    async def caught_on_a_loop():
        return caught()

    error = asyncio.run(caught_on_a_loop()) if is_nested else caught()
    assert files_of(error) == ["test_blocking.py", "streams.py", "test_blocking.py"]


def test_an_error_that_says_what_is_wrong_shows_no_more_of_this_library_than_where():
    def fails():
        raise ValueError("mine")

    with pytest.raises(RunError) as raised:
        Flow(fails).run()
    assert files_of(raised.value) == ["test_blocking.py", "flow.py", "run.py"]
