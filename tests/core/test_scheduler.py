"""What the engine promises of a run, seen through its handle."""

from __future__ import annotations

import asyncio
import threading

import pytest

from nbflow.core.context import current_task
from nbflow.core.policies import OnError, Policy, Retry, Timeout
from nbflow.core.run import last_run
from nbflow.core.states import RunState, State
from nbflow.core.topology import Node
from nbflow.errors import RunCancelled, RunError
from tests.core.conftest import node


def states(run):
    return {task.node: task.state for task in run.record.tasks.values()}


async def test_a_node_gets_the_results_of_the_nodes_it_names(start):
    async def story(topic):
        return f"a story about {topic}"

    def joke(topic):
        return f"a joke about {topic}"

    def both(story, joke):
        return f"{story} and {joke}"

    run = await start(
        node(both, "story", "joke"),
        node(story, "topic"),
        node(joke, "topic"),
        values={"topic": "cats"},
    )
    assert run["both"] == "a story about cats and a joke about cats"
    assert run.status is RunState.DONE


async def test_a_node_starts_when_its_own_inputs_are_there_and_not_later(start):
    finish_slow, fast_child_ran = asyncio.Event(), asyncio.Event()

    async def slow():
        await finish_slow.wait()

    async def fast():
        return 1

    async def child(fast):
        fast_child_ran.set()

    run = start(node(slow), node(fast), node(child, "fast"))
    await fast_child_ran.wait()
    assert states(run)["slow"] is State.RUNNING
    finish_slow.set()
    await run


async def test_sync_branches_run_side_by_side(start):
    barrier = threading.Barrier(8, timeout=30)

    def branch(number):
        barrier.wait()

    nodes = [Node(f"branch{index}", branch, ("number",)) for index in range(8)]
    run = await start(*nodes, values={"number": 1})
    assert run.record.count(State.DONE) == 8


async def test_generators_of_both_kinds_stream_their_chunks_and_return_them_joined(start):
    def sync_words():
        yield "a "
        yield "cat"

    async def async_words():
        yield "a "
        yield "dog"

    async def numbers():
        yield 1
        yield 2

    run = await start(node(sync_words), node(async_words), node(numbers))
    assert run.results == {"sync_words": "a cat", "async_words": "a dog", "numbers": [1, 2]}
    chunks = [e.data["text"] async for e in run.events() if e.kind == "chunk"]
    assert sorted(chunks) == ["1", "2", "a ", "a ", "cat", "dog"]


async def test_a_generator_that_never_waits_leaves_others_their_turn(start):
    async def endless():
        while True:
            yield "x"

    run = start(node(endless))
    async for event in run.events():
        if event.kind == "chunk":
            break
    run.cancel()
    with pytest.raises(RunCancelled):
        await run


async def test_starting_very_many_branches_leaves_others_their_turn(start):
    def branch(index):
        async def wait():
            await gate.wait()

        return Node(f"b{index}", wait)

    gate, turns = asyncio.Event(), 0
    run = start(*map(branch, range(2000)))
    while run.record.count(State.RUNNING) < 2000:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 10
    gate.set()
    await run


async def test_a_join_of_very_many_branches_gets_each_result_under_its_name(start):
    def branch(index):
        async def give():
            return index

        return Node(f"b{index}", give)

    names = [f"b{index}" for index in range(1000)]
    namespace = {}
    exec(f"async def join(last, {', '.join(names)}, **rest): return locals()", namespace)
    join = Node("join", namespace["join"], (*reversed(names), "more", "last"))
    values = {"last": "end", "more": "extra"}
    run = await start(*map(branch, range(1000)), join, values=values)
    given = {name: index for index, name in enumerate(names)}
    assert run["join"] == {**given, "last": "end", "rest": {"more": "extra"}}


async def test_a_branch_that_fails_leaves_its_siblings_results(start):
    def good():
        return "kept"

    def bad():
        raise ValueError("no luck")

    def needs_bad(bad):
        return bad

    run = start(node(good), node(bad), node(needs_bad, "bad"))
    with pytest.raises(RunError, match="bad failed.*no luck.*needs_bad was skipped.*kept: good"):
        await run
    assert run["good"] == "kept"
    assert states(run)["needs_bad"] is State.SKIPPED
    with pytest.raises(KeyError, match="no luck"):
        run["bad"]


