"""What a run promises about everything that it has started. See also test_scheduler."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from contextlib import nullcontext

import pytest

from nbflow import blocking
from nbflow.core import attempt
from nbflow.core.fanout import Each
from nbflow.core.policies import OnError, Policy, Rate, Retry, Timeout
from nbflow.errors import RunCancelled, RunError
from tests.core.conftest import node


async def test_k_failures_are_k_visible_exceptions_in_one_short_error(start):
    def failing(number):
        async def fail():
            raise ValueError(number)

        fail.__name__ = f"fail{number}"
        return fail

    run = start(*(node(failing(n)) for n in range(20)))
    with pytest.raises(RunError) as caught:
        await run
    group = caught.value.__cause__
    assert isinstance(group, ExceptionGroup)
    assert sorted(error.args[0] for error in group.exceptions) == list(range(20))
    assert len(str(caught.value)) < 600
    assert len(run.errors) == 20


async def test_k_failures_are_k_errors_of_a_run_that_keeps_them(start):
    async def fails(n):
        raise ValueError(n)

    def failing(number):
        async def fail():
            await fails(number)

        fail.__name__ = f"fail{number}"
        return fail

    each = node(fails, "ns", fan_out=(Each({"n": "ns"}),))
    nodes = [each, *(node(failing(n)) for n in range(20))]
    run = await start(*nodes, values={"ns": range(20)}, on_error=OnError.KEEP)
    errors = run.errors
    assert [error.args[0] for error in errors.pop("fails").exceptions] == list(range(20))
    assert sorted(error.args[0] for error in errors.values()) == list(range(20))


async def test_finally_blocks_run_exactly_once_and_async_cleanup_is_awaited(start):
    cleaned = []

    async def branch():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.001)
            cleaned.append("branch")

    def endless(name):
        async def stream():
            try:
                while True:
                    yield "x"
                    await asyncio.sleep(0.001)
            finally:
                await asyncio.sleep(0.001)
                cleaned.append(name)

        return stream

    async def step(n):
        await asyncio.sleep(60)

    each = node(step, "ns", fan_out=(Each({"n": "ns"}),))
    elements = endless("elements")()
    run = start(node(branch), node(endless("stream")), each, values={"ns": elements})
    async for event in run.events():
        if event.task == "step[1]":
            run.cancel()
    with pytest.raises(RunCancelled):
        await run
    assert sorted(cleaned) == ["branch", "elements", "stream"]


async def test_cleanup_that_never_ends_is_left_behind_after_its_bound(start, monkeypatch, caplog):
    monkeypatch.setattr(attempt, "GRACE_SECONDS", 0.01)
    began, release = asyncio.Event(), asyncio.Event()

    async def branch():
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            await release.wait()

    run = start(node(branch))
    await began.wait()
    run.cancel()
    with pytest.raises(RunCancelled):
        await run
    assert "did not stop" in caplog.text
    release.set()
    await asyncio.sleep(0)


async def test_no_timer_of_a_run_is_pending_after_it(start):
    loop = asyncio.get_running_loop()
    before = {id(timer) for timer in loop._scheduled if not timer.cancelled()}

    async def flaky(n):
        raise ValueError

    async def slow():
        await asyncio.sleep(60)

    policy = Policy(retry=Retry(5), rate=Rate(1, 60.0), timeout=Timeout(60))
    each = node(flaky, "ns", fan_out=(Each({"n": "ns"}),), policy=policy)
    run = start(each, node(slow, policy=policy), values={"ns": range(5)})
    await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(RunCancelled):
        await run
    left = {id(timer) for timer in loop._scheduled if not timer.cancelled()}
    assert left <= before


async def test_no_thread_call_that_is_wanted_is_alive_after_a_run(start):
    running = []

    def work():
        running.append(1)
        time.sleep(0.002)
        running.pop()

    def branch(number):
        def step():
            work()

        step.__name__ = f"b{number}"
        return step

    await start(*(node(branch(n)) for n in range(50)))
    assert running == []


async def test_sync_branches_that_run_flows_of_their_own_do_not_starve(start):
    def outer(n):
        async def inner_run():
            return await start(node(inner))

        return blocking.run(inner_run())["inner"]

    def inner():
        return threading.current_thread().name

    each = node(outer, "ns", fan_out=(Each({"n": "ns"}),))
    run = await start(each, values={"ns": range(60)})
    assert len(run["outer"]) == 60


async def test_a_timeout_around_a_run_is_not_swallowed_and_leaves_nothing(start):
    before = asyncio.all_tasks()

    async def slow():
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await start(node(slow))
    assert asyncio.all_tasks() == before


async def test_a_cancel_of_the_task_that_awaits_a_run_is_not_swallowed(start, monkeypatch):
    monkeypatch.setattr(attempt, "GRACE_SECONDS", 0.01)
    began, release = asyncio.Event(), asyncio.Event()

    async def swallows():
        began.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def caller():
        await start(node(swallows))

    task = asyncio.create_task(caller())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    release.set()
    await asyncio.sleep(0)


@pytest.mark.parametrize("on_error", OnError)
@pytest.mark.parametrize(
    "how", ["by name", "its task by name", "by itself", "returning all the same"]
)
async def test_cancelled_is_never_reported_as_success(start, on_error, how):
    began = asyncio.Event()

    async def branch(n):
        began.set()
        if how == "by itself":
            raise asyncio.CancelledError
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if how != "returning all the same":
                raise
        return "done all the same"

    async def quick():
        return 1

    each = node(branch, "ns", fan_out=(Each({"n": "ns"}),))
    run = start(each, node(quick), values={"ns": [0]}, on_error=on_error)
    await began.wait()
    if how != "by itself":
        run.cancel("branch[0]" if how == "its task by name" else "branch")
    with nullcontext() if on_error is OnError.KEEP else pytest.raises(RunError):
        await run
    assert run.status in ("cancelled", "failed")
    assert run.record.tasks["branch[0]"].state == "cancelled"
    assert "branch" not in run.results


async def test_a_retry_never_follows_a_cancel(start):
    attempts = 0

    async def step():
        nonlocal attempts
        attempts += 1
        raise asyncio.CancelledError

    run = await start(node(step, policy=Policy(retry=Retry(3))), on_error=OnError.KEEP)
    assert attempts == 1
    assert run.status == "cancelled"


async def test_only_errors_that_the_predicate_wants_are_retried(start, monkeypatch):
    monkeypatch.setattr("nbflow.core.policies.backoff_seconds", lambda _attempt: 0)
    attempts = []

    async def step():
        attempts.append(1)
        raise TimeoutError if len(attempts) == 1 else ValueError

    retry = Retry(5, on=lambda error: isinstance(error, TimeoutError))
    run = await start(node(step, policy=Policy(retry=retry)), on_error=OnError.KEEP)
    assert len(attempts) == 2
    assert isinstance(run.errors["step"], ValueError)


async def test_a_thousand_runs_leak_nothing(start):
    class Result:
        pass

    async def make():
        return Result()

    def plain(make):
        return make

    async def stream():
        yield "x"

    async def once():
        run = await start(node(make), node(plain, "make"), node(stream))
        return weakref.ref(run), weakref.ref(run["plain"])

    async def times(count):
        return [await once() for _ in range(count)]

    await times(50)
    gc.collect()
    before = len(gc.get_objects())
    references = await times(1000)
    gc.collect()
    alive = [ref for pair in references[:-1] for ref in pair if ref() is not None]
    assert alive == []
    del references
    gc.collect()
    assert len(gc.get_objects()) - before < 500


RUNS_BY_RSS = """
import asyncio, gc
import psutil
from nbflow.core.fanout import Best, Each
from nbflow.core.policies import OnError, Policy, Retry, RunOptions
from nbflow.core.run import Run
from nbflow.core.topology import Node, Topology
from nbflow.core.vote import Vote

