"""The desk of a run: it takes the calls that the run's code makes, and puts them into the run.

Any thread may make a call; what touches the run happens on its event loop, for many calls at once.
Here it is also known what is drawn before what: whose results a caller had taken when it made a
call, and whose futures it passed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace

from nbflow.core.attempt import Attempt
from nbflow.core.scheduler import Scheduler
from nbflow.core.task import Call, Task
from nbflow.core.threads import Inbox, inbox_of
from nbflow.core.topology import Node
from nbflow.writing.request import NOBODY, Kind, Names, Request

_opening = threading.Lock()


class Caller:
    """An attempt whose code makes calls, and whose results it has taken so far."""

    __slots__ = ("_covered", "_taken", "above", "front")

    def __init__(self) -> None:
        self.front: Names = ()
        """The nodes whose results it has taken, without those that come before others of them."""
        self.above = NOBODY
        """These nodes and all that come before them."""
        self._taken: dict[str, frozenset[str]] = {}
        self._covered: set[Request] = set()
        """The calls that come before one whose result it has taken."""

    def take(self, request: Request) -> None:
        """It has been told what came of a call."""
        name, above, taken = request.name, request.above, self._taken
        if request in self._covered or taken.get(name) == above:
            return
        self._cover(request)
        if above.isdisjoint(taken) and any(name in before for before in taken.values()):
            return
        self._taken = {known: before for known, before in taken.items() if known not in above}
        self._taken[name] = above
        self.front = tuple(self._taken)
        self.above = self.above.union(above, (name,))

    def _cover(self, request: Request) -> None:
        covered = list(request.passed())
        while covered:
            one = covered.pop()
            if one not in self._covered:
                self._covered.add(one)
                covered.extend(one.passed())


class Desk:
    """Takes the calls of one run.

    Args:
        scheduler: Runs them.
    """

    __slots__ = ("_callers", "_inbox", "_inputs", "_names", "_nodes", "scheduler")

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self._inbox: Inbox | None = None
        self._names: dict[str, str] = {}
        """The names of tasks, and what their nodes are called."""
        self._inputs: dict[str, dict[str, None]] = {}
        """Of each node, the inputs that its calls have had."""
        self._nodes: dict[object, tuple[Node, Names]] = {}
        """Of each task, its node as it was last, and the inputs of the last call."""
        self._callers: dict[Task, Caller] = {}
        """The tasks that have made calls or taken results, and haven't ended."""

    @classmethod
    def of(cls, scheduler: Scheduler) -> Desk:
        """That of a run."""
        desk = scheduler.calling
        if not isinstance(desk, Desk):
            with _opening:
                desk = scheduler.calling = scheduler.calling or cls(scheduler)
        assert isinstance(desk, Desk)
        return desk

    def caller_of(self, attempt: Attempt) -> Caller:
        """The caller that an attempt of this run is."""
        caller = attempt.calling
        if caller is None:
            if attempt.task in self._callers:
                self._on_loop(attempt, self._abandon, attempt.task)
            caller = attempt.calling = self._callers[attempt.task] = Caller()
        assert isinstance(caller, Caller)
        return caller

    def _abandon(self, task: Task) -> None:
        """A task is attempted again: nobody wants what its last attempt had called."""
        calls = self.scheduler.calls.made_by(task)
        for call in calls:
            call.handled = True
        self.scheduler.cancel_units(calls, unneeded=True)

    def _on_loop(self, attempt: Attempt, callback: Callable[..., object], *args: object) -> None:
        """Call back on the run's loop: at once there, from elsewhere soon, in order.

        Raises:
            RuntimeError: the loop is closed.
        """
        inbox = self._inbox
        if inbox is None:
            inbox = self._inbox = inbox_of(attempt.loop)
        if asyncio._get_running_loop() is attempt.loop:  # noqa: SLF001 - the quick way to ask
            inbox.empty(attempt.loop)  # who asked before goes before
            callback(*args)
        else:
            inbox.post(attempt.loop, callback, *args)

    def take(self, request: Request, attempt: Attempt) -> None:
        """Put a call of an attempt's code into the run: at once on its loop, or else soon."""
        if attempt.closed or attempt.task.cancelled:  # it was given up, and its thread runs on
            request.future.drop()
            return
        try:
            attempt.progress()
            caller = self.caller_of(attempt)
            request.desk, request.front, request.above = self, caller.front, caller.above
            self._on_loop(attempt, self.enter, request)
        except RuntimeError as error:  # the loop is closed
            request.refuse(error)

    def enter(self, request: Request) -> None:
        """Make a request a call of the run; on its loop."""
        request.desk = self
        request.place()
        name = self._named(request.kind.name)
        try:
            request.enter(self._node(request.kind, name, request.front))
        except RuntimeError as error:  # the run has ended
            request.refuse(error)

    def _named(self, wanted: str) -> str:
        """What the node of a task is called: as the task is, unless another node is."""
        name = self._names.get(wanted)
        if name is None:
            name = wanted
            while self.scheduler.calls.knows(name):
                name += "()"
            self._names[wanted] = name
        return name

    def _node(self, kind: Kind, name: str, inputs: Names) -> Node:
        """The node of a task, with all inputs that its calls have had."""
        known, last = self._nodes.get(kind.origin, (None, ()))
        if known is not None and last is inputs:
            return known
        all_ = self._inputs.setdefault(name, {})
        all_.update((source, None) for source in inputs if source != name)
        node = known
        if node is None or len(all_) > len(node.inputs):
            node = kind.node(name, tuple(all_))
        self._nodes[kind.origin] = node, inputs
        return node

    def ended(self, call: Call) -> None:
        """A task has ended: what it has taken leads to what it returns."""
        caller = self._callers.pop(call, None)
        if caller is None or not caller.front:
            return
        name = call.node.name
        all_ = self._inputs.setdefault(name, dict.fromkeys(call.node.inputs))
        before = len(all_)
        all_.update((source, None) for source in caller.front if source != name)
        if len(all_) > before:
            inputs = tuple(all_)
            for origin, (node, last) in self._nodes.items():
                if node.name == name:
                    self._nodes[origin] = replace(node, inputs=inputs), last
            self.scheduler.calls.declare(replace(call.node, inputs=inputs))
