"""Which task the code is running in, and the way for that code to say something about it.

The context variable follows `await` and is copied into the thread of a sync branch, so `print`,
`display` and the models find the branch they are called from.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from nbflow.core.events import Kind


class TaskContext(Protocol):
    """One attempt of a task, as seen by the code that runs inside it."""

    @property
    def node(self) -> str:
        """The name of the task's node."""
        ...

    @property
    def sample(self) -> int:
        """The task's number among the tasks of its node, from 0."""
        ...

    @property
    def cancelled(self) -> bool:
        """True once the run has no more use for this attempt."""
        ...

    def emit(self, kind: Kind, data: dict[str, Any]) -> None:
        """Record a fact about this task. Any thread may call it; too late is silently too late."""
        ...

    def progress(self, *, heartbeat: bool = False) -> None:
        """The code gets on, which a timeout may want to hear. Any thread may call it.

        Args:
            heartbeat: Whether the code says so by itself; else it is a sign of something it does.
        """
        ...

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have `callback` called once this attempt is cancelled.

        It is called on the run's event loop, at once if the attempt is cancelled already.

        Returns:
            A function that takes the callback back.
        """
        ...


current_task: ContextVar[TaskContext | None] = ContextVar("nbflow_task", default=None)


def progress(*, heartbeat: bool = False) -> None:
    """Say that the code of the task that this runs in gets on; outside of one, do nothing."""
    task = current_task.get()
    if task is not None:
        task.progress(heartbeat=heartbeat)


def emit(kind: Kind, **data: Any) -> None:
    """Record a fact about the task this code runs in; outside of a task, do nothing."""
    task = current_task.get()
    if task is not None:
        task.emit(kind, data)
