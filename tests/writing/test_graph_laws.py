"""Laws of graphs: results don't depend on timing, joins run once, and time is the critical path."""

from __future__ import annotations

import asyncio
import operator
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow.graph import END, START, StateGraph
from nbflow.types import Send
from tests.core.virtual import run_virtually


class State(TypedDict):
    seen: Annotated[list[str], operator.add]


@dataclass(frozen=True)
class Shape:
    """A graph without loops."""

    edges: tuple[tuple[int, ...], ...]
    """For each node, those before it that lead to it; none for the start."""
    choosers: frozenset[int]
    """The nodes that choose among those they lead to."""


@st.composite
def shapes(draw: st.DrawFn, choosing: bool = False) -> Shape:
    count = draw(st.integers(1, 9))
    edges = []
    for number in range(count):
        before = st.sets(st.integers(0, max(0, number - 1)), max_size=3)
        edges.append(tuple(sorted(draw(before))) if number else ())
    choosers = draw(st.frozensets(st.integers(0, count - 1))) if choosing else frozenset()
    return Shape(tuple(edges), choosers)


durations = st.lists(st.integers(0, 5), min_size=9, max_size=9)


def successors(shape: Shape, node: int) -> list[int]:
    return [target for target, sources in enumerate(shape.edges) if node in sources]


def chosen(shape: Shape, node: int) -> list[int]:
    """Where a node leads: one that chooses leaves out every second."""
    targets = successors(shape, node)
    return targets[::2] if node in shape.choosers else targets


def built(shape: Shape, seconds: list[int], told: dict[str, list[str]] | None = None) -> Any:
    def node_of(number: int):
        async def node(state):
            if told is not None:
                told[f"n{number}"] = state["seen"]
            await asyncio.sleep(seconds[number])
            return {"seen": [f"n{number}"]}

        return node

    def path_of(number: int):
        async def path(state):
            await asyncio.sleep(seconds[number] / 3)
            return [f"n{target}" for target in chosen(shape, number)] or END

        return path

    builder = StateGraph(State)
    for number, sources in enumerate(shape.edges):
        builder.add_node(f"n{number}", node_of(number))
        if not sources:
            builder.add_edge(START, f"n{number}")
    for number in range(len(shape.edges)):
        targets = [f"n{target}" for target in successors(shape, number)]
        if number in shape.choosers:
            builder.add_conditional_edges(f"n{number}", path_of(number), [*targets, END])
        else:
            for target in targets:
                builder.add_edge(f"n{number}", target)
    return builder.compile()


def run(graph: Any, config: Any = None) -> tuple[list[str], float]:
    async def timed() -> tuple[list[str], float]:
        result = await graph.ainvoke({"seen": []}, config)
        return result["seen"], asyncio.get_running_loop().time()

    seen, seconds = run_virtually(timed())
    return seen, seconds


def taken(shape: Shape) -> list[int]:
    """The nodes that run: those to which some way leads that is taken."""
    found = {number for number, sources in enumerate(shape.edges) if not sources}
    for number in range(len(shape.edges)):
        if number in found:
            found.update(chosen(shape, number))
    return sorted(found)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(shapes(choosing=True), durations, durations, st.integers(1, 4))
def test_the_result_never_depends_on_timing_or_room(shape, one, other, room):
    first, _ = run(built(shape, one))
    assert run(built(shape, other))[0] == first
    assert run(built(shape, other), {"max_concurrency": room})[0] == first


@given(shapes(choosing=True), durations)
def test_every_node_that_a_way_leads_to_runs_once(shape, seconds):
    seen, _ = run(built(shape, seconds))
    assert Counter(seen) == Counter(f"n{number}" for number in taken(shape))


@given(shapes(), durations)
def test_the_time_of_a_run_is_its_critical_path(shape, seconds):
    ends: list[int] = []
    for number, sources in enumerate(shape.edges):
        ends.append(seconds[number] + max((ends[source] for source in sources), default=0))
    assert run(built(shape, seconds))[1] == pytest.approx(max(ends))


@given(shapes(), durations)
def test_a_node_sees_all_its_ancestors_and_nobody_else(shape, seconds):
    told: dict[str, list[str]] = {}
    run(built(shape, seconds, told))
    ancestors: list[set[int]] = []
    for number, sources in enumerate(shape.edges):
        ancestors.append(set(sources).union(*(ancestors[source] for source in sources)))
        assert set(told[f"n{number}"]) == {f"n{ancestor}" for ancestor in ancestors[number]}


@given(shapes(choosing=True), durations)
def test_the_last_of_the_values_is_the_result(shape, seconds):
    graph = built(shape, seconds)

    async def values() -> list[Any]:
        parts = graph.astream({"seen": []}, stream_mode="values")
        return [part["seen"] async for part in parts]

    told = run_virtually(values())
    assert told[-1] == run(graph)[0]
    for earlier, later in pairwise(told):
        assert later[: len(earlier)] == earlier


@given(st.lists(st.integers(0, 4), max_size=8), st.integers(1, 4))
def test_sends_come_back_in_the_order_sent(seconds, room):
    async def node(given):
        index, wait = given
        await asyncio.sleep(wait)
        return {"seen": [str(index)]}

    async def send(state):
        return [Send("n", pair) for pair in enumerate(seconds)]

    async def join(state):
        return {"seen": ["join"]}

    builder = StateGraph(State).add_node("n", node).add_node("join", join)
    graph = builder.set_conditional_entry_point(send).add_edge("n", "join").compile()
    expected = [str(index) for index in range(len(seconds))] + (["join"] if seconds else [])
    assert run(graph, {"max_concurrency": room})[0] == expected


@given(st.integers(1, 6), durations, durations)
def test_a_loop_gives_the_same_result_whatever_the_timing(rounds, one, other):
    def graph_of(seconds: list[int]) -> Any:
        def node_of(name: str, wait: int):
            async def node(state):
                await asyncio.sleep(wait)
                return {"seen": [name]}

            return node

        async def again(state):
            return "a" if state["seen"].count("e") < rounds else "f"

        builder = StateGraph(State)
        for index, name in enumerate("abcdef"):
            builder.add_node(name, node_of(name, seconds[index]))
        for edge in ("ab", "ac", "cd", "be", "de"):
            builder.add_edge(edge[0], edge[1])
        builder.add_edge(START, "a").add_conditional_edges("e", again, ["a", "f"])
        return builder.compile()

    limit = {"recursion_limit": 100}
    expected = [*"abcde" * rounds, "f"]
    assert run(graph_of(one), limit)[0] == expected
    assert run(graph_of(other), limit)[0] == expected
