"""The stop button at moments that nobody chose: every branch ends, and the kernel goes on.

`INTERRUPTS=1000 pytest -s tests/notebook/test_interrupts.py` presses it as often, in one kernel;
`INTERRUPTS_SEED` chooses other moments.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from tests.notebook.kernel import Kernel

INTERRUPTS = int(os.environ.get("INTERRUPTS", "20"))
SEED = int(os.environ.get("INTERRUPTS_SEED", "20"))
SPAN_SECONDS = 0.4
"""Much shorter than a run: after its end the interrupt would fall into ipykernel itself."""

SETUP = """
import asyncio, time
async def slow(prompt):
    for n in range(20):
        yield f"{n} "
        await asyncio.sleep(0.005)
class Drawn:
    def __iter__(self):
        for n in range(10_000):
            time.sleep(0.001)
            yield n
class Awaited:
    async def __aiter__(self):
        for n in range(10_000):
            await asyncio.sleep(0.001)
            yield n
drawn, awaited = Drawn(), Awaited()
"""

CELL = """%%fanout -o run -m slow
import asyncio
def first(): "hello"
def second(first): "hello {first}"
def in_thread():
    time.sleep(2)
def streams():
    for n in range(10):
        yield str(n)
        time.sleep(0.01)
async def never_waits():
    for n in range(200):
        yield "x"
        await asyncio.sleep(0)
async def prints():
    for n in range(20):
        await asyncio.sleep(0.005)
        print(n)
async def keeps_the_loop():
    end = time.monotonic() + 0.03
    while time.monotonic() < end:
        pass
@node(retries=99)
async def fails():
    raise ValueError
@vote(9)
async def says():
    await asyncio.sleep(0.3 * __import__("random").random())
    return "yes"
@best(3, score=lambda answer: time.sleep(0.05) or len(answer))
def tries(first): "{first}?"
@each(n="drawn")
def of_drawn(n):
    time.sleep(0.002)
@each(n="awaited")
@vote(3)
async def of_awaited(n):
    await asyncio.sleep(0.02)
@node(wait=1)
def any_of(in_thread, says):
    return 1
def join(second, in_thread, streams, prints, never_waits, keeps_the_loop, any_of):
    return 1
"""

ORPHANS = """
from pathlib import PurePath
await asyncio.sleep(0)
others = {"ipykernel", "IPython", "tornado", "zmq"}
def is_orphan(task):
    code = getattr(task.get_coro(), "cr_code", None)
    return code is None or others.isdisjoint(PurePath(code.co_filename).parts)
[repr(task) for task in asyncio.all_tasks() if is_orphan(task)], run.status.value
"""
"""Every task of the loop that is no part of the kernel's own machinery."""


@pytest.mark.timeout(300 + 5 * INTERRUPTS)
def test_interrupts_at_random_moments_leave_no_orphans(kernel: Kernel):
    assert kernel.run(SETUP).error == ""
    moments = random.Random(SEED)
    endings: Counter[str] = Counter()
    for number in range(INTERRUPTS):
        started = kernel.start(CELL)
        # before that it may fall into ipykernel itself, which then doesn't answer
        kernel.wait_for("display_data")
        moment = moments.uniform(0, SPAN_SECONDS)  # the moment is what is tested
        time.sleep(moment)
        kernel.manager.interrupt_kernel()
        cell = kernel.finish(started)
        which = f"interrupt {number}, {moment:.4f} s after the board stood"
        assert cell.error.startswith(("RunCancelled", "KeyboardInterrupt")), which
        endings[cell.error.partition(":")[0]] += 1
        after = kernel.run(ORPHANS)
        assert (after.error, after.text) == ("", "([], 'cancelled')"), which
    print(dict(endings))
    assert kernel.run("print('still here')").stdout == "still here\n"
