"""A function whose calls are tasks: each call is a future at once and a part of the run around it.

It knows how the function is written and what it asks for by name; how a call gets into a run is
the business of `desk`, and what happens without one, of `outside`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Generator, Mapping
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from nbflow.core.attempt import Attempt
from nbflow.core.context import current_task
from nbflow.core.policies import Policy
from nbflow.core.topology import Node
from nbflow.writing import outside
from nbflow.writing.caching import Cache, Slot, current_cache, namespace_of
from nbflow.writing.calling import Callee
from nbflow.writing.desk import Desk
from nbflow.writing.request import Names, Request
from nbflow.writing.session import Session, current_session
from nbflow.writing.types import CachePolicy

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class TaskFuture(Protocol[T_co]):
    """What a called task gives at once.

    Where an event loop runs it is an `asyncio.Future`, elsewhere a `concurrent.futures.Future`.
    """

    def result(self, timeout: float | None = None) -> T_co:
        """Wait and return what the task returned; on a loop, await instead."""
        ...

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait and return what the task raised, None if it returned."""
        ...

    def done(self) -> bool:
        """Whether it has ended."""
        ...

    def cancel(self) -> bool:
        """Cancel the call; False if it has ended before."""
        ...

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        ...

    def __await__(self) -> Generator[Any, None, T_co]: ...


class TaskFunction(Generic[P, T]):
    """A function whose calls are tasks: `@task` makes it.

    Args:
        function: What is called.
        name: What streams and the board call it.
        policy: How it is attempted.
        cache_policy: For which arguments a result is kept.
        origin: What this is a method of.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str,
        policy: Policy,
        cache_policy: CachePolicy | None = None,
        origin: TaskFunction[Any, Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        callee = Callee.of(function)
        self.__name__ = name
        self.name = name
        self.func = function
        self.function = callee.function
        self.mode = callee.mode
        self.origin: object = self if origin is None else origin
        self.cache_policy = cache_policy
        self._policy = policy
        self._asks = _asked(function)
        self._callee = callee

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]:
        """Call it: the future of its result, at once."""
        session = current_session.get()
        function = self.function
        if self._asks:
            function = functools.partial(function, **self._given(len(args), kwargs, session))
        attempt = current_task.get()
        if isinstance(attempt, Attempt):
            request = Request(self, function, args, kwargs, session, attempt, attempt.loop)
            Desk.of(attempt.scheduler).take(request, attempt)
        else:
            request = Request(self, function, args, kwargs, None, None, outside.loop_here())
            outside.start(request)
        return cast("TaskFuture[T]", request.future)

    def _given(
        self, count: int, passed: Collection[str], session: Session | None
    ) -> dict[str, Any]:
        """What it is given by name, unless its caller passes it."""
        asks = tuple(
            name for name, place in self._asks.items() if place >= count and name not in passed
        )
        callee = Callee(self._callee.function, self._callee.mode, asks)
        return callee.given(session or Session())

    def __get__(self, instance: object, owner: type | None = None) -> TaskFunction[..., T]:
        """As a method of an object, as a function in a class is one."""
        if instance is None or not hasattr(self.func, "__get__"):
            return self
        return TaskFunction(
            self.func.__get__(instance, owner),
            name=self.name,
            policy=self._policy,
            cache_policy=self.cache_policy,
            origin=self,
        )

    def node(self, name: str, inputs: Names) -> Node:
        """How it is drawn and attempted."""
        return Node(name, self.function, inputs, policy=self._policy, mode=self.mode)

    def slot(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Slot | None:
        """Where a cache has the result for these arguments, if it may have one."""
        cache = None if self.cache_policy is None else current_cache.get()
        if cache is None or self.cache_policy is None:
            return None
        return Slot(cache, self.cache_policy, namespace_of(self.func), args, kwargs)

    def clear_cache(self, cache: Cache) -> None:
        """Forget its results in a cache."""
        if self.cache_policy is not None:
            cache.clear([namespace_of(self.func)])

    async def aclear_cache(self, cache: Cache) -> None:
        """Forget its results in a cache."""
        self.clear_cache(cache)

    def __repr__(self) -> str:
        return f"<task {self.name!r}>"


_ANNOTATED: Mapping[str, tuple[str, ...]] = {
    "config": ("RunnableConfig", "Config"),
    "writer": ("StreamWriter",),
    "store": ("BaseStore",),
    "previous": (),
    "runtime": (),
}
"""What a parameter may be annotated with to be given by its name; whatever, if nothing."""


def _asked(function: Callable[..., Any]) -> dict[str, int]:
    """The parameters of a task that are given by name, and their positions."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return {}
    asked = {}
    for place, parameter in enumerate(parameters):
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if by_name and parameter.name in _ANNOTATED and _is_asking(parameter):
            asked[parameter.name] = place if parameter.kind is not parameter.KEYWORD_ONLY else 10**6
    return asked


def _is_asking(parameter: inspect.Parameter) -> bool:
    kinds = _ANNOTATED[parameter.name]
    if not kinds or parameter.annotation is parameter.empty:
        return True
    text = str(parameter.annotation)
    return any(kind in text for kind in kinds) or "Callable[[" in text


def name_of(function: Any) -> str:
    """What a function is called, also within a partial."""
    while isinstance(function, functools.partial) and not hasattr(function, "__name__"):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
