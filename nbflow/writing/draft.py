"""A node as it stands in a cell, before the notebook's variables are known.

Knows places in the cell; knows none of the three forms a cell can have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nbflow.core.topology import CycleFound, Node, Topology
from nbflow.writing.place import Place
from nbflow.writing.step import Step


class Draft(Protocol):
    """A node as it stands in a cell."""

    @property
    def name(self) -> str:
        """Its name, an identifier."""

    @property
    def place(self) -> Place:
        """Its header, or its name in a `def`."""

    @property
    def reads(self) -> Mapping[str, Place]:
        """The names it reads, each where it first stands."""

    @property
    def required(self) -> Mapping[str, Place]:
        """Those of them that must stand for something, as far as its text tells."""

    @property
    def options(self) -> Mapping[str, Place]:
        """Where each of its options stands."""

    def step(self, namespace: dict[str, Any]) -> Step:
        """The node, with the notebook's variables at hand.

        Raises:
            CellError: it can't be one.
        """


def check_edges(drafts: tuple[Draft, ...]) -> None:
    """Refuse two nodes of one name, and nodes that read each other in a circle.

    Raises:
        CellError: at the second node of a name, or where a cycle closes.
    """
    seen: dict[str, Place] = {}
    for draft in drafts:
        if draft.name in seen:
            raise draft.place.error(
                f"line {seen[draft.name].line} has a node {draft.name!r} too; rename one of them."
            )
        seen[draft.name] = draft.place
    by_name = {draft.name: draft for draft in drafts}
    try:
        Topology(Node(draft.name, check_edges, tuple(draft.reads)) for draft in drafts)
    except CycleFound as error:
        source, reader = error.path[:2]
        circle = (
            f"{reader!r} reads itself." if source == reader else f"a circle: {_arrows(error.path)}."
        )
        raise (
            by_name[reader]
            .reads[source]
            .error(
                f"{circle} A node can't wait for itself; take one of these edges out."
                if source != reader
                else f"{circle} A node can't wait for itself; give this input another name."
            )
        ) from None


def _arrows(path: list[str]) -> str:
    return " -> ".join(path)
