"""The Functional API against LangGraph's, in one process: `python -m tests.benchmarks.functional`.

Every figure is the median of some rounds, and every ratio compares what ran in the same round.
LangGraph is measured if it is installed (`pip install -e ".[bench]"`).
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tests.benchmarks.engine import Measured, compare, seconds_of

SIZES = (100, 1_000, 5_000)


def peers() -> list[ModuleType]:
    """The modules with `task` and `entrypoint`: ours, and LangGraph's if it is installed."""
    names = ["nbflow.func", "langgraph.func"]
    found = []
    for name in names:
        try:
            found.append(importlib.import_module(name))
        except ImportError:
            print(f"{name} isn't installed")
    return found


def async_fan(func: Any) -> Callable[[int], Measured]:
    """An async entrypoint that calls an async task so many times."""

    @func.task
    async def nothing(n):
        return n

    @func.entrypoint()
    async def fan(count):
        return sum(await asyncio.gather(*(nothing(n) for n in range(count))))

    return lambda count: lambda: fan.ainvoke(count)


def sync_fan(func: Any) -> Callable[[int], Measured]:
    """A sync entrypoint that calls a sync task so many times."""

    @func.task
    def nothing(n):
        return n

    @func.entrypoint()
    def fan(count):
        return sum(future.result() for future in [nothing(n) for n in range(count)])

    return lambda count: lambda: asyncio.to_thread(fan.invoke, count)


def blocking_fan(func: Any) -> Callable[[int], Measured]:
    """A sync entrypoint that calls a sync task of 100 ms so many times."""

    @func.task
    def wait(n):
        time.sleep(0.1)
        return n

    @func.entrypoint()
    def fan(count):
        return sum(future.result() for future in [wait(n) for n in range(count)])

    return lambda count: lambda: asyncio.to_thread(fan.invoke, count)


def uneven(func: Any) -> Measured:
    """A, then B (1 s) beside C (0.1 s) and D (1 s), then E; the critical path is 1.1 s."""

    @func.task
    async def after(seconds, *_inputs):
        await asyncio.sleep(seconds)

    async def chain(a):
        c = await after(0.1, a)
        return await after(1, c)

    @func.entrypoint()
    async def flow(_input):
        a = await after(0)
        b, d = await asyncio.gather(after(1, a), chain(a))
        await after(0, b, d)
        return 0

    return lambda: flow.ainvoke(1)


def uneven_by_futures(func: Any) -> Measured:
    """The same, with futures passed from task to task; LangGraph has no such thing."""

    @func.task
    def after(seconds, *_inputs):
        time.sleep(seconds)

    @func.entrypoint()
    def flow(_input):
        a = after(0)
        d = after(1, after(0.1, a))
        return after(0, after(1, a), d).result()

    return lambda: asyncio.to_thread(flow.invoke, 1)


async def overhead(what: str, make: Callable[[Any], Callable[[int], Measured]]) -> None:
    """Microseconds of overhead for each task that does nothing."""
    fans = [make(func) for func in peers()]
    for count in SIZES:
        seconds, ratios = await compare(*(fan(count) for fan in fans))
        line = f"{f'{count:,} {what} tasks':<34}{1e6 * seconds[0] / count:>8.1f} us"
        if len(seconds) > 1:
            line += f"{1e6 * seconds[1] / count:>8.1f} us{ratios[1]:>7.1f}x"
        print(line)


async def waiting() -> None:
    """100 sync tasks of 100 ms."""
    fans = [make(100) for make in map(blocking_fan, peers())]
    seconds, ratios = await compare(*fans)
    theirs = f"{seconds[1]:>9.3f} s {ratios[1]:>7.1f}x" if len(seconds) > 1 else ""
    print(f"{'100 sync tasks of 100 ms':<34}{seconds[0]:>9.3f} s {theirs}")


async def main() -> None:
    """Print the table."""
    print(f"{'':<34}{'nbflow':>11}{'LangGraph':>11}{'ratio':>8}")
    await overhead("async", async_fan)
    await overhead("sync", sync_fan)
    await waiting()
    for func in peers():
        seconds = await seconds_of(uneven(func))
        print(f"{f'uneven graph, {func.__name__}':<34}{seconds:>9.3f} s  of 1.1 s")
    seconds = await seconds_of(uneven_by_futures(peers()[0]))
    print(f"{'uneven graph, futures passed':<34}{seconds:>9.3f} s  of 1.1 s")


if __name__ == "__main__":
    asyncio.run(main())
