"""The stop button: what SIGINT cancels, and that it is heard whatever keeps the event loop.

Knows signals, event loops and threads; knows nothing of runs. Importing it changes no handler.
"""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from nbflow.core.context import current_task
from nbflow.core.threads import start_in_thread

Handler = Callable[[int, FrameType | None], object]
"""What handles a signal: its number and the frame it fell into."""


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
        # Each time, for somebody else may have been in between, as with a new cell.
        before = signal.signal(signal.SIGINT, self._on_interrupt)
        if before != self._on_interrupt:
            self._before = before or signal.SIG_DFL  # None: written in C

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
                    self._loop.call_soon_threadsafe(_wake)
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


def _wake() -> None:
    """The loop has a turn, and signals are handled before it."""


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
