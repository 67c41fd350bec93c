"""A run: one execution of a flow, as an awaitable handle and as its record.

It ties the scheduler to the record and to whoever listens. Knows nothing of who that is.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Generator, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from nbflow.core.endings import cancelled_message, failed_message
from nbflow.core.events import Event, Kind, Sink
from nbflow.core.feed import Feed
from nbflow.core.policies import OnError, RunOptions
from nbflow.core.record import RunRecord
from nbflow.core.retry import Kept, kept_of
from nbflow.core.scheduler import Describe, Scheduler
from nbflow.core.states import RunState, State
from nbflow.core.topology import Topology
from nbflow.errors import NbflowError, RunCancelled, RunError, nearest

SINK_SECONDS = 1.0
"""How long the end of a run waits for sinks that haven't heard of it yet."""

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
        sinks: Called with every event, in order, each in a thread of its own.
        describe: What the `done` event says of a Python node's result beside its text.
        kept: What an ended run of the same nodes leaves to this one.
    """

    board: ClassVar[Callable[[Run], Any]]
    """Shows the run on a live board; the notebook layer brings it."""

    wait_for: ClassVar[Callable[[Coroutine[Any, Any, Run]], Run]]
    """The sync door: runs a coroutine to its end; the layer above brings it."""

    exporter: ClassVar[Callable[[Any, str], str]]
    """Writes what a run was started from as another program; the export layer brings it."""

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
        kept: Kept | None = None,
    ) -> None:
        self.id = secrets.token_hex(4)
        self.topology = topology
        self.origin: Any = None
        """What it was started from, such as a flow."""
        self._values = values
        self._options = options
        self._shown_values = dict(shown_values or {})
        self._describe = describe
        self._kept = kept
        self._feed = Feed(self.id, name, sinks)
        self._scheduler: Scheduler | None = None
        self._main: asyncio.Task[None] | None = None
        self._begun = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def start(self) -> Run:
        """Start on the running event loop and return at once.

        Raises:
            RuntimeError: no event loop is running, or the run was started before.
        """
        if self._main is not None:
            raise RuntimeError(f"run {self.id} was started before; start the flow again instead")
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._feed.open()
        self._scheduler = Scheduler(
            self.topology,
            self._values,
            self._options,
            self._feed.emit,
            self._describe,
            self._kept,
        )
        for watch in self.watchers:
            watch(self)
        self._feed.emit(Kind.RUN_STARTED, None, self._description())
        if self._kept is not None:
            self._kept.repeat(self.topology, self._feed.emit)
        self._scheduler.queue()
        self._main = self._loop.create_task(self._run(), name=f"nbflow run {self.id}")
        _last[:] = [self]
        return self

    async def _run(self) -> None:
        self._begun = True
        try:
            await self._work()
        finally:
            self._feed.emit(Kind.RUN_ENDED, None, {"state": self._outcome()})
        await self._feed.until_told(SINK_SECONDS)

    async def _work(self) -> None:
        """What the run is the record of."""
        await self.scheduler.run()

    def _outcome(self) -> RunState:
        if self.scheduler.cancelled:
            return RunState.CANCELLED
        if self.scheduler.errors:
            return RunState.FAILED
        if not self._feed.has(Kind.CANCELLED):
            return RunState.DONE
        lives = map(self.record.life, self.record.nodes)
        cancelled = any(
            life and life.state is State.CANCELLED and not life.unneeded for life in lives
        )
        return RunState.CANCELLED if cancelled else RunState.DONE

    def __await__(self) -> Generator[Any, None, Run]:
        return self._wait().__await__()

    async def _wait(self) -> Run:
        await self.ended()
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
        if self.scheduler.cancelled:
            raise RunCancelled(cancelled_message(self.record), self)
        if self._options.on_error is not OnError.KEEP:
            error = RunError(failed_message(self.record), self)
            errors = self.errors
            names = dict.fromkeys([*self.record.nodes, *errors])
            failures = [e for name in names if isinstance(e := errors.get(name), Exception)]
            raise error from (ExceptionGroup("failed branches", failures) if failures else None)

    @property
    def scheduler(self) -> Scheduler:
        """What runs it, for those who add calls to it; only on its event loop.

        Raises:
            RuntimeError: it hasn't been started.
        """
        if self._scheduler is None:
            raise RuntimeError(f"run {self.id} has not been started")
        return self._scheduler

    async def ended(self) -> Run:
        """Wait for the end and raise nothing, whatever the end; cancelling it cancels the run."""
        if self._main is None:
            raise RuntimeError(f"run {self.id} has not been started")
        if not self._begun:
            try:
                await asyncio.sleep(0)  # cancelled before its first step, it would never end
            except asyncio.CancelledError:
                self._main.cancel()
                with suppress(asyncio.CancelledError):
                    await self._main
                raise
        if not self._main.done():
            await self._main
        return self

    def cancel(self, name: str | None = None) -> None:
        """Cancel the run, or one branch of it. Any thread may call it; the end may take a moment.

        Args:
            name: A node, or one of its tasks such as `summary[3]`; None for the whole run.

        Raises:
            KeyError: no node has that name.
        """
        if name is not None and name not in self.record.tasks:
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
        if name is None:
            self.scheduler.cancel()
        else:
            self.scheduler.cancel_unit(name)

    def retry(self) -> Run:
        """Run again what failed or was cancelled, and what depends on it; the rest is kept.

        Returns:
            The new run, ended; `await run.aretry()` is the same for code that can await.

        Raises:
            NbflowError: the run hasn't ended, or the elements of a node can't be had again.
            RunError: a branch failed again.
        """
        return Run.wait_for(self.aretry())

    async def aretry(self) -> Run:
        """Run again what failed or was cancelled, and what depends on it; the rest is kept.

        Raises:
            NbflowError: the run hasn't ended, or the elements of a node can't be had again.
            RunError: a branch failed again.
        """
        return await self.again().start()

    def again(self, *names: str) -> Run:
        """The run that a retry of this one is, not started yet.

        Args:
            *names: The nodes that run again whatever came of them, and what depends on them; the
                rest is kept, failures too. Without any, what failed or was cancelled runs again.

        Raises:
            KeyError: no node has that name.
            NbflowError: the run hasn't ended, or the elements of a node can't be had again.
        """
        run = Run(
            self.topology,
            self._values,
            self._options,
            name=self._feed.name,
            shown_values=self._shown_values,
            describe=self._describe,
            kept=self.kept(names or None),
        )
        run.origin = self.origin
        return run

    def keep(self, earlier: Run, anew: Collection[str]) -> Run:
        """Have this run, which hasn't started, keep what an ended one of the same nodes has.

        Args:
            earlier: The ended run.
            anew: The nodes that aren't what they were there: they run, and what depends on them.

        Raises:
            KeyError: no node has that name.
            NbflowError: the run hasn't ended, or the elements of a node can't be had again.
        """
        self._kept = earlier.kept(anew, self.topology)
        return self

    def export(self, target: str) -> str:
        """The flow of the run as the source of a LangGraph program, as `Flow.export` has it.

        Raises:
            FlowError: there is no such target, or the run has no flow that could be exported.
        """
        return Run.exporter(self.origin, target)

    def kept(self, anew: Collection[str] | None = None, topology: Topology | None = None) -> Kept:
        """What a run of this one's nodes needn't do again.

        Args:
            anew: The nodes that run whatever came of them; None for all that failed or was
                cancelled.
            topology: What is to run, if it isn't the same; then tasks of a node that has no
                result as a whole aren't kept.

        Raises:
            KeyError: no node has that name.
            NbflowError: the run hasn't ended, or the elements of a node can't be had again.
        """
        if self._scheduler is None or self.status is RunState.RUNNING:
            raise NbflowError(f"run {self.id} hasn't ended; cancel it or wait for it first.")
        for name in anew or ():
            self._check_name(name)
        parts = self._scheduler.groups.parts if topology is None else {}
        made = self.record, self._scheduler.results, self.errors, parts
        kept = kept_of(topology or self.topology, *made, anew)
        kept.check_repeatable(topology or self.topology, self._values)
        return kept

    async def events(self) -> AsyncIterator[Event]:
        """Every event of the run: those that were, then those that come, until its end."""
        async for event in self._feed.events():
            yield event

    def subscribe(self, sink: Sink) -> None:
        """Call `sink` with every event from now on, in a thread of its own.

        A slow one doesn't slow the run: it gets the chunks of a task joined when it falls behind,
        and the run doesn't wait for it to catch up. One that raises is logged and dropped.
        """
        self._feed.subscribe(sink)

    def listen(self, listener: Sink) -> None:
        """Call `listener` with every event from now on, at once and on the run's event loop.

        For views that only take note: it must return at once. One that raises is logged and
        dropped.
        """
        self._feed.listen(listener)

    def at_end(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the run has ended, before whoever awaits it goes on; as `listen`."""

        def listener(event: Event) -> None:
            if event.kind is Kind.RUN_ENDED:
                callback()

        self.listen(listener)

    @property
    def record(self) -> RunRecord:
        """What has happened so far, without the branches' values: what every view shows."""
        return self._feed.record

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What it was given, by name."""
        return self._values

    @property
    def status(self) -> RunState:
        """Where the run is."""
        return self._feed.state

    @property
    def results(self) -> dict[str, Any]:
        """What each finished branch returned, by name; of several calls, a list in order."""
        if self._scheduler is None:
            return {}
        return {**self._scheduler.results, **self._scheduler.calls.results}

    @property
    def errors(self) -> dict[str, BaseException]:
        """The exception of each branch that failed, by name."""
        return {} if self._scheduler is None else dict(self._scheduler.errors)

    @property
    def elapsed(self) -> float:
        """Seconds since the run started, or that it took."""
        return self._feed.elapsed

    @property
    def speedup(self) -> float | None:
        """The sum of the branches' times by the run's own; None before any time has passed."""
        return self.record.speedup

    @property
    def critical_path(self) -> list[str]:
        """The nodes that the run's time was spent waiting for, from the first to the last."""
        return self.record.critical_path

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

        If only some tasks of a node with many have failed or were cancelled, it is what there is,
        with an exception in the place of each result that is missing.

        Raises:
            KeyError: no node has that name, or it has no result; the message says why.
        """
        made = self._scheduler
        if made is not None and name in made.results:
            return made.results[name]
        if made is not None and name in (results := made.calls.results):
            return results[name]
        if made is not None and made.groups.partial.get(name) is not None:
            return made.groups.partial[name]
        self._check_name(name)
        life = self.record.life(name)
        state = "not started" if life is None else life.state
        reason = self.errors.get(name)
        why = f": {type(reason).__name__}: {reason}" if reason is not None else ""
        raise KeyError(f"{name!r} has no result, it is {state}{why}")

    def _check_name(self, name: str) -> None:
        if name not in self.record.nodes and name not in self.topology.nodes:
            known = {**self.topology.nodes, **self.record.nodes}
            raise KeyError(f"no branch is called {name!r}. {nearest(name, known)}")

    def __repr__(self) -> str:
        states = [f"{self.record.count(state)} {state}" for state in State]
        shown = ", ".join(text for text in states if not text.startswith("0 "))
        name = f" {self.record.name!r}" if self.record.name else ""
        return f"<Run {self.id}{name}: {self.status}, {shown or 'not started'}>"

    def _description(self) -> dict[str, Any]:
        nodes, values = self.topology.description, self._shown_values
        return {"name": self._feed.name, "nodes": nodes, "values": values}
