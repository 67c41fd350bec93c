"""Who waits for whom: a task that waits for its own result, over others, is told so.

Knows what a call says of itself; knows nothing of futures or of how a call runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from nbflow.core.attempt import Attempt
from nbflow.core.context import current_task
from nbflow.core.task import Call, RunningCode, Task
from nbflow.core.threads import is_branch
from nbflow.errors import DeadlockError


class Waited(Protocol):
    """A call that somebody waits for."""

    name: str
    call: Call | None
    """What the run knows it as, once it does."""

    def passed(self) -> Sequence[Waited]:
        """The calls whose results it needs to begin."""
        ...


_blocked: dict[RunningCode, Waited] = {}
"""Attempts whose code does nothing but wait for the end of a call, however long that takes."""

_one_at_a_time = threading.Lock()


@contextmanager
def blocked_by(waited: Waited) -> Iterator[None]:
    """The code that runs here does nothing but wait for a call while the context is open.

    Only what can't be given up counts: the code of a task itself, not what that has begun beside
    itself in a thread or as an asyncio task, and only if the task has no timeout. An
    `asyncio.timeout` in that code can't be seen from here.

    Raises:
        DeadlockError: the call waits for that code in turn.
    """
    attempt = current_task.get()
    if not isinstance(attempt, Attempt) or attempt.is_limited or not _is_own_code(attempt):
        yield
        return
    with _one_at_a_time:
        way = _way(waited, attempt.task)
        if not way:
            _blocked[attempt] = waited
    if way:
        raise DeadlockError(
            f"{attempt.task.id!r} waits for the result of {way[0]!r}, and so for its own: "
            f"{' -> '.join([attempt.task.id, *way])}. One of them has to do without."
        )
    try:
        yield
    finally:
        _blocked.pop(attempt, None)


def _is_own_code(attempt: Attempt) -> bool:
    loop = asyncio._get_running_loop()  # noqa: SLF001 - the quick way to ask
    if loop is not attempt.loop:
        return loop is None and is_branch()
    return asyncio.current_task() is attempt.task.asyncio_task


def _way(waited: Waited, task: Task) -> tuple[str, ...]:
    """The ids of those through whom a call waits for a task, which is the last; () if none."""
    before: list[str] = []
    ways = [(waited, before)]
    seen = set()
    while ways:
        one, before = ways.pop()
        way = [*before, one.name if one.call is None else one.call.id]
        if one.call is task:
            return tuple(way)
        if one not in seen:
            seen.add(one)
            ways.extend((other, way) for other in _needs(one))
    return ()


def _needs(waited: Waited) -> list[Waited]:
    """The calls without whose ends a call can't end."""
    call = waited.call
    if call is not None and call.state.is_final:
        return []
    needs = list(waited.passed())
    code = None if call is None else call.attempt
    if code is not None and (next_ := _blocked.get(code)) is not None:
        needs.append(next_)
    return needs
