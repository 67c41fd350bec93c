"""The graph of a run that goes on, laid out in a thread: at first, and again when it has grown.

Knows the views and an event loop; knows nothing of widgets or IPython.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

from nbflow.core.events import Event, Kind
from nbflow.core.record import RunRecord
from nbflow.views.dot import dot
from nbflow.views.graph import Graph, graph
from nbflow.views.layout import svg_of

QUIET_SECONDS = 0.1
"""How long after a new node the graph is laid out again, with those that came meanwhile."""
REST = 4
"""After a layout that took t seconds the next begins at least this many times t later."""


class Layouts:
    """Lays out the graph of a run whenever it has grown, but never too often.

    Args:
        record: The record of a run that has started; somebody else folds events into it.
        then: Called on the loop with each graph that is laid out; its layout is remembered.
        lay_out: What takes time.
    """

    def __init__(
        self,
        record: RunRecord,
        then: Callable[[Graph], None],
        lay_out: Callable[[str], object] = svg_of,
    ) -> None:
        self._record = record
        self._then = then
        self._lay_out = lay_out
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._timer: asyncio.TimerHandle | None = None
        self._began = 0.0
        self._is_busy = False
        self._is_stale = False
        self._stopped = False

    def begin(self) -> None:
        """Lay it out as it is now."""
        self._timer = None
        self._is_stale = False
        self._is_busy = True
        self._began = self._loop.time()
        drawn = graph(self._record)
        layout = self._loop.run_in_executor(None, self._lay_out, dot(drawn))
        layout.add_done_callback(lambda _done: self._end(drawn), context=self._context)

    def note(self, event: Event) -> None:
        """Lay it out again soon, if an event has changed what is drawn."""
        is_second_call = event.kind is Kind.QUEUED and event.data.get("call") == 1
        if event.kind is Kind.NODE or is_second_call:
            self._is_stale = True
            self._ask(QUIET_SECONDS)

    def stop(self) -> None:
        """Never call anybody again."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _ask(self, seconds: float) -> None:
        if self._timer is None and not self._is_busy and not self._stopped:
            self._timer = self._loop.call_later(seconds, self.begin, context=self._context)

    def _end(self, drawn: Graph) -> None:
        self._is_busy = False
        if self._stopped:
            return
        self._then(drawn)
        if self._is_stale:
            self._ask(max(QUIET_SECONDS, REST * (self._loop.time() - self._began)))
