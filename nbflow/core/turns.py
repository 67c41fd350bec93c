"""Whose turn it is: ready units start in order, when there is room and their rate allows it.

Knows limits and rates; knows nothing of why a unit is ready or what it does. Nobody starves: who
finds no room stands in that limit's line, and whoever makes room lets the first of the line try.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from nbflow.core.limits import Limit, TokenBucket
from nbflow.core.policies import RunOptions
from nbflow.core.states import State
from nbflow.core.task import Group, Task, Unit
from nbflow.core.topology import Mode, Node

THREADS = 500
"""How many sync functions of one run are in threads at once; a run in a branch has its own."""


STARTS = 100
"""How many units start before everybody else on the loop has a turn.

So 100,000 ready branches don't keep the loop to themselves, and quick ones end before others start:
what is alive at once stays small.
"""


class Turns:
    """The units that are ready, and the timers of a run.

    Args:
        options: How the run is executed.
        start: Starts a task whose turn has come.
        draw: Lets a group whose turn has come start its next task.
    """

    def __init__(
        self,
        options: RunOptions,
        start: Callable[[Task], None],
        draw: Callable[[Group], None],
    ) -> None:
        self._rate = options.rate
        self._start = start
        self._draw = draw
        self._ready: deque[Unit] = deque()
        self._taking = False
        jobs: tuple[Limit[Unit], ...] = (Limit(options.jobs),) if options.jobs else ()
        self._limits_on_loop = jobs
        self._limits_in_threads = (*jobs, Limit[Unit](THREADS))
        self._buckets: dict[tuple[str, str], TokenBucket] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._loop = asyncio.get_running_loop()

    def limits_of(self, node: Node) -> tuple[Limit[Unit], ...]:
        """What a node's tasks need room in."""
        in_threads = node.mode in (Mode.THREAD, Mode.GENERATOR)
        limits = self._limits_in_threads if in_threads else self._limits_on_loop
        return limits if node.policy.jobs is None else (Limit(node.policy.jobs), *limits)

    def queue(self, unit: Unit) -> None:
        """Put a unit that is ready at the end of the queue."""
        self._ready.append(unit)

    def take(self) -> None:
        """Let every unit in the queue try to start, in order; so many now, and the rest soon."""
        if self._taking or not self._ready:  # they will be taken anyhow, or there are none
            return
        self._taking = True
        try:
            for _ in range(STARTS):
                if not self._ready:
                    break
                self.attempt(self._ready.popleft())
        finally:
            self._taking = bool(self._ready)
            if self._ready:
                self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._taking = False
        self.take()

    def attempt(self, unit: Unit) -> None:
        """Start a unit, if it is still wanted, there is room for it and its rate allows it."""
        if not unit.state.is_final:
            for limit in unit.limits:
                if limit.is_full:
                    limit.wait(unit)
                    break
            else:
                if isinstance(unit, Group):
                    self._draw(unit)
                elif isinstance(unit, Task) and (
                    (self._rate is None and unit.node.policy.rate is None) or self._has_token(unit)
                ):
                    for limit in unit.limits:
                        limit.take()
                    self._start(unit)
                    return
        self._let_others_try(unit)

    def begin(self, task: Task) -> None:
        """Take the room that a task needs."""
        for limit in task.limits:
            limit.take()

    def end(self, task: Task) -> None:
        """Give back the room that a task had."""
        for limit in task.limits:
            limit.give_back()
        self._let_others_try(task)

    def lend(self, task: Task) -> None:
        """A task makes a call: while it has any that haven't ended, they have its room."""
        task.calls += 1
        if task.calls == 1 and task.state is State.RUNNING:
            self.end(task)

    def hand_back(self, task: Task) -> None:
        """A call of a task ends: with the last one, its room is the task's again."""
        task.calls -= 1
        if not task.calls and task.state is State.RUNNING:
            self.begin(task)

    def _let_others_try(self, unit: Unit) -> None:
        """Whoever waits for the room that a unit had, or could have had, may try."""
        for limit in unit.limits:
            if (waiting := limit.next()) is not None:
                self._ready.append(waiting)

    def _has_token(self, task: Task) -> bool:
        """Whether a task may start now; if not, it is ready again when its token is there."""
        delay = 0.0 if task.has_token else self.reserve(task)
        task.has_token = True
        if delay > 0:
            self.later(delay, self._come_back, task)
        return delay <= 0

    def _come_back(self, task: Task) -> None:
        self._ready.append(task)
        self.take()

    def reserve(self, task: Task) -> float:
        """Take a token of a task's rate; in how many seconds it is there."""
        rate = task.node.policy.rate or self._rate
        if rate is None or task.node.mode is Mode.INLINE:
            return 0.0
        is_own = task.node.policy.rate is not None
        key = (task.node.name, "") if is_own else ("", task.resource)
        bucket = self._buckets.setdefault(key, TokenBucket(rate))
        return bucket.reserve(self._loop.time())

    def later(self, seconds: float, callback: Callable[..., None], *args: Any) -> None:
        """Call back later, unless the run is over by then."""

        def call() -> None:
            self._timers.discard(timer)
            callback(*args)

        timer = self._loop.call_later(seconds, call)
        self._timers.add(timer)

    def close(self) -> None:
        """Take back what was to be called later."""
        for timer in self._timers:
            timer.cancel()
