"""The scheduler: a node starts the moment its inputs are there, and nothing outlives the run.

One object owns which tasks wait, run and have ended. It runs on one event loop and touches its
state only there, so it needs no locks. The idea, in five steps:

1. Every node counts the results it still needs (`joins`). At zero it is ready.
2. Ready units take their turn in order, when there is room in their limits and a token of their
   rate (`turns`). A *unit* is a task, a call (a task that code asks for while the run goes on,
   `calls`), or a group (the many tasks of one node, `groups`). A task whose turn has come starts,
   as an asyncio task of its own; a group starts its next task and queues up again.
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
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from typing import Any

from nbflow.core import attempt as attempting
from nbflow.core.attempt import Emitter, attempts, call_once, is_unfinished
from nbflow.core.calls import Calls
from nbflow.core.events import Kind
from nbflow.core.groups import Groups, description
from nbflow.core.joins import Joins
from nbflow.core.policies import OnError, RunOptions
from nbflow.core.retry import Kept
from nbflow.core.states import State
from nbflow.core.task import Call, Group, Task, Unit
from nbflow.core.threads import call_in_thread
from nbflow.core.topology import Mode, Topology
from nbflow.core.turns import Turns
from nbflow.core.values import begin_in_own_code, error_data, text_of
from nbflow.errors import NodeCancelledError

Describe = Callable[[Any], Mapping[str, Any]]

_NOTHING: Mapping[str, Any] = {}
_FIRST: Mapping[str, Any] = {"attempt": 1}
_UNNEEDED: Mapping[str, Any] = {"unneeded": True}

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
        self._kept = kept or Kept()
        self.results: dict[str, Any] = dict(self._kept.results)
        self.errors: dict[str, BaseException] = dict(self._kept.errors)
        self.live: dict[str, Unit] = {}
        """The units that haven't ended, by id."""
        self.emit = emit
        self.groups = Groups(self, options.on_error, self._kept.parts)
        self.turns = Turns(options, self._start, self.groups.draw)
        self.calls = Calls(self, topology)
        self.calling: Any = None
        """What those keep with it who make calls for the run's code; nothing to the engine."""
        self.cancelled = False
        self.closing = False
        """True once no branch may start any more; set before the cancel that follows at once."""
        self._topology = topology
        self._values = values
        self._options = options
        self._describe = describe
        self.joins = Joins(self, topology, values, self._kept)
        self.stopping = False
        """True once all that hasn't ended is being cancelled."""
        self.is_over = False
        """True once nothing is left to do, and nothing can be added."""
        self.loop = asyncio.get_running_loop()
        self.context = copy_context()
        """The run's: each task has a copy, for what one sets there is nothing to the next."""
        self._idle: asyncio.Future[None] = self.loop.create_future()

    # The life of the run

    def queue(self) -> None:
        """Make the units; from here on they can be cancelled."""
        for name in self._topology.order:
            if name in self._kept.settled:
                continue
            node = self._topology.nodes[name]
            limits = self.turns.limits_of(node)
            self.add(Group(name, node, limits) if node.fan_out else Task(name, node, limits))
        for name in self._kept.lost:
            self._lost(name, None)

    async def run(self) -> None:
        """Run every queued unit; return when each is settled.

        Raises:
            asyncio.CancelledError: the caller was cancelled; by then, so is every unit.
        """
        self.joins.begin()
        self.turns.take()
        try:
            await self._until_idle()
        finally:
            self.turns.close()
            for feeder in await self.groups.until_fed():
                _keep_until_done(feeder)
            self.errors.update(self.calls.errors)

    async def _until_idle(self) -> None:
        self._end_if_idle()
        try:
            await asyncio.wait([self._idle])
        except asyncio.CancelledError:
            self.cancel()
            try:
                await asyncio.wait([self._idle])
            finally:  # asked twice: wait for nobody
                self._abandon(list(self.live.values()))
            raise

    def cancel(self) -> None:
        """Cancel every unit that hasn't ended; what has, keeps its result."""
        self.cancelled = True
        self._cancel_all()

    def cancel_unit(self, id: str) -> None:  # noqa: A002 - its name
        """Cancel one unit, or all calls of a node; what depends on it is skipped."""
        if id in self.calls.by_node:
            self.cancel_units(self.calls.live(id))
        elif id in self.live:
            self.cancel_units([self.live[id]])

    def _cancel_all(self) -> None:
        self.stopping = True
        self.cancel_units(list(self.live.values()))

    def cancel_units(self, units: Iterable[Unit], *, unneeded: bool = False) -> None:
        """Settle what waits, ask what runs to stop, and settle that too if it doesn't.

        Args:
            units: Those that have ended are passed over.
            unneeded: They are cancelled because nobody needs their results any more.
        """
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
            self.settle(unit, State.CANCELLED)
        if running:
            self.turns.later(attempting.GRACE_SECONDS, self._abandon, running)

    def _abandon(self, units: Iterable[Unit]) -> None:
        """Settle the cancelled tasks that didn't stop in time; what they still do is dropped."""
        for unit in units:
            if isinstance(unit, Task) and unit.state is State.RUNNING and unit.cancelled:
                _log.warning(
                    "branch %r did not stop within %s s", unit.id, attempting.GRACE_SECONDS
                )
                _keep_until_done(unit.asyncio_task)
                self.settle(unit, State.CANCELLED)

    # One task

    def _start(self, task: Task) -> None:
        task.state = State.RUNNING
        self.emit(Kind.STARTED, task, _FIRST)
        if task.node.mode is Mode.THREAD and isinstance(task, Call) and self._is_one_call(task):
            if self.closing:
                self.settle(task, State.CANCELLED)
            else:
                call_once(task, self, task.context or self.context.copy(), self._called)
        else:
            self._start_coroutine(task)

    def _start_coroutine(self, task: Task) -> None:
        context = task.context if isinstance(task, Call) else None
        task.asyncio_task = self.loop.create_task(
            self._execute(task), name=task.id, context=context or self.context.copy()
        )

    def _is_one_call(self, task: Call) -> bool:
        """Whether nothing is to be done but to call its function in a thread, once.

        Then it needs no coroutine, which costs more than many a quick call. As none has begun, a
        cancel settles such a task at once.
        """
        own, all_ = task.node.policy, self._options
        return not (own.timeout or own.retry or all_.timeout or all_.retry or self._describe)

    def _called(self, task: Call, result: Any, error: BaseException | None) -> None:
        """A thread has called the function of a task that has no coroutine."""
        if task.state.is_final:
            return
        if error is not None:
            self._raised(task, error)
        elif is_unfinished(result):
            task.called = lambda: result
            self._start_coroutine(task)
        else:
            data = _NOTHING if result is None else {"text": text_of(result)}
            self.settle(task, State.DONE, data, result=result)

    def _raised(self, task: Task, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            if isinstance(task, Call) and not self._is_to_stop(task):
                self.settle(task, State.FAILED, error=NodeCancelledError(task.node.name))
            else:
                self.settle(task, State.CANCELLED)
        elif isinstance(error, KeyboardInterrupt):  # fell into the branch, was meant for the run
            self.settle(task, State.CANCELLED)
            self.cancel()
        else:
            begin_in_own_code(error)
            self.settle(task, State.FAILED, error=error)

    def _is_to_stop(self, call: Call) -> bool:
        """Whether somebody has asked a call to stop, or has cancelled one it may wait for."""
        own = call.asyncio_task
        if call.cancelled or (own is not None and own.cancelling() > 0):
            return True
        calls = (one for calls in self.calls.by_node.values() for one in calls)
        return any(one.state is State.CANCELLED and not one.unneeded for one in calls)

    async def _execute(self, task: Task) -> None:
        """Run one task to its end. Never raises: how it ended is told by settling it."""
        task.began = True
        if self.closing:
            self.settle(task, State.CANCELLED)
            return
        try:
            inputs = _NOTHING if isinstance(task, Call) else self.joins.inputs_of(task)
            result, streamed = await attempts(task, inputs, self._options, self)
            data: Mapping[str, Any] = _NOTHING
            if not streamed and result is not None:
                data = {"text": text_of(result)}
            if self._describe is not None and task.node.kind == "python":
                data = {**data, **await call_in_thread(self._describe, result)}
        except BaseException as error:  # noqa: BLE001 - it is reported with the run
            self._raised(task, error)
        else:
            if task.cancelled:  # it swallowed its cancellation, and nobody wants its result
                self.settle(task, State.CANCELLED)
            else:
                self.settle(task, State.DONE, data, result=result)

    def begin(self, unit: Unit, data: Mapping[str, Any]) -> None:
        """A unit's turn has come."""
        unit.state = State.RUNNING
        self.emit(Kind.STARTED, unit, data)

    def reuse(self, unit: Unit, result: Any) -> None:
        """Settle a unit with an earlier run's result."""
        if isinstance(unit, Task):
            self.turns.begin(unit)
        self.begin(unit, {**_FIRST, "size": None})
        data = {"text": text_of(result), "reused": True}
        self.settle(unit, State.DONE, data, result=result)

    # Ends

    def add(self, unit: Unit) -> None:
        """Make a unit known; from here on it can be cancelled."""
        self.live[unit.id] = unit
        data = _NOTHING if unit.of is None else {"of": unit.of.id}
        if isinstance(unit, Call):
            data = unit.origin if unit.index or unit.caller is not None else _NOTHING
        elif isinstance(unit, Group):
            known = {**self._values, **(unit.share.inputs if unit.share else {})}
            data = {**data, **description(unit, known)}
        self.emit(Kind.QUEUED, unit, data)

    def settle(
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
        before, unit.state = unit.state, state
        del self.live[unit.id]
        if isinstance(unit, Task):
            self._end_task(unit, before)
        elif isinstance(unit, Group) and before is State.RUNNING:
            data = {**data, **self.groups.end(unit, result)}
        if error is not None:
            self.emit(Kind.FAILED, unit, {**data, **error_data(error)})
        elif state is State.DONE:
            if isinstance(unit, Task) and unit.reused:
                data = {**data, "reused": True}
            if unit.of is not None and (told := unit.of.fold.told(unit.index, unit.worth)):
                data = {**data, **told}
            self.emit(Kind.DONE, unit, data)
        else:
            self.emit(Kind.CANCELLED, unit, _UNNEEDED if unit.unneeded else data)
        if isinstance(unit, Group):
            members = list(unit.members.values())
            self.cancel_units(members, unneeded=state is State.DONE or unit.fold.decided)
        if isinstance(unit, Call):
            self.calls.ended(unit, result, error)
        elif unit.of is not None:
            self.groups.member_ended(unit.of, unit, result, error)
        elif state is State.DONE:
            self.joins.done(unit.node.name, result)
        else:
            self._lost(unit.node.name, error)
        self.turns.take()
        self._end_if_idle()

    def _end_task(self, task: Task, before: State) -> None:
        if isinstance(task, Call) and task.caller is not None:
            self.turns.hand_back(task.caller)
            if task.caller.attempt is not None:
                task.caller.attempt.progress()
        if before is State.RUNNING:
            task.asyncio_task = task.attempt = None
            if task.limits and not task.calls:
                self.turns.end(task)
        if task.calls and task.state is not State.DONE:
            self.cancel_units(self.calls.made_by(task), unneeded=True)

    def call_failed(self, call: Call, error: BaseException) -> None:
        """A call has failed, and nobody but the run is there to be told."""
        call.handled = True
        self.errors[call.id] = error
        if self._options.on_error is OnError.STOP and not self.stopping:
            self._cancel_all()

    def _end_if_idle(self) -> None:
        if not self.live and not self.is_over:
            self.is_over = True
            self._idle.set_result(None)

    def skip(self, unit: Unit, because: list[str]) -> None:
        """Give a unit that waits the final state of one that can't get what it needs."""
        if isinstance(unit, Call) and unit.caller is not None:
            self.turns.hand_back(unit.caller)
        unit.state = State.SKIPPED
        del self.live[unit.id]
        self.emit(Kind.SKIPPED, unit, {"because": because})

    def _lost(self, name: str, error: BaseException | None) -> None:
        """A node has no result: skip those that can no longer get what they need, or stop all."""
        if error is not None:
            self.errors[name] = error
        if self.stopping:
            return
        self.joins.lose(name)
        if error is not None and self._options.on_error is OnError.STOP:
            self._cancel_all()
