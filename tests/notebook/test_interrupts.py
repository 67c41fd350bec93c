"""The stop button at moments that nobody chose: every branch ends, and the kernel goes on."""

from __future__ import annotations

import random
import time

from tests.notebook.kernel import Kernel

INTERRUPTS = 20
SPAN_SECONDS = 0.4
"""Shorter than a run: after its end the interrupt would fall into ipykernel itself."""

SETUP = """
import asyncio, time
async def slow(prompt):
    for n in range(20):
        yield f"{n} "
        await asyncio.sleep(0.005)
"""

CELL = """%%fanout -o run -m slow
import asyncio
def first(): "hello"
def second(first): "hello {first}"
def in_thread():
    time.sleep(0.6)
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
def join(second, in_thread, streams, prints, never_waits, keeps_the_loop):
    return 1
"""

ORPHANS = """
await asyncio.sleep(0)
sum("nbflow run" in repr(task) for task in asyncio.all_tasks()), run.status.value != "running"
"""


def test_interrupts_at_random_moments_leave_no_orphans(kernel: Kernel):
    kernel.run(SETUP)
    kernel.run(CELL)
    moments = random.Random(20)
    for _ in range(INTERRUPTS):
        started = kernel.start(CELL)
        # before that it may fall into ipykernel itself, which then doesn't answer
        while kernel.client.get_iopub_msg(timeout=30)["msg_type"] != "display_data":
            pass
        time.sleep(moments.uniform(0, SPAN_SECONDS))  # the moment is what is tested
        kernel.manager.interrupt_kernel()
        cell = kernel.finish(started)
        assert cell.status == "ok" or cell.error.startswith(("RunCancelled", "KeyboardInterrupt"))
        after = kernel.run(ORPHANS)
        assert (after.error, after.text) == ("", "(0, True)")
    assert kernel.run("print('still here')").stdout == "still here\n"
