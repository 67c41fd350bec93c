"""The Functional API: `task` and `entrypoint`, with LangGraph's names and options.

Decorators only: what they make is in `taskfunction` and `workflow`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from nbflow.errors import NbflowError
from nbflow.writing.caching import Cache
from nbflow.writing.taskfunction import TaskFunction, name_of
from nbflow.writing.types import CachePolicy, RetryPolicies, Seconds, TimeoutPolicy, policy_of
from nbflow.writing.workflow import Final, Workflow

P = ParamSpec("P")
T = TypeVar("T")


@overload
def task(
    function: None = None,
    /,
    *,
    name: str | None = None,
    retry_policy: RetryPolicies = None,
    cache_policy: CachePolicy | None = None,
    timeout: Seconds | TimeoutPolicy | None = None,
) -> _Decorator: ...


@overload
def task(
    function: Callable[P, Awaitable[T]],
    /,
    *,
    name: str | None = None,
    retry_policy: RetryPolicies = None,
    cache_policy: CachePolicy | None = None,
    timeout: Seconds | TimeoutPolicy | None = None,
) -> TaskFunction[P, T]: ...


@overload
def task(
    function: Callable[P, T],
    /,
    *,
    name: str | None = None,
    retry_policy: RetryPolicies = None,
    cache_policy: CachePolicy | None = None,
    timeout: Seconds | TimeoutPolicy | None = None,
) -> TaskFunction[P, T]: ...


def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    retry_policy: RetryPolicies = None,
    cache_policy: CachePolicy | None = None,
    timeout: Seconds | TimeoutPolicy | None = None,
) -> Any:
    """Make a function whose calls run side by side: each gives a future at once.

    In plain code `.result()` waits for it; where an event loop runs, await it. A future that is
    passed to another task stands for its result, and nothing waits meanwhile. Called outside of an
    entrypoint it just runs.

    Args:
        function: What is called: plain, async, a method, a generator (its chunks are streamed).
        name: What streams and the board call it; the function's name by default.
        retry_policy: How often, when and after what it is attempted again.
        cache_policy: Reuse what it returned for the same arguments.
        timeout: How long an attempt may take, in seconds.

    Raises:
        ValueError: a timeout that isn't more than 0.

    Example:
        >>> @task
        ... def double(n):
        ...     return 2 * n
        >>> @entrypoint()
        ... def sum_of_doubles(numbers):
        ...     return sum(future.result() for future in [double(n) for n in numbers])
        >>> sum_of_doubles.invoke([1, 2, 3])
        12
    """
    policy = policy_of(retry_policy, timeout)

    def decorated(function: Callable[..., Any]) -> TaskFunction[Any, Any]:
        own = name or name_of(function)
        return TaskFunction(function, name=own, policy=policy, cache_policy=cache_policy)

    return decorated if function is None else decorated(function)


class _Decorator(Protocol):
    @overload
    def __call__(self, function: Callable[P, Awaitable[T]], /) -> TaskFunction[P, T]: ...

    @overload
    def __call__(self, function: Callable[P, T], /) -> TaskFunction[P, T]: ...


class entrypoint:  # noqa: N801 - LangGraph's name, which is used as a function is
    """Make a workflow of a function that calls tasks; used as `@entrypoint()`.

    The function is called with the input. It may ask by name for `config`, `writer`, `runtime` and
    `previous` (None: nothing is remembered between invocations yet). The workflow has `invoke`,
    `stream`, `batch`, their async forms, `start` and `get_graph`.

    Args:
        checkpointer: Not there yet.
        store: Not there yet.
        cache: Where tasks with a cache policy keep results; by default a cache of its own.
        context_schema: What `invoke(..., context=...)` is given.
        cache_policy: Reuse the whole result for the same input.
        retry_policy: How often, when and after what it is attempted again.
        timeout: How long an attempt may take, in seconds.

    `entrypoint.final(value=..., save=...)` may be returned: its value is the result.

    Raises:
        NbflowError: what isn't there yet was asked for.

    Example:
        >>> @task
        ... async def double(n):
        ...     return 2 * n
        >>> @entrypoint()
        ... async def doubled_twice(n):
        ...     return await double(double(n))
        >>> list(doubled_twice.stream(3))
        [{'double': 6}, {'double': 12}, {'doubled_twice': 12}]
    """

    final = Final

    def __init__(  # noqa: PLR0917 - LangGraph's order
        self,
        checkpointer: Any = None,
        store: Any = None,
        cache: Cache | None = None,
        context_schema: type[Any] | None = None,
        cache_policy: CachePolicy | None = None,
        retry_policy: RetryPolicies = None,
        timeout: Seconds | TimeoutPolicy | None = None,
    ) -> None:
        if inspect.isroutine(checkpointer):
            raise NbflowError("write @entrypoint() with parentheses: it takes options.")
        for what, given in (("checkpointer", checkpointer), ("store", store)):
            if given is not None:
                raise NbflowError(
                    f"entrypoint({what}=...) isn't there yet: nothing is kept between invocations. "
                    "Leave it out."
                )
        self._options: dict[str, Any] = {
            "policy": policy_of(retry_policy, timeout),
            "cache": cache,
            "cache_policy": cache_policy,
            "context_schema": context_schema,
        }

    def __call__(self, function: Callable[..., Any]) -> Workflow:
        """The workflow of a function.

        Raises:
            ValueError: the function has no parameter.
            NotImplementedError: it is a generator.
        """
        return Workflow(function, **self._options)
