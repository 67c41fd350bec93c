"""How a function of the Graph or Functional API is called: what it takes besides its input.

LangGraph's names for what a function may ask for: `config`, `runtime`, `writer`, `previous`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nbflow.core.context import emit
from nbflow.core.events import Kind
from nbflow.core.threads import call_in_thread, iterate_in_thread
from nbflow.core.topology import Mode, mode_of
from nbflow.core.values import text_of
from nbflow.writing.streams import Session, current_session
from nbflow.writing.types import Command

ContextT = TypeVar("ContextT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime(Generic[ContextT]):
    """What a node finds as `runtime`.

    Args:
        context: What was given to `invoke(..., context=...)`.
        store: Always None: there is no store yet.
        stream_writer: Puts a value into the `custom` stream.
        previous: Always None: nothing is remembered between invocations yet.
    """

    context: ContextT = None  # type: ignore[assignment]
    store: None = None
    stream_writer: Callable[[Any], None] = print
    previous: None = None


def _runtime_of(session: Session) -> Runtime[Any]:
    writer = functools.partial(session.put, "custom")
    return Runtime(context=session.context, stream_writer=writer)


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
    "writer": lambda session: functools.partial(session.put, "custom"),
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

    async def call(self, state: Any, given: Mapping[str, Any]) -> Any:
        """Call it, however it is written, and give what it returned or the updates it yielded."""
        match self.mode:
            case Mode.COROUTINE:
                return await self.function(state, **given)
            case Mode.ASYNC_GENERATOR:
                return await _consumed(self.function(state, **given))
            case Mode.GENERATOR:
                return await _consumed(iterate_in_thread(lambda: self.function(state, **given)))
            case _:
                returned = await call_in_thread(self.function, state, **given)
                return await returned if inspect.isawaitable(returned) else returned


async def _consumed(parts: AsyncIterator[Any]) -> list[Any]:
    """The updates that a generator yields, as commands; everything else it yields is shown."""
    updates: list[Any] = []
    async for part in parts:
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
