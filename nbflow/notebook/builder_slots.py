"""Widgets below each other that come and go, while the others aren't touched.

A front end draws the children of a box anew from the first that is another one, and whoever types
in one of those loses the cursor. So each widget is in a slot of its own, which stays when it goes.
Knows widgets; knows nothing of what they show. Import it only where a widget is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets


class Slots(ipywidgets.VBox):  # type: ignore[misc]
    """Widgets below each other.

    Example:
        >>> one, two = ipywidgets.Text(), ipywidgets.Text()
        >>> slots = Slots()
        >>> slots.show([one, two])
        >>> slots.show([two])
        >>> slots.shown == [two], len(slots.children)
        (True, 2)
    """

    children: tuple[Slot, ...]

    @property
    def shown(self) -> list[Any]:
        """The widgets in their order."""
        return [slot.content for slot in self.children if slot.content is not None]

    def show(self, widgets: Sequence[Any]) -> None:
        """Show these; who stays, and keeps its place among those who stay, is left alone."""
        slots = list(self.children)
        stay = [one for one in self.shown if one in widgets]
        for slot in slots:
            if slot.content not in stay:
                slot.put(None)
        ordered = iter([one for one in widgets if one in stay])
        for slot in slots:
            if slot.content is not None:
                slot.put(next(ordered))
        self._put_new(slots, widgets)

    def _put_new(self, slots: list[Any], widgets: Sequence[Any]) -> None:
        """Put those who have no slot into one that is free there, or into a new one."""
        at = 0
        for one in widgets:
            found = [number for number, slot in enumerate(slots) if slot.content is one]
            if found:
                at = found[0]
            elif at < len(slots) and slots[at].content is None:
                slots[at].put(one)
            else:
                slots.insert(at, Slot(one))
            at += 1
        while slots and slots[-1].content is None:
            slots.pop().close()
        if tuple(slots) != self.children:
            self.children = tuple(slots)


class Slot(ipywidgets.VBox):  # type: ignore[misc]
    """The place of one widget, which takes no room when it is free."""

    children: tuple[Any, ...]

    def __init__(self, content: Any) -> None:
        super().__init__([content])
        self.add_class("nbflow-slot")

    @property
    def content(self) -> Any:
        """What is in it, if anything is."""
        return self.children[0] if self.children else None

    def put(self, content: Any) -> None:
        """Put a widget into it, or take out the one that is there."""
        if content is not self.content:
            self.children = () if content is None else (content,)
            self.layout.display = "none" if content is None else None
