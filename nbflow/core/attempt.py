"""Attempts at a task: calling its function, however it is written, for as long as it may take.

Knows the ways a Python function can be written (coroutine, generator, plain), timeouts, retries and
cancellation; knows nothing of the other tasks.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
)
from contextlib import suppress
from contextvars import Context
from itertools import takewhile
from math import isinf
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any, Protocol

from nbflow.core.context import current_task
from nbflow.core.events import Kind
from nbflow.core.policies import Retry, RunOptions, Timeout
from nbflow.core.states import State
from nbflow.core.task import Call, Task, Unit
from nbflow.core.threads import call_in_thread, inbox_of, iterate_in_thread, start_in_thread
from nbflow.core.topology import Mode
from nbflow.core.values import error_data, text_of

if TYPE_CHECKING:
    from nbflow.core.scheduler import Scheduler

GRACE_SECONDS = 0.5
"""How long cancelled code may take to clean up before the run goes on without it."""

TURN_SECONDS = 0.02
"""How long a generator may go on yielding before everybody else on the loop has a turn."""

MANY_INPUTS = 500
"""From so many inputs on, a function gets them by position."""


class Emitter(Protocol):
    """Records a fact about a task, a group or, if it is None, the run, on the run's event loop."""

    def __call__(self, kind: Kind, unit: Unit | None, data: Mapping[str, Any]) -> None:
        """Record it."""
        ...


def attempts(
    task: Task, inputs: Mapping[str, Any], options: RunOptions, scheduler: Scheduler
) -> Awaitable[tuple[Any, bool]]:
    """Call a task's function, again after a failure if its policy says so; in the task's context.

    Returns:
        What it returned, and whether that was streamed.
    """
    timeout = task.node.policy.timeout or options.timeout
    retry = task.node.policy.retry or options.retry
    first = Attempt(task, scheduler, 1, time.time())
    if timeout is None and retry is None:
        first.begin()
        return first.call(inputs)
    return _attempts(first, inputs, timeout, retry)


async def _attempts(
    attempt: Attempt, inputs: Mapping[str, Any], limit: Timeout | None, retry: Retry | None
) -> tuple[Any, bool]:
    task, scheduler = attempt.task, attempt.scheduler
    while True:
        attempt.begin()
        try:
            if limit is None:
                return await attempt.call(inputs)
            return await attempt.call_within(inputs, limit)
        except Exception as error:
            failed = attempt.number
            if task.cancelled or retry is None or not retry.wants_another(failed, error):
                raise
            delay = max(retry.delay_seconds(failed, error), scheduler.turns.reserve(task))
            data = {"attempt": failed + 1, "delay": delay, **error_data(error)}
        scheduler.emit(Kind.RETRYING, task, data)
        await asyncio.sleep(delay)
        attempt = Attempt(task, scheduler, failed + 1, attempt.first_time)


_GENERATORS = (AsyncGeneratorType, GeneratorType)


def is_unfinished(returned: Any) -> bool:
    """Whether what a plain function has returned still has to be awaited or iterated."""
    kind = type(returned)  # three abstract base classes would be ten times as slow
    try:
        return hasattr(kind, "__await__") or isinstance(returned, _GENERATORS)
    except Exception:  # noqa: BLE001 - anything may be returned, also what can't be looked at
        return False


def call_once(
    task: Call,
    scheduler: Scheduler,
    context: Context,
    tell: Callable[[Call, Any, BaseException | None], None],
) -> None:
    """Call a task's function, which takes nothing, in a thread, without a coroutine around it.

    Args:
        task: What is attempted, for the first and only time.
        scheduler: Whose task it is.
        context: What it runs in.
        tell: Called on the event loop with what the function returned or raised.
    """
    attempt = Attempt(task, scheduler, 1, time.time())
    context.run(attempt.begin)
    function, loop = task.function, attempt.loop
    inbox = inbox_of(loop)

    def call() -> None:
        error: BaseException | None = None
        result = None
        try:
            result = context.run(function)
        except BaseException as raised:  # noqa: BLE001 - it is reported with the run
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits for it any more
            inbox.post(loop, tell, task, result, error)

    start_in_thread(call)


