"""The board of a run in a notebook: live while it runs, plain HTML once it has ended.

Chooses how a run is shown, feeds the widget with frames, and leaves an output that needs neither
widget nor kernel. Knows IPython's display; the widget itself is imported when one is shown.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import Context
from functools import partial
from html import escape
from typing import Any, Protocol
from weakref import WeakSet

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle

from nbflow.core.events import Event, Kind
from nbflow.core.run import Run
from nbflow.core.states import RunState
from nbflow.errors import NbflowError, nearest
from nbflow.notebook import capture, plain_board
from nbflow.notebook.again import offers, why_it_stays
from nbflow.notebook.asked import Asked
from nbflow.notebook.frames import Changes, Pacer
from nbflow.notebook.kernel import in_kernel, in_voila, is_attended, shows_widgets, version
from nbflow.notebook.layouts import Layouts
from nbflow.notebook.live_output import WIDGET_MIME, LiveOutput, Meanwhile
from nbflow.notebook.plain_board import (
    GOES_ON,
    HTML_PERIOD_SECONDS,
    HtmlBoard,
    NoBoard,
    PrintedBoard,
    TextBoard,
)
from nbflow.views import bundle, live_svg
from nbflow.views.graph import NO_GRAPHVIZ, Graph, arrow_lines
from nbflow.views.progress import notes_of
from nbflow.views.words import clean_name

WIDGET_PERIOD_SECONDS = 1 / 15
READY_SECONDS = 3.0
"""How long a front end has to say that it shows widgets."""

SAVE_PERIOD_SECONDS = 5.0
"""How old what is saved beside a widget may be while its run goes on."""
AS_SAVED = "The run went on; this is how it stood when the notebook was saved."

SAVED_BOARD = "nbflow-saved-board"
"""The class of what is saved beside a widget; `board.css` hides it while that is alive."""

_on_boards: WeakSet[Run] = WeakSet()


class Shown(Protocol):
    """A way to show a run from its start to its end. Both are called on the run's event loop."""

    def show(self) -> None:
        """Show it, and from now on what happens in it."""
        ...

    def finish(self) -> None:
        """Leave what shall be saved; nothing changes afterwards. Later calls leave it again."""
        ...


def board_for(
    run: Run,
    shell: InteractiveShell | None,
    *,
    cancel_hint: str = "",
    outlives_cell: bool = False,
    outlives_run: bool = False,
) -> Shown:
    """The way to show a run here: the variable NBFLOW_BOARD's, or else what the shell allows.

    Args:
        run: A run that is about to start.
        shell: The shell whose cell starts it; without one, it is printed.
        cancel_hint: Why buttons don't work, if they don't.
        outlives_cell: Whether the run may go on after the cell that shows it has ended.
        outlives_run: Whether a board with buttons stays interactive when the run has ended.

    Raises:
        NbflowError: NBFLOW_BOARD names no board.
    """
    _on_boards.add(run)
    wanted = os.environ.get("NBFLOW_BOARD") or _usual(shell)
    if shell is None and wanted != "none":
        return PrintedBoard(run)
    match wanted:
        case "widget":
            is_voila = in_voila()  # its page opens when the cells have ended
            ready = version() >= (7, 0) and not is_voila
            if outlives_run:
                return Board(run, keeps=True, outlives_run=True)
            how = {"expects_ready": ready, "stays": is_voila, "keeps": not is_voila}
            return Board(run, cancel_hint=cancel_hint, **how)
        case "html":
            is_last_word = outlives_cell and shell is not None and not is_attended(shell)
            return HtmlBoard(run, note=GOES_ON if is_last_word else "")
        case "text":
            return TextBoard(run)
        case "none":
            return NoBoard()
        case _:
            hint = nearest(wanted, ["widget", "html", "text", "none"])
            raise NbflowError(f"the variable NBFLOW_BOARD is {wanted!r}, which is no board. {hint}")


def _usual(shell: InteractiveShell | None) -> str:
    if shell is None or not in_kernel(shell):
        return "text"
    return "widget" if shows_widgets(shell) else "html"


def has_board(run: Run) -> bool:
    """Whether somebody shows it already."""
    return run in _on_boards


