"""When a board draws and what of it: pacing, and the changes since the last frame.

Knows the record, the views and an event loop's clock; knows nothing of widgets or IPython.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from nbflow.core.events import Event, Kind
from nbflow.core.record import CALLS, GroupRecord, RunRecord, TaskRecord
from nbflow.core.states import State
from nbflow.notebook.crowd import Crowd
from nbflow.views.body import blocks, result_of
from nbflow.views.census import Census
from nbflow.views.markdown import Rendered
from nbflow.views.model import (
    PANES_FULL,
    PaneView,
    census_of,
    column_pixels,
    node_ids,
    panes_of,
    shown_order,
    totals,
)
from nbflow.views.outputs import TEXT_MOST
from nbflow.views.timeline import Row, timeline

BUDGET_SECONDS = 0.015
"""How long one frame may keep the loop; the panes that don't fit come with the next."""
_SAYING = frozenset({Kind.CHUNK, Kind.OUTPUT, Kind.USAGE})
"""What changes no time."""
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
        offers: What can be done with a node once the run has ended: `r` it can run again, `e` its
            text can be edited.
        why_it_stays: Why a node can't be cancelled alone while the run goes on, if it can't.
    """

    def __init__(
        self,
        record: RunRecord,
        clock: Callable[[], float],
        offers: Callable[[str], str] = lambda _name: "",
        why_it_stays: Callable[[str], str] = lambda _name: "",
    ) -> None:
        self._record = record
        self._clock = clock
        self._offers = offers
        self._why_it_stays = why_it_stays
        self._crowd: Crowd | None = None
        self._timeline_is_stale = True
        """Whether something began or ended since the timeline was told."""
        self._stale: dict[str, None] = {}
        self._told: dict[str, list[str]] = {}
        self._rendered: dict[str, Rendered] = {}
        self._known: set[str] = set()
        """The nodes that every view has heard of."""
        self._readers: dict[str, dict[str, None]] = {}
        for name in record.nodes:
            self._note_inputs(name)
        self._count()

    def _count(self) -> None:
        if self._crowd is None and len(self._record.nodes) > PANES_FULL:
            self._crowd = Crowd(self._record)

    def look(self, view: str, ids: list[int]) -> None:
        """A view shows the panes of these nodes from now on, by the numbers in their ids."""
        if self._crowd is not None:
            for name in self._crowd.look(view, ids):
                self._told.pop(name, None)
                self._stale[name] = None

    def note(self, event: Event) -> None:
        """Remember whom an event concerns: a node, and at its end those that wait for it."""
        self._timeline_is_stale = self._timeline_is_stale or event.kind not in _SAYING
        match event.kind:
            case Kind.NODE:
                self._note_inputs(event.data["name"])
                self._count()
                self._mark(event.data["name"])
            case Kind.RUN_ENDED:  # what never ran never will
                for name in self._record.nodes:
                    if self._record.life(name) is None:
                        self._mark(name)
            case _ if event.node is not None:
                self._mark(event.node)
                if self._is_end(event, self._record.life(event.node)):
                    for name in self._readers.get(event.node, {}):
                        self._mark(name)

    def _mark(self, name: str) -> None:
        if self._crowd is None:
            self._stale[name] = None
            return
        self._crowd.note(name)
        if name in self._crowd.watched:
            self._stale[name] = None
        else:  # when somebody looks, all of it is told
            self._told.pop(name, None)

    @staticmethod
    def _is_end(event: Event, life: TaskRecord | GroupRecord | None) -> bool:
        """Whether a node has ended; one of its tasks only tells where code calls them."""
        if life is None or not life.state.is_final:
            return False
        return event.task == life.id or (isinstance(life, GroupRecord) and life.kind == CALLS)

    def _note_inputs(self, name: str) -> None:
        for source in self._record.nodes[name].inputs:
            self._readers.setdefault(source, {})[name] = None

    @property
    def pending(self) -> bool:
        """Whether something changed that nobody was told."""
        return bool(self._stale) or (self._crowd is not None and self._crowd.is_stale)

    def everything(self, elapsed: float) -> dict[str, Any]:
        """The whole state, for a view that knows nothing.

        Args:
            elapsed: Seconds since the run started.
        """
        census = census_of(self._record, elapsed)
        self._told.clear()  # from now on some views know more than others: tell them whole bodies
        names = shown_order(self._record)
        if self._crowd is not None:
            names = [name for name in names if name in self._crowd.watched]
        panes = [
            {**self._pane(name, shown), "blocks": self._blocks(name, shown)}
            for name, shown in self._shown(names, elapsed, census)
        ]
        self._known.update(names)
        return {
            "run": self._run(elapsed, census),
            "panes": panes,
            "column": column_pixels(self._record),
            "timeline": _timeline(self._record),
            "cells": None if self._crowd is None else self._crowd.news(whole=True),
        }

    def newest(self, elapsed: float) -> dict[str, Any]:
        """What changed, oldest first, as far as it fits a frame; the rest stays `pending`."""
        until = self._clock() + BUDGET_SECONDS
        census = census_of(self._record, elapsed)
        panes, grows = [], False
        for name, shown in self._shown(list(self._stale), elapsed, census):
            del self._stale[name]
            now, before = self._blocks(name, shown), self._told.get(name, [])
            self._told[name] = now
            panes.append({**self._pane(name, shown), **_difference(before, now)})
            grows |= name not in self._known
            self._known.add(name)
            if self._clock() > until:
                break
        frame = {"run": self._run(elapsed, census), "panes": panes}
        if self._timeline_is_stale:
            frame["timeline"] = _timeline(self._record)
            self._timeline_is_stale = False
        if self._crowd is not None:
            frame["cells"] = self._crowd.news()
        elif grows:
            frame |= self._order()
        return frame

    def _order(self) -> dict[str, Any]:
        """In which order panes stand, and how wide, now that there are more."""
        ids = node_ids(self._record)
        order = [ids[name] for name in shown_order(self._record) if name in self._known]
        return {"order": order, "column": column_pixels(self._record)}

    def _shown(self, names: list[str], elapsed: float, census: Census) -> zip[tuple[str, PaneView]]:
        return zip(names, panes_of(self._record, names, elapsed, census), strict=True)

    def _blocks(self, name: str, shown: PaneView) -> list[str]:
        if shown.state is not State.RUNNING:
            self._rendered.pop(name, None)
            return blocks(shown)
        rendered = self._rendered[name] = result_of(shown, self._rendered.get(name))
        return blocks(shown, rendered)

    def _pane(self, name: str, shown: PaneView) -> dict[str, Any]:
        members = self._record.groups.get(name)
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
            "can": self._offers(name),
            "stays": "" if shown.state.is_final else self._why_it_stays(name),
            "items": 0 if members is None else len(members.members),
            "wide": shown.is_wide,
            "cut": shown.state.is_final and len(shown.text) > TEXT_MOST,
        }

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


def _timeline(record: RunRecord) -> dict[str, Any]:
    drawn = timeline(record)
    rows = [_row(row) for row in drawn.rows] if drawn.is_telling else []
    return {"rows": rows, "notes": list(drawn.notes)}


def _row(row: Row) -> dict[str, Any]:
    spans = [(span.kind, _rounded(span.start), _rounded(span.end)) for span in row.spans]
    return {
        "id": row.node,
        "branch": row.branch,
        "label": row.label,
        "state": row.state,
        "spans": spans,
        "title": row.title,
        "critical": row.is_critical,
        "members": [_row(member) for member in row.members],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _difference(before: list[str], now: list[str]) -> dict[str, Any]:
    """The blocks that replace all but the first `from` and the last `keep` ones."""
    start = _same_at_start(before, now)
    end = _same_at_start(before[start:][::-1], now[start:][::-1])
    return {"from": start, "keep": end, "blocks": now[start : len(now) - end]}


def _same_at_start(before: list[str], now: list[str]) -> int:
    """How many blocks both begin with."""
    pairs = zip(before, now, strict=False)
    return next((n for n, (old, new) in enumerate(pairs) if old != new), min(len(before), len(now)))
