"""Laws of every run, over random graphs and random durations, on a virtual clock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.context import current_task
from nbflow.core.fanout import Best, Each, Variant, Variants
from nbflow.core.policies import OnError, RunOptions
from nbflow.core.run import Run
from nbflow.core.states import State
from nbflow.core.topology import Node, Topology
from nbflow.core.vote import NoAgreement, Tally, Vote
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


# --- many tasks in one node

SAMPLES = 4
ELEMENTS = ("x", "y", "z")
FANS = {
    "vote": (Vote,),
    "best": (Best,),
    "each": (Each,),
    "each vote": (Each, Vote),
    "each best": (Each, Best),
    "models vote": (Variants, Vote),
    "each models vote": (Each, Variants, Vote),
}


@dataclass(frozen=True)
class Table:
    """What each task gives and how long it takes, wherever and whenever it runs."""

    answers: tuple[int, ...]
    milliseconds: tuple[int, ...]

    @staticmethod
    def place(node, element, model, sample):
        """Where in the table a task is: the same for the same task of every run."""
        elements, models = ("", *ELEMENTS), ("", "a", "b")
        number = node * len(elements) + elements.index(element)
        return (number * len(models) + models.index(model)) * SAMPLES + sample

    def at(self, *place):
        """Its answer, and its time in seconds."""
        index = self.place(*place)
        answer = self.answers[index % len(self.answers)]
        return answer, self.milliseconds[index % len(self.milliseconds)] / 1000


answers = st.lists(st.integers(-1, 2), min_size=1, max_size=37).map(tuple)
"""A negative answer is a failure. No length divides how a node's tasks are numbered evenly."""
times = st.lists(st.integers(0, 50), min_size=1, max_size=41).map(tuple)


def many(kinds, table, min_agreement=0.0):
    """A chain of nodes with many tasks, each of which reads the one before it."""

    def fans_of(kind, index):
        made = {
            Vote: Vote(SAMPLES, min_agreement=min_agreement),
            Best: Best(SAMPLES, score=score),
            Each: Each({"element": "elements"}),
            Variants: Variants({m: Variant(step_of(index, m)) for m in "ab"}),
        }
        return tuple(made[fan] for fan in FANS[kind])

    async def score(result):
        await asyncio.sleep(result[0] / 1000)
        if result[0] == 2:
            raise ValueError("no score")
        return result[0]

    def step_of(index, model=""):
        async def step(element="", **inputs):
            sample = current_task.get().sample % SAMPLES
            answer, seconds = table.at(index, element, model, sample)
            await asyncio.sleep(seconds)
            if answer < 0:
                raise ValueError(f"{index} {element} {model} {sample}")
            return [answer, *inputs.values()]

        return step

    for index, kind in enumerate(kinds):
        inputs = (f"n{index - 1}",) if index else ()
        if "each" in kind:
            inputs = (*inputs, "elements")
        yield Node(f"n{index}", step_of(index), inputs, fan_out=fans_of(kind, index))


def run_many(kinds, table, min_agreement=0.0, **options):
    async def go():
        flow = Topology(many(kinds, table, min_agreement))
        options_ = RunOptions(on_error=OnError.KEEP, **options)
        return await Run(flow, {"elements": ELEMENTS}, options_).start()

    return run_virtually(go())


def kind_of(error):
    """An exception with all that is in it; of a vote without agreement only that it is one.

    How strong its strongest answer was depends on how many were heard before it was hopeless.
    """
    if isinstance(error, ExceptionGroup):
        return str(error), [kind_of(one) for one in error.exceptions]
    return type(error), "" if isinstance(error, NoAgreement) else str(error)


def lives(record, name):
    """What must not depend on timing of a node's life, and of its tasks' that all run to an end.

    How many samples of a vote were heard, and which, is what its early stop makes of the timing.
    """
    life = record.groups.get(name) or record.tasks[name]
    if name in record.tasks:
        return life.state, life.text, life.error and (life.error.type, life.error.message)
    inner = [] if life.kind == "vote" else [lives(record, member) for member in life.members]
    outcome = life.outcome if life.kind == "best" else None
    return (
        life.state,
        life.kind,
        life.size,
        life.text,
        life.error and life.error.type,
        inner,
        outcome,
    )


def outcome_of_many(run):
    record = run.record
    return (
        run.status,
        run.results,
        {name: kind_of(error) for name, error in run.errors.items()},
        {name: lives(record, name) for name in record.nodes},
    )


chains = st.lists(st.sampled_from(sorted(FANS)), min_size=1, max_size=3)


@given(chains, answers, st.tuples(times, times), st.sampled_from((0.0, 0.6)), st.integers(1, 9))
def test_what_votes_bests_and_eaches_come_to_does_not_depend_on_timing(
    kinds, given_answers, timings, min_agreement, jobs
):
    some, other = (Table(given_answers, timing) for timing in timings)
    first = run_many(kinds, some, min_agreement)
    assert outcome_of_many(first) == outcome_of_many(run_many(kinds, other, min_agreement))
    limited = run_many(kinds, other, min_agreement, jobs=jobs)
    assert outcome_of_many(first) == outcome_of_many(limited)


