"""Tokens: which nodes may still be come to, and so, which may run.

A node that ends sends a token along each edge it takes. A node with tokens may run once nobody who
goes on, or waits, can still come to it by another way. In a loop this is so in each round, and what
comes after the loop waits for its end. Knows routes; knows nothing of what a node does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeAlias

from nbflow.writing.routes import Routes
from nbflow.writing.state import Visit

Place: TypeAlias = tuple[int, int]
"""A node by its number, and a round of its loop."""


class Tokens:
    """The tokens of one run of a graph.

    Args:
        routes: Where one can get in the graph.
    """

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._waiting: dict[Place, dict[Visit, None]] = {}
        """The visits that have led to a place where nothing runs yet."""
        self._partly: dict[Place, dict[str, Visit]] = {}
        """The visits that have come to an edge of several starts, by its number and the round."""
        self.live: defaultdict[Place, int] = defaultdict(int)
        """How many visits go on, or wait to."""
        self._live_nodes = 0
        """The nodes of these places, as a set."""
        self._rounds: defaultdict[int, int] = defaultdict(int)
        """At how many places of a node anybody is."""
        self._behind: dict[int, list[Place]] = {}
        """For a node where somebody is, who waits because of that; each waits behind one."""
        self.fresh: list[Place] = []
        """Who waits, and may not have to."""

    def add(self, place: Place) -> None:
        """Somebody goes on at a place."""
        self.live[place] += 1
        if self.live[place] == 1:
            node = place[0]
            self._rounds[node] += 1
            self._live_nodes |= 1 << node

    def drop(self, place: Place) -> None:
        """Somebody doesn't go on there any more."""
        self.live[place] -= 1
        if self.live[place]:
            return
        del self.live[place]
        node = place[0]
        self._rounds[node] -= 1
        if not self._rounds[node]:
            self._live_nodes &= ~(1 << node)
        self.fresh += self._behind.pop(node, ())

    def lead(self, visit: Visit, place: Place) -> None:
        """A visit has led to a place."""
        visits = self._waiting.get(place)
        if visits is None:
            visits = self._waiting[place] = {}
            self.fresh.append(place)
            self.add(place)
        visits[visit] = None

    def lead_together(self, edge: int, starts: frozenset[str], visit: Visit, place: Place) -> None:
        """A visit has led to a place by an edge that all its starts have to take.

        Args:
            edge: Its number.
            starts: The names of the nodes it begins at.
            visit: To one of these.
            place: Where it ends.
        """
        key = edge, place[1]
        arrived = self._partly.setdefault(key, {})
        arrived[visit.node] = visit
        if len(arrived) == len(starts):
            del self._partly[key]
            for one in arrived.values():
                self.lead(one, place)

    def ready(self) -> Iterator[tuple[Place, list[Visit]]]:
        """The places where a node may run now, each with the visits that led to it.

        Whoever takes one lets somebody go on there; it isn't dropped in between.
        """
        while self.fresh:
            fresh, self.fresh = self.fresh, []
            for place in fresh:
                if place not in self._waiting:
                    continue
                before = self._who_may_come(*place)
                if before is None:
                    yield place, list(self._waiting.pop(place))
                else:
                    self._behind.setdefault(before, []).append(place)

    def _who_may_come(self, target: int, round_: int) -> int | None:
        """A node where somebody is who can still come to that place; None if there is none."""
        others = self._live_nodes & self._routes.before[target]
        if not others:
            return None
        loop = self._routes.loop[target]
        inside = 0 if loop is None else self._routes.members[loop]
        if outside := others & ~inside:
            return outside.bit_length() - 1
        return next((n for n, other in self.live if others >> n & 1 and other <= round_), None)

    def forget_waiting(self) -> None:
        """Nobody who waits is to go on."""
        while self._waiting:
            place, _ = self._waiting.popitem()
            self.drop(place)
        self.fresh.clear()

    def waiting_steps(self) -> Iterator[int]:
        """The steps that those who wait would run in, if nobody else came."""
        return (1 + max(visit.step for visit in visits) for visits in self._waiting.values())
