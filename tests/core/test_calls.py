"""Calls: tasks that code of a run asks for while it goes on."""

from __future__ import annotations

import asyncio

import pytest

from nbflow.core.context import current_task
from nbflow.core.events import Kind
from nbflow.core.policies import OnError, RunOptions
from nbflow.core.run import Run
from nbflow.core.states import RunState, State
from nbflow.core.topology import Node, Topology
from nbflow.errors import RunCancelled, RunError
from tests.core.conftest import node


class Program:
    """A run whose tasks are all spawned; each is awaited through a future."""

    def __init__(self, **options):
        self.run = Run(Topology([]), {}, RunOptions(**options)).start()
        self.nodes = {}

    def spawn(self, function, *inputs, after=(), caller=None, limited=True, **arguments):
        """Spawn a call and return it with the future of its end."""
        known = self.nodes.setdefault(function.__name__, node(function, *inputs))
        ended = asyncio.get_running_loop().create_future()
        call = self.run.scheduler.calls.spawn(
            known,
            lambda: function(**arguments),
            after=after,
            caller=caller,
            then=lambda call: ended.done() or ended.set_result(call),
            limited=limited,
        )
        return call, ended

    async def call(self, function, **arguments):
        """Call a function from the task this runs in, wait for it, and return its result."""
        call, ended = self.spawn(function, caller=current_task.get().task, **arguments)
        await ended
        if call.error is not None:
            call.handled = True
            raise call.error
        return call.result


async def double(n):
    await asyncio.sleep(0)
    return 2 * n


async def fails():
    raise ValueError("no")


async def forever():
    await asyncio.Event().wait()


async def test_a_spawned_call_runs_and_the_run_ends_after_it():
    program = Program()
    call, _ = program.spawn(double, n=4)
    run = await program.run
    assert call.result == 8
    assert run["double"] == 8
    assert run.status is RunState.DONE
    assert run.record.nodes["double"].kind == "python"


async def test_spawning_into_a_finished_run_raises():
    program = Program()
    program.spawn(double, n=1)
    await program.run
    with pytest.raises(RuntimeError, match="the run has ended: 'double' can't be called"):
        program.spawn(double, n=2)


async def test_a_run_into_which_nothing_is_spawned_ends_at_once():
    program = Program()
    await program.run
    with pytest.raises(RuntimeError, match="has ended"):
        program.spawn(double, n=2)


async def test_what_is_spawned_into_a_cancelled_run_never_starts():
    program = Program()

    async def tidy():
        try:
            await forever()
        finally:
            await program.call(double, n=1)

    program.spawn(tidy)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    program.run.cancel()
    with pytest.raises(RunCancelled):
        await program.run
    record = program.run.record
    assert {task.state for task in record.tasks.values()} == {State.CANCELLED}
    assert record.tasks["double"].started is None


async def test_a_call_starts_when_the_calls_it_comes_after_are_done():
    program = Program()
    first, _ = program.spawn(double, n=1)
    second, _ = program.spawn(double, n=2)

    async def add():
        return first.result + second.result

    third, _ = program.spawn(add, "double", after=[first, second])
    await program.run
    assert third.result == 6
    assert program.run.record.nodes["add"].inputs == ("double",)


async def test_a_call_whose_input_failed_is_skipped_and_so_is_what_comes_after_it():
    program = Program(on_error=OnError.KEEP)
    first, _ = program.spawn(fails)
    second, _ = program.spawn(double, after=[first], n=1)
    third, ended = program.spawn(forever, after=[second])
    await program.run
    assert (second.state, third.state) == (State.SKIPPED, State.SKIPPED)
    assert third.error is first.error
    assert (await ended) is third


async def test_a_call_after_one_that_has_failed_already_is_skipped():
    program = Program(on_error=OnError.KEEP)
    first, ended = program.spawn(fails)
    program.spawn(forever)
    await ended
    second, _ = program.spawn(double, after=[first], n=1)
    assert second.state is State.SKIPPED
    program.run.cancel("forever")
    await program.run


@pytest.mark.parametrize("jobs", [1, 3])
async def test_tasks_may_call_tasks_to_any_depth_whatever_the_limit(jobs):
    program = Program(jobs=jobs)
    working = most = 0

    async def descend(depth):
        nonlocal working, most
        if not depth:
            working += 1
            most = max(most, working)
            await asyncio.sleep(0)
            working -= 1
            return 1
        calls = (program.call(descend, depth=depth - 1) for _ in range(2))
        return sum(await asyncio.gather(*calls))

    root, _ = program.spawn(descend, depth=6)
    await program.run
    assert root.result == 64
    assert most == jobs


async def test_a_task_has_its_room_again_after_its_calls():
    program = Program(jobs=1)
    working = most = 0

    async def work():
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(0)
        working -= 1

    async def calls():
        await program.call(double, n=1)
        await work()

    for _ in range(5):
        program.spawn(calls)
    program.spawn(work)
    await program.run
    assert most == 1


async def test_a_call_that_counts_for_no_limit_runs_beside_those_that_do():
    program = Program(jobs=1)
    gate = asyncio.Event()

    async def outside():
        await gate.wait()

    async def inside():
        gate.set()

    program.spawn(outside, limited=False)
    program.spawn(inside)
    await program.run
    assert program.run.status is RunState.DONE


