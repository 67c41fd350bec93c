"""Sync functions in threads, awaited from the event loop.

The threads are daemons and are never waited for at exit, so a function that never returns can hang
neither a run nor the interpreter. There is no queue: a call takes an idle thread or a new one, so
calls nested in calls can't starve. How many calls run at once is the scheduler's business.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

IDLE_SECONDS = 10.0
"""How long a thread waits for another call before it ends."""

_Call = Callable[[], None]


class _Worker(threading.Thread):
    """A daemon thread that runs calls one after another until it has been idle for a while."""

    def __init__(self, pool: ThreadPool) -> None:
        super().__init__(name="nbflow-branch", daemon=True)
        self.calls: SimpleQueue[_Call] = SimpleQueue()
        self._pool = pool

    def run(self) -> None:
        while True:
            try:
                call = self.calls.get(timeout=IDLE_SECONDS)
            except Empty:
                if self._pool.retire(self):
                    return
                continue
            call()
            del call  # a finished call's arguments must not live until the next one comes
            self._pool.rest(self)


class ThreadPool:
    """Threads that are made when they are needed and end when they are idle."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()

    def submit(self, call: _Call) -> None:
        """Run `call` in a thread now. It must not raise."""
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            worker = _Worker(self)
            worker.start()
        worker.calls.put(call)

    def rest(self, worker: _Worker) -> None:
        """Take a worker that has finished its call back among the idle ones."""
        with self._lock:
            self._idle.append(worker)

    def retire(self, worker: _Worker) -> bool:
        """Whether an idle worker may end: False if it was given a call in this very moment."""
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
                return True
            return False


_pool = ThreadPool()


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
            _post(loop, _fail, answer, error)
        else:
            _post(loop, _resolve, answer, result)

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
                _post(loop, elements.put_nowait, element)
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


def _post(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *args: Any) -> None:
    """Call back on the loop, unless it is closed: then nobody waits for the answer any more."""
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _resolve(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if answer.done():
        return
    if isinstance(error, StopIteration):  # a future refuses it, as a coroutine does
        error = RuntimeError(f"the function raised {error!r}")
    answer.set_exception(error)
