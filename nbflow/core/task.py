"""A task: one execution of one node, and how its function is called.

Knows the ways a Python function can be written (coroutine, generator, plain) and the task's own
cancellation; knows nothing of the other tasks.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import traceback
from collections.abc import AsyncIterable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from nbflow.core.events import Kind
from nbflow.core.states import State
from nbflow.core.threads import call_in_thread, iterate_in_thread
from nbflow.core.topology import Node

_CORE = str(Path(__file__).parent)


class Emitter(Protocol):
    """Records a fact about a task, on the run's event loop."""

    def __call__(self, kind: Kind, task: Task, data: Mapping[str, Any]) -> None:
        """Record it."""
        ...


class Task:
    """One execution of one node. It is the `TaskContext` of the code it runs.

    Args:
        id: Unique within the run.
        node: What it executes.
        emit: Records a fact about it.
    """

    def __init__(self, id: str, node: Node, emit: Emitter) -> None:  # noqa: A002 - its name
        self.id = id
        self._node = node
        self.state = State.QUEUED
        self.began = False
        """True once its coroutine has taken its first step."""
        self.cancelled = False
        self.asyncio_task: asyncio.Task[None] | None = None
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._on_cancel: list[Callable[[], object]] = []

    @property
    def node(self) -> str:
        """The node's name."""
        return self._node.name

    def emit(self, kind: Kind, data: dict[str, Any]) -> None:
        """Record a fact about this task, from any thread; too late is silently too late."""
        if threading.get_ident() == self._thread:
            self._emit_if_running(kind, data)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._emit_if_running, kind, data)

    def _emit_if_running(self, kind: Kind, data: dict[str, Any]) -> None:
        if self.state is State.RUNNING:
            self._emit(kind, self, data)

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have `callback` called once the task is cancelled; returns the way to take it back."""
        self._on_cancel.append(callback)
        if self.cancelled:
            self._loop.call_soon_threadsafe(callback)

        def forget() -> None:
            if callback in self._on_cancel:
                self._on_cancel.remove(callback)

        return forget

    def cancel(self) -> None:
        """Ask the running code to stop, wherever it runs."""
        self.cancelled = True
        if self.asyncio_task is not None:
            self.asyncio_task.cancel()
        for callback in tuple(self._on_cancel):
            callback()

    async def call(self, inputs: Mapping[str, Any]) -> tuple[Any, bool]:
        """Call the node's function once.

        Returns:
            What it returned, and whether that was streamed: a generator's chunks, joined if they
            are all strings and a list otherwise.
        """
        function = self._node.function
        if inspect.isasyncgenfunction(function):
            return await self._consume(function(**inputs)), True
        if inspect.isgeneratorfunction(function):
            return await self._consume(iterate_in_thread(lambda: function(**inputs))), True
        if inspect.iscoroutinefunction(function):
            return await function(**inputs), False
        if self._node.inline:
            return function(**inputs), False
        result = await call_in_thread(function, **inputs)
        if inspect.isawaitable(result):
            result = await result
        if inspect.isasyncgen(result):
            return await self._consume(result), True
        if inspect.isgenerator(result):
            return await self._consume(iterate_in_thread(lambda: result)), True
        return result, False

    async def _consume(self, chunks: AsyncIterable[Any]) -> Any:
        kept = []
        try:
            async for chunk in chunks:
                kept.append(chunk)
                self.emit(Kind.CHUNK, {"text": chunk if isinstance(chunk, str) else text_of(chunk)})
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:  # its clean-up runs now, not when it is collected
                await close()
        return "".join(kept) if all(isinstance(chunk, str) for chunk in kept) else kept


def text_of(value: Any) -> str:
    """A value as the text that views show.

    Example:
        >>> text_of("as it is"), text_of({"n": 1}), text_of(None)
        ('as it is', "{'n': 1}", '')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - any object may be shown, also a broken one
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


def error_data(error: BaseException) -> dict[str, str]:
    """An exception as the plain data of an event; the traceback begins in the branch's own code."""
    lines = traceback.TracebackException.from_exception(error)
    own = [frame for frame in lines.stack if not _is_engine(frame.filename)]
    lines.stack = traceback.StackSummary.from_list(own or list(lines.stack))
    return {
        "type": type(error).__name__,
        "message": _message_of(error),
        "traceback": "".join(lines.format()),
    }


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - any exception may fail, also one with a broken __str__
        return ""


def _is_engine(filename: str) -> bool:
    return filename.startswith(_CORE)
