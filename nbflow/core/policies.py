"""What may happen to a task besides running: how long, how often again, and what a failure does.

Frozen values; the scheduler reads them and nothing else decides.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

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
class Policy:
    """How one node's task is attempted.

    Args:
        timeout: Seconds one attempt may take; None for no limit.
        retries: How often a failed attempt is followed by another.

    Raises:
        ValueError: a number that makes no sense.
    """

    timeout: float | None = None
    retries: int | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"timeout must be a positive number of seconds, not {self.timeout!r}")
        if self.retries is not None and self.retries < 0:
            raise ValueError(f"retries must be 0 or more, not {self.retries!r}")

    def or_else(self, default: Policy) -> Policy:
        """This policy, with what it leaves open taken from `default`.

        Example:
            >>> Policy(retries=2).or_else(Policy(timeout=5.0, retries=1))
            Policy(timeout=5.0, retries=2)
        """
        if default.timeout is None and default.retries is None:
            return self
        return Policy(
            timeout=default.timeout if self.timeout is None else self.timeout,
            retries=default.retries if self.retries is None else self.retries,
        )


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a whole run is executed.

    Args:
        jobs: How many tasks run at once; None for no limit.
        on_error: What the failure of one branch does to the run.
        policy: What holds for every node that doesn't say otherwise.

    Raises:
        ValueError: a number that makes no sense.
    """

    jobs: int | None = None
    on_error: OnError = OnError.FINISH
    policy: Policy = Policy()

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"jobs must be 1 or more, not {self.jobs!r}")


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
