"""Calls: tasks that code asks for while the run goes on, and the results they wait for.

A call may need the results of other calls; it is ready when all are there, and skipped when one
won't come. While a task has calls that haven't ended it needs no room in the limits, so that tasks
may call tasks to any depth, whatever the limits. Knows no syntax: `spawn` is given a function.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any

from nbflow.core.events import Kind
from nbflow.core.limits import Limit
from nbflow.core.states import State
from nbflow.core.task import Call, Task, Unit
from nbflow.core.topology import Node, Topology

if TYPE_CHECKING:
    from nbflow.core.scheduler import Scheduler


class Calls:
    """The calls of one run.

    Args:
        scheduler: Runs them.
        topology: What else is run, and the nodes that are known before.
    """

    def __init__(self, scheduler: Scheduler, topology: Topology) -> None:
        self.by_node: dict[str, list[Call]] = {}
        """All of them, in the order in which they were made."""
        self._scheduler = scheduler
        self._topology = topology
        self._declared = dict(topology.declared)
        self._failed: list[Call] = []

    def spawn(
        self,
        node: Node,
        function: Callable[[], Any],
        *,
        caller: Task | None = None,
        after: Sequence[Call] = (),
        then: Callable[[Call], None] | None = None,
        limited: bool = True,
        known: tuple[Any] | None = None,
        context: Context | None = None,
    ) -> Call:
        """Add a call to the run; it starts once what it comes after is done.

        Args:
            node: What is executed, as it is to be drawn now.
            function: What is called, without arguments.
            caller: The task whose code asks for it.
            after: The calls whose results it needs.
            then: Told of its end, on the run's event loop; None if nobody waits for it.
            limited: Whether it needs room in the run's limits.
            known: Its result, if that is there already: it isn't called then.
            context: What it runs in, and nothing else does; None for a copy of the run's.

        Raises:
            RuntimeError: the run has ended.
            ValueError: a node of the topology has that name.
        """
        scheduler = self._scheduler
        if node.name in self._topology.nodes:
            raise ValueError(f"{node.name!r} is a node of this run already; call it otherwise.")
        if scheduler.is_over:
            raise RuntimeError(f"the run has ended: {node.name!r} can't be called in it any more.")
        limits = scheduler.turns.limits_of(node) if limited else ()
        call = self.add(node, limits, function, caller=caller, then=then)
        call.context = context
        if known is not None:
            scheduler.reuse(call, known[0])
        elif after:
            self._wait_for(call, after)
        else:
            scheduler.turns.queue(call)
        if scheduler.closing or scheduler.stopping or (caller is not None and caller.cancelled):
            scheduler.cancel_units([call], unneeded=caller is not None)
        scheduler.turns.take()
        return call

    def add(
        self,
        node: Node,
        limits: tuple[Limit[Unit], ...] = (),
        called: Callable[[], Any] | None = None,
        *,
        caller: Task | None = None,
        then: Callable[[Call], None] | None = None,
    ) -> Call:
        """Make a call known, with the next number of its node; nothing leads to its start."""
        if self._declared.get(node.name) is not node:
            self.declare(node)
        id_ = self.next_id(node.name)
        earlier = self.by_node.setdefault(node.name, [])
        call = Call(id_, node, limits, None, len(earlier), None, called, caller, then)
        earlier.append(call)
        if caller is not None:
            self._scheduler.turns.lend(caller)
        self._scheduler.add(call)
        return call

    def next_id(self, name: str) -> str:
        """The id that the next call of a node will have."""
        earlier = self.by_node.get(name)
        return f"{name}[{len(earlier)}]" if earlier else name

    def never(self, node: Node) -> None:
        """Say of a node that it isn't called: it is skipped."""
        if node.name not in self.by_node:
            call = Call(node.name, node)
            self._scheduler.add(call)
            self._scheduler.skip(call, [])

    def declare(self, node: Node) -> None:
        """Say what is known of a node now."""
        self._declared[node.name] = node
        self._scheduler.emit(Kind.NODE, None, node.describe())

    def knows(self, name: str) -> bool:
        """Whether a node of the run has that name."""
        return name in self._declared or name in self._topology.nodes

    def _wait_for(self, call: Call, others: Sequence[Call]) -> None:
        for other in others:
            if not other.state.is_final:
                other.dependents.append(call)
                call.needs += 1
            elif other.state is not State.DONE:
                self._skip(call, other)
                return
        if not call.needs:
            self._scheduler.turns.queue(call)

    def ended(self, call: Call, result: Any, error: BaseException | None) -> None:
        """Keep what a call came to, and tell those who wait for it."""
        call.result, call.error = result, error
        if call.state is State.CANCELLED:
            call.error = asyncio.CancelledError(f"{call.id} was cancelled")
        elif error is not None:
            self._failed.append(call)
            if call.caller is None and not call.handled:
                self._scheduler.call_failed(call, error)
        for dependent in call.dependents:
            if call.state is State.DONE:
                self._need_one_less(dependent)
            else:
                self._skip(dependent, call)
        self._tell_end(call)

    def _need_one_less(self, call: Call) -> None:
        call.needs -= 1
        if not call.needs:
            self._scheduler.turns.queue(call)

    def _skip(self, call: Call, because: Call) -> None:
        """Skip a call that can't get what it needs, and those that need it."""
        lost = deque([(call, because)])
        while lost:
            call, because = lost.popleft()
            if call.state.is_final:
                continue
            call.error = because.error
            self._scheduler.skip(call, [because.node.name])
            lost.extend((dependent, call) for dependent in call.dependents)
            self._tell_end(call)

    def _tell_end(self, call: Call) -> None:
        then = call.then
        call.then = call.called = call.context = None  # what they hold on to isn't needed any more
        try:
            if then is not None:
                then(call)
        except Exception as error:  # noqa: BLE001 - the run ends nevertheless, and says so
            self._scheduler.errors[call.id] = error

    def made_by(self, task: Task) -> list[Call]:
        """The calls that a task's code has made."""
        return [call for calls in self.by_node.values() for call in calls if call.caller is task]

    def live(self, name: str) -> list[Call]:
        """The calls of a node that haven't ended."""
        return [call for call in self.by_node.get(name, ()) if not call.state.is_final]

    @property
    def results(self) -> dict[str, Any]:
        """What each node's call returned; of a node with several, the list of those that did."""
        done = {
            name: [call.result for call in calls if call.state is State.DONE]
            for name, calls in self.by_node.items()
        }
        return {
            name: results if len(self.by_node[name]) > 1 else results[0]
            for name, results in done.items()
            if results
        }

    @property
    def errors(self) -> Mapping[str, BaseException]:
        """What failed and nobody was told of, by task id."""
        return {
            call.id: call.error
            for call in self._failed
            if call.error is not None and not call.handled
        }
