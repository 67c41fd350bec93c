"""The feed of a run: facts are kept at once, and folded into the record when somebody asks."""

from __future__ import annotations

import asyncio
import gc
import signal

import pytest

from nbflow import Flow
from nbflow.core.context import emit
from nbflow.core.events import Kind
from nbflow.core.record import RunRecord
from nbflow.core.states import RunState, State
from tests.core.conftest import node


class Folds:
    """How many events have been folded into records, and what to do at each."""

    def __init__(self, monkeypatch) -> None:
        self.count = 0
        self.at_each = lambda: None
        apply = RunRecord.apply

        def counted(record, event):
            self.count += 1
            apply(record, event)
            self.at_each()

        monkeypatch.setattr(RunRecord, "apply", counted)


@pytest.fixture
def folds(monkeypatch) -> Folds:
    return Folds(monkeypatch)


def quick() -> int:
    return 1


def test_a_run_that_nobody_looks_at_folds_nothing(folds: Folds):
    run = Flow(quick).run()
    assert (run["quick"], run.status, folds.count) == (1, RunState.DONE, 0)
    assert run.record.tasks["quick"].state is State.DONE
    assert folds.count == 5


async def test_a_record_that_somebody_has_is_kept_up_to_date(start, folds: Folds):
    run = start(node(quick))
    record = run.record
    assert record.tasks["quick"].state is not State.DONE
    await run
    assert record is run.record
    assert (record.tasks["quick"].state, folds.count) == (State.DONE, 5)


async def test_what_is_collected_while_events_are_folded_may_say_something(start, folds: Folds):
    class Connection:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            emit(Kind.OUTPUT, output_type="stream", name="stdout", text="closed")

    async def opens():
        folds.at_each = collect
        Connection()
        emit(Kind.CHUNK, text="opened")

    def collect() -> None:
        folds.at_each = lambda: None
        gc.collect()

    run = start(node(opens))
    assert run.record.name == ""
    await run
    task = run.record.tasks["opens"]
    assert (task.text, [output["text"] for output in task.outputs]) == ("opened", ["closed"])


def test_an_interrupt_while_events_are_folded_leaves_a_record_that_can_be_read(folds: Folds):
    run = Flow(quick).run()

    def interrupt() -> None:
        if folds.count == 3:
            signal.raise_signal(signal.SIGINT)

    folds.at_each = interrupt
    with pytest.raises(KeyboardInterrupt):
        _ = run.record
    assert run.record.tasks["quick"].state is State.DONE
    assert run.record.name == Flow(quick).name


async def test_events_come_to_two_readers_in_the_same_order(start):
    run = start(node(quick))

    async def kinds() -> list[Kind]:
        return [event.kind async for event in run.events()]

    one, two = await asyncio.gather(kinds(), kinds())
    assert one == two == [Kind.RUN_STARTED, Kind.QUEUED, Kind.STARTED, Kind.DONE, Kind.RUN_ENDED]
