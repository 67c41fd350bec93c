"""How a function of the Graph or Functional API is called: what it takes besides its input.

LangGraph's names for what a function may ask for: `config`, `runtime`, `writer`, `previous`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar

from nbflow.core.attempt import Attempt
from nbflow.core.context import current_task, emit, progress
from nbflow.core.events import Kind
from nbflow.core.threads import call_in_thread, iterate_in_thread
from nbflow.core.topology import Mode, mode_of
from nbflow.core.values import text_of
from nbflow.writing.session import Session, current_session
from nbflow.writing.types import Command

ContextT = TypeVar("ContextT")


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """What is being executed.

    Args:
        checkpoint_id: Always empty: there are no checkpoints yet.
        checkpoint_ns: The node and the task, after those around them.
        task_id: The task's id in its run.
        thread_id: What the config says.
        run_id: What the config says.
        node_attempt: The number of this attempt, from 1.
        node_first_attempt_time: When the first one began, in seconds since 1970.
    """

    checkpoint_id: str
    checkpoint_ns: str
    task_id: str
    thread_id: str | None = None
    run_id: str | None = None
    node_attempt: int = 1
    node_first_attempt_time: float | None = None

    def patch(self, **overrides: Any) -> ExecutionInfo:
        """The same with other values."""
        return replace(self, **overrides)


def _no_writer(_value: Any) -> None:
    """Nobody listens."""


def _heartbeat() -> None:
    """The code that this is called in gets on."""
    progress(heartbeat=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime(Generic[ContextT]):
    """What a node finds as `runtime`.

    Args:
        context: What was given to `invoke(..., context=...)`.
        store: Always None: there is no store yet.
        stream_writer: Puts a value into the `custom` stream.
        heartbeat: Says that the node gets on, which its `idle_timeout` wants to hear.
        previous: Always None: nothing is remembered between invocations yet.
        execution_info: What is being executed.
        server_info: Always None: there is no server.
    """

    context: ContextT = None  # type: ignore[assignment]
    store: Any = None
    stream_writer: Callable[[Any], None] = _no_writer
    heartbeat: Callable[[], None] = _heartbeat
    previous: Any = None
    execution_info: ExecutionInfo | None = None
    server_info: None = None

    def override(self, **overrides: Any) -> Runtime[ContextT]:
        """The same with other values."""
        return replace(self, **overrides)

    def merge(self, other: Runtime[ContextT]) -> Runtime[ContextT]:
        """The same with what another one has been given."""
        given = {
            field.name: value
            for field in fields(other)
            if (value := getattr(other, field.name)) not in (None, _no_writer, _heartbeat)
        }
        return replace(self, **given)


def _runtime_of(session: Session) -> Runtime[Any]:
    return Runtime(
        context=session.context,
        stream_writer=session.write,
        execution_info=_execution_info(session),
    )


def _execution_info(session: Session) -> ExecutionInfo | None:
    attempt = current_task.get()
    if not isinstance(attempt, Attempt):
        return None
    said = session.config.get("configurable", {})
    return ExecutionInfo(
        "",
        "|".join(session.place()),
        session.id_of(attempt.task.id),
        said.get("thread_id"),
        said.get("run_id") or session.config.get("run_id"),
        attempt.number,
        attempt.first_time,
    )


def get_runtime(context_schema: Any = None) -> Runtime[Any]:  # noqa: ARG001 - LangGraph's
    """The runtime of the invocation that the code runs in.

    Raises:
        RuntimeError: it runs in none.
    """
    session = current_session.get()
    if session is None:
        raise RuntimeError("get_runtime() was called outside of a graph's node or a task.")
    return _runtime_of(session)


_GIVEN: Mapping[str, Callable[[Session], Any]] = {
    "config": lambda session: session.config,
    "runtime": _runtime_of,
    "writer": lambda session: session.write,
    "store": lambda _session: None,
    "previous": lambda _session: None,
}


@dataclass(frozen=True, slots=True)
class Callee:
    """A function, how it is written, and what it asks for by name.

    Args:
        function: What is called with its input.
        mode: How.
        asks: The names of parameters that are given by name.
    """

    function: Callable[..., Any]
    mode: Mode
    asks: tuple[str, ...] = ()

    @classmethod
    def of(cls, function: Any) -> Callee:
        """Anything that may be called with one input, or has `ainvoke` or `invoke`.

        Raises:
            TypeError: it is neither.
        """
        runnable = getattr(function, "ainvoke", None) or getattr(function, "invoke", None)
        if runnable is not None and not inspect.isroutine(function):
            asks = tuple(name for name in ("config",) if name in _parameters(runnable))
            return cls(runnable, mode_of(runnable), asks)
        if not callable(function):
            raise TypeError(f"expected a function, not {function!r}")
        return cls(function, _mode_of(function), _asked(function))

    def given(self, session: Session) -> dict[str, Any]:
        """What it is given by name."""
        return {name: _GIVEN[name](session) for name in self.asks} if self.asks else {}

    @property
    def is_sync(self) -> bool:
        """Whether it is a plain function, which is called in a thread."""
        return self.mode is Mode.THREAD

    def call(self, state: Any, given: Mapping[str, Any]) -> Awaitable[Any]:
        """Call it, however it is written: what it returns, or the updates it yields."""
        match self.mode:
            case Mode.COROUTINE:
                return self.function(state, **given)  # type: ignore[no-any-return]
            case Mode.ASYNC_GENERATOR:
                return _consumed(self.function(state, **given))
            case Mode.GENERATOR:
                return _consumed(iterate_in_thread(lambda: self.function(state, **given)))
            case _:
                return _finished(call_in_thread(self.function, state, **given))


async def _finished(call: Awaitable[Any]) -> Any:
    """What a plain function returned may be a coroutine that it has only made."""
    returned = await call
    return await returned if inspect.isawaitable(returned) else returned


async def _consumed(parts: AsyncIterator[Any]) -> list[Any]:
    """The updates that a generator yields, as commands; everything else it yields is shown."""
    updates: list[Any] = []
    async for part in parts:
        progress()
        if isinstance(part, Command):
            updates.append(part)
        elif isinstance(part, Mapping):
            updates.append(Command(update=dict(part)))
        else:
            emit(Kind.CHUNK, text=text_of(part))
    return updates


def _mode_of(function: Any) -> Mode:
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    mode = mode_of(inner)
    if mode is Mode.THREAD and not inspect.isroutine(inner) and not isinstance(inner, type):
        return mode_of(type(inner).__call__)
    return mode


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (ValueError, TypeError):
        return {}


def _asked(function: Any) -> tuple[str, ...]:
    parameters = list(_parameters(function).values())
    named = (p for p in parameters[1:] if p.kind is not inspect.Parameter.POSITIONAL_ONLY)
    return tuple(p.name for p in named if p.name in _GIVEN)
