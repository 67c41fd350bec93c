"""The state of a graph: what each node sees of it.

A node sees the input and the updates of all that ran before it *and led to it*, folded in one order
that depends on the graph and never on timing. Two updates of a key without a reducer, neither of
which came before the other, contradict each other. Pure values; runs nothing.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from nbflow.errors import InvalidUpdateError
from nbflow.writing.outcome import Update
from nbflow.writing.paths import bits
from nbflow.writing.schema import Schema
from nbflow.writing.types import Overwrite

_MISSING: Any = object()

_MUTABLE = (list, dict, set)
"""What a reducer may change in place, though others hold it too."""


@dataclass(slots=True, eq=False)
class Visit:
    """One execution of one node, and what it wrote."""

    node: str
    index: int
    """Its number in the run, and its bit in sets of visits."""
    step: int
    """The length of the longest way to it: its step, were the graph run step by step."""
    rank: tuple[Any, ...]
    """Its place among the visits of one step."""
    before: Past
    update: Update = dataclasses.field(default_factory=list)
    after: Past | None = None


@dataclass(slots=True, eq=False)
class Past:
    """Some visits that came one after another, and the state that they made."""

    visits: int
    """The set of them, by index."""
    values: dict[str, Any]
    writers: dict[str, Visit]
    """Who wrote a key without a reducer last."""
    overwriters: dict[str, Visit]
    """Who wrote a key last that didn't go through its reducer."""

    def knows(self, visit: Visit) -> bool:
        """Whether that visit is one of them."""
        return bool(self.visits >> visit.index & 1)


_STEP = attrgetter("step")
_ORDER = attrgetter("step", "rank")


class History:
    """All visits of a run, and the states they made.

    Args:
        schema: The keys of the state.
    """

    def __init__(self, schema: Schema) -> None:
        self._reducers = schema.reducers
        self.visits: list[Visit] = []
        nothing = Past(0, schema.empty(), {}, {})
        self.first = self.visit("__start__", 0, (), nothing)

    def visit(self, node: str, step: int, rank: tuple[Any, ...], before: Past) -> Visit:
        """One more visit."""
        visit = Visit(node, len(self.visits), step, rank, before)
        self.visits.append(visit)
        return visit

    def after(self, visit: Visit) -> Past:
        """The state with a visit's update.

        Raises:
            InvalidUpdateError: it contradicts itself.
        """
        if visit.after is None:
            visit.after = self.folded(visit.before, [visit])
        return visit.after

    def merged(self, visits: Sequence[Visit]) -> Past:
        """The state after several visits, each with all that came before it.

        Raises:
            InvalidUpdateError: two of them contradict each other.
        """
        if len(visits) == 1:
            return self.after(visits[0])
        latest = max(visits, key=_STEP)
        before = latest.before
        if all(visit.before is before for visit in visits):
            return self.folded(before, visits)
        union = 0
        for visit in visits:
            union |= visit.before.visits | 1 << visit.index
        if not union & ~(before.visits | 1 << latest.index):
            return self.after(latest)
        nothing = self.first.before
        return self.folded(nothing, [self.visits[index] for index in bits(union)])

    def everything(self) -> Past:
        """The state after all visits.

        Raises:
            InvalidUpdateError: two of them contradict each other.
        """
        latest = max(self.visits, key=_STEP)
        if (latest.before.visits | 1 << latest.index).bit_count() == len(self.visits):
            return self.after(latest)
        return self.folded(self.first.before, self.visits)

    def folded(self, before: Past, visits: Iterable[Visit], *, loosely: bool = False) -> Past:
        """The state after some more visits, in the order of their steps and ranks.

        Args:
            before: What came before all of them.
            visits: In any order.
            loosely: Of two updates that contradict each other, take the later one.

        Raises:
            InvalidUpdateError: two of them contradict each other.
        """
        writers, overwriters = dict(before.writers), dict(before.overwriters)
        past = Past(before.visits, dict(before.values), writers, overwriters)
        own: set[str] = set()
        """The keys whose value is this state's alone, so a reducer may change it in place."""
        for visit in sorted(visits, key=_ORDER):
            for key, value in visit.update:
                reducer = self._reducers.get(key)
                if reducer is None:
                    _replace(past, visit, key, value, writers, loosely=loosely)
                elif (whole := _overwrite_of(value)) is not _MISSING:
                    _replace(past, visit, key, whole, overwriters, loosely=loosely)
                    own.discard(key)
                elif key in overwriters and not _follows(visit, overwriters[key]):
                    continue  # beside one that overwrites, others don't count
                elif key in past.values:
                    old = past.values[key]
                    if key not in own and type(old) in _MUTABLE:
                        old = copy.copy(old)
                    own.add(key)
                    past.values[key] = reducer(old, value)
                else:
                    past.values[key] = value
            past.visits |= 1 << visit.index
        return past


def _follows(visit: Visit, earlier: Visit) -> bool:
    return visit is earlier or visit.before.knows(earlier)


def _replace(
    past: Past, visit: Visit, key: str, value: Any, writers: dict[str, Visit], *, loosely: bool
) -> None:
    last = writers.get(key)
    if last is not None and not loosely and not _follows(visit, last):
        raise InvalidUpdateError(
            f"At key {key!r}: Can receive only one value per step, but {last.node!r} and "
            f"{visit.node!r} both wrote it and neither runs after the other. Give the key a "
            f"reducer, such as Annotated[list, operator.add], or put an edge between the two."
        )
    whole = _overwrite_of(value)
    past.values[key] = value if whole is _MISSING else whole
    writers[key] = visit


def _overwrite_of(value: Any) -> Any:
    """What an update is to be replaced with, if it says so."""
    if isinstance(value, Overwrite):
        return value.value
    if isinstance(value, dict) and len(value) == 1 and "__overwrite__" in value:
        return value["__overwrite__"]
    return _MISSING
