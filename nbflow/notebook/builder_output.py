"""A widget in a cell's output, or what is plain where no front end shows widgets.

Knows IPython's display; knows nothing of what is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, display

READY_SECONDS = 4.0
"""How long a front end has to say that it shows widgets."""
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


class LiveOutput:
    """Shows a widget, and in its place something plain until a front end has said it is ready.

    Args:
        widget: The widget.
        plain: Makes what is shown where it can't be, by mime type.
    """

    def __init__(self, widget: Any, plain: Callable[[], dict[str, str]]) -> None:
        reference = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
        text = f"nbflow.{type(widget).__name__} (where widgets are shown)"
        self._live = {"text/plain": text, WIDGET_MIME: reference}
        self._plain = plain
        self._handle: DisplayHandle | None = None
        self._ready = False

    def show(self, shell: InteractiveShell | None, loop: asyncio.AbstractEventLoop | None) -> None:
        """Show the widget; some seconds later, or in the next cell, something plain."""
        display_raw: Any = display
        self._handle = display_raw(self._live, raw=True, display_id=True)
        if shell is None or loop is None or self._ready:
            return
        loop.call_later(READY_SECONDS, self._fall_back)

        def next_cell(_info: object) -> None:
            """A client without widgets hears of an output only while a cell runs."""
            shell.events.unregister("pre_run_cell", next_cell)
            self._fall_back()

        shell.events.register("pre_run_cell", next_cell)

    def say_ready(self) -> None:
        """A front end shows widgets: take back what is plain."""
        if not self._ready:
            self._ready = True
            self._update(self._live)

    def _fall_back(self) -> None:
        if not self._ready:
            self._update(self._plain())

    def _update(self, content: dict[str, Any]) -> None:
        if self._handle is not None:
            update: Any = self._handle.update
            update(content, raw=True)