class Page:
    def __init__(self):
        self.content = bytearray(50_000)
async def page(): return Page()
async def stream():
    for n in range(20):
        yield f"chunk {n}"
def plain(page): return page
async def fails(page): raise ValueError
async def skipped(fails): pass
async def slow(): await asyncio.sleep(60)
async def step(n): return n
async def verdict(): return "yes"
async def first(verdict, slow): return verdict

async def once():
    nodes = [
        Node("page", page), Node("plain", plain, ("page",)), Node("stream", stream),
        Node("fails", fails, ("page",)), Node("skipped", skipped, ("fails",)),
        Node("step", step, ("ns",), fan_out=(Each({"n": "ns"}), Vote(3))),
        Node("verdict", verdict, fan_out=(Vote(5),)),
        Node("slow", slow, policy=Policy(retry=Retry(1))),
        Node("first", first, ("verdict", "slow"), wait=1),
    ]
    run = Run(Topology(nodes), {"ns": range(10)}, RunOptions(on_error=OnError.KEEP)).start()
    await run
    assert run.errors.keys() == {"fails"}, run

async def times(count):
    for _ in range(count):
        await once()

def rss():
    gc.collect()
    return psutil.Process().memory_info().rss

with asyncio.Runner() as runner:
    runner.run(times(200))
    before = rss()
    runner.run(times(1000))
    print(rss() - before)
