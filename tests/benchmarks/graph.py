"""The Graph API against LangGraph, in one process: `python -m tests.benchmarks.graph`.

Every figure is the median of some rounds, and every ratio compares what ran in the same round.
LangGraph is measured if it is installed (`pip install -e ".[bench]"`).
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import operator
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Annotated, Any, TypedDict

SIZES = (100, 1_000, 5_000)
ROUNDS = {100: 15, 1_000: 7, 5_000: 3}
LEAST_BRANCHES = 1_000
"""A figure is of at least so many: small graphs run several times, or a loop's start counts."""
PACKAGES = ("nbflow", "langgraph")


class State(TypedDict):
    seen: Annotated[list[int], operator.add]


def installed() -> list[str]:
    """The packages that are there, ours first."""
    return [name for name in PACKAGES if find_spec(name) is not None]


def fan(package: str, count: int, branch: Callable[..., Any]) -> Any:
    """`count` branches beside each other, and a node after all of them."""
    api = importlib.import_module(f"{package}.graph")
    builder = api.StateGraph(State)
    builder.add_node("join", branch)
    for index in range(count):
        builder.add_node(f"b{index}", branch)
        builder.add_edge(api.START, f"b{index}")
        builder.add_edge(f"b{index}", "join")
    builder.add_edge("join", api.END)
    return builder.compile()


def uneven(package: str) -> Any:
    """A way of 1 s beside one of 0.1 + 1 s; the critical path is 1.1 s."""
    api = importlib.import_module(f"{package}.graph")

    def sleeps(seconds: float) -> Callable[..., Any]:
        async def node(state: State) -> Any:
            await asyncio.sleep(seconds)
            return {"seen": [1]}

        return node

    builder = api.StateGraph(State)
    for name, seconds in {"a": 0, "b": 1, "c": 0.1, "d": 1, "e": 0}.items():
        builder.add_node(name, sleeps(seconds))
    builder.add_edge(api.START, "a")
    for start, end in ("ab", "ac", "cd"):
        builder.add_edge(start, end)
    builder.add_edge(["b", "d"], "e")
    return builder.compile()


async def nothing(_state):
    return {"seen": [1]}


def nothing_sync(_state):
    return {"seen": [1]}


def block(_state):
    time.sleep(0.1)
    return {"seen": [1]}


def invoke(graph: Any, times: int) -> None:
    """Run it from sync code, again and again."""
    for _ in range(times):
        graph.invoke({"seen": []})


def ainvoke(graph: Any, times: int) -> None:
    """Run it from async code, again and again, on one loop."""

    async def again() -> None:
        for _ in range(times):
            await graph.ainvoke({"seen": []})

    asyncio.run(again())


Invoke = Callable[[Any, int], None]


def seconds_of(run: Invoke, graph: Any, times: int) -> float:
    """How long one of so many runs takes, with the garbage of earlier ones out of the way."""
    gc.collect()
    start = time.perf_counter()
    run(graph, times)
    return (time.perf_counter() - start) / times


def compare(
    run: Invoke, graphs: list[Any], rounds: int = 3, times: int = 1
) -> tuple[list[float], float]:
    """Median seconds of each graph, and the median of the second's ratio to the first."""
    rows = [[seconds_of(run, graph, times) for graph in graphs] for _ in range(rounds)]
    seconds = [statistics.median(column) for column in zip(*rows, strict=True)]
    return seconds, statistics.median(row[-1] / row[0] for row in rows)


def report(label: str, seconds: list[float], ratio: float, unit: str, scale: float) -> None:
    """Print one line of the table."""
    figures = "".join(f"{scale * each:>11.3g} {unit}" for each in seconds)
    print(f"{label:<40}{figures}{f'{ratio:>9.1f}x' if len(seconds) > 1 else ''}")


def main() -> None:
    """Print the table."""
    packages = installed()
    print(f"{'':<40}{''.join(f'{name:>14}' for name in packages)}{'ratio':>10}")
    for run, branch in ((ainvoke, nothing), (invoke, nothing_sync)):
        for count in SIZES:
            graphs = [fan(package, count, branch) for package in packages]
            times = max(1, LEAST_BRANCHES // count)
            seconds, ratio = compare(run, graphs, ROUNDS[count], times)
            label = f"{count:,} no-op branches, {run.__name__}, each"
            report(label, seconds, ratio, "us", 1e6 / count)
    for label, run, build in (
        ("100 sync branches of 100 ms", invoke, lambda package: fan(package, 100, block)),
        ("uneven graph, critical path 1.1 s", ainvoke, uneven),
    ):
        seconds, ratio = compare(run, [build(package) for package in packages])
        report(label, seconds, ratio, "s ", 1)


if __name__ == "__main__":
    main()
