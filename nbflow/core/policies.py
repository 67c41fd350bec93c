"""What may happen to a task besides running: how long, how often again, how many, how fast.

Frozen values, one for each policy; the scheduler reads them and nothing else decides.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_MOST_SECONDS = 30.0


class OnError(StrEnum):
    """What the failure of one branch does to the run."""

    FINISH = "finish"
    """Independent branches finish, then the run raises."""
    STOP = "stop"
    """Every other branch is cancelled, then the run raises."""
    KEEP = "keep"
    """Independent branches finish and the run doesn't raise."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long one attempt may take. A sync function's thread runs on; its result is dropped.

    Args:
        seconds: The most it may take, more than 0; None for no such limit.
        idle_seconds: The most it may take without a sign of progress; None for no such limit.
        hears_all: Whether everything that it says is a sign of progress; or else only a heartbeat.
        raises: Makes the exception of an attempt that took longer.

    Raises:
        ValueError: a number that makes no sense.
    """

    seconds: float | None
    idle_seconds: float | None = None
    hears_all: bool = True
    raises: Callable[[Overtime], Exception] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for limit in (self.seconds, self.idle_seconds):
            if limit is not None and not limit > 0:
                raise ValueError(f"timeout must be a positive number of seconds, not {limit!r}")

    def due(self, begun: float, heard: float) -> float:
        """When an attempt has taken too long, on the clock of these two.

        Args:
            begun: When it began.
            heard: When it gave the last sign of progress.
        """
        never = float("inf")
        total = never if self.seconds is None else begun + self.seconds
        return total if self.idle_seconds is None else min(total, heard + self.idle_seconds)

    def error(self, node: str, begun: float, heard: float, now: float) -> Exception:
        """What an attempt at a node raises that has taken too long."""
        is_idle = self.seconds is None or self.due(begun, heard) < begun + self.seconds
        if self.raises is not None:
            return self.raises(Overtime(node, self, now - begun, is_idle))
        if is_idle:
            return TimeoutError(f"it made no progress for {self.idle_seconds:g} s")
        return TimeoutError(f"it took longer than {self.seconds:g} s")


class Overtime(NamedTuple):
    """An attempt that has taken too long."""

    node: str
    timeout: Timeout
    elapsed: float
    """Seconds since it began."""
    is_idle: bool
    """Whether it is for want of progress."""


def always(_error: Exception) -> bool:
    """Whether to try again: whatever went wrong."""
    return True


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed attempt is followed by another. A cancelled one never is.

    Args:
        retries: 0 or more.
        on: Says of what an attempt raised whether another shall follow.

    Raises:
        ValueError: a number that makes no sense.
    """

    retries: int
    on: Callable[[Exception], bool] = always

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ValueError(f"retries must be 0 or more, not {self.retries!r}")

    def wants_another(self, failed: int, error: Exception) -> bool:
        """Whether to try again, after so many failed attempts, the last with this error."""
        return failed <= self.retries and self.on(error)

    def delay_seconds(self, failed: int, error: Exception) -> float:  # noqa: ARG002 - for others
        """How long to wait before that, in seconds."""
        return backoff_seconds(failed)


@dataclass(frozen=True, slots=True)
class Rate:
    """How many attempts may begin in a time: a token bucket, full at the start.

    Args:
        count: The bucket's size, in attempts.
        seconds: How long an empty bucket takes to fill evenly.

    Raises:
        ValueError: a number that makes no sense.

    Example:
        >>> Rate.parse("60/min")
        Rate(count=60, seconds=60.0)
    """

    count: int
    seconds: float

    def __post_init__(self) -> None:
        if self.count < 1 or not self.seconds > 0:
            raise ValueError(f"rate must be at least 1 in a positive time, not {self}")

    @classmethod
    def parse(cls, text: str) -> Rate:
        """A rate such as `60/min`, `5/s`, `1000/h` or `10/2s`.

        Raises:
            ValueError: it isn't one.
        """
        match = _RATE.fullmatch(text.strip())
        if match is None or not int(match["count"]) or not float(match["number"] or 1):
            raise ValueError("takes a number by a time, such as 60/min, 5/s or 1000/h")
        return cls(int(match["count"]), float(match["number"] or 1) * _SECONDS[match["unit"][0]])


_RATE = re.compile(
    r"(?P<count>\d{1,9})\s*/\s*(?P<number>\d{1,6}(\.\d{1,3})?)?\s*"
    r"(?P<unit>s|sec|second|m|min|minute|h|hour)"
)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def _check_jobs(jobs: int | None) -> None:
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be 1 or more, not {jobs!r}")


@dataclass(frozen=True, slots=True)
class Policy:
    """How one node's tasks are attempted; None leaves it to the run.

    Args:
        timeout: How long one attempt may take.
        retry: How often a failed attempt is followed by another.
        rate: How many attempts may begin in a time.
        jobs: How many of the node's tasks run at once.

    Raises:
        ValueError: a number that makes no sense.
    """

    timeout: Timeout | None = None
    retry: Retry | None = None
    rate: Rate | None = None
    jobs: int | None = None

    def __post_init__(self) -> None:
        _check_jobs(self.jobs)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a whole run is executed.

    Args:
        timeout: For every node that doesn't say otherwise.
        retry: For every node that doesn't say otherwise.
        rate: For the attempts that use one resource, such as a model; each has its own bucket.
        jobs: How many tasks run at once; None for no limit.
        on_error: What the failure of one branch does to the run.

    Raises:
        ValueError: a number that makes no sense.
    """

    timeout: Timeout | None = None
    retry: Retry | None = None
    rate: Rate | None = None
    jobs: int | None = None
    on_error: OnError = OnError.FINISH

    def __post_init__(self) -> None:
        _check_jobs(self.jobs)


def backoff_seconds(attempt: int) -> float:
    """How long to wait after the failure of an attempt (counted from 1), in seconds.

    Exponential backoff with full jitter: uniform between 0 and the doubling bound, so that branches
    that failed together don't come back together. Source: Marc Brooker, "Exponential Backoff And
    Jitter", AWS Architecture Blog, 2015.

    Example:
        >>> 0 <= backoff_seconds(1) <= BACKOFF_FIRST_SECONDS
        True
    """
    bound = min(BACKOFF_MOST_SECONDS, BACKOFF_FIRST_SECONDS * 2.0 ** min(attempt - 1, 16))
    return random.uniform(0, bound)  # noqa: S311 - jitter, not a secret
