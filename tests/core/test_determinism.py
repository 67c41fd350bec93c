"""Laws of every run, over random graphs and random durations, on a virtual clock."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.policies import OnError, RunOptions
from nbflow.core.run import Run
from nbflow.core.states import State
from nbflow.core.topology import Node, Topology
from tests.core.virtual import run_virtually

SIZE = 8


@st.composite
def graphs(draw):
    """For each node, the earlier nodes it reads, and whether it fails."""
    count = draw(st.integers(1, SIZE))
    reads = [
        draw(st.sets(st.integers(0, max(0, i - 1)), max_size=3)) if i else set()
        for i in range(count)
    ]
    fails = draw(st.sets(st.integers(0, count - 1), max_size=2))
    return reads, fails


durations = st.lists(st.integers(0, 50), min_size=SIZE, max_size=SIZE)


def topology(graph, milliseconds):
    reads, fails = graph

    def make(index):
        async def step(**inputs):
            await asyncio.sleep(milliseconds[index] / 1000)
            if index in fails:
                raise ValueError(index)
            return [index, *inputs.values()]

        return step

    return Topology(
        Node(f"n{i}", make(i), tuple(f"n{j}" for j in sorted(sources)))
        for i, sources in enumerate(reads)
    )


def run(flow, **options):
    async def go():
        return await Run(flow, {}, RunOptions(on_error=OnError.KEEP, **options)).start()

    return run_virtually(go())


def outcome(run):
    """What must not depend on timing."""
    tasks = {
        name: (task.state, task.text, task.error and (task.error.type, task.error.message))
        for name, task in run.record.tasks.items()
    }
    return run.status, run.results, {n: repr(e) for n, e in run.errors.items()}, tasks


@given(graphs(), durations, durations, st.integers(1, SIZE))
def test_what_comes_out_does_not_depend_on_timing(graph, some, others, jobs):
    first = run(topology(graph, some))
    assert outcome(first) == outcome(run(topology(graph, others)))
    assert outcome(first) == outcome(run(topology(graph, others), jobs=jobs))


@given(graphs(), durations)
def test_a_run_takes_as_long_as_its_longest_chain(graph, milliseconds):
    reads, _ = graph
    ended = run(topology((reads, set()), milliseconds))
    finish = []
    for index, sources in enumerate(reads):
        finish.append(max((finish[j] for j in sources), default=0) + milliseconds[index])
    assert abs(ended.elapsed - max(finish) / 1000) < 1e-6


@given(graphs(), durations, st.integers(1, SIZE))
def test_never_more_than_jobs_tasks_run_at_once(graph, milliseconds, jobs):
    ended = run(topology(graph, milliseconds), jobs=jobs)
    spans = [(t.started, t.ended) for t in ended.record.tasks.values() if t.started is not None]
    for start, _ in spans:
        assert sum(other <= start < end for other, end in spans) <= jobs


@given(graphs(), durations, st.integers(0, 200))
def test_a_cancel_at_any_moment_leaves_every_task_ended_and_nothing_alive(
    graph, milliseconds, moment
):
    async def go():
        before = asyncio.all_tasks()
        started = Run(topology(graph, milliseconds), {}, RunOptions(on_error=OnError.KEEP)).start()
        try:
            async with asyncio.timeout(moment / 1000):
                await started
        except TimeoutError:
            assert started.status == "cancelled"
        assert asyncio.all_tasks() == before
        return started

    ended = run_virtually(go())
    assert all(task.state.is_final for task in ended.record.tasks.values())
    done = {name for name, task in ended.record.tasks.items() if task.state is State.DONE}
    assert set(ended.results) == done
