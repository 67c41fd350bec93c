"""The board of a run in a notebook: live while it runs, plain HTML once it has ended.

Chooses how a run is shown, feeds the widget with frames, and leaves an output that needs neither
widget nor kernel. Knows IPython's display; the widget itself is imported when one is shown.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, display

from nbflow.core.events import Event
from nbflow.core.run import Run
from nbflow.core.states import RunState
from nbflow.errors import NbflowError, nearest
from nbflow.notebook.frames import Changes, Pacer
from nbflow.notebook.kernel import in_kernel, version
from nbflow.views import bundle, live_svg, text
from nbflow.views.drawing import layout_source
from nbflow.views.graph import NO_GRAPHVIZ, arrow_lines, graph
from nbflow.views.layout import svg_of
from nbflow.views.words import clean_name

WIDGET_PERIOD_SECONDS = 1 / 15
HTML_PERIOD_SECONDS = 0.5
READY_SECONDS = 3.0
"""How long a front end has to say that it shows widgets."""

_WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


class Shown(Protocol):
    """A way to show a run from its start to its end. Both are called on the run's event loop."""

    def show(self) -> None:
        """Show it, and from now on what happens in it."""
        ...

    def finish(self) -> None:
        """Leave what shall be saved; nothing changes afterwards. Later calls leave it again."""
        ...


def board_for(run: Run, shell: InteractiveShell, *, cancel_hint: str = "") -> Shown:
    """The way to show a run here: the variable NBFLOW_BOARD's, or else what the shell allows.

    Args:
        run: A run that is about to start.
        shell: The shell whose cell starts it.
        cancel_hint: Why buttons don't work, if they don't.

    Raises:
        NbflowError: NBFLOW_BOARD names no board.
    """
    wanted = os.environ.get("NBFLOW_BOARD") or ("widget" if in_kernel(shell) else "text")
    match wanted:
        case "widget":
            return Board(run, cancel_hint=cancel_hint, expects_ready=version() >= (7, 0))
        case "html":
            return HtmlBoard(run)
        case "text":
            return TextBoard(run)
        case "none":
            return NoBoard()
        case _:
            hint = nearest(wanted, ["widget", "html", "text", "none"])
            raise NbflowError(f"the variable NBFLOW_BOARD is {wanted!r}, which is no board. {hint}")


def show(run: Run) -> None:
    """Show a run on an interactive board, whether or not it has ended; it stays interactive."""
    shell = get_ipython()
    board = TextBoard(run) if shell is None else board_for(run, shell)
    board.show()
    if run.status is not RunState.RUNNING and not isinstance(board, Board):
        board.finish()


