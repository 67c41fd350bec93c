"""What a board is told of a run with very many nodes: names once, and a letter for each state.

Only those panes are told whole that somebody looks at. Knows the record; knows nothing of widgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbflow.core.record import RunRecord
from nbflow.core.states import State
from nbflow.views.model import PANES_FULL, joined_by, shown_order, state_of
from nbflow.views.words import clean_name

JOINS_MOST = 8
"""Joins that have a pane of their own below the grid."""
VIEWS_MOST = 32
"""Views whose wishes are remembered, the newest."""
LOOKED_MOST = 200
"""Panes that one view may look at."""

LETTERS = {state: ord(state.value[0]) for state in State}
"""The first letter of each state; they differ."""


class Crowd:
    """The nodes of a run that has too many for each to be told whole.

    Args:
        record: The record of a run that has started; somebody else folds events into it.
    """

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._looks: dict[str, tuple[str, ...]] = {}
        self._grow()

    def _grow(self) -> None:
        record = self._record
        self._order = shown_order(record)
        self._at = {name: number for number, name in enumerate(self._order)}
        self._letters = bytearray(LETTERS[state_of(record, name)] for name in self._order)
        self._names = list(record.nodes)
        self._numbers = {name: number for number, name in enumerate(self._names)}
        joins = (n for n in reversed(self._order) if len(joined_by(record, record.nodes[n])) > 1)
        self._joins = [name for name, _ in zip(joins, range(JOINS_MOST), strict=False)][::-1]
        self._told_names = False
        self.is_stale = True
        """Whether there is news."""
        self.watched = self._all_looked_at()
        """The nodes whose panes are told whole."""

    def _all_looked_at(self) -> frozenset[str]:
        looked = [name for names in self._looks.values() for name in names]
        first = () if self._looks else self._order[:PANES_FULL]
        return frozenset([*looked, *first, *self._joins])

    def note(self, name: str) -> None:
        """Something happened to a node, which may be new."""
        self.is_stale = True
        at = self._at.get(name)
        if at is None:
            self._grow()
        else:
            self._letters[at] = LETTERS[state_of(self._record, name)]

    def look(self, view: str, ids: Sequence[int]) -> list[str]:
        """A view looks at these nodes from now on, by their numbers; those that nobody did before.

        Example:
            >>> from nbflow.core.record import NodeInfo
            >>> nodes = {f"b{n}": NodeInfo(f"b{n}", "prompt", (), "", "") for n in range(99)}
            >>> Crowd(RunRecord(nodes=nodes)).look("v1", [2, 90])
            ['b90']
        """
        names = [self._names[n] for n in ids[:LOOKED_MOST] if 0 <= n < len(self._names)]
        self._looks.pop(view, None)
        self._looks[view] = tuple(names)
        while len(self._looks) > VIEWS_MOST:
            del self._looks[next(iter(self._looks))]
        before, self.watched = self.watched, self._all_looked_at()
        return [name for name in names if name not in before]

    def news(self, *, whole: bool = False) -> dict[str, Any]:
        """The letters; also names, and the numbers in their ids, unless they have been told."""
        told: dict[str, Any] = {"states": self._letters.decode()}
        if whole or not self._told_names:
            told["names"] = [clean_name(name) for name in self._order]
            told["ids"] = [self._numbers[name] for name in self._order]
            told["joins"] = [f"n{self._numbers[name]}" for name in self._joins]
            self._told_names = True
        if not whole:
            self.is_stale = False
        return told
