"""The values of the Graph and Functional APIs: what nodes return, and how they are attempted.

Names, fields and defaults are LangGraph's, so that code for it runs here. Knows the core's
policies; runs nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from nbflow.core.policies import Overtime, Policy, Retry, Timeout
from nbflow.errors import NodeTimeoutError

N = TypeVar("N")

StreamMode = Literal["values", "updates", "messages", "custom", "tasks", "debug", "checkpoints"]
"""What a stream tells: each mode in `Invocable.stream`."""

StreamWriter = Callable[[Any], None]
"""Puts a value into the `custom` stream."""

Seconds: TypeAlias = float | timedelta
"""How long, as a number of seconds or a `timedelta`."""


class Send:
    """A message to a node: it is executed once more, with this as its input.

    Args:
        node: The node's name.
        arg: What it is given in place of the graph's state.
        timeout: For this execution, instead of the node's own.

    Example:
        >>> Send("joke", {"subject": "cats"})
        Send(node='joke', arg={'subject': 'cats'})
    """

    __slots__ = ("arg", "node", "timeout")

    def __init__(
        self, /, node: str, arg: Any, *, timeout: Seconds | TimeoutPolicy | None = None
    ) -> None:
        self.node = node
        self.arg = arg
        self.timeout = TimeoutPolicy.coerce(timeout)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Send):
            return NotImplemented
        return (self.node, self.arg, self.timeout) == (other.node, other.arg, other.timeout)

    def __hash__(self) -> int:
        return hash((self.node, self.arg, self.timeout))

    def __repr__(self) -> str:
        timeout = "" if self.timeout is None else f", timeout={self.timeout!r}"
        return f"Send(node={self.node!r}, arg={self.arg!r}{timeout})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Generic[N]):
    """An update of the state together with where to go next.

    Args:
        graph: `Command.PARENT` for the graph around this one; None for this one.
        update: The update, as a node would return it.
        resume: Not there yet: nothing can be interrupted to wait for a person.
        goto: A node's name, a `Send`, or several of both.
    """

    graph: str | None = None
    update: Any = None
    resume: Any = None
    goto: Send | Sequence[Send | N] | N = ()

    PARENT: ClassVar[Literal["__parent__"]] = "__parent__"

    def __repr__(self) -> str:
        fields = ((name, getattr(self, name)) for name in ("graph", "update", "resume", "goto"))
        return f"Command({', '.join(f'{name}={value!r}' for name, value in fields if value)})"


@dataclass(slots=True)
class Overwrite:
    """An update that replaces the value of a key instead of going through its reducer.

    Args:
        value: The new value.
    """

    value: Any
    type: Literal["__overwrite__"] = "__overwrite__"


@dataclass(frozen=True)
class GraphOutput(Generic[N]):
    """What `invoke(..., version="v2")` returns.

    Args:
        value: The result.
        interrupts: Always empty: there are none yet.
    """

    value: N
    interrupts: tuple[()] = ()

    def __getitem__(self, key: str) -> Any:
        """A key of the result."""
        value: Any = self.value
        return value[key] if isinstance(value, Mapping) else getattr(value, key)

    def __contains__(self, key: object) -> bool:
        value: Any = self.value
        if isinstance(value, Mapping):
            return key in value
        return isinstance(key, str) and hasattr(value, key)


def default_retry_on(error: Exception) -> bool:
    """Whether another attempt may help: lost connections and servers' faults, not mistakes.

    Example:
        >>> default_retry_on(ConnectionError()), default_retry_on(ValueError())
        (True, False)
    """
    if isinstance(error, ConnectionError):
        return True
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return 500 <= status < 600  # noqa: PLR2004 - HTTP's own
    return not isinstance(error, _MISTAKES)


_MISTAKES = (
    ValueError,
    TypeError,
    ArithmeticError,
    ImportError,
    LookupError,
    NameError,
    SyntaxError,
    RuntimeError,
    ReferenceError,
    StopIteration,
    StopAsyncIteration,
    OSError,
)


class RetryPolicy(NamedTuple):
    """How often, when and after what a failed node is attempted again.

    Example:
        >>> RetryPolicy(max_attempts=5).backoff_factor
        2.0
    """

    initial_interval: float = 0.5
    """Seconds before the second attempt."""
    backoff_factor: float = 2.0
    """By how much the wait grows with each attempt."""
    max_interval: float = 128.0
    """The longest wait, in seconds."""
    max_attempts: int = 3
    """How many attempts there are, the first one included."""
    jitter: bool = True
    """Whether the wait is varied at random."""
    retry_on: type[Exception] | Sequence[type[Exception]] | Callable[[Exception], bool] = (
        default_retry_on
    )
    """After which exceptions."""

    def covers(self, error: Exception) -> bool:
        """Whether it says to try again after this exception."""
        on = self.retry_on
        if isinstance(on, Sequence):
            return isinstance(error, tuple(on))
        return isinstance(error, on) if isinstance(on, type) else bool(on(error))


RetryPolicies: TypeAlias = RetryPolicy | Sequence[RetryPolicy] | None
"""One, several, of which the first that covers the exception counts, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutPolicy:
    """How long an attempt may take. Of a sync function the thread runs on, and is not heard.

    Args:
        run_timeout: The most an attempt may take.
        idle_timeout: The most it may take without a sign of progress.
        refresh_on: What is such a sign: `auto` for what it streams, yields, calls and says, and
            `runtime.heartbeat()`; `heartbeat` for that alone.
    """

    run_timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    refresh_on: Literal["auto", "heartbeat"] = "auto"

    @classmethod
    def coerce(cls, value: Seconds | TimeoutPolicy | None) -> TimeoutPolicy | None:
        """A policy in seconds from what a person may write; None if it limits nothing.

        Raises:
            ValueError: a timeout isn't more than 0, or there is no such way to refresh.
        """
        if value is None:
            return None
        policy = value if isinstance(value, TimeoutPolicy) else cls(run_timeout=value)
        if policy.refresh_on not in ("auto", "heartbeat"):
            raise ValueError("refresh_on must be 'auto' or 'heartbeat'")
        run = _seconds(policy.run_timeout, "run_timeout")
        idle = _seconds(policy.idle_timeout, "idle_timeout")
        return (
            None
            if run is None and idle is None
            else cls(run_timeout=run, idle_timeout=idle, refresh_on=policy.refresh_on)
        )


