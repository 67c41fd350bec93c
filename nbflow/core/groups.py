"""The many tasks of one node: drawn one by one, counted as they end, settled as one.

A group that has its turn draws its next share, makes a task of it and queues up again, so it draws
no more of its iterable than there is room for. Knows how groups grow and end; when a unit has its
turn, and what follows from its end, is the scheduler's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from nbflow.core import attempt
from nbflow.core.fanout import Share, failed_together
from nbflow.core.policies import OnError
from nbflow.core.states import State
from nbflow.core.task import Group, Task, Unit
from nbflow.core.values import text_of

if TYPE_CHECKING:
    from nbflow.core.scheduler import Scheduler

WINDOW = 1000
"""How many tasks of one group are unsettled at once, however many it will have."""


class Groups:
    """The groups of one run.

    Args:
        scheduler: Runs them.
        on_error: If it is to stop, the failure of a task ends a group that needs all of them.
        parts: What an earlier run's tasks left to this one, by node and number.
    """

    def __init__(
        self, scheduler: Scheduler, on_error: OnError, parts: Mapping[str, Mapping[int, Any]]
    ) -> None:
        self.partial: dict[str, Any] = {}
        """What there is of the nodes that have no result as a whole."""
        self.parts: dict[str, Mapping[int, Any]] = {}
        """What the tasks of such nodes gave, by number."""
        self._scheduler = scheduler
        self._stops = on_error is OnError.STOP
        self._kept = parts
        self._feeders: set[asyncio.Task[None]] = set()

    def draw(self, group: Group) -> None:
        """Give a group its turn: it starts its next task and queues up again."""
        try:
            if group.state is State.QUEUED:
                self._open(group)
                if group.feeder is not None:
                    return
            share = group.next if group.shares is None else next(group.shares, None)
        except Exception as error:  # noqa: BLE001 - the iterable's, reported with the run
            self._scheduler.settle(group, State.FAILED, error=error)
            return
        group.next = None
        if share is None:
            group.exhausted = True
            self._complete(group)
            return
        member = _member_of(group, share)
        self._scheduler.add(member)
        group.members[member.id] = member
        self._go_on(group)
        parts = self._kept.get(group.id, {})
        if member.index in parts:
            self._scheduler.reuse(member, parts[member.index])
        else:
            self._scheduler.turns.attempt(member)

    def _open(self, group: Group) -> None:
        inputs = self._scheduler.joins.inputs_of(group)
        self._scheduler.begin(group, {"size": group.fan_out.size(inputs)})
        shares = group.fan_out.shares(inputs)
        if isinstance(shares, AsyncIterator):
            group.feeder = asyncio.get_running_loop().create_task(self._feed(group, shares))
            self._feeders.add(group.feeder)
            group.feeder.add_done_callback(self._feeders.discard)
        else:
            group.shares = shares

    def _go_on(self, group: Group) -> None:
        """Let a group draw its next share, as soon as its turn comes and there is room for it."""
        if len(group.members) >= WINDOW or group.exhausted:
            return
        if group.shares is not None:
            self._scheduler.turns.queue(group)
        elif group.resume is not None and not group.resume.done():
            group.resume.set_result(None)

    async def _feed(self, group: Group, shares: AsyncIterator[Share]) -> None:
        """Draw the shares of a group that have to be waited for, one for each turn it has."""
        try:
            async with aclosing(shares) as closing:  # type: ignore[type-var]
                async for share in closing:
                    group.resume = asyncio.get_running_loop().create_future()
                    group.next = share
                    self._scheduler.turns.queue(group)
                    self._scheduler.turns.take()
                    await group.resume
        except asyncio.CancelledError:
            self._scheduler.settle(group, State.CANCELLED)
        except BaseException as error:  # noqa: BLE001 - the iterable's, reported with the run
            self._scheduler.settle(group, State.FAILED, error=error)
        else:
            group.exhausted = True
            self._complete(group)

    def _complete(self, group: Group) -> None:
        """Settle a group if no more results can change what they come to."""
        if group.state.is_final or not group.is_complete:
            return
        try:
            result = group.fold.result()
        except Exception as error:  # noqa: BLE001 - its tasks', or that they don't agree
            self._scheduler.settle(group, State.FAILED, error=error)
        else:
            self._scheduler.settle(group, State.DONE, result=result)

    def member_ended(self, group: Group, member: Unit, result: Any, error: Any) -> None:
        """Count what one of a group's tasks came to."""
        group.members.pop(member.id, None)
        if group.state.is_final:
            return
        if member.state is State.DONE:
            group.fold.add(member.index, result, member.worth)
        else:
            group.fold.lose(
                member.index,
                error if error is not None else asyncio.CancelledError("it was cancelled"),
            )
            if self._stops and member.state is State.FAILED and not group.fold.tolerant:
                failure = failed_together(group.fold, group.drawn)
                self._scheduler.settle(group, State.FAILED, error=failure)
        if len(group.members) == WINDOW - 1:
            self._go_on(group)
        self._complete(group)

    def end(self, group: Group, result: Any) -> Mapping[str, Any]:
        """Keep what there is of a group that was running; what its end says of it."""
        if group.feeder is not None:
            group.feeder.cancel()
        data: dict[str, Any] = {}
        if group.drawn and (outcome := group.fold.data()):
            data["outcome"] = outcome
        if group.state is State.DONE:
            return {**data, "text": text_of(result)} if group.fold.tolerant else data
        if group.of is None:
            self.partial[group.id] = group.fold.partial()
            self.parts[group.id] = dict(group.fold.kept)
        return data

    async def until_fed(self) -> list[asyncio.Task[None]]:
        """Wait for those who draw from iterables to stop; those who didn't in time."""
        if self._feeders:
            await asyncio.wait(self._feeders, timeout=attempt.GRACE_SECONDS)
        return list(self._feeders)


def description(group: Group, known: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a group when it is queued."""
    fan_out = group.fan_out
    return {"group": fan_out.kind, "label": fan_out.label, "size": fan_out.size(known)}


def _member_of(group: Group, share: Share) -> Unit:
    index, group.drawn = group.drawn, group.drawn + 1
    id_ = f"{group.id}[{share.label}]"
    level = group.level + 1
    function, resource = share.function, share.resource
    if group.share is not None:
        share = Share(
            share.label,
            share.inputs,
            function or group.share.function,
            group.share.resource if resource is None else resource,
        )
    if level < len(group.node.fan_out):
        return Group(id_, group.node, group.limits, group, index, share, level)
    return Task(id_, group.node, group.limits, group, index, share)