class Attempt:
    """One attempt at a task: the `TaskContext` of the code that it runs.

    Args:
        task: What is attempted.
        scheduler: Whose task it is.
        number: Which one, from 1.
        first_time: When the first one began, in seconds since 1970.
    """

    __slots__ = (
        "__weakref__",
        "_heard",
        "_hears_all",
        "_on_cancel",
        "calling",
        "cancelled",
        "closed",
        "first_time",
        "is_limited",
        "loop",
        "number",
        "scheduler",
        "task",
    )

    def __init__(
        self, task: Task, scheduler: Scheduler, number: int = 1, first_time: float = 0.0
    ) -> None:
        self.task = task
        self.number = number
        self.first_time = first_time
        self.scheduler = scheduler
        self.loop = scheduler.loop  # asking for the running one is a system call
        self.cancelled = False
        self.closed = False
        """True once nobody wants to hear of it: it was given up, and another may be running."""
        self.is_limited = False
        """Whether it is given up when it takes too long."""
        self.calling: Any = None
        """What those keep with it who make calls for its code; nothing to the engine."""
        self._on_cancel: tuple[Callable[[], object], ...] = ()
        self._hears_all = True
        self._heard = 0.0
        """When it gave the last sign of progress, on the loop's clock."""

    def begin(self) -> None:
        """From here on the code of this context runs in it."""
        self.task.attempt = self
        current_task.set(self)

    @property
    def node(self) -> str:
        """The node's name."""
        return self.task.node.name

    @property
    def sample(self) -> int:
        """The task's number among the tasks of its node, from 0."""
        return self.task.index

    def emit(self, kind: Kind, data: dict[str, Any]) -> None:
        """Record a fact about the task, from any thread; too late is silently too late."""
        self.progress()
        if asyncio._get_running_loop() is self.loop:  # noqa: SLF001 - the quick way to ask
            self._emit_if_wanted(kind, data)
        elif not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._emit_if_wanted, kind, data)

    def progress(self, *, heartbeat: bool = False) -> None:
        """The code gives a sign that it gets on, and so do those whose call it is; any thread may.

        Args:
            heartbeat: Whether that is all it wants to say.
        """
        if self._hears_all or heartbeat:
            self._heard = self.loop.time()
        caller = self.task.caller if isinstance(self.task, Call) else None
        above = None if caller is None else caller.attempt
        if above is not None:
            above.progress(heartbeat=heartbeat)

    def _emit_if_wanted(self, kind: Kind, data: dict[str, Any]) -> None:
        if self.task.state is State.RUNNING and not self.closed:
            self.scheduler.emit(kind, self.task, data)

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have `callback` called once this is cancelled; returns the way to take it back."""
        self._on_cancel += (callback,)
        if self.cancelled:
            self.loop.call_soon_threadsafe(callback)

        def forget() -> None:
            self._on_cancel = tuple(kept for kept in self._on_cancel if kept is not callback)

        return forget

    def cancel(self) -> None:
        """Tell whoever asked to be told."""
        self.cancelled = True
        for callback in self._on_cancel:
            callback()

    async def call_within(self, inputs: Mapping[str, Any], limit: Timeout) -> tuple[Any, bool]:
        """Call the node's function once, and give it up when it takes too long.

        Given up, it is cancelled; if it doesn't stop in `GRACE_SECONDS` it is left to itself and
        nothing that it still does is heard of. A thread can't be stopped: it always runs on.

        Raises:
            TimeoutError: it took longer than that, unless the timeout raises something else.
        """
        self.is_limited = True
        call = asyncio.ensure_future(self.call(inputs))
        call.add_done_callback(_take_exception)
        begun = self._heard = self.loop.time()
        self._hears_all = limit.hears_all
        try:
            while (seconds := limit.due(begun, self._heard) - self.loop.time()) > 0:
                await asyncio.wait({call}, timeout=None if isinf(seconds) else seconds)
                if call.done():
                    return call.result()
            overtime = limit.error(self.node, begun, self._heard, self.loop.time())
            self.cancel()
        finally:
            if not call.done():
                call.cancel()
                await asyncio.wait({call}, timeout=GRACE_SECONDS)
                self.closed = True
        raise overtime

    async def call(self, inputs: Mapping[str, Any]) -> tuple[Any, bool]:
        """Call the node's function once, and have its result judged if its group wants that.

        Returns:
            What it returned, and whether that was streamed: a generator's chunks, joined if they
            are all strings and a list otherwise.
        """
        task, streamed = self.task, False
        function = task.function
        args, kwargs = _arguments(function, inputs) if inputs else ((), inputs)
        match task.node.mode:
            case Mode.COROUTINE:
                result = await function(*args, **kwargs)
            case Mode.INLINE:
                result = function(*args, **kwargs)
            case Mode.ASYNC_GENERATOR:
                result, streamed = await self._consume(function(*args, **kwargs)), True
            case Mode.GENERATOR:
                chunks = iterate_in_thread(lambda: function(*args, **kwargs))
                result, streamed = await self._consume(chunks), True
            case _:
                made = await call_in_thread(function, *args, **kwargs)
                result, streamed = await self._finish(made)
        if task.of is not None:
            task.worth = await task.of.fan_out.judge(result)
        return result, streamed

    async def _finish(self, result: Any) -> tuple[Any, bool]:
        """What a plain function returned may be a coroutine or generator that it has only made."""
        if inspect.isawaitable(result):
            result = await result
        if inspect.isasyncgen(result):
            return await self._consume(result), True
        if inspect.isgenerator(result):
            return await self._consume(iterate_in_thread(lambda: result)), True
        return result, False

    async def _consume(self, chunks: AsyncIterable[Any]) -> Any:
        kept = []
        due = self.loop.time() + TURN_SECONDS
        try:
            async for chunk in chunks:
                kept.append(chunk)
                self.emit(Kind.CHUNK, {"text": chunk if isinstance(chunk, str) else text_of(chunk)})
                if self.loop.time() > due:  # one that never waits would keep the loop to itself
                    await asyncio.sleep(0)
                    due = self.loop.time() + TURN_SECONDS
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:  # its clean-up runs now, not when it is collected
                await close()
        return "".join(kept) if all(isinstance(chunk, str) for chunk in kept) else kept


def _arguments(
    function: Callable[..., Any], inputs: Mapping[str, Any]
) -> tuple[Iterable[Any], Mapping[str, Any]]:
    """How to pass a function its inputs: by name, or by position if there are very many.

    Python looks for each name among all of the function's, so a join of 100,000 branches would
    take seconds to be called.
    """
    code = getattr(function, "__code__", None)
    if len(inputs) < MANY_INPUTS or code is None:
        return (), inputs
    first = list(takewhile(inputs.__contains__, code.co_varnames[: code.co_argcount]))
    args = [inputs[name] for name in first]
    return args, {name: inputs[name] for name in inputs.keys() - first}


def _take_exception(call: asyncio.Future[Any]) -> None:
    """Look at an exception that may come too late for anybody, so that asyncio doesn't complain."""
    if not call.cancelled():
        call.exception()