async def test_every_failure_is_reported(start):
    def one():
        raise ValueError(1)

    def two():
        raise TypeError(2)

    with pytest.raises(RunError) as caught:
        await start(node(one), node(two))
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert {type(e) for e in caught.value.__cause__.exceptions} == {ValueError, TypeError}
    assert set(caught.value.errors) == {"one", "two"}


async def test_keep_does_not_raise_and_keeps_the_error(start):
    def bad():
        raise ValueError("no luck")

    run = await start(node(bad), on_error=OnError.KEEP)
    assert run.status is RunState.FAILED
    assert isinstance(run.errors["bad"], ValueError)


async def test_stop_cancels_the_siblings_of_a_failure(start):
    async def endless():
        await asyncio.Event().wait()

    async def bad():
        raise ValueError("no luck")

    run = start(node(endless), node(bad), on_error=OnError.STOP)
    with pytest.raises(RunError):
        await run
    assert states(run) == {"endless": State.CANCELLED, "bad": State.FAILED}


async def test_jobs_limits_how_many_tasks_run_at_once(start):
    running, most = 0, 0

    async def branch(**_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await start(*(Node(f"branch{index}", branch) for index in range(9)), jobs=3)
    assert most == 3


async def test_a_failed_attempt_is_followed_by_as_many_as_its_policy_says(start, monkeypatch):
    monkeypatch.setattr("nbflow.core.policies.backoff_seconds", lambda _attempt: 0)
    attempts = []

    async def flaky():
        attempts.append(1)
        yield "half "
        if len(attempts) < 3:
            raise ConnectionError("gone")
        yield "whole"

    run = await start(node(flaky, policy=Policy(retry=Retry(2))))
    assert run["flaky"] == "half whole"
    assert run.record.tasks["flaky"].text == "half whole"
    assert run.record.tasks["flaky"].attempts == 3


async def test_an_attempt_that_takes_too_long_fails_with_its_timeout(start):
    async def endless():
        await asyncio.Event().wait()

    with pytest.raises(RunError, match=r"longer than 0\.01 s"):
        await start(node(endless, policy=Policy(timeout=Timeout(0.01))))


async def test_what_a_given_up_attempt_still_says_is_not_heard(start, monkeypatch):
    monkeypatch.setattr("nbflow.core.attempt.GRACE_SECONDS", 0.01)
    monkeypatch.setattr("nbflow.core.policies.backoff_seconds", lambda _attempt: 0)
    release, late = asyncio.Event(), asyncio.Event()
    attempts = []

    async def stubborn():
        attempts.append(1)
        if len(attempts) > 1:
            yield "second"
            return
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        yield "first, too late"
        late.set()

    async def patient(stubborn):
        release.set()
        await late.wait()

    run = start(
        node(stubborn, policy=Policy(timeout=Timeout(0.02), retry=Retry(1))),
        node(patient, "stubborn"),
    )
    await run
    assert run["stubborn"] == "second"
    assert run.record.tasks["stubborn"].text == "second"


async def test_a_thread_that_takes_too_long_is_left_to_itself(start):
    release = threading.Event()

    def stuck():
        release.wait()

    with pytest.raises(RunError, match=r"longer than 0\.01 s"):
        await start(node(stuck, policy=Policy(timeout=Timeout(0.01))))
    release.set()


async def test_cancel_stops_what_runs_keeps_what_is_done_and_says_so(start):
    started = asyncio.Event()
    cleaned = []

    def quick():
        return "kept"

    async def endless(quick):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(1)

    def after(endless):
        raise AssertionError("must not run")

    run = start(node(quick), node(endless, "quick"), node(after, "endless"))
    await started.wait()
    run.cancel()
    with pytest.raises(RunCancelled, match="Finished and kept: quick"):
        await run
    assert cleaned == [1]
    assert run.status is RunState.CANCELLED
    assert states(run)["after"] is State.CANCELLED


async def test_cancelling_one_branch_leaves_the_others(start):
    started = asyncio.Event()

    async def endless():
        started.set()
        await asyncio.Event().wait()

    async def good():
        return 1

    run = start(node(endless), node(good))
    await started.wait()
    run.cancel("endless")
    with pytest.raises(RunError, match="endless was cancelled"):
        await run
    assert run["good"] == 1
    assert run.status is RunState.CANCELLED


async def test_a_run_cancelled_before_its_branches_took_a_step_ends_at_once(start, caplog):
    async def never():
        raise AssertionError("must not run")

    async def other():
        return 1

    for steps in range(2):
        run = start(node(never))
        for _ in range(steps):
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(RunCancelled):
            await run
    run = start(node(never), node(other))
    run.cancel("never")
    with pytest.raises(RunError, match="never was cancelled"):
        await run
    assert run["other"] == 1
    assert caplog.text == ""


async def test_cancel_may_come_from_another_thread(start):
    async def endless():
        await asyncio.Event().wait()

    run = start(node(endless))
    thread = threading.Thread(target=run.cancel)
    thread.start()
    with pytest.raises(RunCancelled):
        await run
    thread.join()


async def test_a_cancelled_caller_cancels_the_run_and_is_not_swallowed(start):
    async def endless():
        await asyncio.Event().wait()

    run = start(node(endless))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await run
    assert run.status is RunState.CANCELLED
    assert states(run) == {"endless": State.CANCELLED}


async def test_a_branch_that_swallows_cancellation_cannot_hang_the_run(start, monkeypatch, caplog):
    monkeypatch.setattr("nbflow.core.attempt.GRACE_SECONDS", 0.01)
    started, release = asyncio.Event(), asyncio.Event()

    async def stubborn():
        started.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "too late"

    run = start(node(stubborn))
    await started.wait()
    run.cancel()
    with pytest.raises(RunCancelled):
        await run
    assert states(run) == {"stubborn": State.CANCELLED}
    assert "did not stop" in caplog.text
    release.set()
    await asyncio.sleep(0)


async def test_a_cancelled_branch_that_returns_all_the_same_is_not_done(start):
    started = asyncio.Event()

    async def returns_anyway():
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "too late"

    run = start(node(returns_anyway))
    await started.wait()
    run.cancel()
    with pytest.raises(RunCancelled):
        await run
    assert run.results == {}


async def test_a_run_does_not_wait_for_a_thread_that_never_returns(start):
    started, release = threading.Event(), threading.Event()

    def stuck():
        started.set()
        release.wait()

    run = start(node(stuck))
    await asyncio.to_thread(started.wait)
    run.cancel()
    with pytest.raises(RunCancelled):
        await run
    release.set()


async def test_code_in_a_branch_knows_its_task_in_threads_and_on_the_loop(start):
    def in_thread():
        return current_task.get().node

    async def on_loop():
        return current_task.get().node

    run = await start(node(in_thread), node(on_loop))
    assert run.results == {"in_thread": "in_thread", "on_loop": "on_loop"}
    assert current_task.get() is None


async def test_sys_exit_in_a_branch_is_a_failure_of_that_branch(start):
    def leaves():
        raise SystemExit(3)

    with pytest.raises(RunError, match="SystemExit"):
        await start(node(leaves))


async def test_a_value_whose_repr_raises_is_still_a_result(start):
    class Broken:
        def __repr__(self):
            raise RuntimeError("no")

    def broken():
        return Broken()

    run = await start(node(broken))
    assert "Broken" in run.record.tasks["broken"].text


async def test_a_traceback_begins_in_the_branchs_own_code(start):
    def bad():
        raise ValueError("no luck")

    run = await start(node(bad), on_error=OnError.KEEP)
    text = run.record.tasks["bad"].error.traceback
    assert text.splitlines()[1].strip().startswith(f'File "{__file__}"')


async def test_a_sink_that_raises_is_logged_and_dropped(start, caplog):
    async def good():
        return 1

    def sink(event):
        raise RuntimeError("a broken sink")

    run = start(node(good))
    run.subscribe(sink)
    await run
    assert run["good"] == 1
    assert len(caplog.records) == 1


async def test_events_are_numbered_without_gaps_and_end_with_the_run(start):
    async def good():
        return 1

    run = start(node(good))
    events = [event async for event in run.events()]
    assert [event.seq for event in events] == list(range(len(events)))
    assert [event.kind for event in events] == [
        "run_started",
        "queued",
        "started",
        "done",
        "run_ended",
    ]


async def test_nothing_of_a_run_is_alive_after_it(start):
    async def endless():
        await asyncio.Event().wait()

    async def bad():
        raise ValueError

    before = asyncio.all_tasks()
    with pytest.raises(RunError):
        await start(node(endless), node(bad), on_error=OnError.STOP)
    assert asyncio.all_tasks() == before


async def test_the_last_run_is_the_one_started_last(start):
    async def good():
        return 1

    run = await start(node(good))
    assert last_run() is run


async def test_an_empty_name_says_which_are_near(start):
    async def joke():
        return 1

    run = await start(node(joke))
    with pytest.raises(KeyError, match="Did you mean 'joke'"):
        run["jke"]
