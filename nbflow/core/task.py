"""What the scheduler starts and settles: tasks, calls, and groups of tasks.

A task is one execution of one node; a call is a task that code asked for while the run went on; a
group is the many tasks of one node. Plain state: what they do is in `attempt`, and when in
`scheduler`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from nbflow.core.fanout import Fold, Share
from nbflow.core.limits import Limit
from nbflow.core.states import State
from nbflow.core.topology import Node


class Cancellable(Protocol):
    """What can be told that nobody wants it any more."""

    def cancel(self) -> None:
        """Tell it."""
        ...


class Unit:
    """What the scheduler starts and settles: a task, or a group of tasks of one node.

    Args:
        id: Unique within the run.
        node: Whose it is.
        limits: What it needs room in to run.
        of: The group it is in.
        index: Its number in that group.
        share: What the group gave it.
    """

    __slots__ = ("id", "index", "limits", "node", "of", "share", "state", "unneeded", "worth")

    def __init__(  # noqa: PLR0917 - a place in a tree, given in one line
        self,
        id: str,  # noqa: A002 - its name
        node: Node,
        limits: tuple[Limit[Unit], ...] = (),
        of: Group | None = None,
        index: int = 0,
        share: Share | None = None,
    ) -> None:
        self.id = id
        self.node = node
        self.limits = limits
        self.of = of
        self.index = index
        self.share = share
        self.worth: Any = None
        """What its group wants to know of its result."""
        self.state = State.QUEUED
        self.unneeded = False
        """True if it was cancelled because nobody needs its result any more."""


class Task(Unit):
    """One execution of one node.

    Args:
        id: Unique within the run.
        node: What it executes.
        limits: What it needs room in to run.
        of: The group it is in.
        index: Its number in that group.
        share: What the group gave it.
    """

    __slots__ = ("asyncio_task", "attempt", "began", "calls", "cancelled", "has_token", "reused")

    def __init__(  # noqa: PLR0917 - a place in a tree, given in one line
        self,
        id: str,  # noqa: A002 - its name
        node: Node,
        limits: tuple[Limit[Unit], ...] = (),
        of: Group | None = None,
        index: int = 0,
        share: Share | None = None,
    ) -> None:
        super().__init__(id, node, limits, of, index, share)
        self.began = False
        """True once its coroutine has taken its first step."""
        self.cancelled = False
        self.has_token = False
        """True once its turn in the rate limit has come."""
        self.calls = 0
        """How many of the calls that it has made haven't ended; meanwhile it needs no room."""
        self.reused = False
        """True if what it does is to give an earlier result once more; its own code may say so."""
        self.asyncio_task: asyncio.Task[None] | None = None
        self.attempt: Cancellable | None = None

    @property
    def function(self) -> Callable[..., Any]:
        """What it calls."""
        own = None if self.share is None else self.share.function
        return self.node.function if own is None else own

    @property
    def resource(self) -> str:
        """What its attempts use."""
        own = None if self.share is None else self.share.resource
        return self.node.resource if own is None else own

    def cancel(self) -> None:
        """Ask the running code to stop, wherever it runs."""
        self.cancelled = True
        if self.asyncio_task is not None:
            self.asyncio_task.cancel()
        if self.attempt is not None:
            self.attempt.cancel()


class Call(Task):
    """A task that code of the run asked for, while it went on.

    Args:
        id: Unique within the run.
        node: What it executes.
        limits: What it needs room in to run.
        index: Its number among the calls of that node.
        function: What is called, without arguments.
        caller: The task whose code asked for it; None if that is no task.
        then: Told of its end, on the run's event loop.
    """

    __slots__ = ("caller", "dependents", "error", "handled", "needs", "result", "then")

    def __init__(  # noqa: PLR0917 - a place in a run, given in one line
        self,
        id: str,  # noqa: A002 - its name
        node: Node,
        limits: tuple[Limit[Unit], ...],
        index: int,
        function: Callable[[], Any],
        caller: Task | None,
        then: Callable[[Call], None],
    ) -> None:
        super().__init__(id, node, limits, None, index, Share("", {}, function))
        self.caller = caller
        self.then = then
        self.needs = 0
        """How many other calls it waits for."""
        self.dependents: list[Call] = []
        """The calls that wait for it."""
        self.result: Any = None
        self.error: BaseException | None = None
        """Why it has no result."""
        self.handled = False
        """True once somebody has been told of its error."""


class Group(Unit):
    """Many tasks of one node, and what their results come to.

    Args:
        id: Unique within the run.
        node: Whose it is.
        limits: What its tasks need room in to run.
        of: The group it is in.
        index: Its number in that group.
        level: Which of the node's ways to fan out this one is, from 0, the outermost.
        share: What the group it is in gave it.
    """

    __slots__ = (
        "drawn",
        "exhausted",
        "fan_out",
        "feeder",
        "fold",
        "level",
        "members",
        "next",
        "resume",
        "shares",
    )

    def __init__(  # noqa: PLR0917 - a place in a tree, given in one line
        self,
        id: str,  # noqa: A002 - its name
        node: Node,
        limits: tuple[Limit[Unit], ...] = (),
        of: Group | None = None,
        index: int = 0,
        share: Share | None = None,
        level: int = 0,
    ) -> None:
        super().__init__(id, node, limits, of, index, share)
        self.level = level
        self.fan_out = node.fan_out[level]
        self.fold: Fold = self.fan_out.fold()
        self.members: dict[str, Unit] = {}
        """Those that haven't ended."""
        self.drawn = 0
        """How many members there have been."""
        self.exhausted = False
        """True once it has no more shares to give."""
        self.shares: Iterator[Share] | None = None
        self.next: Share | None = None
        """A share that was waited for and has come."""
        self.resume: asyncio.Future[None] | None = None
        """Tells the feeder that there is room for one more."""
        self.feeder: asyncio.Task[None] | None = None
        """Draws the shares that have to be waited for."""

    @property
    def is_complete(self) -> bool:
        """True once no result that is still to come can change what they come to."""
        return self.fold.decided or (self.exhausted and not self.members)
