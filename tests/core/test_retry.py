"""A retry runs again what failed and what depends on it, and keeps the rest."""

from __future__ import annotations

import asyncio

import pytest

from nbflow.core.fanout import Each
from nbflow.core.policies import OnError
from nbflow.core.states import State
from nbflow.core.vote import Vote
from nbflow.errors import NbflowError, RunCancelled
from tests.core.conftest import node


async def test_what_failed_and_what_depends_on_it_runs_again_and_the_rest_is_kept(start):
    called = []
    broken = True

    async def good():
        called.append("good")
        return "G"

    async def bad():
        called.append("bad")
        if broken:
            raise ValueError
        return "B"

    async def join(good, bad):
        return good + bad

    nodes = node(good), node(bad), node(join, "good", "bad")
    first = await start(*nodes, on_error=OnError.KEEP)
    broken = False
    again = await first.aretry()
    assert again["join"] == "GB"
    assert called == ["good", "bad", "bad"]
    kept = again.record.tasks["good"]
    assert (kept.state, kept.reused, kept.text) == (State.DONE, True, "G")
    assert not again.record.tasks["bad"].reused
    assert again.id != first.id


@pytest.fixture
async def with_a_failed_element(start):
    """A run one of whose elements failed, and won't any more, and what has been called."""
    called = []
    broken = {1}

    async def step(n):
        called.append(n)
        if n in broken:
            raise ValueError
        return 10 * n

    each = node(step, "ns", fan_out=(Each({"n": "ns"}),))
    first = await start(each, values={"ns": [0, 1, 2]}, on_error=OnError.KEEP)
    broken.clear()
    return first, called


async def test_only_the_elements_that_failed_run_again(with_a_failed_element):
    first, called = with_a_failed_element
    again = await first.aretry()
    assert again["step"] == [0, 10, 20]
    assert called == [0, 1, 2, 1]
    assert [task.reused for task in again.record.tasks.values()] == [True, False, True]


async def test_a_cancelled_run_goes_on_where_it_was(start):
    go_on = asyncio.Event()

    async def done():
        return 1

    async def later(done):
        await go_on.wait()
        return done + 1

    first = start(node(done), node(later, "done"))
    async for event in first.events():
        if event.kind == "started" and event.node == "later":
            first.cancel()
    go_on.set()
    assert (await first.aretry())["later"] == 2


async def test_a_vote_that_is_kept_still_shows_its_tally_and_samples(start):
    async def verdict():
        return "yes"

    async def bad(verdict):
        raise ValueError

    nodes = node(verdict, fan_out=(Vote(3),)), node(bad, "verdict")
    first = await start(*nodes, on_error=OnError.KEEP)
    again = await first.aretry()
    before, after = (run.record.groups["verdict"] for run in (first, again))
    assert (after.outcome, after.text, after.reused) == (before.outcome, "yes", True)
    assert after.members == before.members


async def test_elements_of_a_generator_cannot_be_had_again_and_it_says_so(start):
    async def bad(n):
        raise ValueError

    each = node(bad, "ns", fan_out=(Each({"n": "ns"}),))
    run = await start(each, values={"ns": (n for n in range(2))}, on_error=OnError.KEEP)
    with pytest.raises(NbflowError, match="Give the flow a list"):
        await run.aretry()


async def test_a_run_that_goes_on_cannot_be_retried(start):
    async def slow():
        await asyncio.sleep(60)

    run = start(node(slow))
    with pytest.raises(NbflowError, match="hasn't ended"):
        await run.aretry()
    run.cancel()
    with pytest.raises(RunCancelled):
        await run


async def test_one_branch_runs_again_with_what_depends_on_it_and_even_failures_are_kept(start):
    called = []

    async def first():
        called.append("first")
        return f"{len(called)}"

    async def bad():
        called.append("bad")
        raise ValueError("no")

    async def after(first):
        called.append("after")
        return f"after {first}"

    async def both(first, bad):
        called.append("both")

    nodes = node(first), node(bad), node(after, "first"), node(both, "first", "bad")
    run = await start(*nodes, on_error=OnError.KEEP)
    called.clear()
    again = await run.again("first").start()
    assert called == ["first", "after"]
    assert again["after"] == "after 1"
    assert str(again.errors["bad"]) == "no"
    assert again.record.tasks["bad"].state is State.FAILED
    assert again.record.tasks["both"].state is State.SKIPPED
    assert again.record.because("both") == ("bad",)


async def test_a_branch_that_had_its_result_can_run_again_alone(start):
    called = []

    async def one():
        called.append("one")

    async def two():
        called.append("two")

    run = await start(node(one), node(two))
    again = await run.again("two").start()
    assert called == ["one", "two", "two"]
    assert again.record.tasks["one"].reused
    assert not again.record.tasks["two"].reused


async def test_of_one_branch_too_only_the_elements_that_failed_run_again(with_a_failed_element):
    first, called = with_a_failed_element
    called.clear()
    assert (await first.again("step").start())["step"] == [0, 10, 20]
    assert called == [1]


async def test_nobody_runs_again_alone_whose_name_is_not_there(start):
    async def one():
        pass

    run = await start(node(one))
    with pytest.raises(KeyError, match="no branch is called 'once'.*'one'"):
        run.again("once")