class Board:
    """The widget. Once finished, its output is plain HTML without a widget in it.

    Args:
        run: What to show.
        cancel_hint: Why buttons don't work here, if they don't; they are disabled and this is said.
        expects_ready: A front end that shows widgets is sure to be heard while the cell runs; if
            none speaks up, HTML is shown instead.
    """

    def __init__(self, run: Run, *, cancel_hint: str = "", expects_ready: bool = False) -> None:
        self._run = run
        self._hint = cancel_hint
        self._expects_ready = expects_ready and not cancel_hint
        self._graph: dict[str, Any] = {}
        self._graph_told = True
        self._pages = 0
        self._live = False
        self._instead: HtmlBoard | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._handle: DisplayHandle | None = None

    def show(self) -> None:
        """Show the run, which must have started."""
        from nbflow.notebook.widget import BoardWidget  # noqa: PLC0415 - loads ipywidgets

        self._changes = Changes(self._run.record, time.perf_counter)
        self._widget = BoardWidget(self._everything, self._hear)
        self._handle = _displayed({**self._plain(), _WIDGET_MIME: _reference(self._widget)})
        self._live = True
        loop = asyncio.get_running_loop()
        self._pacer = Pacer(self._draw, WIDGET_PERIOD_SECONDS, loop)
        self._run.listen(self._on_event)
        _lay_out(self._run, self._laid_out)
        if self._expects_ready and self._run.status is RunState.RUNNING:
            self._timer = loop.call_later(READY_SECONDS, self._fall_back)

    def finish(self) -> None:
        """Replace the widget by HTML, SVG and text."""
        if self._handle is None:
            return
        self._stop()
        if self._instead is not None:
            self._instead.finish()
        else:
            _update(self._handle, bundle(self._run.record))
        if not self._live:
            return
        self._live = False
        if self._pages > 1:
            # A page that was loaded anew can't tell which output to replace: it keeps the widget.
            self._draw()
        else:
            self._widget.close()

    def _stop(self) -> None:
        self._pacer.stop()
        if self._timer is not None:
            self._timer.cancel()

    def _fall_back(self) -> None:
        """No front end shows the widget: show HTML in its place."""
        if not self._pages and self._live and self._handle is not None:
            self._stop()
            self._instead = HtmlBoard(self._run, self._handle)
            self._instead.show()

    def _plain(self) -> dict[str, Any]:
        return {"text/plain": f"{self._run!r} (live where widgets are shown)"}

    def _everything(self) -> dict[str, Any]:
        whole = self._changes.everything(self._run.elapsed)
        return {**whole, "graph": self._graph, "hint": self._hint}

    def _on_event(self, event: Event) -> None:
        if self._live:
            self._changes.note(event)
            self._pacer.ask()

    def _laid_out(self) -> None:
        svg = live_svg(self._run.record)
        self._graph = {"svg": svg}
        if svg is None:
            lines = arrow_lines(graph(self._run.record))
            self._graph = {"lines": lines, "note": NO_GRAPHVIZ}
        self._graph_told = False
        self._pacer.ask()

    def _draw(self) -> bool:
        frame = {"type": "frame", **self._changes.newest(self._run.elapsed)}
        if not self._graph_told:
            frame["graph"] = self._graph
            self._graph_told = True
        self._widget.send(frame)
        return self._changes.pending

    def _hear(self, message: Mapping[str, Any]) -> None:
        """What a view says. It may come on another thread, and from anybody who can open a page."""
        match message:
            case {"type": "ready"}:
                self._pages += 1
            case {"type": "cancel", "branch": None}:
                self._run.cancel()
            case {"type": "cancel", "branch": str(branch)}:
                names = {clean_name(name): name for name in self._run.record.nodes}
                if branch in names:
                    self._run.cancel(names[branch])
            case _:
                pass


class HtmlBoard:
    """Plain HTML, drawn anew twice a second: for front ends that show no widgets.

    Args:
        run: What to show.
        handle: The output to draw into; without one, a new output.
    """

    def __init__(self, run: Run, handle: DisplayHandle | None = None) -> None:
        self._run = run
        self._handle = handle
        self._pacer: Pacer | None = None

    def show(self) -> None:
        """Show the run, which must have started."""
        if self._handle is None:
            self._handle = _displayed({"text/plain": repr(self._run)})
        self._pacer = Pacer(self._draw, HTML_PERIOD_SECONDS, asyncio.get_running_loop())
        _lay_out(self._run, self._begin)

    def finish(self) -> None:
        """Draw the end."""
        if self._pacer is not None:
            self._pacer.stop()
            self._pacer = None
        if self._handle is not None:
            self._draw()

    def _begin(self) -> None:
        self._run.listen(self._on_event)
        if self._pacer is not None:
            self._pacer.ask()

    def _on_event(self, _event: Event) -> None:
        if self._pacer is not None:
            self._pacer.ask()

    def _draw(self) -> bool:
        assert self._handle is not None
        _update(self._handle, bundle(self._run.record))
        return False


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
            self._handle = _displayed(content)
        else:
            _update(self._handle, content)


class NoBoard:
    """Nothing at all."""

    def show(self) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""


def _lay_out(run: Run, then: Callable[[], None]) -> None:
    """Have the graph laid out in a thread; it is remembered when `then` is called."""
    loop = asyncio.get_running_loop()
    layout = loop.run_in_executor(None, svg_of, layout_source(run.record))
    layout.add_done_callback(lambda _done: then(), context=contextvars.copy_context())


def _displayed(content: Mapping[str, Any]) -> DisplayHandle:
    show_raw: Any = display
    handle = show_raw(dict(content), raw=True, display_id=True)
    assert isinstance(handle, DisplayHandle)
    return handle


def _update(handle: DisplayHandle, content: Mapping[str, Any]) -> None:
    update: Any = handle.update
    update(dict(content), raw=True)


def _reference(widget: Any) -> dict[str, Any]:
    return {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
