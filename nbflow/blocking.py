"""The sync door to async code: one implementation, callable from anywhere.

Knows event loops and threads; knows nothing of flows, notebooks or models. Importing it patches
nothing: nest-asyncio2 is applied when someone first asks for a sync answer inside a running loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from nbflow.core.attempt import GRACE_SECONDS
from nbflow.core.context import current_task
from nbflow.core.threads import start_in_thread
from nbflow.core.values import begin_in_own_code
from nbflow.errors import NbflowError
from nbflow.interrupts import interruptible

T = TypeVar("T")

_holds_loop: ContextVar[bool] = ContextVar("nbflow_holds_loop", default=False)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and return its result, whether or not a loop is running here.

    In a notebook the loop is running: it goes on serving everything else meanwhile. In a branch's
    thread the coroutine is cancelled when the branch is.

    Raises:
        KeyboardInterrupt: SIGINT (Ctrl-C, the kernel's stop button) came meanwhile; the coroutine
            was cancelled and awaited first.
        NbflowError: the loop was patched by the archived nest_asyncio, which drops cells.
        Exception: whatever the coroutine raises.

    Example:
        >>> run(asyncio.sleep(0, result="rested"))
        'rested'
    """
    interrupts: list[int] = []
    results: list[T] = []

    async def keep() -> None:
        results.append(await _cancellable(coroutine, interrupts))

    try:
        _run(keep())
    except asyncio.CancelledError:
        if not interrupts:
            raise
    except Exception as error:
        begin_in_own_code(error)
        raise
    finally:
        coroutine.close()
    if interrupts:  # also if the end was quicker than the cancel
        raise KeyboardInterrupt
    return results[0]


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    loop = asyncio._get_running_loop()  # noqa: SLF001 - None if there is none
    if loop is not None:
        _run_nested(loop, coroutine)
        return
    runner = asyncio.Runner()  # nest-asyncio2 replaces asyncio.run with one that leaks
    try:
        runner.get_loop().run_until_complete(coroutine)  # SIGINT is `interruptible`'s alone
    finally:
        _close(runner)


def iterate(make: Callable[[], AsyncGenerator[list[T], None]]) -> Iterator[T]:
    """Iterate over what an async iterator yields, whether or not a loop is running here.

    Without one, it is iterated in a thread: it goes on while the caller works on an element. With
    one, it goes on whenever the loop does. A caller who stops early closes it.

    Args:
        make: Makes the iterator, of lists: of as many elements as there are at once.

    Raises:
        KeyboardInterrupt: as `run`.
        Exception: whatever the iterator raises.

    Example:
        >>> async def two():
        ...     yield ["a", "b"]
        ...     yield ["c"]
        >>> list(iterate(two))
        ['a', 'b', 'c']
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _iterated_in_thread(make)
    return _iterated_here(make)


def _iterated_here(make: Callable[[], AsyncGenerator[list[T], None]]) -> Iterator[T]:
    batches = make()

    async def following() -> list[T] | None:
        return await anext(batches, None)

    async def close() -> None:
        await batches.aclose()

    try:
        while (batch := run(following())) is not None:
            yield from batch
    finally:
        run(close())


def _iterated_in_thread(make: Callable[[], AsyncGenerator[list[T], None]]) -> Iterator[T]:
    batches: SimpleQueue[list[T] | None] = SimpleQueue()
    stops: list[Callable[[], object]] = []
    ended: list[BaseException] = []

    async def drain() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.is_closed() or loop.call_soon_threadsafe(task.cancel))
        batches.put([])
        async with aclosing(make()) as closing:
            async for batch in closing:
                batches.put(batch)

    def drained() -> None:
        try:
            run(drain())
        except BaseException as error:  # noqa: BLE001 - raised again where the elements are wanted
            ended.append(error)
        batches.put(None)

    start_in_thread(partial(contextvars.copy_context().run, drained))
    batch: list[T] | None = batches.get()
    try:
        while batch is not None:
            yield from batch
            batch = batches.get()
    finally:
        for stop in stops:
            stop()
        while batch is not None:
            batch = batches.get()
    if ended:
        raise ended[0]


def _close(runner: asyncio.Runner) -> None:
    """Close a runner; if code on its loop doesn't stop, in a thread that nobody waits for."""
    loop = runner.get_loop()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=GRACE_SECONDS))
    if asyncio.all_tasks(loop):
        asyncio.set_event_loop(None)
        start_in_thread(runner.close)
    else:
        runner.close()


async def _cancellable(coroutine: Coroutine[Any, Any, T], interrupts: list[int]) -> T:
    """Await a coroutine that SIGINT cancels, and the end of the branch this is called from."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    def interrupt() -> None:
        interrupts.append(signal.SIGINT)
        cancel()

    branch = current_task.get()
    forget = branch.on_cancel(cancel) if branch is not None else _nothing
    try:
        with interruptible(interrupt):
            return await coroutine
    finally:
        forget()


def _nothing() -> None:
    """Nothing to take back."""


def _run_nested(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]) -> None:
    if hasattr(asyncio, "_nest_patched") and not hasattr(asyncio, "_nest_asyncio2"):
        coroutine.close()
        raise NbflowError(
            "nest_asyncio has patched this event loop; it is archived and silently drops cells "
            "that run meanwhile. Restart the kernel and use nest_asyncio2, or await instead: "
            "`await flow.arun(...)`."
        )
    import nest_asyncio2  # noqa: PLC0415 - patches nothing until applied, and few need it

    asyncio_run = asyncio.run
    nest_asyncio2.apply(loop)
    asyncio.run = asyncio_run  # it is other people's, and nest-asyncio2's closes no loop
    token = _holds_loop.set(True)
    try:
        loop.run_until_complete(coroutine)
    finally:
        _holds_loop.reset(token)


def holds_loop() -> bool:
    """Whether a sync call has this code run on a loop that ran already, and waits for its end."""
    return _holds_loop.get()
