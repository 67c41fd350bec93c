"""The sync door to async code: one implementation, callable from anywhere.

Knows event loops and threads; knows nothing of flows, notebooks or models. Importing it patches
nothing: nest-asyncio2 is applied when someone first asks for a sync answer inside a running loop.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import contextvars
import os
import signal
import socket
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any, TypeVar

from nbflow.core.attempt import GRACE_SECONDS
from nbflow.core.context import current_task
from nbflow.core.threads import start_in_thread
from nbflow.errors import NbflowError

T = TypeVar("T")

_holds_loop: ContextVar[bool] = ContextVar("nbflow_holds_loop", default=False)

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
    interrupts: list[int] = []
    results: list[T] = []

    async def keep() -> None:
        results.append(await _cancellable(coroutine, interrupts))

    try:
        _run(keep())
    except asyncio.CancelledError:
        if not interrupts:
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
        runner.run(coroutine)  # it formats what its task returns, so that returns nothing
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


@contextmanager
def interruptible(cancel: Callable[[], object]) -> Iterator[None]:
    """Have SIGINT cancel something while the context is open; another one does as before.

    Several may be open, within and beside each other: each SIGINT cancels the newest that hasn't
    been cancelled yet. One that the loop doesn't get to hear of is repeated until it does.

    A coroutine that computes, or sleeps with `time.sleep`, never lets the loop hear of a cancel.
    When the signal falls into a branch's own code it also raises `KeyboardInterrupt` there, which
    the scheduler takes as a cancel of the run; anywhere else that could break the loop.

    Args:
        cancel: Called from the signal handler, so it may only leave a word for the loop.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    wish = _Wish(cancel, asyncio.get_running_loop())
    _interrupts.add(wish)
    try:
        yield
    finally:
        _interrupts.remove(wish)


@dataclass(slots=True, eq=False)
class _Wish:
    """What an interrupt is to cancel."""

    cancel: Callable[[], object]
    loop: asyncio.AbstractEventLoop
    is_fulfilled: bool = False


class _Interrupts:
    """Handles SIGINT while anybody wishes; the main thread's alone."""

    def __init__(self) -> None:
        self._wishes: list[_Wish] = []
        self._before: Handler | int = signal.SIG_DFL
        self._watch: _Watch | None = None
        self._was_pressed = False
        """Whether anything was cancelled since somebody first wished."""

    def add(self, wish: _Wish) -> None:
        """From here on an interrupt cancels that."""
        if not self._wishes:
            self._stop_watching()  # if an interrupt has fallen into `remove`
            self._was_pressed = False
        self._wishes.append(wish)
        if self._watch is None:
            self._watch = _Watch(wish.loop, self._is_wanted)
            start_in_thread(self._watch.watch)
        if not self._is_installed():  # also if somebody else was in between, as with a new cell
            self._before = signal.getsignal(signal.SIGINT) or signal.SIG_DFL  # None: written in C
            signal.signal(signal.SIGINT, self._on_interrupt)

    def remove(self, wish: _Wish) -> None:
        """That can't be cancelled any more."""
        self._wishes.remove(wish)
        if not self._wishes:
            if self._is_installed():
                signal.signal(signal.SIGINT, self._before)
            self._stop_watching()

    def _stop_watching(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    def _is_wanted(self) -> bool:
        """Whether a signal comes to those who wish; any thread may ask."""
        return bool(self._wishes) and self._is_installed()

    def _is_installed(self) -> bool:
        return signal.getsignal(signal.SIGINT) == self._on_interrupt

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        watch = self._watch
        by_hand = watch is None or not watch.is_pressing()
        wish = None
        if by_hand or not self._was_pressed:  # the first may be heard only when it is repeated
            open_ = (wish for wish in reversed(self._wishes) if not wish.is_fulfilled)
            wish = next(open_, None)
        if wish is not None and watch is not None:
            wish.is_fulfilled = self._was_pressed = True
            wish.cancel()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                wish.loop.call_soon_threadsafe(wish.loop.call_later, HEARD_SECONDS, watch.rest)
        if watch is not None and _is_in_branch(frame):
            watch.rest()
            raise KeyboardInterrupt
        if by_hand and wish is None and current_task.get() is None:
            again = self._before if callable(self._before) else signal.default_int_handler
            again(number, frame)


_interrupts = _Interrupts()

REPEAT_SECONDS = 0.2
"""How long an interrupt may go unheard before the signal is sent again."""

HEARD_SECONDS = 0.1
"""When the loop has gone on for so long after an interrupt, every branch has heard of it.

At first only who waits for the run has; meanwhile another branch may begin to keep the loop.
"""


class _Watch:
    """Sees to it that a SIGINT is heard: it sends it again until it is.

    Python runs a signal's handler between two bytecodes. A signal that comes in the moment before
    a branch goes to sleep in C is handled after the sleep; one that comes in the moment before a
    branch begins to keep the loop to itself leaves a word that the loop never reads. But every
    signal is written at once to the wakeup file, and a thread reads that here. What handlers call
    takes no lock, for they may interrupt anything.

    Args:
        loop: Is woken by every signal, for it may be just about to sleep.
        is_wanted: Whether anybody still hears what is sent.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, is_wanted: Callable[[], bool]) -> None:
        self._loop = loop
        self._is_wanted = is_wanted
        self._echoes = 0
        """How many of its own signals it has yet to read."""
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._closed = threading.Lock()
        self._heard = float("-inf")
        """When a signal was heard last, on the monotonic clock."""
        self._pressing = False

    def rest(self) -> None:
        """Stop repeating: it has been heard."""
        self._heard = time.monotonic()

    def is_pressing(self) -> bool:
        """Whether the signal that is handled now is a repeated one."""
        pressing, self._pressing = self._pressing, False
        return pressing

    def close(self) -> None:
        """Stop for good; no signal is sent any more once this has returned."""
        self._closed.acquire()
        signal.set_wakeup_fd(self._before)
        self._writer.close()

    def watch(self) -> None:
        """Read and repeat until closed; in a thread of its own."""
        with self._reader:
            while numbers := self._reader.recv(64):
                if self._before != -1:
                    with contextlib.suppress(OSError):  # whoever had the file before, still has it
                        os.write(self._before, numbers)
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(_nothing)
                pressed = numbers.count(signal.SIGINT)
                own = min(pressed, self._echoes)
                self._echoes -= own
                if pressed > own:
                    self._repeat()

    def _repeat(self) -> None:
        since = time.monotonic() - REPEAT_SECONDS  # it may have been heard before it was read here
        while True:
            time.sleep(REPEAT_SECONDS)
            if self._heard > since or not self._closed.acquire(blocking=False):
                return
            if self._is_wanted():
                self._echoes += 1
                self._pressing = True
                _press()
            self._closed.release()
            if not self._is_wanted():
                return


def _press() -> None:
    """Send SIGINT to the main thread, also out of a system call such as a sleep."""
    ident = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and ident is not None:
        signal.pthread_kill(ident, signal.SIGINT)
    else:
        _thread.interrupt_main()


_NO_BRANCH = (
    str(Path(asyncio.__file__).parent),
    str(Path(__file__).parent),
    weakref.__file__,
    str(Path(weakref.__file__).with_name("_weakrefset.py")),
    "<frozen",
)
"""Files whose code may run in a branch's step, and would lose an exception or break by it."""


def _is_in_branch(frame: FrameType | None) -> bool:
    """Whether a signal fell into what a branch's author wrote or called, in a step of its task."""
    if frame is None or current_task.get() is None or asyncio.current_task() is None:
        return False
    return not frame.f_code.co_filename.startswith(_NO_BRANCH)
