"""Laws of called tasks: however futures are passed and taken, what comes of it is the program's."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import nbflow
from nbflow.core.states import RunState
from nbflow.func import entrypoint, task


def plain(number, *inputs):
    """What the task of that number returns."""
    return (number, *inputs)


async def asynchronous(number, *inputs):
    return plain(number, *inputs)


def named(number, is_async):
    return task(name=f"t{number}")(asynchronous if is_async else plain)


calls = st.tuples(st.booleans(), st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=3))
programs = st.lists(calls, min_size=1, max_size=7)
"""For each call: whether its task is async, and which earlier ones it reads, each as a future that
is passed or as a result that is taken first."""


def sources(program, number):
    """The earlier calls that one reads."""
    return [(source % number, is_passed) for source, is_passed in program[number][1] if number]


def expected(program):
    """What the last call returns."""
    results: list[Any] = []
    for number in range(len(program)):
        results.append(plain(number, *(results[source] for source, _ in sources(program, number))))
    return results[-1]


@entrypoint()
def run_in_a_thread(program):
    futures: list[Any] = []
    for number, (is_async, _) in enumerate(program):
        inputs = [
            futures[source] if is_passed else futures[source].result()
            for source, is_passed in sources(program, number)
        ]
        futures.append(named(number, is_async)(number, *inputs))
    return futures[-1].result()


@entrypoint()
async def run_on_a_loop(program):
    futures: list[Any] = []
    for number, (is_async, _) in enumerate(program):
        inputs = [
            futures[source] if is_passed else await futures[source]
            for source, is_passed in sources(program, number)
        ]
        futures.append(named(number, is_async)(number, *inputs))
    return await futures[-1]


def ancestors(inputs):
    """All nodes that come before each, in the order of the edges; there is no cycle."""
    before: dict[str, set[str]] = {}
    for name in TopologicalSorter(inputs).static_order():
        before[name] = set(inputs[name]).union(*(before[source] for source in inputs[name]))
    return before


@settings(max_examples=60)
@given(programs, st.sampled_from([None, 1, 2]), st.sampled_from([run_in_a_thread, run_on_a_loop]))
def test_every_program_returns_what_it_says_and_is_drawn_with_all_it_read(program, jobs, workflow):
    assert workflow.invoke(program, {"max_concurrency": jobs}) == expected(program)
    run = nbflow.last_run()
    assert run.status is RunState.DONE
    before = ancestors({info.name: info.inputs for info in run.record.nodes.values()})
    for number in range(len(program)):
        read = {f"t{source}" for source, _ in sources(program, number)}
        assert read <= before[f"t{number}"]
    assert f"t{len(program) - 1}" in before[workflow.name]
