"""When a board draws and what of it: pacing, and the changes since the last frame.

Knows the record, the views and an event loop's clock; knows nothing of widgets or IPython.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from nbflow.core.events import Event
from nbflow.core.record import RunRecord
from nbflow.core.states import State
from nbflow.views.body import blocks, result_of
from nbflow.views.census import Census
from nbflow.views.markdown import Rendered
from nbflow.views.model import PaneView, census_of, column_pixels, panes_of, totals

BUDGET_SECONDS = 0.015
"""How long one frame may keep the loop; the panes that don't fit come with the next."""
REST = 4
"""After a frame that took t seconds the loop is left alone for at least this many times t."""


class Pacer:
    """Calls `draw` soon after it is asked to, but never too often.

    Args:
        draw: Draws; returns True if it left something for the next time.
        period: Seconds from one call to the next, at least.
        loop: Where it is called, and in the context in which this object was made: not in that of
            the branch that happened to ask.
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
        """Something has changed."""
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
    """What a board must be told: everything, or what changed since it was told last.

    What it says are absolute values, so hearing something twice does no harm.

    Args:
        record: The record of a run that has started; somebody else folds events into it.
        clock: Seconds, for the budget of a frame.
    """

    def __init__(self, record: RunRecord, clock: Callable[[], float]) -> None:
        self._record = record
        self._clock = clock
        self._stale: dict[str, None] = {}
        self._told: dict[str, list[str]] = {}
        self._rendered: dict[str, Rendered] = {}
        self._readers: dict[str, list[str]] = {name: [] for name in record.nodes}
        for node in record.nodes.values():
            for source in set(node.inputs) & set(record.nodes):
                self._readers[source].append(node.name)

    def note(self, event: Event) -> None:
        """Remember whom an event concerns: a node, and at its end those that wait for it."""
        if event.node is None or event.task is None:
            return
        self._stale[event.node] = None
        life = self._record.life(event.node)  # a member's end is not yet its node's
        if life is not None and life.id == event.task and life.state.is_final:
            self._stale.update(dict.fromkeys(self._readers[event.node]))

    @property
    def pending(self) -> bool:
        """Whether something changed that nobody was told."""
        return bool(self._stale)

    def everything(self, elapsed: float) -> dict[str, Any]:
        """The whole state, for a view that knows nothing.

        Args:
            elapsed: Seconds since the run started.
        """
        census = census_of(self._record, elapsed)
        self._told.clear()  # from now on some views know more than others: tell them whole bodies
        panes = [
            {**_pane(shown), "blocks": self._blocks(name, shown)}
            for name, shown in self._shown(list(self._record.nodes), elapsed, census)
        ]
        column = column_pixels(self._record)
        return {"run": self._run(elapsed, census), "panes": panes, "column": column}

    def newest(self, elapsed: float) -> dict[str, Any]:
        """What changed, oldest first, as far as it fits a frame; the rest stays `pending`."""
        until = self._clock() + BUDGET_SECONDS
        census = census_of(self._record, elapsed)
        panes = []
        for name, shown in self._shown(list(self._stale), elapsed, census):
            del self._stale[name]
            now, before = self._blocks(name, shown), self._told.get(name, [])
            same = _same_at_start(before, now)
            self._told[name] = now
            panes.append({**_pane(shown), "from": same, "blocks": now[same:]})
            if self._clock() > until:
                break
        return {"run": self._run(elapsed, census), "panes": panes}

    def _shown(self, names: list[str], elapsed: float, census: Census) -> zip[tuple[str, PaneView]]:
        return zip(names, panes_of(self._record, names, elapsed, census), strict=True)

    def _blocks(self, name: str, shown: PaneView) -> list[str]:
        if shown.state is not State.RUNNING:
            self._rendered.pop(name, None)
            return blocks(shown)
        rendered = self._rendered[name] = result_of(shown, self._rendered.get(name))
        return blocks(shown, rendered)

    def _run(self, elapsed: float, census: Census) -> dict[str, Any]:
        now = totals(self._record, elapsed, census)
        return {
            "id": now.run,
            "name": now.name,
            "state": now.state,
            "glyph": now.glyph,
            "summary": now.summary,
            "elapsed": now.elapsed,
            "work": now.work,
            "running": now.running,
            "tokens": now.tokens,
        }


def _pane(shown: PaneView) -> dict[str, Any]:
    return {
        "id": shown.id,
        "branch": shown.branch,
        "state": shown.state,
        "glyph": shown.glyph,
        "detail": shown.detail,
        "count": shown.count,
        "join": shown.is_join,
        "started": shown.started,
        "elapsed": shown.elapsed if shown.state.is_final else None,
    }


def _same_at_start(before: list[str], now: list[str]) -> int:
    """How many blocks both begin with."""
    pairs = zip(before, now, strict=False)
    return next((n for n, (old, new) in enumerate(pairs) if old != new), min(len(before), len(now)))
