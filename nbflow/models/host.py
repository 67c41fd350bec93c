"""A process that serves the embedded model, made when it is first wanted.

Knows processes, threads and who waits; of the model only the order for `serve.py`. Any event loop
and any thread may ask: the first starts the loading, all wait for the same, and if all of them
are cancelled meanwhile the loading stops too.
"""

from __future__ import annotations

import atexit
import contextvars
import json
import secrets
import subprocess
import sys
import threading
from asyncio import wrap_future
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from nbflow.errors import ModelError

SLOTS = 2
"""How many answers one server writes at once; further ones wait for a slot."""

SLOT_TOKENS = 2048
"""How much a slot can hold: prompt and answer together."""

_STOP_SECONDS = 5.0


class Unwanted(Exception):  # noqa: N818 - nobody is told, for nobody waits
    """Raised in the loading thread when nobody waits for the server any more."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs."""

    base_url: str
    key: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def is_alive(self) -> bool:
        """False once its process has ended, whatever ended it."""
        return self.process.poll() is None


class Host:
    """One server, and everybody who waits for it.

    Args:
        find_weights: Gives the path of the weights, fetching them if need be, in the loading
            thread; it is given a function to call now and then, which raises `Unwanted`.
    """

    def __init__(self, find_weights: Callable[[Callable[[], None]], Path]) -> None:
        self._find_weights = find_weights
        self._lock = threading.Lock()
        self._served: Served | None = None
        self._waiting: list[Future[Served]] = []

    async def served(self) -> Served:
        """The server, once it runs; anew if it has died.

        Raises:
            ModelError: it can't be started, or there are no weights.
        """
        with self._lock:
            if self._served is not None and self._served.is_alive:
                return self._served
            waiter: Future[Served] = Future()
            self._waiting.append(waiter)
            if len(self._waiting) == 1:
                self._start_loading()
        return await wrap_future(waiter)

    def _start_loading(self) -> None:
        context = contextvars.copy_context()  # what it prints belongs to who asked first
        threading.Thread(
            target=context.run, args=(self._load,), name="nbflow-model", daemon=True
        ).start()

    def _load(self) -> None:
        while True:
            try:
                served = start(self._find_weights(self._check_wanted))
            except Unwanted:
                if self._somebody_came():
                    continue
            except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
                for waiter in self._take_waiting(None):
                    waiter.set_exception(error)
            else:
                for waiter in self._take_waiting(served):
                    waiter.set_result(served)
            return

    def _somebody_came(self) -> bool:
        with self._lock:
            self._waiting = [waiter for waiter in self._waiting if not waiter.cancelled()]
            return bool(self._waiting)

    def _take_waiting(self, served: Served | None) -> list[Future[Served]]:
        """Everybody who still waits; who comes later finds the server, or starts another."""
        with self._lock:
            if self._served is not None:
                stop(self._served.process)
            self._served = served
            waiting, self._waiting = self._waiting, []
        return [waiter for waiter in waiting if waiter.set_running_or_notify_cancel()]

    def _check_wanted(self) -> None:
        with self._lock:
            if all(waiter.cancelled() for waiter in self._waiting):
                raise Unwanted


def start(weights: Path) -> Served:
    """Start a server on weights and wait until it has loaded them, about half a second.

    Raises:
        ModelError: it can't load them.
    """
    key = secrets.token_hex()
    order = {
        "path": str(weights),
        "key": key,
        "slots": SLOTS,
        "context_tokens": SLOTS * SLOT_TOKENS,
    }
    # The order goes through the pipe, for a command line can be read by everybody on the machine.
    # With -P nothing in the notebook's folder can stand in for a module; in a session of its own
    # the server doesn't get the interrupt that is meant for the notebook.
    process = subprocess.Popen(  # noqa: S603 - this Python and a file of this package
        [sys.executable, "-P", str(Path(__file__).with_name("serve.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    atexit.register(stop, process)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline() or b"{}")
    except (OSError, ValueError):
        answer = {}
    if "address" not in answer:
        stop(process)
        reason = answer.get("error", f"its process ended with code {process.returncode}")
        raise ModelError(f"the embedded model can't be loaded: {reason}.")
    return Served(f"{answer['address']}/v1", key, process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server at once, whatever it is doing; it is no error if it has ended."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