def show(run: Run) -> None:
    """Show a run on an interactive board, whether or not it has ended; it stays interactive."""
    shell = get_ipython()
    board = board_for(run, shell, outlives_cell=True, outlives_run=True)
    board.show()
    if isinstance(board, Board):
        return
    if run.status is RunState.RUNNING:
        # In an empty context, so in the cell that runs now: a program hears of no other.
        run.at_end(lambda: Context().run(board.finish))
    else:
        board.finish()


class Board:
    """The widget. Once finished, its output is plain HTML without a widget in it.

    Args:
        run: What to show.
        cancel_hint: Why buttons don't work here, if they don't; they are disabled and this is said.
        expects_ready: A front end that shows widgets is sure to be heard while the cell runs; if
            none speaks up, HTML is shown instead.
        stays: A front end may open when the run has ended and show the output as it is at first:
            the widget is kept for it.
        keeps: Beside the widget stands what a notebook shows that is saved while the run goes on;
            of short runs only the end is kept.
        outlives_run: It is never finished: the widget stays, and what is saved stands beside it.
    """

    def __init__(
        self,
        run: Run,
        *,
        cancel_hint: str = "",
        expects_ready: bool = False,
        stays: bool = False,
        keeps: bool = False,
        outlives_run: bool = False,
    ) -> None:
        self._run = run
        self._keeps = keeps
        self._outlives_run = outlives_run
        self._stays = stays
        self._hint = cancel_hint
        self._expects_ready = expects_ready and not cancel_hint
        self._drawn: Graph | None = None
        self._graph: dict[str, Any] = {}
        self._graph_told = True
        self._pages = 0
        self._live = False
        self._beside: LiveOutput | None = None
        self._meanwhile: Meanwhile | None = None
        self._saver: Pacer | None = None
        self._keeper: Pacer | None = None
        self._is_unseen = False
        self._instead: HtmlBoard | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._handle: DisplayHandle | None = None

    def show(self) -> None:
        """Show the run, which must have started."""
        from nbflow.notebook.widget import BoardWidget  # noqa: PLC0415 - loads ipywidgets

        self._changes = self._changes_of(self._run)
        self._widget = BoardWidget(self._everything, self._hear)
        self._loop = loop = asyncio.get_running_loop()
        if self._outlives_run:
            self._beside = LiveOutput(self._widget, self._saved)
            self._beside.show(get_ipython(), loop)
            self._keeper = Pacer(self._keep, HTML_PERIOD_SECONDS, loop)
        else:
            self._handle = plain_board.displayed(self._reference())
        self._live = True
        self._follow()
        if self._expects_ready or self._outlives_run or self._keeps:
            self._timer = loop.call_later(READY_SECONDS, self._settle)

    def turn_to(self, run: Run) -> None:
        """Show another run from now on, which must have started, on the same board."""
        self._stop()
        self._run = run
        self._drawn, self._graph = None, {}
        self._changes = self._changes_of(run)
        self._follow()
        self._widget.send({"type": "whole", "view": self._everything()})

    def _changes_of(self, run: Run) -> Changes:
        can = functools.cache(partial(offers, run))
        return Changes(run.record, time.perf_counter, can, partial(why_it_stays, run))

    def _follow(self) -> None:
        """Draw what happens in the run."""
        run = self._run
        self._pacer = Pacer(self._draw, WIDGET_PERIOD_SECONDS, self._loop)
        self._layouts = Layouts(run.record, self._laid_out)
        run.listen(lambda event: self._on_event(event, run))
        self._layouts.begin()

    def finish(self) -> None:
        """Replace the widget by HTML, SVG and text."""
        if self._handle is None:
            return
        if self._meanwhile is not None and self._saver is not None:
            self._saver.stop()
            self._meanwhile.clear()
        if self._instead is not None:
            self._instead.finish()
        else:
            plain_board.update(self._handle, bundle(self._run.record))
            if self._stays or self._pages > 1:
                # A page that was loaded anew can't tell which output to replace: its widget stays.
                return
        self._stop()
        if self._live:
            self._live = False
            self._widget.close()

    def _stop(self) -> None:
        self._pacer.stop()
        self._layouts.stop()
        if self._timer is not None:
            self._timer.cancel()

    def _settle(self) -> None:
        """Front ends had their time to say that they show the widget."""
        if not self._live:
            return
        if self._pages == 0 and (self._expects_ready or self._outlives_run):
            self._fall_back()
        elif self._keeps and (self._outlives_run or self._run.status is RunState.RUNNING):
            self._meanwhile = None if self._outlives_run else Meanwhile(self._saved)
            self._saver = Pacer(self._keep, SAVE_PERIOD_SECONDS, self._loop)
            self._keep()

    def _fall_back(self) -> None:
        """No front end shows the widget: show HTML in its place."""
        if self._keeper is not None:
            self._is_unseen = True
            self._keeper.ask()
        elif self._run.status is RunState.RUNNING and self._handle is not None:
            self._stop()
            self._instead = HtmlBoard(self._run, self._handle)
            self._instead.show()

    def _keep(self) -> bool:
        """Bring what is saved beside the widget up to date."""
        for saved in (self._beside, self._meanwhile):
            if saved is not None:
                saved.keep()
        return False

    def _saved(self) -> dict[str, str]:
        goes_on = self._run.status is RunState.RUNNING
        made = bundle(self._run.record, drawn=self._drawn if goes_on else None)
        note = f"<div>{escape(AS_SAVED)}</div>" if goes_on and not self._is_unseen else ""
        return {**made, "text/html": f'<div class="{SAVED_BOARD}">{made["text/html"]}{note}</div>'}

    def _reference(self) -> dict[str, Any]:
        plain = f"{self._run!r} (live where widgets are shown)"
        view = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        return {"text/plain": plain, WIDGET_MIME: view}

    def _everything(self) -> dict[str, Any]:
        whole = self._changes.everything(self._run.elapsed)
        return {**whole, "graph": self._graph, "hint": self._hint}

    def _on_event(self, event: Event, run: Run) -> None:
        if self._instead is not None and event.kind is Kind.RUN_ENDED:
            Context().run(self._instead.finish)
        if self._live and run is self._run:
            self._changes.note(event)
            self._layouts.note(event)
            self._pacer.ask()
            if self._keeper is not None and (self._is_unseen or event.kind is Kind.RUN_ENDED):
                self._keeper.ask()
            if self._saver is not None:
                self._saver.ask()

    def _laid_out(self, drawn: Graph) -> None:
        self._drawn = drawn
        svg = live_svg(self._run.record, drawn)
        self._graph = {"svg": svg, "legend": drawn.legend}
        if svg is None:
            self._graph = self._graph_in_words()
        self._graph_told = False
        self._pacer.ask()

    def _graph_in_words(self) -> dict[str, Any]:
        if self._drawn is None or not self._drawn.boxes:
            return {}
        lines = arrow_lines(self._drawn, notes_of(self._run.record, self._drawn))
        return {"lines": lines, "note": NO_GRAPHVIZ}

    def _draw(self) -> bool:
        frame = {"type": "frame", **self._changes.newest(self._run.elapsed)}
        if "lines" in self._graph and (words := self._graph_in_words()) != self._graph:
            self._graph, self._graph_told = words, False
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
                self._is_unseen = False
                if self._beside is not None and not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(self._beside.say_ready, context=Context())
            case {"type": "cancel", "branch": None}:
                self._run.cancel()
            case {"type": "cancel", "branch": str(branch)}:
                names = {clean_name(name): name for name in self._run.record.nodes}
                if branch in names:
                    with suppress(NbflowError):  # a run that others do is cancelled as a whole
                        self._run.cancel(names[branch])
            case {"type": str(), "ask": str()} | {"type": "look"} if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._answer, dict(message), context=Context())
            case _:
                pass

    def _answer(self, message: Mapping[str, Any]) -> None:
        """What a view wants to know or to have done, on the loop."""
        if not self._live:
            return
        match message:
            case {"type": "look", "view": str(view), "ids": list(ids)}:
                self._changes.look(view, [number for number in ids if type(number) is int])
                self._pacer.ask()
            case {"ask": str(ask)}:
                asked = Asked(self._run, self._turn_to_started)
                said = asked.answer(message)
                self._widget.send({"type": "answer", "ask": ask, **said})

    def _turn_to_started(self, run: Run) -> None:
        """Start a run that takes the place of the one that is shown, also in variables."""
        before, shell = self._run, get_ipython()
        if shell is None:
            run.start()
        else:
            capture.start_held(shell, run)
        variables = {} if shell is None else shell.user_ns
        variables |= {name: run for name, value in variables.items() if value is before}
        self.turn_to(run)
