"""A widget in a cell's output, and beside it what a saved notebook shows in its place.

A saved widget has nothing to show where no kernel has it. So there are two outputs: the widget, and
a plain one that the widget's own style hides while it is alive. Knows IPython's display; knows
nothing of what is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, display

from nbflow.notebook.kernel import in_voila, shows_widgets

READY_SECONDS = 4.0
"""How long a front end has to say that it shows widgets."""
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"

SAVED = "nbflow-saved"
"""The class of what is saved; `builder.css` hides it beside a live widget."""

_NOTHING = {"text/plain": "", "text/html": f'<div class="{SAVED}"></div>'}
# Where the notebook is trusted, JupyterLab says in the place of a lost widget only that it is lost,
# or without a kernel that it is loading it.
_LOST = ".jp-OutputArea-child:not(:has(> .jp-OutputArea-output > *))"
_NO_LOST_WIDGET = (
    f"<style>.jp-OutputArea-child:has(.{SAVED}) + {_LOST}, "
    f"{_LOST}:has(~ .jp-OutputArea-child .{SAVED}) {{ display: none }}</style>"
)


class LiveOutput:
    """Shows a widget, and keeps beside it something plain that is up to date.

    Args:
        widget: The widget.
        plain: Makes what is saved, or shown where the widget can't be, by mime type.
    """

    def __init__(self, widget: Any, plain: Callable[[], dict[str, str]]) -> None:
        reference = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
        self._live = {"text/plain": "", WIDGET_MIME: reference}
        self._plain = plain
        self._saved: DisplayHandle | None = None
        self._widget: DisplayHandle | None = None
        self._given_up = False
        self._last: dict[str, str] = {}
        self._ready = False

    def show(self, shell: InteractiveShell | None, loop: asyncio.AbstractEventLoop | None) -> None:
        """Show the widget; some seconds later, or in the next cell, what is plain too.

        A program that runs the cell shows no widget: then only what is plain.
        """
        show: Any = display
        if shell is not None and not shows_widgets(shell):
            show(self._plain(), raw=True)
            return
        self._saved = show(_NOTHING, raw=True, display_id=True)
        self._last = {}
        self._widget = show(self._live, raw=True, display_id=True)
        if shell is None or loop is None:
            self.keep()
            return
        if self._ready:
            loop.call_soon(self.keep, context=Context())
            return
        loop.call_later(READY_SECONDS, self._give_up, context=Context())

        def next_cell(_info: object) -> None:
            """A client without widgets hears of an output only while a cell runs."""
            shell.events.unregister("pre_run_cell", next_cell)
            self._last = {}
            self.keep()

        shell.events.register("pre_run_cell", next_cell)

    def say_ready(self) -> None:
        """A front end shows the widget."""
        if not self._ready:
            self._ready = True
            if self._given_up:
                _update(self._widget, self._live)
            self.keep()

    def _give_up(self) -> None:
        """Take the widget out of what is saved, until a front end says that it shows it."""
        if not self._ready and not in_voila():  # Voila's page opens when the cells have ended
            self._given_up = True
            _update(self._widget, {"text/plain": ""})
        self.keep()

    def keep(self) -> None:
        """Bring what is saved up to date."""
        if self._saved is None:
            return
        made = self._plain()
        if made == self._last:
            return
        self._last = made
        _update(self._saved, _beside_widget(made))


class Meanwhile:
    """Below a widget that something plain will replace: what a notebook shows that is saved before.

    Args:
        plain: Makes it, by mime type.
    """

    def __init__(self, plain: Callable[[], dict[str, str]]) -> None:
        self._plain = plain
        self._handle: DisplayHandle | None = None

    def keep(self) -> None:
        """Bring it up to date; at first, in a new output of the running cell."""
        content = _beside_widget(self._plain())
        if self._handle is None:
            show: Any = display
            self._handle = show(content, raw=True, display_id=True)
        else:
            _update(self._handle, content)

    def clear(self) -> None:
        """Leave an output that takes no room, for none can be taken out."""
        _update(self._handle, {"text/plain": ""})


def _beside_widget(made: dict[str, str]) -> dict[str, str]:
    inner = made.get("text/html", "")
    return {**made, "text/html": f'{_NO_LOST_WIDGET}<div class="{SAVED}">{inner}</div>'}


def _update(handle: DisplayHandle | None, content: dict[str, Any]) -> None:
    update: Any = getattr(handle, "update", None)
    if update is not None:
        update(content, raw=True)
