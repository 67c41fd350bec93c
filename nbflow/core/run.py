"""A run: one execution of a flow, as an awaitable handle and as its record.

It ties the scheduler to the record and to whoever listens. Knows nothing of who that is.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any, ClassVar

from nbflow.core.events import Event, Kind, Sink
from nbflow.core.policies import OnError, RunOptions
from nbflow.core.record import RunRecord
from nbflow.core.scheduler import Describe, Scheduler
from nbflow.core.states import RunState, State
from nbflow.core.task import Task
from nbflow.core.topology import Topology
from nbflow.errors import NbflowError, RunCancelled, RunError, nearest

_log = logging.getLogger(__name__)

_last: list[Run] = []


def last_run() -> Run:
    """The run that was started last in this process.

    Raises:
        NbflowError: nothing has been run yet.
    """
    if not _last:
        raise NbflowError("nothing has been run yet in this process.")
    return _last[0]


class Run:
    """One execution of a flow. `await` it, watch it, cancel it, read it; also before it has ended.

    `flow.run()`, `flow.arun()` and `flow.start()` make one; a person never does. `run["joke"]` is
    the result of the branch `joke`.

    Args:
        topology: What to run.
        values: The values of the inputs that aren't nodes.
        options: How to run it.
        name: The flow's name.
        shown_values: The values that views may show, as short texts.
        sinks: Called with every event, in order, on the run's event loop.
        describe: What the `done` event says of a Python node's result beside its text.
    """

    board: ClassVar[Callable[[Run], Any]]
    """Shows the run on a live board; the notebook layer brings it."""

    watchers: ClassVar[list[Callable[[Run], None]]] = []
    """Called with every run of this process as it starts, before its first event."""

    def __init__(
        self,
        topology: Topology,
        values: Mapping[str, Any],
        options: RunOptions,
        *,
        name: str = "",
        shown_values: Mapping[str, str] | None = None,
        sinks: tuple[Sink, ...] = (),
        describe: Describe | None = None,
    ) -> None:
        self.id = secrets.token_hex(4)
        self.record = RunRecord(id=self.id, name=name)
        self.topology = topology
        self._values = values
        self._options = options
        self._shown_values = dict(shown_values or {})
        self._sinks = list(sinks)
        self._describe = describe
        self._log: list[Event] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._scheduler: Scheduler | None = None
        self._main: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._zero = 0.0

    def start(self) -> Run:
        """Start on the running event loop and return at once.

        Raises:
            RuntimeError: no event loop is running, or the run was started before.
        """
        if self._main is not None:
            raise RuntimeError(f"run {self.id} was started before; start the flow again instead")
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._zero = self._loop.time()
        self._scheduler = Scheduler(
            self.topology, self._values, self._options, self._emit, self._describe
        )
        for watch in self.watchers:
            watch(self)
        self._emit(Kind.RUN_STARTED, None, self._description())
        self._scheduler.queue()
        self._main = self._loop.create_task(self._run(), name=f"nbflow run {self.id}")
        _last[:] = [self]
        return self

    async def _run(self) -> None:
        assert self._scheduler is not None
        try:
            await self._scheduler.run()
        finally:
            self._emit(Kind.RUN_ENDED, None, {"state": self._outcome()})

    def _outcome(self) -> RunState:
        assert self._scheduler is not None
        states = {task.state for task in self.record.tasks.values()}
        if self._scheduler.cancelled:
            return RunState.CANCELLED
        if State.FAILED in states:
            return RunState.FAILED
        return RunState.CANCELLED if State.CANCELLED in states else RunState.DONE

    def __await__(self) -> Generator[Any, None, Run]:
        return self._wait().__await__()

    async def _wait(self) -> Run:
        if self._main is None:
            raise RuntimeError(f"run {self.id} has not been started")
        if not self._main.done():
            await self._main
        self.raise_unless_done()
        return self

    def raise_unless_done(self) -> None:
        """Raise what the end of the run calls for; nothing while it runs or if all is well.

        Raises:
            RunCancelled: the whole run was cancelled.
            RunError: a branch failed or was cancelled, and the run isn't to keep errors.
        """
        if self.status in (RunState.RUNNING, RunState.DONE):
            return
        assert self._scheduler is not None
        if self._scheduler.cancelled:
            raise RunCancelled(_cancelled_message(self.record), self)
        if self._options.on_error is not OnError.KEEP:
            error = RunError(_failed_message(self.record), self)
            failures = [e for e in self.errors.values() if isinstance(e, Exception)]
            raise error from (ExceptionGroup("failed branches", failures) if failures else None)

    def cancel(self, name: str | None = None) -> None:
        """Cancel the run, or one branch of it. Any thread may call it; the end may take a moment.

        Args:
            name: A node; None for the whole run.

        Raises:
            KeyError: no node has that name.
        """
        if name is not None:
            self._check_name(name)
        if self._loop is None or self.status is not RunState.RUNNING or self._loop.is_closed():
            return
        if threading.get_ident() == self._thread:
            self._cancel(name)
        else:
            self._loop.call_soon_threadsafe(self._cancel, name)

    def cancel_soon(self) -> None:
        """Cancel the run from a signal handler: nothing starts any more, what runs is told next."""
        if self._scheduler is not None and self._loop is not None and not self._loop.is_closed():
            self._scheduler.closing = True
            self._loop.call_soon_threadsafe(self._scheduler.cancel)

    def _cancel(self, name: str | None) -> None:
        assert self._scheduler is not None
        if name is None:
            self._scheduler.cancel()
        else:
            self._scheduler.cancel_node(name)

    async def events(self) -> AsyncIterator[Event]:
        """Every event of the run: those that were, then those that come, until its end."""
        seen = 0
        while True:
            while seen < len(self._log):
                yield self._log[seen]
                seen += 1
            if self.status is not RunState.RUNNING:
                return
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(news)
            await news

    def subscribe(self, sink: Sink) -> None:
        """Call `sink` with every event from now on. One that raises is logged and dropped."""
        self._sinks.append(sink)

    @property
    def status(self) -> RunState:
        """Where the run is."""
        return self.record.state

    @property
    def results(self) -> dict[str, Any]:
        """What each finished branch returned, by name."""
        return {} if self._scheduler is None else dict(self._scheduler.results)

    @property
    def errors(self) -> dict[str, BaseException]:
        """The exception of each branch that failed, by name."""
        return {} if self._scheduler is None else dict(self._scheduler.errors)

    @property
    def elapsed(self) -> float:
        """Seconds since the run started, or that it took."""
        if self.status is RunState.RUNNING and self._loop is not None:
            return self._loop.time() - self._zero
        return self.record.now

    @property
    def speedup(self) -> float | None:
        """The sum of the branches' times by the run's own; None before any time has passed."""
        return self.record.speedup

    @property
    def usage(self) -> dict[str, int]:
        """Tokens so far: `input_tokens` and `output_tokens`."""
        tasks = self.record.tasks.values()
        return {
            "input_tokens": sum(task.input_tokens for task in tasks),
            "output_tokens": sum(task.output_tokens for task in tasks),
        }

    def __getitem__(self, name: str) -> Any:
        """The result of a branch.

        Raises:
            KeyError: no node has that name, or it has no result; the message says why.
        """
        self._check_name(name)
        results = self.results
        if name not in results:
            task = self.record.tasks.get(name)
            state = "not started" if task is None else task.state
            reason = self.errors.get(name)
            why = f": {type(reason).__name__}: {reason}" if reason is not None else ""
            raise KeyError(f"{name!r} has no result, it is {state}{why}")
        return results[name]

    def _check_name(self, name: str) -> None:
        if name not in self.topology.nodes:
            raise KeyError(f"no branch is called {name!r}. {nearest(name, self.topology.nodes)}")

    def __repr__(self) -> str:
        states = [f"{self.record.count(state)} {state}" for state in State]
        shown = ", ".join(text for text in states if not text.startswith("0 "))
        name = f" {self.record.name!r}" if self.record.name else ""
        return f"<Run {self.id}{name}: {self.status}, {shown or 'not started'}>"

    def _description(self) -> dict[str, Any]:
        nodes = [
            {
                "name": node.name,
                "kind": node.kind,
                "inputs": node.inputs,
                "source": node.source,
                "detail": node.detail,
            }
            for node in self.topology.nodes.values()
        ]
        return {"name": self.record.name, "nodes": nodes, "values": self._shown_values}

    def _emit(self, kind: Kind, task: Task | None, data: Mapping[str, Any]) -> None:
        """Record a fact and tell everybody: the only way in which anything gets known."""
        assert self._loop is not None
        at, wall, seq = self._loop.time() - self._zero, time.time(), len(self._log)
        if task is None:
            event = Event(self.id, seq, kind, None, None, at, wall, data)
        else:
            event = Event(self.id, seq, kind, task.node.name, task.id, at, wall, data)
        self.record.apply(event)
        self._log.append(event)
        if self._sinks:
            self._tell(event)
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _tell(self, event: Event) -> None:
        for sink in tuple(self._sinks):
            try:
                sink(event)
            except Exception:  # noqa: BLE001 - whatever a listener does, the run goes on
                _log.exception("a sink of run %s raised and is dropped", self.id)
                self._sinks.remove(sink)


def _names(record: RunRecord, state: State) -> list[str]:
    return [task.node for task in record.tasks.values() if task.state is state]


def _failed_message(record: RunRecord) -> str:
    parts = []
    for task in record.tasks.values():
        if task.error is not None and task.state is State.FAILED:
            message = " ".join(task.error.message.split())
            shown = message if len(message) <= 300 else message[:300] + "..."  # noqa: PLR2004
            parts.append(f"{task.node} failed ({task.error.type}: {shown})")
    parts += [f"{name} was cancelled" for name in _names(record, State.CANCELLED)]
    parts += [f"{name} was skipped" for name in _names(record, State.SKIPPED)]
    return f"{'; '.join(parts)}. {_kept(record)}"


def _cancelled_message(record: RunRecord) -> str:
    return f"cancelled after {record.now:.1f} s. {_kept(record)}"


def _kept(record: RunRecord) -> str:
    done = _names(record, State.DONE)
    if not done:
        return "Nothing had finished."
    shown = ", ".join(done[:6]) + (f" and {len(done) - 6} more" if len(done) > 6 else "")  # noqa: PLR2004
    return f"Finished and kept: {shown}."
