"""The scheduler: a node starts the moment its inputs are there, and nothing outlives the run.

One object owns which tasks wait, run and have ended. It runs on one event loop and touches its
state only there, so it needs no locks. The idea, in five steps:

1. Every node counts the results it still needs. At zero it is ready.
2. Ready units take their turn in order, when there is room in their limits and a token of their
   rate. A *unit* is a task, or a group: the many tasks of one node. A task whose turn has come
   starts, as an asyncio task of its own. A group starts its next task and queues up again, so it
   draws no more of its iterable than there is room for, and everybody else has a turn in between.
3. A unit that ends is *settled*, exactly once. With a result, its successors count down; without
   one, those that can no longer get what they need are skipped. A group's task is counted by its
   group, which is settled when its last task is, or when the rest can't change its result.
4. What nobody needs any more is cancelled: the rest of a decided vote, the inputs that a node with
   `wait` could do without.
5. When no unit is left unsettled the run is over. A cancel settles what waits at once, asks what
   runs to stop, and settles by itself whatever hasn't stopped after a grace period.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any

from nbflow.core import attempt as attempting
from nbflow.core.attempt import Emitter, attempts
from nbflow.core.events import Kind
from nbflow.core.fanout import Share, failed_together
from nbflow.core.policies import OnError, RunOptions
from nbflow.core.retry import Kept
from nbflow.core.states import State
from nbflow.core.task import Group, Task, Unit
from nbflow.core.threads import call_in_thread
from nbflow.core.topology import Topology
from nbflow.core.turns import Turns
from nbflow.core.values import error_data, text_of
from nbflow.errors import NbflowError

Describe = Callable[[Any], Mapping[str, Any]]

WINDOW = 1000
"""How many tasks of one group are unsettled at once, however many it will have."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_FIRST: Mapping[str, Any] = MappingProxyType({"attempt": 1})
_UNNEEDED: Mapping[str, Any] = MappingProxyType({"unneeded": True})

_log = logging.getLogger(__name__)


_left: set[asyncio.Task[None]] = set()
"""What was left to itself; asyncio alone would drop it in the middle and complain."""


def _keep_until_done(left: asyncio.Task[None] | None) -> None:
    if left is not None:
        _left.add(left)
        left.add_done_callback(_left.discard)


