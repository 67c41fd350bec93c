"""The futures of called tasks: one for code in a thread, one for code on an event loop.

Both are the standard library's, so its `wait`, `as_completed` and `gather` take them. They tell the
call that they are of when somebody takes what came of it; they know nothing of how it runs.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
from collections.abc import Generator
from contextlib import nullcontext, suppress
from typing import Any, Protocol, TypeVar

from nbflow import blocking
from nbflow.writing.deadlocks import Waited, blocked_by

T = TypeVar("T")


class Asked(Waited, Protocol):
    """The call that a future is of."""

    @property
    def is_outside(self) -> bool:
        """Whether no run was going on where the call was made."""
        ...

    def awaited(self) -> None:
        """Somebody begins to wait for it."""
        ...

    def taken(self) -> None:
        """Somebody has been told what came of it."""
        ...

    def unwanted(self) -> None:
        """Nobody wants it any more."""
        ...


class ThreadFuture(concurrent.futures.Future[T]):
    """What came of a call that was made in a thread without an event loop; can be awaited too.

    Args:
        asked: The call.
    """

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self.asked = asked

    def result(self, timeout: float | None = None) -> T:
        """Wait for it and return it.

        Args:
            timeout: For how many seconds at most.

        Raises:
            TimeoutError: it isn't there by then.
            DeadlockError: the task waits for the one that calls this.
            CancelledError: the call was cancelled.
            Exception: what the task raised.
        """
        self._wait(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end and return what the task raised; None if it returned."""
        self._wait(timeout)
        return super().exception(0)

    def _wait(self, timeout: float | None) -> None:
        """Wait for the end, whatever that is: of a cancelled one its reader is told next."""
        if not self.done():
            self.asked.awaited()
            blocked = blocked_by(self.asked) if timeout is None else nullcontext()
            try:
                with blocked, suppress(concurrent.futures.CancelledError):
                    concurrent.futures.Future.exception(self, timeout)
            except KeyboardInterrupt:
                self.cancel()
                raise
        self.asked.taken()

    def cancel(self) -> bool:
        """Cancel the call; False if it has ended before."""
        if self.done() or not super().cancel():
            return self.cancelled()
        self._notify()
        self.asked.unwanted()
        return True

    def _notify(self) -> None:
        """Tell those who wait for several futures that this one is cancelled; once."""
        with self._condition:
            if self.cancelled() and self._state == "CANCELLED":
                self.set_running_or_notify_cancel()

    def running(self) -> bool:
        """Whether it hasn't ended."""
        return not self.done()

    def __await__(self) -> Generator[Any, None, T]:
        if not self.done():
            self.asked.awaited()
            with blocked_by(self.asked):
                yield from self.ended().__await__()
        return self.result()

    async def ended(self) -> None:
        """Wait for the end on any loop, whatever it is."""
        ended = asyncio.wrap_future(self)
        ended.add_done_callback(_take_exception)
        await asyncio.wait([ended])

    def resolve(self, result: T) -> None:
        """The call has returned."""
        with suppress(concurrent.futures.InvalidStateError):  # cancelled in this moment
            self.set_result(result)

    def fail(self, error: BaseException) -> None:
        """The call has failed."""
        with suppress(concurrent.futures.InvalidStateError):
            self.set_exception(error)

    def drop(self) -> None:
        """The call was cancelled."""
        super().cancel()
        self._notify()


def _take_exception(ended: asyncio.Future[Any]) -> None:
    """Look at it, so that asyncio doesn't say of its own copy that nobody has."""
    if not ended.cancelled():
        ended.exception()


class LoopFuture(asyncio.Future[T]):
    """What came of a call that was made where an event loop runs.

    Args:
        asked: The call.
        loop: The loop that runs.
    """

    def __init__(self, asked: Asked, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.asked = asked

    def result(self, timeout: float | None = None) -> T:
        """What the task returned. Outside of a workflow, wait for it, for at most `timeout` s.

        Raises:
            InvalidStateError: it isn't there yet, and waiting here would stop what makes it.
            CancelledError: the call was cancelled.
            Exception: what the task raised.
        """
        self._check(timeout)
        return super().result()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the task raised; None if it returned. Waits as `result` does."""
        self._check(timeout)
        return super().exception()

    def _check(self, timeout: float | None) -> None:
        if not self.done():
            if asyncio._get_running_loop() is None:  # noqa: SLF001 - in a thread: it may wait
                self.bridge().exception(timeout)
            elif self.asked.is_outside:
                blocking.run(self._ended(timeout))
            else:
                raise asyncio.InvalidStateError(
                    f"the task {self.asked.name!r} hasn't finished yet, and the loop that runs it "
                    f"would stand still meanwhile; await it: `await {self.asked.name}(...)`."
                )
        self.asked.taken()

    async def _ended(self, seconds: float | None) -> None:
        try:
            _, waiting = await asyncio.wait([self], timeout=seconds)
        except asyncio.CancelledError:  # the interrupt
            self.cancel()
            raise
        if waiting:
            raise TimeoutError

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the call; False if it has ended before."""
        if not super().cancel(msg):
            return False
        self.asked.unwanted()
        return True

    def add_done_callback(self, fn: Any, /, *, context: Any = None) -> None:
        """Have `fn` called with this once it is done."""
        if not self.done():
            self.asked.awaited()
        super().add_done_callback(fn, context=context or contextvars.copy_context())

    def __await__(self) -> Generator[Any, None, T]:
        if not self.done():
            with blocked_by(self.asked):
                self._asyncio_future_blocking = True
                yield self
        self.asked.taken()
        return super().result()

    __iter__ = __await__

    def bridge(self) -> ThreadFuture[None]:
        """A future that any thread can wait for, done when this is."""
        bridge: ThreadFuture[None] = ThreadFuture(self.asked)

        def follow() -> None:
            add = super(LoopFuture, self).add_done_callback
            add(lambda _done: bridge.resolve(None))

        try:
            self.get_loop().call_soon_threadsafe(follow)
        except RuntimeError as error:  # that loop is closed
            bridge.fail(error)
        return bridge

    def resolve(self, result: T) -> None:
        """The call has returned; any thread may say so, as of the next two."""
        self._tell(self.set_result, result)

    def fail(self, error: BaseException) -> None:
        """The call has failed."""
        if isinstance(error, StopIteration):  # a future refuses it, as a coroutine does
            error = RuntimeError(f"the task raised {error!r}")
        self._tell(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        self.set_exception(error)
        if not self.asked.is_outside:  # if nobody takes it, the run reports it
            self._log_traceback = False

    def drop(self) -> None:
        """The call was cancelled."""
        self._tell(super().cancel)

    def _tell(self, how: Any, *what: Any) -> None:
        loop = self.get_loop()
        if asyncio._get_running_loop() is loop:  # noqa: SLF001 - the quick way to ask
            if not self.done():
                how(*what)
        else:
            with suppress(RuntimeError):  # the loop is closed: nobody waits there
                loop.call_soon_threadsafe(lambda: self.done() or how(*what))
