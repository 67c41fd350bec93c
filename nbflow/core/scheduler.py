"""The scheduler: a node starts the moment its inputs are there, and nothing outlives the run.

One object owns which tasks wait, run and have ended. It runs on one event loop and touches its
state only there, so it needs no locks. The idea, in four steps:

1. Every node counts the results it still waits for. At zero it is ready.
2. Ready tasks start in order, at most `jobs` at once. Each is an asyncio task of its own.
3. A task that ends is *settled*, exactly once: its result is kept and its successors count down;
   or, without a result, everything that depends on it is skipped.
4. When no task is left unsettled the run is over. A cancel settles what waits at once, asks what
   runs to stop, and settles by itself whatever hasn't stopped after a grace period.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from nbflow.core import task as tasks
from nbflow.core.context import current_task
from nbflow.core.events import Kind
from nbflow.core.policies import OnError, RunOptions, backoff_seconds
from nbflow.core.states import State
from nbflow.core.task import Attempt, Emitter, Task, error_data, text_of
from nbflow.core.threads import call_in_thread
from nbflow.core.topology import Node, Topology

Describe = Callable[[Any], Mapping[str, Any]]

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_FIRST: Mapping[str, Any] = MappingProxyType({"attempt": 1})

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
        emit: Records a fact about a task.
        describe: Called in a thread with what a Python node returned; what it gives is added to
            the data of the `done` event.
    """

    def __init__(
        self,
        topology: Topology,
        values: Mapping[str, Any],
        options: RunOptions,
        emit: Emitter,
        describe: Describe | None = None,
    ) -> None:
        self.results: dict[str, Any] = {}
        self.errors: dict[str, BaseException] = {}
        self.cancelled = False
        self.closing = False
        """True once no branch may start any more; set before the cancel that follows at once."""
        self._topology = topology
        self._values = values
        self._options = options
        self._emit = emit
        self._describe = describe
        self._tasks: dict[str, Task] = {}
        self._missing = {name: len(topology.predecessors[name]) for name in topology.order}
        self._ready: deque[Task] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self._running = 0
        self._unsettled = len(topology.order)
        self._idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def queue(self) -> None:
        """Make the tasks; from here on they can be cancelled."""
        for name in self._topology.order:
            self._tasks[name] = Task(name, self._topology.nodes[name])
            self._emit(Kind.QUEUED, self._tasks[name], _NOTHING)

    async def run(self) -> None:
        """Run every queued task; return when each is settled.

        Raises:
            asyncio.CancelledError: the caller was cancelled; by then, so is every task.
        """
        for name, missing in self._missing.items():
            if not missing:
                self._ready.append(self._tasks[name])
        self._start_ready()
        try:
            await self._until_idle()
        finally:
            for timer in self._timers:
                timer.cancel()

    async def _until_idle(self) -> None:
        if not self._unsettled:
            return
        try:
            await asyncio.wait([self._idle])
        except asyncio.CancelledError:
            self.cancel()
            try:
                await asyncio.wait([self._idle])
            finally:  # asked twice: wait for nobody
                self._abandon()
            raise

    def cancel(self) -> None:
        """Cancel every task that hasn't ended; what has, keeps its result."""
        self.cancelled = True
        self._cancel_where(lambda _task: True)

    def cancel_node(self, name: str) -> None:
        """Cancel one node's task; what depends on it is skipped.

        Raises:
            KeyError: there is no such node.
        """
        wanted = self._tasks[name]
        self._cancel_where(lambda task: task is wanted)

    def _cancel_where(self, is_meant: Callable[[Task], bool]) -> None:
        meant = [task for task in self._tasks.values() if is_meant(task)]
        for task in meant:
            if task.state is State.QUEUED:
                self._settle(task, State.CANCELLED)
        running = [task for task in meant if task.state is State.RUNNING]
        for task in running:
            task.cancel()
            if not task.began:  # asyncio drops a coroutine that is cancelled before its first step
                self._settle(task, State.CANCELLED)
        if running:
            timer = asyncio.get_running_loop().call_later(tasks.GRACE_SECONDS, self._abandon)
            self._timers.append(timer)

    def _abandon(self) -> None:
        """Settle the cancelled tasks that didn't stop in time; what they still do is dropped."""
        for task in self._tasks.values():
            if task.state is State.RUNNING and task.cancelled:
                _log.warning("branch %r did not stop within %s s", task.id, tasks.GRACE_SECONDS)
                _keep_until_done(task.asyncio_task)
                self._settle(task, State.CANCELLED)

    def _start_ready(self) -> None:
        most = self._options.jobs or len(self._tasks)
        while self._ready and self._running < most:
            task = self._ready.popleft()
            if task.state is State.QUEUED:
                self._running += 1
                task.state = State.RUNNING
                self._emit(Kind.STARTED, task, _FIRST)
                task.asyncio_task = asyncio.create_task(self._execute(task), name=task.id)

    async def _execute(self, task: Task) -> None:
        """Run one task to its end. Never raises: how it ended is told by settling it."""
        task.began = True
        if self.closing:
            self._settle(task, State.CANCELLED)
            return
        try:
            result, streamed = await self._attempts(task)
            data: Mapping[str, Any] = _NOTHING if streamed else {"text": text_of(result)}
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

    async def _attempts(self, task: Task) -> tuple[Any, bool]:
        """Call the node's function, again after a failure if its policy says so."""
        policy = task.node.policy.or_else(self._options.policy)
        inputs = self._inputs_of(task.node)
        number = 1
        while True:
            attempt = task.attempt = Attempt(task, self._emit)
            current_task.set(attempt)
            try:
                if policy.timeout is None:
                    return await attempt.call(inputs)
                return await attempt.call_within(inputs, policy.timeout)
            except Exception as error:
                if task.cancelled or number > (policy.retries or 0):
                    raise
                number += 1
                delay = backoff_seconds(number - 1)
                data = {"attempt": number, "delay": delay, **error_data(error)}
            self._emit(Kind.RETRYING, task, data)
            await asyncio.sleep(delay)

    def _inputs_of(self, node: Node) -> dict[str, Any]:
        return {
            name: self.results[name] if name in self.results else self._values[name]
            for name in node.inputs
        }

    def _settle(
        self,
        task: Task,
        state: State,
        data: Mapping[str, Any] | None = None,
        *,
        result: Any = None,
        error: BaseException | None = None,
    ) -> None:
        """Give a task its final state, once; start or skip what waited for it."""
        if task.state.is_final:
            return
        if task.state is State.RUNNING:
            self._running -= 1
            task.asyncio_task = task.attempt = None
        task.state = state
        self._unsettled -= 1
        if state is State.DONE:
            self.results[task.node.name] = result
            self._emit(Kind.DONE, task, data or _NOTHING)
            self._count_down(task)
        elif state is State.FAILED:
            assert error is not None
            self.errors[task.node.name] = error
            self._emit(Kind.FAILED, task, error_data(error))
        else:
            self._emit(Kind.CANCELLED, task, _NOTHING)
        if state is not State.DONE and not self.cancelled:
            self._skip_what_needs(task)
        if state is State.FAILED and self._options.on_error is OnError.STOP:
            self._cancel_where(lambda _other: True)
        self._start_ready()
        if not self._unsettled and not self._idle.done():
            self._idle.set_result(None)

    def _count_down(self, task: Task) -> None:
        for name in self._topology.successors[task.node.name]:
            self._missing[name] -= 1
            if not self._missing[name]:
                self._ready.append(self._tasks[name])

    def _skip_what_needs(self, task: Task) -> None:
        lost = {task.node.name}
        for name in self._topology.descendants(task.node.name):
            dependent = self._tasks[name]
            if dependent.state is State.QUEUED:
                because = [node for node in self._topology.predecessors[name] if node in lost]
                dependent.state = State.SKIPPED
                self._unsettled -= 1
                self._emit(Kind.SKIPPED, dependent, {"because": because})
                lost.add(name)
