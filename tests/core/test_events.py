"""Events are plain facts: numbered, timed, and no more than JSON can hold."""

from __future__ import annotations

import asyncio
import json

from nbflow.core.context import emit
from nbflow.core.events import Kind
from nbflow.core.fanout import Best, Each
from nbflow.core.policies import OnError, Policy, Retry
from nbflow.core.topology import Node
from nbflow.core.vote import Vote
from tests.core.conftest import node


async def eventful(start):
    """A run that has every kind of event, and results that are no plain data."""

    async def page(ns):
        return object()

    async def stream():
        yield "text"
        yield object()

    async def fails(page):
        raise ValueError(object())

    async def skipped(fails):
        pass

    async def slow():
        await asyncio.sleep(60)

    async def says():
        emit(Kind.OUTPUT, output_type="stream", name="stdout", text="said")
        emit(Kind.USAGE, model="m", input_tokens=1, output_tokens=2)
        await asyncio.sleep(0)
        return {"not": {"plain"}}

    run = start(
        node(page, "ns", fan_out=(Each({"ns": "ns"}),)),
        node(stream),
        node(fails, "page", policy=Policy(retry=Retry(1))),
        node(skipped, "fails"),
        node(slow),
        node(says, fan_out=(Vote(5, key=repr),)),
        node(_longest, fan_out=(Best(2, score=_length),)),
        node(_first, "says", "slow", wait=1),
        values={"ns": [b"a", {1, 2}]},
        on_error=OnError.KEEP,
    )
    run.scheduler.calls.spawn(Node("spawned", _longest), _longest, then=lambda _call: None)
    return [event async for event in run.events()], run


async def _longest():
    return b"bytes"


async def _length(result):
    return len(result)


async def _first(says, slow):
    return says


async def test_every_event_is_plain_data_that_json_can_hold(start, monkeypatch):
    monkeypatch.setattr("nbflow.core.policies.backoff_seconds", lambda _attempt: 0)
    events, _ = await eventful(start)
    assert {event.kind for event in events} == set(Kind)
    for event in events:
        json.dumps(event._asdict(), allow_nan=False)


async def test_an_event_says_whose_it_is_and_when_it_was(start, monkeypatch):
    monkeypatch.setattr("nbflow.core.policies.backoff_seconds", lambda _attempt: 0)
    events, run = await eventful(start)
    assert {event.run for event in events} == {run.id}
    assert [event.seq for event in events] == list(range(len(events)))
    assert [event.time for event in events] == sorted(event.time for event in events)
    started = {round(event.wall - event.time, 3) for event in events}
    assert len(started) == 1
    about_run = {event.kind for event in events if event.task is None}
    assert about_run == {Kind.RUN_STARTED, Kind.RUN_ENDED, Kind.NODE}
    assert all((event.node is None) == (event.task is None) for event in events)
    assert all(event.task is None or event.task.startswith(event.node) for event in events)


async def test_a_sink_is_any_callable_and_hears_everything_in_order(start):
    by_method, by_object = [], []

    class Sink:
        def __call__(self, event):
            by_object.append(event)

    async def step():
        return 1

    run = start(node(step))
    run.subscribe(Sink())
    run.subscribe(by_method.append)
    await run
    assert [event.seq for event in by_method] == [2, 3, 4]
    assert by_object == by_method
