"""Sync functions in threads, awaited from the event loop.

The threads are daemons and are never waited for at exit, so a function that never returns can hang
neither a run nor the interpreter. How many calls run at once is the scheduler's business.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

IDLE_SECONDS = 10.0
"""How long a thread waits for another call before it ends."""

PATIENCE_SECONDS = 0.001
"""How long a call waits for a thread that is busy before it gets one of its own."""

QUICK = 10
"""While so many calls begin within `PATIENCE_SECONDS`, those that wait need no more threads."""

_Call = Callable[[], None]

_here = threading.local()


class ThreadPool:
    """Threads that are made when they are needed and end when they are idle.

    Waking 100 threads for 100 calls that return at once costs more than the calls. So one thread
    begins, and a keeper looks every millisecond whether it gets on: if not, every call that waits
    gets a thread. No call waits for another to end, so calls nested in calls can't starve.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        """How many calls no thread has yet said to have taken; the queue may have fewer."""
        self._idle = 0
        """How many threads haven't yet said to have taken a call."""
        self._begun = 0
        """How many calls have begun so far."""
        self._keeping = False

    def submit(self, call: _Call) -> None:
        """Run `call` in a thread soon. It must not raise."""
        with self._lock:
            self._calls.put(call)
            self._waiting += 1
            if self._keeping or self._waiting <= self._idle:
                return
            self._keeping = True
        self._start(self._keep)

    def _start(self, what: Callable[[], None]) -> None:
        threading.Thread(target=what, name="nbflow-branch", daemon=True).start()

    def _keep(self) -> None:
        """Add threads for the calls that the busy ones don't come to, until there are none."""
        missing = 1
        while True:
            with self._lock:
                missing = min(missing, self._waiting - self._idle)
                self._idle += max(0, missing)
                before = self._begun
            for _ in range(missing):
                self._start(self._work)
            time.sleep(PATIENCE_SECONDS)
            with self._lock:
                missing = self._waiting - self._idle
                if missing <= 0:
                    self._keeping = False
                    return
                if self._begun - before >= QUICK:
                    missing = 0

    def _work(self) -> None:
        """Make one call after another; who comes here is counted as idle."""
        _here.is_branch = True
        while True:
            try:
                call = self._calls.get(timeout=IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._idle > self._waiting:
                        self._idle -= 1
                        return
                continue
            with self._lock:
                self._waiting -= 1
                self._idle -= 1
                self._begun += 1
            call()
            del call  # a finished call's arguments must not live until the next one comes
            with self._lock:
                self._idle += 1


_pool = ThreadPool()


def is_branch() -> bool:
    """Whether functions are called in this thread from here, and not in one that they have begun.

    Example:
        >>> is_branch(), asyncio.run(call_in_thread(is_branch))
        (False, True)
    """
    return getattr(_here, "is_branch", False)


def start_in_thread(call: _Call) -> None:
    """Run `call`, which must not raise, in a thread that nobody waits for."""
    _pool.submit(call)


async def call_in_thread(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Call a sync function in a thread, in a copy of this context, and return what it returns.

    If the caller is cancelled it moves on at once; the thread runs on to its end and what it
    returns or raises is dropped.

    Example:
        >>> asyncio.run(call_in_thread(pow, 2, 10))
        1024
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def call() -> None:
        try:
            result = context.run(function, *args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
            post(loop, _fail, answer, error)
        else:
            post(loop, _resolve, answer, result)

    _pool.submit(call)
    return await answer


async def iterate_in_thread(make: Callable[[], Iterable[T]]) -> AsyncIterator[T]:
    """Iterate in one thread over what `make` returns, yielding each element as it comes.

    When the consumer stops early the thread closes its iterator before the next element.

    Example:
        >>> async def squares():
        ...     return [n async for n in iterate_in_thread(lambda: (n * n for n in range(4)))]
        >>> asyncio.run(squares())
        [0, 1, 4, 9]
    """
    loop = asyncio.get_running_loop()
    elements: asyncio.Queue[T] = asyncio.Queue()
    stopped = threading.Event()

    def drain() -> None:
        iterator = iter(make())
        try:
            for element in iterator:
                if stopped.is_set():
                    return
                post(loop, elements.put_nowait, element)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    drained = asyncio.ensure_future(call_in_thread(drain))
    try:
        while not (drained.done() and elements.empty()):
            element = asyncio.ensure_future(elements.get())
            try:
                await asyncio.wait({element, drained}, return_when=asyncio.FIRST_COMPLETED)
                if element.done():
                    yield element.result()
            finally:
                element.cancel()
        await drained
    finally:
        stopped.set()
        drained.cancel()


AT_ONCE = 500
"""How many words from threads a loop hears before everybody else on it has a turn."""


class Inbox:
    """What threads have to say to an event loop: many words, one waking.

    `call_soon_threadsafe` wakes the loop with a system call each time, which costs more than what
    most calls do.
    """

    def __init__(self) -> None:
        self._words: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._will_look = False

    def post(
        self, loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: Any
    ) -> None:
        """Have something called on the loop, after all that was posted before. Any thread may.

        Raises:
            RuntimeError: the loop is closed.
        """
        if loop.is_closed():
            raise RuntimeError("Event loop is closed")
        self._words.append((callback, args))
        if not self._will_look:
            self._will_look = True
            loop.call_soon_threadsafe(self._look, loop)

    def empty(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call all that was posted; only on the loop."""
        if self._words:
            self._hear(loop, len(self._words))

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._will_look = False
        self._hear(loop, AT_ONCE)
        if self._words and not self._will_look:
            self._will_look = True
            loop.call_soon(self._look, loop)

    def _hear(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        for _ in range(most):
            if not self._words:
                return
            callback, args = self._words.popleft()
            try:
                callback(*args)
            except Exception as error:  # noqa: BLE001 - the others' words are heard nevertheless
                loop.call_exception_handler({"message": repr(callback), "exception": error})


_inboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Inbox] = WeakKeyDictionary()


def inbox_of(loop: asyncio.AbstractEventLoop) -> Inbox:
    """The inbox of a loop, the same for all threads."""
    inbox = _inboxes.get(loop)
    return _inboxes.setdefault(loop, Inbox()) if inbox is None else inbox


def post(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: Any) -> None:
    """Call back on the loop, unless it is closed: then nobody waits for it any more."""
    with suppress(RuntimeError):
        inbox_of(loop).post(loop, callback, *args)


def _resolve(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if answer.done():
        return
    if isinstance(error, StopIteration):  # a future refuses it, as a coroutine does
        error = RuntimeError(f"the function raised {error!r}")
    answer.set_exception(error)
