"""The boards that need no widget: HTML, text, or nothing.

What a notebook shows where no widget can be, and what it keeps. Knows IPython's display.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from html import escape
from typing import Any

from IPython.display import DisplayHandle, display

from nbflow.core.events import Event
from nbflow.core.run import Run
from nbflow.core.states import RunState
from nbflow.notebook.frames import Pacer
from nbflow.notebook.layouts import Layouts
from nbflow.views import bundle, text
from nbflow.views.graph import Graph

HTML_PERIOD_SECONDS = 0.5

GOES_ON = (
    "It goes on in the background; this is how it stood when its cell ended. Await the run in a "
    "later cell, and its end is shown here. Otherwise it ends with the kernel."
)


class HtmlBoard:
    """Plain HTML, drawn anew twice a second: for front ends that show no widgets.

    Args:
        run: What to show.
        handle: The output to draw into; without one, a new output.
        note: What to say below it while the run goes on. With it all is shown at once, because
            whoever saves the cell hears nothing after its end.
    """

    def __init__(self, run: Run, handle: DisplayHandle | None = None, *, note: str = "") -> None:
        self._run = run
        self._handle = handle
        self._note = note
        self._drawn: Graph | None = None
        self._pacer: Pacer | None = None

    def show(self) -> None:
        """Show the run, which must have started."""
        if self._handle is None:
            plain = {"text/plain": repr(self._run)}
            self._handle = displayed(self._content() if self._note else plain)
        self._pacer = Pacer(self._draw, HTML_PERIOD_SECONDS, asyncio.get_running_loop())
        self._layouts = Layouts(self._run.record, self._laid_out)
        self._layouts.begin()

    def finish(self) -> None:
        """Draw the end."""
        if self._pacer is not None:
            self._pacer.stop()
            self._pacer = None
            self._layouts.stop()
        if self._handle is not None:
            self._drawn = None
            self._draw()

    def _laid_out(self, drawn: Graph) -> None:
        if self._drawn is None:
            self._run.listen(self._on_event)
        self._drawn = drawn
        if self._pacer is not None:
            self._pacer.ask()

    def _on_event(self, event: Event) -> None:
        if self._pacer is not None:
            self._layouts.note(event)
            self._pacer.ask()

    def _draw(self) -> bool:
        assert self._handle is not None
        update(self._handle, self._content())
        return False

    def _content(self) -> dict[str, str]:
        made = bundle(self._run.record, drawn=self._drawn)
        if self._note and self._run.status is RunState.RUNNING:
            made["text/plain"] += f"\n\n{self._note}"
            made["text/html"] += f"<div>{escape(self._note)}</div>"
        return made


class TextBoard:
    """Text, once the run has ended: for a terminal."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._handle: DisplayHandle | None = None

    def show(self) -> None:
        """Show nothing yet."""

    def finish(self) -> None:
        """Show every branch."""
        content = {"text/plain": text(self._run.record)}
        if self._handle is None:
            self._handle = displayed(content)
        else:
            update(self._handle, content)


class PrintedBoard:
    """The same, printed: where there is no IPython."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def show(self) -> None:
        """Print nothing yet."""

    def finish(self) -> None:
        """Print every branch."""
        print(text(self._run.record))  # noqa: T201 - there is nobody else who shows it


class NoBoard:
    """Nothing at all."""

    def show(self) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""


def displayed(content: Mapping[str, Any]) -> DisplayHandle:
    """A new output of this content, by mime type; what changes it."""
    show_raw: Any = display
    handle = show_raw(dict(content), raw=True, display_id=True)
    assert isinstance(handle, DisplayHandle)
    return handle


def update(handle: DisplayHandle, content: Mapping[str, Any]) -> None:
    """Put this content, by mime type, in the place of an output's."""
    update_raw: Any = handle.update
    update_raw(dict(content), raw=True)