@given(
    st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 50)), min_size=1, max_size=9),
    st.sampled_from((0.0, 0.3, 0.6, 1.0)),
)
def test_a_vote_ends_at_the_first_moment_at_which_no_other_answer_can_win(samples, min_agreement):
    async def step():
        answer, milliseconds = samples[current_task.get().sample]
        await asyncio.sleep(milliseconds / 1000)
        if answer < 0:
            raise ValueError
        return answer

    async def go():
        fan_out = (Vote(len(samples), min_agreement=min_agreement),)
        flow = Topology([Node("vote", step, fan_out=fan_out)])
        return await Run(flow, {}, RunOptions(on_error=OnError.KEEP)).start()

    ended = run_virtually(go())
    tally, decided_at = Tally(len(samples), min_agreement), 0
    for number, (answer, milliseconds) in sorted(enumerate(samples), key=lambda one: one[1][1]):
        if answer < 0:
            tally.lose(number, ValueError())
        else:
            tally.add(number, answer, answer)
        decided_at = milliseconds
        if tally.decided:
            break
    assert abs(ended.elapsed - decided_at / 1000) < 1e-6
    saved = ended.record.count(State.CANCELLED)
    assert saved == ended.record.groups["vote"].outcome["saved"]


@given(st.lists(st.sampled_from(("each", "best", "each best")), max_size=3), answers, times)
def test_a_run_of_many_tasks_takes_as_long_as_the_slowest_of_each_node(kinds, given_answers, some):
    unfailing = tuple(min(abs(answer), 1) for answer in given_answers)
    table = Table(unfailing, some)
    ended = run_many(kinds, table)

    def seconds(index, kind, element, sample):
        answer, took = table.at(index, element, "", sample)
        return took + (answer / 1000 if "best" in kind else 0)

    expected = sum(
        max(
            seconds(index, kind, element, sample)
            for element in (ELEMENTS if "each" in kind else ("",))
            for sample in range(SAMPLES if "best" in kind else len(ELEMENTS))
            if "best" in kind or ELEMENTS.index(element) == sample
        )
        for index, kind in enumerate(kinds)
    )
    assert abs(ended.elapsed - expected) < 1e-6


# --- joins that don't wait for all


@st.composite
def waits(draw, graph):
    """For each node, how many of its inputs it waits for; None for all of them."""
    reads, _ = graph
    return [
        draw(st.sampled_from((None, *range(1, len(sources) + 1)))) if sources else None
        for sources in reads
    ]


graphs_that_wait = graphs().flatmap(lambda graph: st.tuples(st.just(graph), waits(graph)))


def waiting(graph, wait, milliseconds, votes):
    """The nodes of a graph, of which some are votes all of whose samples agree."""
    for node in topology(graph, milliseconds).nodes.values():
        index = int(node.name[1:])
        fan_out = (Vote(3),) if index in votes else ()
        yield Node(node.name, node.function, node.inputs, wait=wait[index], fan_out=fan_out)


def run_waiting(*made, **options):
    return run(Topology(waiting(*made)), **options)


def succeeding(graph, wait):
    """The nodes that can have a result at all: what they wait for can, and they don't fail."""
    reads, fails = graph
    there = set()
    for index, sources in enumerate(reads):
        needs = len(sources) if wait[index] is None else wait[index]
        if index not in fails and len(sources & there) >= needs:
            there.add(index)
    return there


def needed(graph, wait):
    """The nodes that no timing makes superfluous.

    Nobody reads them, or somebody who is needed waits for all its inputs and doesn't lose one.
    """
    reads, _ = graph
    there, kept = succeeding(graph, wait), set()
    for index in reversed(range(len(reads))):
        readers = [reader for reader, sources in enumerate(reads) if index in sources]
        if not readers or any(
            reader in kept and wait[reader] is None and reads[reader] <= there for reader in readers
        ):
            kept.add(index)
    return kept


voters = st.sets(st.integers(0, SIZE - 1))


@given(graphs_that_wait, voters, durations, st.none() | st.integers(1, SIZE))
def test_whether_a_needed_node_has_a_result_does_not_depend_on_timing(
    flow, votes, milliseconds, jobs
):
    graph, wait = flow
    reads, fails = graph
    ended = run_waiting(graph, wait, milliseconds, votes, jobs=jobs)
    there = succeeding(graph, wait)
    for index in range(len(reads)):
        life = ended.record.life(f"n{index}")
        if index in there:
            expected = State.DONE
        else:
            starts = len(reads[index] & there) >= (wait[index] or len(reads[index]))
            expected = State.FAILED if index in fails and starts else State.SKIPPED
        if index in needed(graph, wait):
            assert life.state is expected
        else:
            assert life.state is expected or life.unneeded


@given(graphs_that_wait, voters, durations, st.none() | st.integers(1, SIZE))
def test_a_join_gets_as_many_results_as_it_waits_for_and_none_that_is_not_its_inputs(
    flow, votes, milliseconds, jobs
):
    graph, wait = flow
    reads, _ = graph
    ended = run_waiting(graph, wait, milliseconds, votes, jobs=jobs)
    for index, sources in enumerate(reads):
        if f"n{index}" not in ended.results:
            continue
        own, *read = ended[f"n{index}"]
        assert own == index
        got = [value for value in read if value is not None]
        assert len(got) >= (wait[index] or len(sources))
        assert all(
            value is None or value == ended.results[f"n{source}"]
            for source, value in zip(sorted(sources), read, strict=True)
        )


@given(graphs_that_wait, voters, durations)
def test_a_join_begins_with_the_last_of_the_inputs_that_it_waits_for(flow, votes, milliseconds):
    graph, wait = flow
    reads, _ = graph
    ended = run_waiting(graph, wait, milliseconds, votes)
    there, finish = succeeding(graph, wait), {}
    for index, sources in enumerate(reads):
        if index not in there:
            continue
        inputs = sorted(finish[source] for source in sources & there)
        needs = len(sources) if wait[index] is None else wait[index]
        finish[index] = (inputs[needs - 1] if needs else 0) + milliseconds[index]
        life = ended.record.life(f"n{index}")
        if life.state is State.DONE:
            assert abs(life.ended - finish[index] / 1000) < 1e-6
