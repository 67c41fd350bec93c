"""The sync door, with and without a loop around it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from nbflow import Flow, blocking

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
