"""The record is what the events say, and refuses what can't be."""

from __future__ import annotations

import pytest

from nbflow.core.events import Event, Kind
from nbflow.core.record import RunRecord
from nbflow.core.states import TRANSITIONS, State, check_transition
from tests.core.conftest import node


async def test_folding_the_events_again_gives_the_same_record(start):
    async def words():
        yield "a "
        yield "cat"

    def bad(words):
        raise ValueError(words)

    run = start(node(words), node(bad, "words"), on_error="keep")
    again = RunRecord(id=run.id)
    async for event in run.events():
        again.apply(event)
    assert again == run.record


def test_an_event_that_no_task_can_have_is_refused():
    record = RunRecord()
    record.apply(Event("r", 0, Kind.QUEUED, "a", "a", 0.0, 0.0, {}))
    with pytest.raises(ValueError, match="from queued to done"):
        record.apply(Event("r", 1, Kind.DONE, "a", "a", 0.0, 0.0, {"text": ""}))


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_the_table_of_transitions_decides(before, after):
    if after in TRANSITIONS[before]:
        check_transition(before, after)
        assert not before.is_final
    else:
        with pytest.raises(ValueError, match="can't go"):
            check_transition(before, after)
