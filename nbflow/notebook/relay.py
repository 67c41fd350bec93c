"""Tells whoever drives the kernel of every event of every run, as plain data.

An IPython extension for programs that run notebooks, such as `nbflow demo`. The events go over a
comm of their own; `heard` makes an event of a comm's data again. Knows nothing of who listens.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context
from typing import Any

from comm import create_comm
from IPython.core.interactiveshell import InteractiveShell

from nbflow.core.events import Event, Kind
from nbflow.core.run import Run

TARGET = "nbflow.events"
"""The comm's target name."""

_LARGE = frozenset({"display"})


def load_ipython_extension(_shell: InteractiveShell) -> None:
    """Relay the events of all runs from now on."""
    relay = _Relay()
    Run.watchers.append(lambda run: run.listen(relay))


class _Relay:
    """A sink that sends what it is given to the front end, all but rich output."""

    def __init__(self) -> None:
        self._comm: Any = None

    def __call__(self, event: Event) -> None:
        if event.kind is Kind.OUTPUT:
            return
        # An empty context belongs to no cell, so the message belongs to the one that runs now: a
        # notebook client hears of no other, also when a cell before it has started the run.
        Context().run(self._send, said(event))

    def _send(self, data: dict[str, Any]) -> None:
        if self._comm is None:
            self._comm = create_comm(target_name=TARGET)
        self._comm.send(data)


def said(event: Event) -> dict[str, Any]:
    """An event as JSON can hold it, without rich output."""
    data = {name: value for name, value in event.data.items() if name not in _LARGE}
    return {**event._asdict(), "kind": event.kind.value, "data": data}


def heard(data: Mapping[str, Any]) -> Event:
    """The event that `said` made data of.

    Example:
        >>> event = Event("r1", 0, Kind.CHUNK, "joke", "joke", 0.1, 1.0, {"text": "Ha"})
        >>> heard(said(event)) == event
        True
    """
    return Event(**{**data, "kind": Kind(data["kind"])})