async def test_a_caller_that_fails_takes_its_unfinished_calls_with_it():
    program = Program(on_error=OnError.KEEP)

    async def caller():
        program.spawn(forever, caller=current_task.get().task)
        await double(1)
        raise ValueError("no")

    program.spawn(caller)
    run = await program.run
    assert run.record.tasks["forever"].state is State.CANCELLED
    assert run.record.tasks["forever"].unneeded
    assert list(run.errors) == ["caller"]


async def test_a_failure_that_the_caller_takes_up_is_no_failure_of_the_run():
    program = Program()

    async def caller():
        try:
            await program.call(fails)
        except ValueError:
            return "mended"

    program.spawn(caller)
    run = await program.run
    assert run["caller"] == "mended"
    assert run.record.tasks["fails"].state is State.FAILED


async def test_a_failure_that_nobody_hears_of_is_reported_with_the_run():
    program = Program()

    async def caller():
        program.spawn(fails, caller=current_task.get().task)

    program.spawn(caller)
    with pytest.raises(RunError, match="fails failed"):
        await program.run
    assert isinstance(program.run.errors["fails"], ValueError)


async def test_stop_cancels_the_other_calls_when_one_fails():
    program = Program(on_error=OnError.STOP)
    program.spawn(fails)
    other, _ = program.spawn(forever)
    with pytest.raises(RunError):
        await program.run
    assert other.state is State.CANCELLED


async def test_a_node_that_is_called_once_is_a_task_and_then_a_group_as_its_tasks_are():
    program = Program(on_error=OnError.KEEP)
    gates = [asyncio.Event() for _ in range(2)]

    async def step(number):
        await gates[number].wait()
        return number

    record = program.run.record
    program.spawn(forever)
    _, first = program.spawn(step, number=0)
    assert record.life("step") is record.tasks["step"]
    gates[0].set()
    await first
    assert record.life("step").state is State.DONE
    _, second = program.spawn(step, number=1)
    group = record.life("step")
    assert (group.kind, group.members) == ("calls", ["step", "step[1]"])
    await asyncio.sleep(0)
    assert group.state is State.RUNNING
    gates[1].set()
    await second
    assert group.state is State.DONE
    program.run.cancel("forever")
    await program.run
    assert program.run["step"] == [0, 1]


async def test_cancelling_a_node_cancels_all_its_calls():
    program = Program(on_error=OnError.KEEP)
    calls = [program.spawn(forever)[0] for _ in range(3)]
    await asyncio.sleep(0)
    program.run.cancel("forever")
    await program.run
    assert {call.state for call in calls} == {State.CANCELLED}
    assert program.run.record.life("forever").state is State.CANCELLED


async def test_the_time_of_a_task_that_calls_others_counts_once():
    program = Program()

    async def caller():
        await program.call(double, n=1)

    program.spawn(caller)
    record = (await program.run).record
    assert record.tasks["double"].caller == "caller"
    assert record.work == record.tasks["double"].elapsed(record.now)


async def test_a_node_that_changes_is_told_of_again():
    program = Program()
    program.spawn(double, n=1)
    program.nodes["double"] = Node("double", double, ("before",))
    program.spawn(double, n=2)
    events = [event async for event in program.run.events() if event.kind is Kind.NODE]
    assert [event.data["inputs"] for event in events] == [(), ("before",)]
    assert program.run.record.nodes["double"].inputs == ("before",)


async def test_a_call_may_not_have_the_name_of_a_node_that_the_run_has_anyhow(start):
    run = start(node(fails), on_error=OnError.KEEP)
    with pytest.raises(ValueError, match="'fails' is a node of this run already"):
        run.scheduler.calls.spawn(node(fails), fails, then=lambda _call: None)
    await run


async def test_a_call_whose_result_is_known_is_not_executed():
    program = Program(jobs=1)
    ended = []
    call = program.run.scheduler.calls.spawn(node(fails), fails, then=ended.append, known=("kept",))
    run = await program.run
    assert ended == [call]
    assert run["fails"] == "kept"
    assert run.record.tasks["fails"].reused


async def test_a_node_that_is_declared_again_is_drawn_as_it_is_now():
    program = Program()
    scheduler = program.run.scheduler
    assert not scheduler.calls.knows("double")
    program.spawn(double, n=1)
    assert scheduler.calls.knows("double")
    scheduler.calls.declare(node(double, "fails"))
    run = await program.run
    assert run.record.nodes["double"].inputs == ("fails",)


async def test_several_calls_ended_as_badly_as_the_worst_of_them():
    program = Program(on_error=OnError.KEEP)
    calls = [program.spawn(forever)[0] for _ in range(3)]
    await asyncio.sleep(0)
    program.run.scheduler.cancel_units(calls[:2], unneeded=True)
    assert program.run.record.life("forever").state is State.RUNNING
    program.run.scheduler.cancel_units(calls[2:], unneeded=True)
    run = await program.run
    assert run.record.groups["forever"].state is State.CANCELLED
    assert run.record.groups["forever"].unneeded
    assert run.status is RunState.DONE
