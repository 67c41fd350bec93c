"""A run of which somebody else does the work: it is told what goes on, and tells it as runs do.

Record, events, results, boards and `last_run()` are a run's own. Knows nothing of who works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NoReturn

from nbflow.core.attempt import GRACE_SECONDS
from nbflow.core.events import Kind
from nbflow.core.policies import RunOptions
from nbflow.core.run import Run
from nbflow.core.states import State
from nbflow.core.task import Call, Task
from nbflow.core.topology import Node, Topology
from nbflow.core.values import text_of
from nbflow.errors import NbflowError

Work = Callable[["FollowedRun"], Coroutine[Any, Any, None]]
"""Does the work and tells the run of it; it is cancelled when the run is."""


class FollowedRun(Run):
    """One execution of something that nbflow doesn't run.

    Args:
        name: What it is an execution of.
        nodes: The nodes that are known before.
        work: Does it.
        worker: Who that is, for people.
    """

    def __init__(self, name: str, nodes: Iterable[Node], work: Work, worker: str) -> None:
        super().__init__(Topology(declared=nodes), {}, RunOptions(), name=name)
        self.error: BaseException | None = None
        """What the work raised."""
        self._do = work
        self._worker = worker
        self._working: asyncio.Future[None] | None = None

    async def _work(self) -> None:
        self._working = asyncio.ensure_future(self._do(self))
        try:
            await asyncio.wait({self._working})
        except asyncio.CancelledError:
            self._cancel()
            await asyncio.wait({self._working}, timeout=GRACE_SECONDS)
            raise
        finally:
            self._take_error()
            self._settle_rest()

    def _take_error(self) -> None:
        """What the work raised is the run's error; what it has caught is nobody's."""
        work = self._working
        if work is None or not work.done() or work.cancelled():
            return
        self.error = work.exception()
        if self.error is None:
            return
        errors = self.scheduler.errors
        for calls in self.scheduler.calls.by_node.values():
            errors.update({call.id: call.error for call in calls if call.error is not None})
        if not any(error is self.error for error in errors.values()):
            errors[self.record.name] = self.error

    def _settle_rest(self) -> None:
        """What was never heard of again, and what never ran."""
        calls = [call for calls in self.scheduler.calls.by_node.values() for call in calls]
        self.scheduler.cancel_units(calls)
        for node in self.topology.declared.values():
            self.scheduler.calls.never(node)

    def _cancel(self, name: str | None = None) -> None:
        super()._cancel(name)
        if self._working is not None:
            self._working.cancel()

    def cancel(self, name: str | None = None) -> None:
        """Cancel the run; any thread may call it.

        Args:
            name: None, for one branch alone can't be cancelled.

        Raises:
            NbflowError: a branch was named.
        """
        if name is not None:
            raise NbflowError(self.why_not_alone(name))
        super().cancel()

    def why_not_alone(self, name: str) -> str:
        """Why one branch can't be cancelled, and what can."""
        return f"{self._worker} runs {name!r} and can't cancel one branch alone; cancel the run."

    def cancel_soon(self) -> None:
        """Cancel the run from a signal handler."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cancel)

    def again(self, *_names: str) -> NoReturn:
        """There is no retry: nbflow doesn't know how to do the work.

        Raises:
            NbflowError: always.
        """
        raise NbflowError(f"{self._worker} has run this; to run it again, call it again.")

    # What the work tells

    def begun(self, node: Node, caller: Task | None = None) -> Call:
        """A task of a node has begun.

        Args:
            node: The node, as it is to be drawn now.
            caller: The task whose code has called it, if it is known.
        """
        scheduler = self.scheduler
        call = scheduler.calls.add(node, caller=caller)
        scheduler.begin(call, {"attempt": 1})
        return call

    def said(self, call: Call, kind: Kind, **data: Any) -> None:
        """A task that goes on has said something."""
        if call.state is State.RUNNING:
            self.scheduler.emit(kind, call, data)

    def done(self, call: Call, result: Any, shown: Any = None, **data: Any) -> None:
        """A task has returned.

        Args:
            call: The task.
            result: What it returned.
            shown: What the views show of that, if it is another.
            **data: What else is said of it.
        """
        text = text_of(result if shown is None else shown)
        said = {"text": text} if text else {}
        self.scheduler.settle(call, State.DONE, {**said, **data}, result=result)

    def failed(self, call: Call, error: BaseException) -> None:
        """A task has raised."""
        call.handled = True  # the worker may have caught it
        self.scheduler.settle(call, State.FAILED, error=error)

    def stopped(self, call: Call) -> None:
        """A task was left in the middle."""
        self.scheduler.settle(call, State.CANCELLED)


def elsewhere() -> NoReturn:
    """The function of a node that is run by somebody else."""
    raise NotImplementedError