def _seconds(limit: Seconds | None, field: str) -> float | None:
    seconds = limit.total_seconds() if isinstance(limit, timedelta) else limit
    if seconds is not None and not seconds > 0:
        raise ValueError(f"{field} must be greater than 0")
    return None if seconds is None else float(seconds)


@dataclass(frozen=True, slots=True)
class _Retries(Retry):
    """The core's view of retry policies."""

    policies: tuple[RetryPolicy, ...] = ()

    def _first(self, error: Exception) -> RetryPolicy | None:
        return next((policy for policy in self.policies if policy.covers(error)), None)

    def wants_another(self, failed: int, error: Exception) -> bool:
        policy = self._first(error)
        return policy is not None and failed < policy.max_attempts

    def delay_seconds(self, failed: int, error: Exception) -> float:
        policy = self._first(error) or RetryPolicy()
        bound = policy.initial_interval * policy.backoff_factor ** (failed - 1)
        seconds = min(policy.max_interval, bound)
        return seconds + random.uniform(0, 1) if policy.jitter else seconds  # noqa: S311 - jitter


def policy_of(retry: RetryPolicies, timeout: Seconds | TimeoutPolicy | None) -> Policy:
    """How the core is to attempt a node or task.

    Raises:
        ValueError: a timeout that isn't more than 0.
    """
    policies = (retry,) if isinstance(retry, RetryPolicy) else tuple(retry or ())
    limit = TimeoutPolicy.coerce(timeout)
    return Policy(
        timeout=None if limit is None else _core_timeout(limit),
        retry=_Retries(max(p.max_attempts for p in policies), policies=policies)
        if policies
        else None,
    )


def _core_timeout(limit: TimeoutPolicy) -> Timeout:
    run = _seconds(limit.run_timeout, "run_timeout")
    idle = _seconds(limit.idle_timeout, "idle_timeout")
    return Timeout(run, idle, limit.refresh_on == "auto", _took_too_long)


def _took_too_long(overtime: Overtime) -> Exception:
    return NodeTimeoutError(
        overtime.node,
        overtime.elapsed,
        kind="idle" if overtime.is_idle else "run",
        idle_timeout=overtime.timeout.idle_seconds,
        run_timeout=overtime.timeout.seconds,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """Reuse what a node or task returned for the same input.

    Args:
        key_func: Makes the key of what the function was called with, a text or bytes; None for
            one that tells plain data apart (texts, numbers, lists, dicts, dataclasses).
        ttl: For how many seconds; None for as long as the cache lives.
    """

    key_func: Callable[..., str | bytes] | None = None
    ttl: float | None = None
