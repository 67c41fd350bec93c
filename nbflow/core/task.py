"""What the scheduler starts and settles: tasks, calls, and groups of tasks.

A task is one execution of one node; a call is a task that code asked for while the run went on; a
group is the many tasks of one node. Plain state: what they do is in `attempt`, and when in
`scheduler`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Protocol

from nbflow.core.fanout import FanOut, Fold, Share
from nbflow.core.limits import Limit
from nbflow.core.states import State
from nbflow.core.topology import Node


class RunningCode(Protocol):
    """What a task has to do with its running code."""

    def cancel(self) -> None:
        """Tell it that nobody wants it any more."""
        ...

    def progress(self, *, heartbeat: bool = False) -> None:
        """It gets on: something that it has called does."""
        ...


@dataclass(slots=True, eq=False)
class Unit:
    """What the scheduler starts and settles: a task, or a group of tasks of one node.

    Args:
        id: Unique within the run.
        node: Whose it is.
        limits: What it needs room in to run.
        of: The group it is in.
        index: Its number in that group, or among the calls of its node.
        share: What the group gave it.
    """

    id: str
    node: Node
    limits: tuple[Limit[Unit], ...] = ()
    of: Group | None = None
    index: int = 0
    share: Share | None = None
    state: State = field(default=State.QUEUED, init=False)
    worth: Any = field(default=None, init=False)
    """What its group wants to know of its result."""
    unneeded: bool = field(default=False, init=False)
    """True if it was cancelled because nobody needs its result any more."""


@dataclass(slots=True, eq=False)
class Task(Unit):
    """One execution of one node."""

    began: bool = field(default=False, init=False)
    """True once its coroutine has taken its first step."""
    cancelled: bool = field(default=False, init=False)
    has_token: bool = field(default=False, init=False)
    """True once its turn in the rate limit has come."""
    calls: int = field(default=0, init=False)
    """How many of the calls that it has made haven't ended; meanwhile it needs no room."""
    reused: bool = field(default=False, init=False)
    """True if what it does is to give an earlier result once more; its own code may say so."""
    asyncio_task: asyncio.Task[None] | None = field(default=None, init=False)
    attempt: RunningCode | None = field(default=None, init=False)

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


@dataclass(slots=True, eq=False)
class Call(Task):
    """A task that code of the run asked for, while it went on.

    Args:
        called: What is called, without arguments; the node's function if there is none.
        context: What it runs in, and nothing else does; None for a copy of the run's.
        caller: The task whose code asked for it; None if that is no task.
        then: Told of its end, on the run's event loop; None if nobody waits for it.
    """

    called: Callable[[], Any] | None = None
    caller: Task | None = None
    then: Callable[[Call], None] | None = None
    context: Context | None = None
    needs: int = field(default=0, init=False)
    """How many other calls it waits for."""
    dependents: list[Call] = field(default_factory=list, init=False)
    """The calls that wait for it."""
    result: Any = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)
    """Why it has no result."""
    handled: bool = field(default=False, init=False)
    """True once somebody has been told of its error."""

    @property
    def function(self) -> Callable[..., Any]:
        """What it calls."""
        return self.node.function if self.called is None else self.called

    @property
    def origin(self) -> Mapping[str, Any]:
        """What is said of it when it is queued: its number, and whose code made it."""
        data: dict[str, Any] = {}
        if self.index:
            data["call"] = self.index
        if self.caller is not None:
            data["caller"] = self.caller.id
        return data


@dataclass(slots=True, eq=False)
class Group(Unit):
    """Many tasks of one node, and what their results come to.

    Args:
        level: Which of the node's ways to fan out this one is, from 0, the outermost.
    """

    level: int = 0
    fan_out: FanOut = field(init=False)
    fold: Fold = field(init=False)
    members: dict[str, Unit] = field(default_factory=dict, init=False)
    """Those that haven't ended."""
    drawn: int = field(default=0, init=False)
    """How many members there have been."""
    exhausted: bool = field(default=False, init=False)
    """True once it has no more shares to give."""
    shares: Iterator[Share] | None = field(default=None, init=False)
    next: Share | None = field(default=None, init=False)
    """A share that was waited for and has come."""
    resume: asyncio.Future[None] | None = field(default=None, init=False)
    """Tells the feeder that there is room for one more."""
    feeder: asyncio.Task[None] | None = field(default=None, init=False)
    """Draws the shares that have to be waited for."""

    def __post_init__(self) -> None:
        self.fan_out = self.node.fan_out[self.level]
        self.fold = self.fan_out.fold()

    @property
    def is_complete(self) -> bool:
        """True once no result that is still to come can change what they come to."""
        return self.fold.decided or (self.exhausted and not self.members)