class Scheduler:
    """Runs a topology once.

    Args:
        topology: What to run.
        values: The values of the inputs that aren't nodes.
        options: How to run it.
        emit: Records a fact about a unit.
        describe: Called in a thread with what a Python node returned; what it gives is added to
            the data of the `done` event.
        kept: What an earlier run leaves to this one.
    """

    def __init__(  # noqa: PLR0917 - what a run is made of
        self,
        topology: Topology,
        values: Mapping[str, Any],
        options: RunOptions,
        emit: Emitter,
        describe: Describe | None = None,
        kept: Kept | None = None,
    ) -> None:
        self._kept = Kept() if kept is None else kept
        self.results: dict[str, Any] = dict(self._kept.results)
        self.errors: dict[str, BaseException] = {}
        self.partial: dict[str, Any] = {}
        """What there is of the nodes with many tasks that have no result as a whole."""
        self.parts: dict[str, Mapping[int, Any]] = {}
        """What the tasks of such nodes gave, by number."""
        self.cancelled = False
        self.closing = False
        """True once no branch may start any more; set before the cancel that follows at once."""
        self._topology = topology
        self._values = values
        self._options = options
        self._emit = emit
        self._describe = describe
        self._live: dict[str, Unit] = {}
        self._needs = dict(topology.needs)
        self._spare: dict[str, int] = {}
        """How many more inputs a node that has lost one can do without."""
        self._lost_names: set[str] = set()
        self._stopping = False
        self._turns = Turns(options, self._start, self._draw)
        self._feeders: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._idle: asyncio.Future[None] = self._loop.create_future()

    # The life of the run

    def queue(self) -> None:
        """Make the units; from here on they can be cancelled."""
        for name in self._kept.settled:
            for successor in self._topology.successors[name]:
                self._needs[successor] -= name in self.results
        for name in self._topology.order:
            if name in self._kept.settled:
                continue
            node = self._topology.nodes[name]
            make = Group if node.fan_out else Task
            self._add(make(name, node, self._turns.limits_of(node)))

    async def run(self) -> None:
        """Run every queued unit; return when each is settled.

        Raises:
            asyncio.CancelledError: the caller was cancelled; by then, so is every unit.
        """
        roots = (name for name, need in self._needs.items() if need <= 0)
        self._turns.queue(*(self._live[name] for name in roots if name in self._live))
        self._turns.take()
        try:
            await self._until_idle()
        finally:
            self._turns.close()
            if self._feeders:
                await asyncio.wait(self._feeders, timeout=attempting.GRACE_SECONDS)
            for feeder in self._feeders:
                _keep_until_done(feeder)

    async def _until_idle(self) -> None:
        if not self._live:
            return
        try:
            await asyncio.wait([self._idle])
        except asyncio.CancelledError:
            self.cancel()
            try:
                await asyncio.wait([self._idle])
            finally:  # asked twice: wait for nobody
                self._abandon(list(self._live.values()))
            raise

    def cancel(self) -> None:
        """Cancel every unit that hasn't ended; what has, keeps its result."""
        self.cancelled = True
        self._cancel_all()

    def cancel_unit(self, id: str) -> None:  # noqa: A002 - its name
        """Cancel one unit, if it hasn't ended; what depends on it is skipped."""
        if id in self._live:
            self._cancel([self._live[id]])

    def _cancel_all(self) -> None:
        self._stopping = True
        self._cancel(list(self._live.values()))

    def _cancel(self, units: Iterable[Unit], *, unneeded: bool = False) -> None:
        running = []
        for unit in units:
            if unit.state.is_final:
                continue
            unit.unneeded = unneeded
            if isinstance(unit, Task) and unit.state is State.RUNNING and unit.began:
                unit.cancel()
                running.append(unit)
                continue
            if isinstance(unit, Task):  # asyncio drops a coroutine cancelled before its first step
                unit.cancel()
            self._settle(unit, State.CANCELLED)
        if running:
            self._turns.later(attempting.GRACE_SECONDS, self._abandon, running)

    def _abandon(self, units: Iterable[Unit]) -> None:
        """Settle the cancelled tasks that didn't stop in time; what they still do is dropped."""
        for unit in units:
            if isinstance(unit, Task) and unit.state is State.RUNNING and unit.cancelled:
                _log.warning(
                    "branch %r did not stop within %s s", unit.id, attempting.GRACE_SECONDS
                )
                _keep_until_done(unit.asyncio_task)
                self._settle(unit, State.CANCELLED)

    # One task

    def _start(self, task: Task) -> None:
        task.state = State.RUNNING
        self._emit(Kind.STARTED, task, _FIRST)
        task.asyncio_task = self._loop.create_task(self._execute(task), name=task.id)

    async def _execute(self, task: Task) -> None:
        """Run one task to its end. Never raises: how it ended is told by settling it."""
        task.began = True
        if self.closing:
            self._settle(task, State.CANCELLED)
            return
        try:
            inputs = self._inputs_of(task)
            result, streamed = await attempts(task, inputs, self._options, self._emit, self._turns)
            data: Mapping[str, Any] = _NOTHING
            if not streamed and result is not None:
                data = {"text": text_of(result)}
            if self._describe is not None and task.node.kind == "python":
                data = {**data, **await call_in_thread(self._describe, result)}
        except asyncio.CancelledError:
            self._settle(task, State.CANCELLED)
        except KeyboardInterrupt:  # it fell into the branch's own code, but was meant for the run
            self._settle(task, State.CANCELLED)
            self.cancel()
        except BaseException as error:  # noqa: BLE001 - it is reported with the run
            self._settle(task, State.FAILED, error=error)
        else:
            if task.cancelled:  # it swallowed its cancellation, and nobody wants its result
                self._settle(task, State.CANCELLED)
            else:
                self._settle(task, State.DONE, data, result=result)

    def _inputs_of(self, unit: Unit) -> Mapping[str, Any]:
        """What a unit is called with; None for an input that has no result and isn't waited for."""
        if unit.share is not None:
            return unit.share.inputs
        node, inputs = unit.node, {}
        for name in node.inputs:
            if name in self.results:
                inputs[name] = self.results[name]
            elif name in self._values:
                inputs[name] = self._values[name]
            elif name in self._lost_names and node.passes_failures:
                inputs[name] = self._failure_of(name)
            elif name not in node.optional:
                inputs[name] = None
        return inputs

    def _failure_of(self, name: str) -> Any:
        """What there is in place of a node's result, for a node that takes failures as values."""
        if self.partial.get(name) is not None:
            return self.partial[name]
        return self.errors.get(name) or NbflowError(f"{name} has no result.")

    # Many tasks

    def _draw(self, group: Group) -> None:
        """Give a group its turn: it starts its next task and queues up again."""
        try:
            if group.state is State.QUEUED:
                self._open(group)
                if group.feeder is not None:
                    return
            share = group.next if group.shares is None else next(group.shares, None)
        except Exception as error:  # noqa: BLE001 - the iterable's, reported with the run
            self._settle(group, State.FAILED, error=error)
            return
        group.next = None
        if share is None:
            group.exhausted = True
            self._complete(group)
            return
        member = self._member_of(group, share)
        self._add(member)
        group.members[member.id] = member
        self._go_on(group)
        parts = self._kept.parts.get(group.id, {})
        if member.index in parts:
            self._reuse(member, parts[member.index])
        else:
            self._turns.attempt(member)

    def _reuse(self, unit: Unit, result: Any) -> None:
        """Settle a unit with an earlier run's result."""
        unit.state = State.RUNNING
        if isinstance(unit, Task):
            self._turns.begin(unit)
        self._emit(Kind.STARTED, unit, {**_FIRST, "size": None})
        data = {"text": text_of(result), "reused": True}
        self._settle(unit, State.DONE, data, result=result)

    def _open(self, group: Group) -> None:
        inputs = self._inputs_of(group)
        group.state = State.RUNNING
        self._emit(Kind.STARTED, group, {"size": group.fan_out.size(inputs)})
        shares = group.fan_out.shares(inputs)
        if isinstance(shares, AsyncIterator):
            group.feeder = self._loop.create_task(self._feed(group, shares))
            self._feeders.add(group.feeder)
            group.feeder.add_done_callback(self._feeders.discard)
        else:
            group.shares = shares

    def _member_of(self, group: Group, share: Share) -> Unit:
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

    def _go_on(self, group: Group) -> None:
        """Let a group draw its next share, as soon as its turn comes and there is room for it."""
        if len(group.members) >= WINDOW or group.exhausted:
            return
        if group.shares is not None:
            self._turns.queue(group)
        elif group.resume is not None and not group.resume.done():
            group.resume.set_result(None)

    async def _feed(self, group: Group, shares: AsyncIterator[Share]) -> None:
        """Draw the shares of a group that have to be waited for, one for each turn it has."""
        try:
            async with aclosing(shares) as closing:  # type: ignore[type-var]
                async for share in closing:
                    group.resume = self._loop.create_future()
                    group.next = share
                    self._turns.queue(group)
                    self._turns.take()
                    await group.resume
        except asyncio.CancelledError:
            self._settle(group, State.CANCELLED)
        except BaseException as error:  # noqa: BLE001 - the iterable's, reported with the run
            self._settle(group, State.FAILED, error=error)
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
            self._settle(group, State.FAILED, error=error)
        else:
            self._settle(group, State.DONE, result=result)

    def _member_ended(self, group: Group, member: Unit, result: Any, error: Any) -> None:
        """Count what one of a group's tasks came to."""
        group.members.pop(member.id, None)
        if group.state.is_final:
            return
        if member.state is State.DONE:
            group.fold.add(member.index, result, member.worth)
        else:
            group.fold.lose(member.index, error or asyncio.CancelledError("it was cancelled"))
            stops = member.state is State.FAILED and self._options.on_error is OnError.STOP
            if stops and not group.fold.tolerant:
                error = failed_together(group.fold, group.drawn)
                self._settle(group, State.FAILED, error=error)
        if len(group.members) == WINDOW - 1:
            self._go_on(group)
        self._complete(group)

    # Ends

    def _add(self, unit: Unit) -> None:
        self._live[unit.id] = unit
        data: Mapping[str, Any] = _NOTHING
        if unit.of is not None:
            data = {"of": unit.of.id}
        if isinstance(unit, Group):
            known = {**self._values, **(unit.share.inputs if unit.share else {})}
            size = unit.fan_out.size(known)
            fan_out = unit.fan_out
            data = {**data, "group": fan_out.kind, "label": fan_out.label, "size": size}
        self._emit(Kind.QUEUED, unit, data)

    def _settle(
        self,
        unit: Unit,
        state: State,
        data: Mapping[str, Any] = _NOTHING,
        *,
        result: Any = None,
        error: BaseException | None = None,
    ) -> None:
        """Give a unit its final state, once, and to everybody else what follows from it."""
        if unit.state.is_final:
            return
        if isinstance(unit, Task):
            if unit.state is State.RUNNING:
                unit.asyncio_task = unit.attempt = None
                self._turns.end(unit)
        elif isinstance(unit, Group):
            data = {**data, **self._close(unit, state, result)}
        unit.state = state
        del self._live[unit.id]
        if error is not None:
            self._emit(Kind.FAILED, unit, {**data, **error_data(error)})
        elif state is State.DONE:
            self._emit(Kind.DONE, unit, data)
        else:
            self._emit(Kind.CANCELLED, unit, _UNNEEDED if unit.unneeded else data)
        if unit.of is not None:
            self._member_ended(unit.of, unit, result, error)
        elif state is State.DONE:
            self.results[unit.node.name] = result
            self._count_down(unit.node.name)
        else:
            self._lost(unit.node.name, error)
        self._turns.take()
        if not self._live and not self._idle.done():
            self._idle.set_result(None)

    def _close(self, group: Group, state: State, result: Any) -> Mapping[str, Any]:
        """Stop what a group still does; what its end says of it."""
        if group.feeder is not None:
            group.feeder.cancel()
        if group.state is State.QUEUED:
            return _NOTHING
        data: dict[str, Any] = {}
        if group.drawn and (outcome := group.fold.data()):
            data["outcome"] = outcome
        if state is State.DONE and group.fold.tolerant:
            data["text"] = text_of(result)
        if state is not State.DONE and group.of is None:
            self.partial[group.id] = group.fold.partial()
            self.parts[group.id] = dict(group.fold.kept)
        group.state = state
        self._cancel(list(group.members.values()), unneeded=state is State.DONE)
        return data

    def _count_down(self, name: str) -> None:
        """A node has a result: those that needed only this one more are ready."""
        for successor in self._topology.successors[name]:
            self._needs[successor] -= 1
            if not self._needs[successor]:
                self._make_startable(successor)

    def _make_startable(self, name: str) -> None:
        unit = self._live.get(name)
        if unit is not None and unit.state is State.QUEUED:
            self._turns.queue(unit)
        if self._topology.nodes[name].wait is not None:
            self._cancel_unneeded(name)

    def _cancel_unneeded(self, name: str) -> None:
        """Cancel the inputs that a node can do without now, and that nobody else waits for."""
        front = list(self._topology.predecessors[name])
        while front:
            unit = self._live.get(front.pop())
            if unit is None or any(map(self._waits, self._topology.successors[unit.node.name])):
                continue
            self._cancel([unit], unneeded=True)
            front.extend(self._topology.predecessors[unit.node.name])

    def _waits(self, name: str) -> bool:
        return name in self._live and self._needs[name] > 0

    def _lost(self, name: str, error: BaseException | None) -> None:
        """A node has no result: skip those that can no longer get what they need, or stop all."""
        if error is not None:
            self.errors[name] = error
        if self._stopping:
            return
        lost = deque([name])
        while lost:
            last = lost.popleft()
            self._lost_names.add(last)
            lost.extend(s for s in self._topology.successors[last] if self._skips(s))
        if error is not None and self._options.on_error is OnError.STOP:
            self._cancel_all()

    def _skips(self, name: str) -> bool:
        """Count the loss of one of a node's inputs; skip the node if that is one too many."""
        inputs = self._topology.predecessors[name]
        spare = self._spare.get(name, len(inputs) - self._topology.needs[name]) - 1
        self._spare[name] = spare
        unit = self._live.get(name)
        if spare >= 0 or unit is None or unit.state is not State.QUEUED or not self._needs[name]:
            return False
        if unit.node.passes_failures:
            self._needs[name] -= 1
            if not self._needs[name]:
                self._make_startable(name)
            return False
        unit.state = State.SKIPPED
        del self._live[name]
        because = [source for source in inputs if source in self._lost_names]
        self._emit(Kind.SKIPPED, unit, {"because": because})
        return True
