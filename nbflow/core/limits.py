"""Limits that tasks share: how many at once, and how many in a time.

Plain counters, touched on the run's event loop only; they know nothing of what they limit.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from nbflow.core.policies import Rate

T = TypeVar("T")


class Limit(Generic[T]):
    """At most so many at once; the rest waits in line.

    Args:
        most: 1 or more.
    """

    __slots__ = ("_free", "_line")

    def __init__(self, most: int) -> None:
        self._free = most
        self._line: deque[T] = deque()

    @property
    def is_full(self) -> bool:
        """True if nobody may begin now."""
        return self._free <= 0

    def wait(self, waiting: T) -> None:
        """Stand in line."""
        self._line.append(waiting)

    def take(self) -> None:
        """Begin: when it isn't full, or in somebody's place who ends in this moment."""
        self._free -= 1

    def give_back(self) -> None:
        """End."""
        self._free += 1

    def next(self) -> T | None:
        """Whoever is first in line and may try now; None if nobody is or may."""
        return self._line.popleft() if self._line and self._free > 0 else None


class TokenBucket:
    """A bucket of tokens, full at the start and filled evenly; each attempt takes one.

    Who finds none is told when its token comes, in the order of asking. Source: the virtual
    scheduling form of the generic cell rate algorithm, ITU-T I.371, annex A.

    Example:
        >>> bucket = TokenBucket(Rate(2, 1.0))
        >>> [bucket.reserve(now=10.0) for _ in range(4)]
        [0.0, 0.0, 0.5, 1.0]
    """

    __slots__ = ("_interval", "_next", "_slack")

    def __init__(self, rate: Rate) -> None:
        self._interval = rate.seconds / rate.count
        self._slack = rate.seconds - self._interval
        self._next = float("-inf")

    def reserve(self, now: float) -> float:
        """Take a token; in how many seconds it is there."""
        due = max(self._next, now)
        self._next = due + self._interval
        return max(0.0, due - self._slack - now)
