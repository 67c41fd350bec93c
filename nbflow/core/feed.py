"""The feed of a run: every fact about it, in order, for everybody who wants to know.

A fact becomes an event and is told: to listeners at once, to sinks in threads of their own, and to
whoever iterates over the events. From the moment that somebody asks for the record it is folded
into that; a run of many small branches that nobody looks at needs none. Knows nothing of what runs.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from nbflow.core.events import Event, Kind, Log, Sink
from nbflow.core.record import RunRecord
from nbflow.core.sinks import Reader
from nbflow.core.states import RunState
from nbflow.core.task import Unit
from nbflow.core.threads import call_in_thread

_log = logging.getLogger(__name__)


class Feed:
    """The events of one run.

    Args:
        run: The run's id.
        name: The flow's name.
        sinks: Called with every event, in order, each in a thread of its own.
    """

    def __init__(self, run: str, name: str, sinks: Iterable[Sink]) -> None:
        self.name = name
        self.state = RunState.RUNNING
        self._run = run
        self._record = RunRecord(id=run, name=name)
        self._folded = 0
        """How many events the record has in it."""
        self._is_watched = False
        """True once somebody has the record, which is to be up to date from then on."""
        self._folding = threading.Lock()
        self._folder = 0
        """The thread that folds."""
        self._sinks = list(sinks)
        self._events = Log(run, 0.0)
        self._readers: list[Reader] = []
        self._listeners: list[Sink] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._zero = 0.0

    def open(self) -> None:
        """Start the clock, on the running event loop; from here on facts are emitted."""
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time()
        self._events = Log(self._run, time.time())
        self._readers = [Reader(sink, self._events) for sink in self._sinks]

    def emit(self, kind: Kind, unit: Unit | None, data: Mapping[str, Any]) -> None:
        """Record a fact and tell everybody: the only way in which anything gets known."""
        assert self._loop is not None
        at = self._loop.time() - self._zero
        if unit is None:
            self._events.append(kind, None, None, at, data)
            if kind is Kind.RUN_ENDED:
                self.state = RunState(data["state"])
        else:
            self._events.append(kind, unit.node.name, unit.id, at, data)
        if self._is_watched:
            self._fold()
        if self._listeners:
            self._tell()
        for reader in self._readers:
            reader.tell()
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _tell(self) -> None:
        event = self._events[len(self._events) - 1]
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - whatever a listener does, the run goes on
                _log.exception("a listener of run %s raised and is dropped", event.run)
                self._listeners.remove(listener)

    @property
    def record(self) -> RunRecord:
        """All events so far, folded, and those to come as they come; any thread may ask."""
        self._is_watched = True
        self._fold()
        return self._record

    def _fold(self) -> None:
        here = threading.get_ident()
        if self._folder == here:  # what is collected meanwhile has said something: it comes next
            return
        with self._folding:
            self._folder = here
            try:
                while self._folded < len(self._events):
                    self._record.apply(self._events[self._folded])
                    self._folded += 1
            except BaseException:  # an interrupt: half an event may be in it
                self._record.clear()
                self._folded = 0
                raise
            finally:
                self._folder = 0

    def has(self, kind: Kind) -> bool:
        """Whether there was an event of that kind."""
        return self._events.has(kind)

    def subscribe(self, sink: Sink) -> None:
        """Call `sink` with every event from now on, in a thread of its own."""
        self._sinks.append(sink)
        if self._loop is not None:
            self._readers.append(Reader(sink, self._events))

    def listen(self, listener: Sink) -> None:
        """Call `listener` with every event from now on, at once and on the run's event loop."""
        self._listeners.append(listener)

    async def events(self) -> AsyncIterator[Event]:
        """Every event of the run: those that were, then those that come, until its end."""
        seen = 0
        while True:
            while seen < len(self._events):
                yield self._events[seen]
                seen += 1
            if self.state is not RunState.RUNNING:
                return
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(news)
            await news

    async def until_told(self, seconds: float) -> None:
        """Wait until the sinks have heard of the end, but not long."""
        waiting = (call_in_thread(reader.finished.wait, seconds) for reader in self._readers)
        await asyncio.gather(*waiting)

    @property
    def elapsed(self) -> float:
        """Seconds since the run started, or that it took."""
        if self.state is RunState.RUNNING and self._loop is not None:
            return self._loop.time() - self._zero
        return self.record.now
