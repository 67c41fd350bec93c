"""The sync door to async code: one implementation, callable from anywhere.

Knows event loops and threads; knows nothing of flows, notebooks or models. Importing it patches
nothing: nest-asyncio2 is applied when someone first asks for a sync answer inside a running loop.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from nbflow.core.context import current_task
from nbflow.errors import NbflowError

T = TypeVar("T")

Handler = Callable[[int, FrameType | None], object]
"""What handles a signal: its number and the frame it fell into."""


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
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner() as runner:  # nest-asyncio2 replaces asyncio.run with one that leaks
            return runner.run(_until_branch_is_cancelled(coroutine))
    return _run_nested(loop, coroutine)


async def _until_branch_is_cancelled(coroutine: Coroutine[Any, Any, T]) -> T:
    branch = current_task.get()
    task = asyncio.current_task()
    assert task is not None
    if branch is None:
        return await coroutine
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    forget = branch.on_cancel(cancel)
    try:
        return await coroutine
    finally:
        forget()


def _run_nested(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
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
    task = loop.create_task(coroutine)
    interrupted: list[bool] = []

    def cancel() -> None:
        interrupted.append(True)
        loop.call_soon_threadsafe(task.cancel)

    with interruptible(cancel):
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            if interrupted:
                raise KeyboardInterrupt from None
            raise


@contextmanager
def interruptible(cancel: Callable[[], object]) -> Iterator[None]:
    """Have SIGINT cancel something while the context is open; a second one does as before.

    A coroutine that computes, or sleeps with `time.sleep`, never lets the loop hear of a cancel.
    When the signal falls into such a branch it raises `KeyboardInterrupt` there, which the
    scheduler takes as a cancel of the run.

    Args:
        cancel: Called from the signal handler, so it may only leave a word for the loop.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    again: Handler = before if callable(before) else signal.default_int_handler
    presses = itertools.count()

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if current_task.get() is not None:
            raise KeyboardInterrupt
        if next(presses) == 0:
            cancel()
        else:
            again(number, frame)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