"""


def test_a_thousand_runs_leave_the_process_as_large_as_it_was():
    """In a process of its own; a kept run has 130 kB, its topology alone 8 kB."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUNS_BY_RSS],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    grown_bytes = int(done.stdout)
    assert grown_bytes < 6_000_000


def test_no_warning_about_anything_never_awaited_or_retrieved():
    """In a process of its own, whose output has every warning and every unraisable error."""
    code = """
import asyncio, gc
from nbflow.core.fanout import Each
from nbflow.core.policies import OnError, Policy, Retry, RunOptions, Timeout
from nbflow.core.run import Run
from nbflow.core.topology import Node, Topology
from nbflow.core.vote import Vote

async def fails(): raise ValueError
async def slow(): await asyncio.sleep(60)
async def stream():
    while True:
        yield "x"
        await asyncio.sleep(0)
async def elements():
    while True:
        yield 1
async def step(n): await asyncio.sleep(0.001)
async def verdict(): return "yes"
def plain(): return 1

async def once(turns):
    nodes = [
        Node("fails", fails), Node("slow", slow, policy=Policy(timeout=Timeout(30))),
        Node("stream", stream), Node("plain", plain),
        Node("step", step, ("ns",), fan_out=(Each({"n": "ns"}),)),
        Node("verdict", verdict, fan_out=(Vote(5),)),
    ]
    run = Run(Topology(nodes), {"ns": elements()}, RunOptions(on_error=OnError.KEEP)).start()
    for _ in range(turns):
        await asyncio.sleep(0)
    run.cancel()
    try:
        await run
    except Exception:
        pass

for turns in range(12):
    asyncio.run(once(turns), debug=True)
    gc.collect()
print("end")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONASYNCIODEBUG": "1"},
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert (done.stdout, said) == ("end\n", [])


async def test_a_slow_sink_does_not_slow_the_run_and_gets_chunks_joined(start, monkeypatch):
    monkeypatch.setattr("nbflow.core.run.SINK_SECONDS", 0.0)
    gate = threading.Event()
    heard = []
    ended = threading.Event()

    def sink(event):
        gate.wait()
        heard.append(event)
        if event.kind == "run_ended":
            ended.set()

    async def stream():
        for _ in range(500):
            yield "x"

    run = start(node(stream))
    run.subscribe(sink)
    await run
    assert heard == []
    gate.set()
    assert await asyncio.to_thread(ended.wait, 30)
    texts = [event.data["text"] for event in heard if event.kind == "chunk"]
    assert "".join(texts) == "x" * 500
    assert len(texts) < 10


async def test_a_sink_has_heard_everything_when_the_run_is_over(start):
    heard = []

    async def step():
        return 1

    run = start(node(step))
    run.subscribe(heard.append)
    await run
    assert [event.kind for event in heard] == ["started", "done", "run_ended"]


async def test_fifty_thousand_branches_run_and_end(start):
    async def step(n):
        return n

    each = node(step, "ns", fan_out=(Each({"n": "ns"}),))
    run = await start(each, values={"ns": range(50_000)})
    assert run["step"][-1] == 49_999


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
async def test_a_caller_cancelled_at_the_very_start_leaves_no_run_behind(start, steps):
    """Seen in a kernel: the stop button came while the board was made, and the run went on."""
    runs = []

    async def waits():
        await asyncio.Event().wait()

    async def call():
        runs.append(start(node(waits)))
        await runs[0].ended()

    async def press():
        for _ in range(steps):
            await asyncio.sleep(0)
        calling.cancel()

    calling = asyncio.ensure_future(call())
    if not steps:
        calling.get_loop().call_soon(calling.cancel)
    pressing = asyncio.ensure_future(press())
    with pytest.raises(asyncio.CancelledError):
        await calling
    await pressing
    assert not runs or (runs[0].status, runs[0].record.tasks["waits"].state) == (
        "cancelled",
        "cancelled",
    )
