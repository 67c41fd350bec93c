"""When a board draws and what of it: pacing, and the changes since the last frame.

Knows the record, the views and an event loop's clock; knows nothing of widgets or IPython.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from typing import Any

from nbflow.core.events import Event, Kind
from nbflow.core.record import RunRecord
from nbflow.core.states import State
from nbflow.views.body import blocks, result_of
from nbflow.views.drawing import live_svg
from nbflow.views.graph import NO_GRAPHVIZ, arrow_lines, graph
from nbflow.views.markdown import Rendered
from nbflow.views.model import PaneView, panes_of, totals

BUDGET_SECONDS = 0.015
"""How long one frame may keep the loop; the panes that don't fit come with the next."""
REST = 4
"""After a frame that took t seconds, the loop is left alone for at least this many times t."""


class Pacer:
    """Calls `draw` soon after it is asked to, but never too often.

    Args:
        draw: Draws; returns True if it left something for the next time.
        period: Seconds from one call to the next, at least.
        loop: Where it is called, in the context this is made in: not in that of a branch which
            happened to ask.
    """

    def __init__(
        self, draw: Callable[[], bool], period: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._draw = draw
        self._period = period
        self._loop = loop
        self._context = contextvars.copy_context()
        self._timer: asyncio.TimerHandle | None = None
        self._earliest = 0.0
        self._stopped = False

    def ask(self) -> None:
        """Something has changed. Call it on the loop."""
        if self._timer is None and not self._stopped:
            at = max(self._earliest, self._loop.time())
            self._timer = self._loop.call_at(at, self._fire, context=self._context)

    def stop(self) -> None:
        """Never draw again."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        before = self._loop.time()
        more = self._draw()
        after = self._loop.time()
        self._earliest = max(before + self._period, after + REST * (after - before))
        if more:
            self.ask()


class Changes:
    """What a board must be told: everything, or what has changed since it was told last.

    Every message holds absolute values, so applying one twice does no harm.

    Args:
        record: The run's record, which somebody else folds events into.
        clock: Seconds, for the budget of a frame.
    """

    def __init__(self, record: RunRecord, clock: Callable[[], float]) -> None:
        self._record = record
        self._clock = clock
        self._stale: dict[str, None] = {}
        self._told: dict[str, list[str]] = {}
        self._rendered: dict[str, Rendered] = {}
        self._readers = _readers(record)

    def note(self, event: Event) -> None:
        """Remember whom an event concerns."""
        if event.node is None:
            return
        self._stale[event.node] = None
        if event.kind in _ENDS:
            self._stale.update(dict.fromkeys(self._readers.get(event.node, ())))

    def everything(self, elapsed: float) -> dict[str, Any]:
        """The whole state, for a view that knows nothing."""
        self._stale.clear()
        self._told.clear()  # some views know more than others now: tell whole bodies next
        panes = [self._pane(shown) for shown in panes_of(self._record, self._record.nodes, elapsed)]
        return {"run": self._run(elapsed), "panes": panes}

    def newest(self, elapsed: float) -> dict[str, Any]:
        """What changed, as far as it fits the budget; `pending` tells whether there is more."""
        until = self._clock() + BUDGET_SECONDS
        panes = []
        for shown in panes_of(self._record, tuple(self._stale), elapsed):
            name = self._name_of(shown)
            del self._stale[name]
            panes.append(self._pane_change(name, shown))
            if self._clock() > until:
                break
        return {"run": self._run(elapsed), "panes": panes}

    @property
    def pending(self) -> bool:
        """Whether something changed that nobody was told."""
        return bool(self._stale)

    def _name_of(self, shown: PaneView) -> str:
        return next(iter(self._stale))

    def _run(self, elapsed: float) -> dict[str, Any]:
        now = totals(self._record, elapsed)
        return {
            "id": now.run,
            "name": now.name,
            "state": now.state,
            "glyph": now.glyph,
            "summary": now.summary,
            "elapsed": now.elapsed,
            "work": now.work,
            "running": now.counts[State.RUNNING],
            "tokens": now.tokens,
        }

    def _pane(self, shown: PaneView) -> dict[str, Any]:
        return {
            "id": shown.id,
            "branch": shown.branch,
            "state": shown.state,
            "glyph": shown.glyph,
            "detail": shown.detail,
            "join": shown.is_join,
            "started": shown.started,
            "elapsed": shown.elapsed if shown.state.is_final else None,
            "blocks": blocks(shown),
        }
