"""A request: one call of a task, from the moment that code makes it to the end of what it came to.

It knows its arguments, the future that its caller has, who made it and what had been taken before;
it tells streams and caches of its end. How it gets into a run is the business of `desk`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from nbflow.core.attempt import Attempt
from nbflow.core.context import current_task
from nbflow.core.states import State
from nbflow.core.task import Call, Task
from nbflow.core.threads import post
from nbflow.core.topology import Mode, Node
from nbflow.writing.caching import Slot
from nbflow.writing.futures import LoopFuture, ThreadFuture
from nbflow.writing.session import Session

if TYPE_CHECKING:
    from nbflow.writing.desk import Desk

Names: TypeAlias = tuple[str, ...]
Future: TypeAlias = ThreadFuture[Any] | LoopFuture[Any]

NOBODY: frozenset[str] = frozenset()


class Kind(Protocol):
    """The task that is called."""

    name: str
    mode: Mode

    @property
    def origin(self) -> object:
        """What it is a method of, or itself."""
        ...

    def node(self, name: str, inputs: Names) -> Node:
        """How it is drawn and attempted."""
        ...

    def slot(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Slot | None:
        """Where a cache has the result for these arguments, if it may have one."""
        ...


class Request:
    """One call of a task.

    Args:
        kind: The task.
        function: What is called: the task's function with what it is given by name.
        args: Its arguments; futures among them stand for their results.
        kwargs: Likewise.
        session: The invocation that streams it, if there is one.
        attempt: Whose code makes it; None if no run is going on there.
        loop: Where it will run.
    """

    __slots__ = (
        "_args",
        "_attempt",
        "_context",
        "_function",
        "_futures",
        "_kwargs",
        "_lent",
        "_session",
        "_slot",
        "_taken_by",
        "above",
        "call",
        "desk",
        "front",
        "future",
        "kind",
        "known",
        "loop",
        "name",
    )

    def __init__(  # noqa: PLR0917 - what a call is made of
        self,
        kind: Kind,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        session: Session | None,
        attempt: Attempt | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.kind = kind
        self.name = kind.name
        self.loop = loop
        here = asyncio._get_running_loop()  # noqa: SLF001 - the quick way to ask
        self.future: Future = ThreadFuture(self) if here is None else LoopFuture(self, here)
        self.desk: Desk | None = None
        self.call: Call | None = None
        self.front: Names = ()
        """The nodes whose results its caller had taken."""
        self.above = NOBODY
        """All nodes that come before it."""
        self.known: tuple[Any] | None = None
        """Its result, in a tuple, if a cache had that."""
        self._function = function
        self._args = args
        self._kwargs = kwargs
        self._session = session if session is not None and session.modes else None
        self._attempt = attempt
        self._context = copy_context()
        """Its caller's, as it was when the call was made."""
        self._futures = _futures_in(args, kwargs)
        self._slot = None if self._futures else kind.slot(args, kwargs)
        self._lent: list[Task] | None = None
        self._taken_by: object = self

    # What its future tells; any thread may

    @property
    def is_outside(self) -> bool:
        """Whether no run was going on where it was made."""
        return self._attempt is None

    @property
    def caller(self) -> Task | None:
        """The task whose code made it."""
        return None if self._attempt is None else self._attempt.task

    def awaited(self) -> None:
        """Somebody begins to wait: if that is another task, it needs no room meanwhile."""
        waiting = current_task.get()
        if waiting is self._attempt or self._attempt is None or not isinstance(waiting, Attempt):
            return
        if waiting.scheduler is self._attempt.scheduler and waiting.task is not self.caller:
            self._on_loop(self._lend, waiting.task)

    def _lend(self, task: Task) -> None:
        if self.desk is not None and self.call is not None and not self.call.state.is_final:
            self._lent = [*(self._lent or ()), task]
            self.desk.scheduler.turns.lend(task)
            self.desk.scheduler.turns.take()

    def taken(self) -> None:
        """Somebody has been told what came of it."""
        attempt = current_task.get()
        if self._taken_by is attempt:
            return
        self._taken_by = attempt
        self._handle()
        desk = self.desk
        if desk is None or not isinstance(attempt, Attempt):
            return
        if attempt.scheduler is desk.scheduler:
            desk.caller_of(attempt).take(self)

    def _handle(self) -> None:
        """Its error is known now, also if it is the error of one that it needed."""
        call = self.call
        if call is None or call.handled:
            return
        call.handled = True
        if call.error is not None:
            for passed in self.passed():
                if passed.call is not None and passed.call.error is call.error:
                    passed._handle()  # noqa: SLF001 - one of its kind

    def unwanted(self) -> None:
        """Nobody wants it any more: cancel it."""
        self._on_loop(self._cancel)

    def _cancel(self) -> None:
        if self.desk is not None and self.call is not None:
            self.desk.scheduler.cancel_units([self.call], unneeded=True)

    def _on_loop(self, callback: Callable[..., object], *args: Any) -> None:
        if asyncio._get_running_loop() is self.loop:  # noqa: SLF001 - the quick way to ask
            callback(*args)
        else:
            post(self.loop, callback, *args)

    # What comes before it

    def passed(self) -> Sequence[Request]:
        """The calls of this run whose futures it was given."""
        if not self._futures:
            return ()
        asked = (future.asked for future in self._futures)
        return [one for one in asked if isinstance(one, Request) and one.desk is self.desk]

    def place(self) -> None:
        """Find out what comes before it, now that those are in the run."""
        passed = self.passed()
        if passed:
            before = NOBODY.union(*(one.above for one in passed))
            names = {one.name: None for one in passed}
            names.update((name, None) for name in self.front if name not in before)
            self.front = tuple(names)
            self.above = self.above.union(before, names)

    # Its life in the run; all on its loop

    def enter(self, node: Node) -> None:
        """Become a call of a run.

        Raises:
            RuntimeError: the run has ended.
        """
        assert self.desk is not None
        self.name = node.name
        if self._slot is not None:
            self.known = self._slot.known()
        if self._session is not None:
            self._tell_start(self._session)
        self.call = self.desk.scheduler.calls.spawn(
            node,
            self._callable(),
            caller=self.caller,
            after=[one.call for one in self.passed() if one.call is not None],
            then=self._ended,
            known=self.known,
            context=self._context,
        )

    def refuse(self, error: BaseException) -> None:
        """There is no run that could take it."""
        self.future.fail(error)

    def _ended(self, call: Call) -> None:
        assert self.desk is not None
        self.call = call  # it may end before `spawn` has returned
        self.desk.ended(call)
        for task in self._lent or ():
            self.desk.scheduler.turns.hand_back(task)
        if self._session is not None:
            self._tell_end(self._session, call)
        if call.state is State.DONE:
            if self._slot is not None and self.known is None:
                self._slot.keep(call.result)
            self.future.resolve(call.result)
        elif call.error is None or isinstance(call.error, asyncio.CancelledError):
            self.future.drop()
        else:
            self.future.fail(call.error)

    def _tell_start(self, session: Session) -> None:
        assert self.desk is not None
        if session.name_of(self.name) != self.kind.name:
            session.told[self.name] = self.kind.name
        session.put_start(
            self.desk.scheduler.calls.next_id(self.name),
            0,
            name=self.kind.name,
            input=(self._args, dict(self._kwargs)),
            triggers=("__pregel_push",),
            **session.told_of_config(),
        )

    def _tell_end(self, session: Session, call: Call) -> None:
        done = call.state is State.DONE
        if done:
            cached = {} if self.known is None else {"__metadata__": {"cached": True}}
            session.put("updates", {self.kind.name: call.result, **cached})
        if self.known is None and (done or call.state is State.FAILED):
            result = {"__return__": call.result} if done else {}
            session.put_end(call.id, 0, name=self.kind.name, error=call.error, result=result)

    # How its function is called

    def _callable(self) -> Callable[[], Any]:
        """What the run calls."""
        if not self._futures:
            return partial(self._function, *self._args, **self._kwargs)
        match self.kind.mode:
            case Mode.COROUTINE:
                return self._awaited
            case Mode.ASYNC_GENERATOR:
                return self._iterated
            case _:
                return self._called

    def _called(self) -> Any:
        for future in self._elsewhere():
            future.exception()
        args, kwargs = self._resolved()
        if (known := self._looked_up(args, kwargs)) is not None:
            return known[0]
        return self._function(*args, **kwargs)

    async def _awaited(self) -> Any:
        await self._until_there()
        args, kwargs = self._resolved()
        if (known := self._looked_up(args, kwargs)) is not None:
            return known[0]
        return await self._function(*args, **kwargs)

    async def _iterated(self) -> AsyncIterator[Any]:
        await self._until_there()
        args, kwargs = self._resolved()
        async for element in self._function(*args, **kwargs):
            yield element

    def _looked_up(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any] | None:
        """What a cache has, now that the arguments are there; chunks are streamed each time."""
        if self.kind.mode is not Mode.GENERATOR:
            self._slot = self.kind.slot(args, kwargs)
            self.known = None if self._slot is None else self._slot.known()
        return self.known

    def _elsewhere(self) -> list[Future]:
        """The futures of other runs; those of this one are done when it starts."""
        return [future for future in self._futures if not future.done()]

    async def _until_there(self) -> None:
        for future in self._elsewhere():
            waited = future.bridge() if isinstance(future, LoopFuture) else future
            await waited.ended()

    def _resolved(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args = tuple(_replaced(one) for one in self._args)
        return args, {name: _replaced(one) for name, one in self._kwargs.items()}


FUTURES = (ThreadFuture, LoopFuture)


def _futures_in(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Future, ...]:
    """The futures of tasks among arguments and in lists, tuples and dicts among them."""
    found: list[Future] = []
    for one in (*args, *kwargs.values()) if kwargs else args:
        kind = type(one)
        if kind in FUTURES:
            found.append(one)
        elif kind is list or kind is tuple:
            found.extend(inner for inner in one if type(inner) in FUTURES)
        elif kind is dict:
            found.extend(inner for inner in one.values() if type(inner) in FUTURES)
    return tuple(found)


def _replaced(one: Any) -> Any:
    """An argument with results in the place of futures."""
    kind = type(one)
    if kind in FUTURES:
        return one.result()
    if kind is list or kind is tuple:
        return kind(inner.result() if type(inner) in FUTURES else inner for inner in one)
    if kind is dict:
        return {k: v.result() if type(v) in FUTURES else v for k, v in one.items()}
    return one
