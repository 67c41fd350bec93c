"""Small graphs for the tests of the Graph API."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from nbflow.graph import END, START, StateGraph
from tests.core.virtual import run_virtually


class State(TypedDict):
    seen: Annotated[list[str], operator.add]


class Plain(TypedDict, total=False):
    x: Any
    y: Any


def says(name: str, seconds: float = 0.0):
    async def node(state):
        await asyncio.sleep(seconds)
        return {"seen": [name]}

    return node


def hangs(ended: list[str]):
    """A node that takes long, and says when it is stopped."""

    async def slow(state):
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("slow")

    return slow


def leads(where: Any):
    """A path on the loop, for graphs that run on the virtual clock."""

    async def path(state):
        return where(state) if callable(where) else where

    return path


def graph_of(edges: str, seconds: dict[str, float] | None = None, **ways: Any) -> StateGraph:
    """A graph of nodes named by one letter: `START` is `0`, `END` is `1`, `ab` an edge."""
    builder = StateGraph(State)
    names = sorted({letter for edge in edges.split() for letter in edge} - {"0", "1"})
    for name in names:
        builder.add_node(name, says(name, (seconds or {}).get(name, 0.0)))
    for start, end in edges.split():
        builder.add_edge({"0": START}.get(start, start), {"1": END}.get(end, end))
    for source, path in ways.items():
        builder.add_conditional_edges(source, path)
    return builder


def timed(graph: Any) -> tuple[Any, float]:
    """What a graph returns, and how many seconds it takes on the virtual clock."""

    async def run() -> tuple[Any, float]:
        loop = asyncio.get_running_loop()
        start = loop.time()
        result = await graph.ainvoke({"seen": []})
        return result, loop.time() - start

    return run_virtually(run())
