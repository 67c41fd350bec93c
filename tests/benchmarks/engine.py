"""The engine against its peers, in one process: `python -m tests.benchmarks.engine`.

Every figure is the median of some rounds, and every ratio compares what ran in the same round.
LangGraph is measured if it is installed (`pip install -e ".[bench]"`).
"""

from __future__ import annotations

import asyncio
import gc
import operator
import statistics
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypedDict

from nbflow import Flow

ROUNDS = 3
SIZES = (1_000, 10_000, 100_000)
LARGEST_FOR_LANGGRAPH = 5_000

Measured = Callable[[], Awaitable[object]]


async def seconds_of(action: Measured) -> float:
    """How long an action takes, with the garbage of earlier ones out of the way."""
    gc.collect()
    start = time.perf_counter()
    await action()
    return time.perf_counter() - start


async def compare(*actions: Measured, rounds: int = ROUNDS) -> tuple[list[float], list[float]]:
    """Median seconds of each action, and the median ratio of each to the first, round by round."""
    times = [[await seconds_of(action) for action in actions] for _ in range(rounds)]
    columns = list(zip(*times, strict=True))
    seconds = [statistics.median(column) for column in columns]
    ratios = [statistics.median(row[i] / row[0] for row in times) for i in range(len(actions))]
    return seconds, ratios


def fan(branch: Callable[..., Any], count: int) -> Flow:
    """`count` branches and a join that reads them all."""
    names = [f"b{index}" for index in range(count)]
    branches = []
    for name in names:
        renamed = type(branch)(branch.__code__, branch.__globals__, name)
        branches.append(renamed)
    return Flow(*branches, joined_of(names))


def joined_of(names: list[str]) -> Any:
    """A function with these parameters."""
    namespace: dict[str, Any] = {}
    exec(f"async def join({', '.join(names)}): return len(locals())", namespace)
    return namespace["join"]


async def nothing():
    return None


async def wait():
    await asyncio.sleep(0.1)


def block():
    time.sleep(0.1)


async def overhead() -> None:
    """Microseconds of overhead for each branch that does nothing."""
    heads = f"{'gather':>10}{'nbflow':>10}{'ratio':>8}{'LangGraph':>12}{'ratio':>8}"
    print(f"{'no-op branches':<34}{heads}")
    for count in SIZES:
        flow = fan(nothing, count)
        actions: list[Measured] = [lambda count=count: gathered(nothing, count), flow.arun]
        graph = langgraph_fan(count) if count <= LARGEST_FOR_LANGGRAPH else None
        if graph is not None:
            actions.append(lambda graph=graph: graph.ainvoke({"seen": []}))
        seconds, ratios = await compare(*actions)
        micro = [1e6 * s / count for s in seconds]
        line = f"{count:<34,}{micro[0]:>7.1f} us{micro[1]:>7.1f} us{ratios[1]:>7.1f}x"
        if graph is not None:
            line += f"{micro[2]:>9.0f} us{ratios[2]:>7.1f}x"
        print(line)


async def gathered(branch: Callable[[], Awaitable[object]], count: int) -> None:
    """What asyncio does with as many coroutines."""
    await asyncio.gather(*(branch() for _ in range(count)))


async def pooled(count: int) -> None:
    """A thread pool wide enough for as many blocking calls."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(count) as pool:
        await asyncio.gather(*(loop.run_in_executor(pool, block) for _ in range(count)))


async def waiting() -> None:
    """Branches that wait 100 ms, on the loop and in threads."""
    flow, sync_flow = fan(wait, 1_000), fan(block, 100)
    (gather, ours), (_, ratio) = await compare(lambda: gathered(wait, 1_000), flow.arun)
    print(f"{'1,000 async branches of 100 ms':<34}{gather:>8.3f} s{ours:>8.3f} s{ratio:>7.2f}x")
    (pool, ours), (_, ratio) = await compare(lambda: pooled(100), sync_flow.arun)
    print(f"{'100 sync branches of 100 ms':<34}{pool:>8.3f} s{ours:>8.3f} s{ratio:>7.2f}x")


async def uneven() -> None:
    """A path of 1 s beside one of 0.1 + 1 s; the critical path is 1.1 s."""

    async def a():
        return 0

    async def b(a):
        await asyncio.sleep(1)

    async def c(a):
        await asyncio.sleep(0.1)

    async def d(c):
        await asyncio.sleep(1)

    async def e(b, d):
        return 0

    seconds = await seconds_of(Flow(a, b, c, d, e).arun)
    label = "uneven graph, critical path 1.1 s"
    print(f"{label:<34}{1.1:>8.3f} s{seconds:>8.3f} s{seconds / 1.1:>7.3f}x")


async def building() -> None:
    """Building and validating, and the memory of a run."""
    steps = fan(nothing, 10_000).steps
    functions = [step.function for step in steps if step.function is not None]

    async def build() -> None:
        Flow(*functions)

    (seconds,), _ = await compare(build)
    print(f"{'building a flow of 10,000 nodes':<34}{seconds:>20.3f} s")
    flow = Flow(*functions)
    tracemalloc.start()
    run = await flow.arun()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"{'peak memory by branch':<34}{peak / len(run.record.tasks):>20.0f} bytes")


def langgraph_fan(count: int) -> Any:
    """The same fan-out and fan-in in LangGraph; None if it isn't installed."""
    try:
        from langgraph.graph import END, START, StateGraph  # noqa: PLC0415 - optional
    except ImportError:
        return None

    class State(TypedDict):
        seen: Annotated[list[int], operator.add]

    async def branch(_state):
        return {"seen": [1]}

    async def join(_state):
        return {}

    builder = StateGraph(State)
    builder.add_node("join", join)
    for index in range(count):
        builder.add_node(f"b{index}", branch)
        builder.add_edge(START, f"b{index}")
    builder.add_edge([f"b{index}" for index in range(count)], "join")
    builder.add_edge("join", END)
    return builder.compile()


async def main() -> None:
    """Print the table."""
    await overhead()
    await waiting()
    await uneven()
    await building()


if __name__ == "__main__":
    asyncio.run(main())
