"""Nodes with many tasks: each, vote, best of n, several variants, and what they fold into."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.context import current_task
from nbflow.core.fanout import Best, Each, Variant, Variants
from nbflow.core.groups import WINDOW
from nbflow.core.policies import OnError, Policy, Rate, RunOptions, Timeout
from nbflow.core.run import Run
from nbflow.core.states import State
from nbflow.core.topology import Node, Topology
from nbflow.core.vote import NoAgreement, Tally, Vote, normalised
from nbflow.errors import RunCancelled, RunError
from tests.core.conftest import node
from tests.core.virtual import run_virtually


async def double(n):
    return 2 * n


def each(function, *inputs, **sources):
    return node(function, *inputs, *sources.values(), fan_out=(Each(sources),))


def states(run):
    return {name: task.state for name, task in run.record.tasks.items()}


async def a_few():
    for n in (1, 2, 3):
        await asyncio.sleep(0)
        yield n


@pytest.mark.parametrize(
    "numbers", [[1, 2, 3], (1, 2, 3), range(1, 4), iter([1, 2, 3]), {1: 0, 2: 0, 3: 0}]
)
async def test_each_runs_once_for_every_element_and_gives_a_list_in_their_order(start, numbers):
    async def total(double):
        return sum(double)

    run = await start(each(double, n="ns"), node(total, "double"), values={"ns": numbers})
    assert run["double"] == [2, 4, 6]
    assert run["total"] == 12
    assert set(run.record.tasks) == {"double[0]", "double[1]", "double[2]", "total"}
    assert run.record.groups["double"].members == ["double[0]", "double[1]", "double[2]"]


async def test_each_takes_a_generator_and_an_async_generator(start):
    for numbers in ((n for n in (1, 2, 3)), a_few()):
        run = await start(each(double, n="ns"), values={"ns": numbers})
        assert run["double"] == [2, 4, 6]


async def test_each_of_the_lines_of_a_text(start):
    async def shout(line):
        return line.upper()

    async def lines():
        return "one\n\n  two\n"

    run = await start(node(lines), each(shout, line="lines"))
    assert run["shout"] == ["ONE", "TWO"]


async def test_each_of_several_iterables_is_every_combination(start):
    async def pair(a, b, rest):
        return f"{a}{b}{rest}"

    values = {"xs": (x for x in "ab"), "ys": [1, 2], "rest": "!"}
    run = await start(each(pair, "rest", a="xs", b="ys"), values=values)
    assert run["pair"] == ["a1!", "a2!", "b1!", "b2!"]


async def test_each_of_nothing_is_an_empty_list(start):
    async def count(double):
        return len(double)

    run = await start(each(double, n="ns"), node(count, "double"), values={"ns": []})
    assert (run["double"], run["count"]) == ([], 0)


async def test_what_cannot_be_iterated_fails_its_node_and_says_so(start):
    run = await start(each(double, n="ns"), values={"ns": 3}, on_error=OnError.KEEP)
    assert "'ns' can't be iterated: it is of type int" in str(run.errors["double"])


async def test_an_iterable_that_raises_fails_its_node(start):
    def broken():
        yield 1
        raise ValueError("no more")

    run = await start(each(double, n="ns"), values={"ns": broken()}, on_error=OnError.KEEP)
    assert isinstance(run.errors["double"], ValueError)
    assert run.record.groups["double"].state is State.FAILED


async def test_a_million_elements_are_drawn_only_as_there_is_room_for_them(start):
    drawn = 0
    most_ahead = 0
    ended = 0

    def numbers():
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn

    async def step(n):
        nonlocal ended, most_ahead
        await asyncio.sleep(0)
        ended += 1
        most_ahead = max(most_ahead, drawn - ended)
        if ended == 50:
            run.cancel()

    run = start(each(step, n="ns"), values={"ns": numbers()}, jobs=4)
    with pytest.raises(RunCancelled):
        await run
    assert most_ahead <= 6


async def test_without_a_limit_a_group_has_no_more_tasks_than_its_window(start):
    gate = asyncio.Event()

    async def wait(n):
        await gate.wait()
        return n

    run = start(each(wait, n="ns"), values={"ns": range(WINDOW + 500)})
    for _ in range(WINDOW):
        await asyncio.sleep(0)
    assert len(run.record.tasks) == WINDOW
    gate.set()
    await run
    assert run["wait"] == list(range(WINDOW + 500))


async def test_one_task_without_a_result_is_counted_in_the_singular(start):
    async def invert(n):
        return 1 / n

    with pytest.raises(RunError, match="1 of 1 task has no result"):
        await start(each(invert, n="ns"), values={"ns": [0]})
    with pytest.raises(RunError, match="2 of 2 tasks have no result"):
        await start(each(invert, n="ns"), values={"ns": [0, 0]})


async def test_a_failed_element_fails_the_node_and_keeps_what_the_others_gave(start):
    async def invert(n):
        return 1 / n

    run = start(each(invert, n="ns"), values={"ns": [1, 0, 2]})
    with pytest.raises(RunError, match="1 of 3 tasks has no result"):
        await run
    first, second, third = run["invert"]
    assert (first, third) == (1.0, 0.5)
    assert isinstance(second, ZeroDivisionError)
    assert isinstance(run.errors["invert"], ExceptionGroup)
    assert run.errors["invert"].exceptions == (second,)


async def test_a_cancelled_run_keeps_the_elements_that_were_done(start):
    async def step(n):
        if n == 2:
            await asyncio.sleep(60)
        return n

    run = start(each(step, n="ns"), values={"ns": [0, 1, 2]})
    async for event in run.events():
        if event.kind == "done" and event.task == "step[1]":
            run.cancel()
    with pytest.raises(RunCancelled):
        await run
    assert run["step"][:2] == [0, 1]


async def test_stop_ends_at_the_first_element_that_fails(start):
    async def fails(n):
        if n == 0:
            raise ValueError(n)
        await asyncio.sleep(60)

    run = start(each(fails, n="ns"), values={"ns": range(5)}, on_error=OnError.STOP)
    with pytest.raises(RunError):
        await run
    assert isinstance(run.errors["fails"], ExceptionGroup)


async def test_groups_and_branches_take_turns(start):
    order = []

    async def many(n):
        order.append("many")
        await asyncio.sleep(0)

    async def other(n):
        order.append("other")
        await asyncio.sleep(0)

    values = {"ns": range(10)}
    await start(each(many, n="ns"), each(other, n="ns"), values=values, jobs=1)
    assert order[:6] == ["many", "other"] * 3


async def test_a_nodes_own_jobs_limit_its_tasks(start):
    running = most = 0

    async def step(n):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    limited = node(step, "ns", fan_out=(Each({"n": "ns"}),), policy=Policy(jobs=3))
    await start(limited, values={"ns": range(20)})
    assert most == 3


async def test_variants_give_their_results_by_name(start):
    async def low():
        return "a"

    async def high():
        return "A"

    variants = Variants({"low": Variant(low), "high": Variant(high)})
    run = await start(Node("letter", low, fan_out=(variants,)))
    assert run["letter"] == {"low": "a", "high": "A"}
    assert set(run.record.tasks) == {"letter[low]", "letter[high]"}


async def test_each_variants_and_vote_nest(start):
    def saying(word):
        async def say(n):
            return f"{word}{n}"

        return say

    variants = Variants({"x": Variant(saying("x")), "y": Variant(saying("y"))})
    fan_out = (Each({"n": "ns"}), variants, Vote(3))
    run = await start(Node("said", saying("?"), ("ns",), fan_out=fan_out), values={"ns": [1, 2]})
    assert run["said"] == [{"x": "x1", "y": "y1"}, {"x": "x2", "y": "y2"}]
    assert run.record.groups["said[0][y]"].kind == "vote"
    assert run.record.groups["said[0][y]"].of == "said[0]"


async def test_a_score_that_takes_too_long_is_given_up_with_its_sample(start):
    async def say():
        return current_task.get().sample

    async def score(answer):
        if answer == 1:
            await asyncio.Event().wait()
        return answer

    ranked = Node("say", say, fan_out=(Best(3, score),), policy=Policy(timeout=Timeout(0.05)))
    run = await start(ranked)
    assert run["say"] == 2
    assert run.record.tasks["say[1]"].error.type == "TimeoutError"


async def test_best_of_n_is_the_one_with_the_highest_score_and_of_equals_the_first(start):
    async def sample():
        return ["bb", "ccc", "a", "ddd"][current_task.get().sample]

    run = await start(node(sample, fan_out=(Best(4, len),)))
    assert run["sample"] == "ccc"
    assert run.record.groups["sample"].outcome["scores"] == {"0": 2, "1": 3, "2": 1, "3": 3}


async def test_a_sample_that_has_no_score_is_out(start):
    async def sample():
        return ["x", "2", "1"][current_task.get().sample]

    run = await start(node(sample, fan_out=(Best(3, float),)))
    assert run["sample"] == "2"
    assert run.status == "done"


def voting(answers, **options):
    """A node whose samples answer so, each after as many turns of the loop as it says."""

    async def verdict():
        answer, turns = answers[current_task.get().sample]
        for _ in range(turns):
            await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return node(verdict, fan_out=(Vote(len(answers), **options),))


async def test_a_vote_returns_what_most_say_and_keeps_its_tally(start):
    run = await start(voting([("Yes.", 1), ("no", 1), (" yes", 1)]))
    assert run["verdict"] == "Yes."
    outcome = run.record.groups["verdict"].outcome
    assert [(row["answer"], row["votes"]) for row in outcome["tally"]] == [("Yes.", 2), ("no", 1)]
    assert outcome["agreement"] == pytest.approx(2 / 3)
    assert outcome["dissenters"] == [1]


async def test_a_vote_in_which_nobody_can_get_enough_samples_saves_the_rest(start):
    answers = [("yes", 1), ("no", 1), ("yes", 10_000)]
    run = await start(voting(answers, min_agreement=1.0), on_error=OnError.KEEP)
    assert isinstance(run.errors["verdict"], NoAgreement)
    assert run.record.groups["verdict"].outcome["saved"] == 1
    assert run.record.tasks["verdict[2]"].unneeded


async def test_a_vote_stops_as_soon_as_no_other_answer_can_win(start):
    answers = [("yes", 1), ("yes", 1), ("yes", 1), ("no", 10_000), ("no", 10_000)]
    run = await start(voting(answers))
    assert run["verdict"] == "yes"
    assert run.record.groups["verdict"].outcome["saved"] == 2
    late = run.record.tasks["verdict[4]"]
    assert (late.state, late.unneeded) == (State.CANCELLED, True)
    assert run.status == "done"


async def test_samples_that_fail_have_no_voice(start):
    run = await start(voting([(ValueError("x"), 0), ("a", 1), ("a", 1)]))
    assert run["verdict"] == "a"
    run = await start(voting([(ValueError("x"), 0), (ValueError("y"), 0)]), on_error=OnError.KEEP)
    assert len(run.errors["verdict"].exceptions) == 2


async def test_a_vote_with_too_little_agreement_fails_and_shows_its_tally(start):
    split = voting([("a", 1), ("b", 1), ("c", 1)], min_agreement=0.6)
    run = await start(split, on_error=OnError.KEEP)
    assert isinstance(run.errors["verdict"], NoAgreement)
    assert len(run.record.groups["verdict"].outcome["tally"]) >= 2


def winner_of_all(answers):
    """The majority, of equals the one that was given first by number."""
    return min(set(answers), key=lambda a: (-answers.count(a), answers.index(a)))


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), st.randoms())
def test_stopping_early_never_changes_who_wins(answers, random):
    order = list(range(len(answers)))
    random.shuffle(order)
    tally = Tally(len(answers))
    for index in order:
        tally.add(index, answers[index], answers[index])
        if tally.decided:
            break
    assert tally.decided
    assert tally.result() == winner_of_all(answers)


@given(st.text("abcäÖßé12 ", min_size=1).filter(str.strip))
def test_an_answer_in_other_letters_and_with_more_space_is_the_same(text):
    assert normalised(f"  {text.upper()} .") == normalised(text.lower())


async def test_any_starts_with_the_first_input_and_cancels_the_others(start):
    async def quick():
        return "quick"

    async def slow():
        await asyncio.sleep(60)

    async def first(quick, slow):
        return quick, slow

    run = await start(node(quick), node(slow), node(first, "quick", "slow", wait=1))
    assert run["first"] == ("quick", None)
    assert run.record.tasks["slow"].unneeded
    assert run.status == "done"


async def test_an_input_that_somebody_else_needs_is_not_cancelled(start):
    gate = asyncio.Event()

    async def quick():
        return 1

    async def slow():
        await gate.wait()
        return 2

    async def first(quick, slow):
        gate.set()

    async def also(slow):
        return slow

    nodes = node(quick), node(slow), node(first, "quick", "slow", wait=1), node(also, "slow")
    run = await start(*nodes)
    assert run["also"] == 2


async def test_what_only_an_unneeded_input_needs_is_cancelled_too(start):
    async def quick():
        await asyncio.sleep(0)

    async def root():
        await asyncio.sleep(60)

    async def slow(root):
        return root

    async def first(quick, slow):
        return "done"

    nodes = node(quick), node(root), node(slow, "root"), node(first, "quick", "slow", wait=1)
    run = await start(*nodes)
    assert {run.record.tasks[name].unneeded for name in ("root", "slow")} == {True}


async def test_a_join_that_waits_for_k_is_skipped_once_k_cannot_succeed(start):
    async def good():
        return 1

    async def bad():
        raise ValueError

    async def worse():
        raise ValueError

    async def two(good, bad, worse):
        return 2

    nodes = node(good), node(bad), node(worse), node(two, "good", "bad", "worse", wait=2)
    run = await start(*nodes, on_error=OnError.KEEP)
    assert run.record.tasks["two"].state is State.SKIPPED


async def test_a_join_may_take_a_failure_as_a_value(start):
    async def good():
        return 1

    async def bad():
        raise ValueError("no")

    async def below(bad):
        return bad

    async def join(good, bad, below):
        return good, type(bad), "below has no result" in str(below)

    join_ = node(join, "good", "bad", "below", passes_failures=True)
    nodes = node(good), node(bad), node(below, "bad"), join_
    run = await start(*nodes, on_error=OnError.KEEP)
    assert run["join"] == (1, ValueError, True)


async def test_generators_code_runs_in_no_event_loops_thread(start):
    threads = set()

    def numbers():
        threads.add(threading.current_thread())
        yield 1

    await start(each(double, n="ns"), values={"ns": numbers()})
    assert threading.current_thread() not in threads


@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(1, 5))
def test_what_each_gives_does_not_depend_on_timing_or_jobs(milliseconds, jobs):
    async def step(n):
        await asyncio.sleep(milliseconds[n] / 1000)
        return n

    def outcome(**options):
        async def go():
            flow = Topology([each(step, n="ns")])
            return await Run(flow, {"ns": range(len(milliseconds))}, RunOptions(**options)).start()

        run = run_virtually(go())
        return run["step"], states(run)

    assert outcome() == outcome(jobs=jobs)


def test_a_rate_lets_a_burst_begin_and_then_as_many_as_its_bucket_gets():
    async def step(n):
        return None

    async def go():
        options = RunOptions(rate=Rate(10, 1.0))
        return await Run(Topology([each(step, n="ns")]), {"ns": range(30)}, options).start()

    run = run_virtually(go())
    started = [task.started for task in run.record.tasks.values()]
    assert [round(at, 6) for at in started] == [0.0] * 10 + [round(n / 10, 6) for n in range(1, 21)]


def test_each_resource_has_a_bucket_of_its_own():
    async def step():
        return None

    nodes = [Node(f"n{i}", step, resource="ab"[i % 2]) for i in range(4)]

    async def go():
        return await Run(Topology(nodes), {}, RunOptions(rate=Rate(1, 1.0))).start()

    run = run_virtually(go())
    assert [task.started for task in run.record.tasks.values()] == [0.0, 0.0, 1.0, 1.0]


async def test_the_critical_path_is_what_the_run_waited_for(start):
    async def a():
        return 0

    async def quick(a):
        return 0

    async def slow(a):
        await asyncio.sleep(0.02)

    async def join(quick, slow):
        return 0

    run = await start(node(a), node(quick, "a"), node(slow, "a"), node(join, "quick", "slow"))
    assert run.critical_path == ["a", "slow", "join"]
