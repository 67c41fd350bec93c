"""The runs of the builder: one after another, each with its board underneath the fields.

Knows how a notebook runs a flow; knows no fields. Import it only where a widget is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ipywidgets
from IPython.core.interactiveshell import InteractiveShell

from nbflow.core.events import Event, Kind
from nbflow.core.run import Run
from nbflow.errors import NbflowError
from nbflow.notebook import capture
from nbflow.notebook.board import Board
from nbflow.notebook.branch_cells import run_beside
from nbflow.notebook.builder_model import BuilderModel
from nbflow.notebook.live_output import WIDGET_MIME
from nbflow.views import bundle


class Runner(ipywidgets.VBox):  # type: ignore[misc]
    """Runs what is written, and shows the board of the last run.

    Args:
        model: What is written.
        changed: Called when a run begins and when it has ended, with what went wrong before it.
    """

    def __init__(self, model: BuilderModel, changed: Callable[[str], None]) -> None:
        self._model = model
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._goes_on = False
        self._shown: Any = None
        self.last_run: Run | None = None
        self.picture = ""
        """The last run that has ended, as plain HTML."""
        super().__init__()
        self.add_class("nbflow-builder-board")

    @property
    def is_running(self) -> bool:
        """Whether a run goes on, or is about to; there is one at a time."""
        return self._goes_on or self._task is not None

    def start(self, shell: InteractiveShell, loop: asyncio.AbstractEventLoop) -> None:
        """Run it in the background, unless a run goes on."""
        if not self.is_running:
            self._task = loop.create_task(self._run(shell))
            self._changed("")

    async def _run(self, shell: InteractiveShell) -> None:
        problem = ""
        try:
            run = await self._prepared(shell)
            self._show_board(run, shell)
            with suppress(NbflowError):  # the board says so
                await run
        except Exception as error:  # noqa: BLE001 - the user's own code may raise anything
            problem = f"{type(error).__name__}: {error}"
        finally:
            self._task = None
            self._changed(problem)

    async def _prepared(self, shell: InteractiveShell) -> Run:
        """The run, bound to the notebook's variables as a cell's is."""
        nodes = self._model.nodes()
        cell = self._model.read().cell(nodes)
        await run_beside(shell, nodes)
        bound = cell.bind(shell.user_ns)
        describe = capture.describer(shell)
        run = bound.flow.prepare(bound.inputs, hidden=bound.hidden, describe=describe)
        if cell.line.out:
            shell.user_ns[cell.line.out] = run
        return run

    def _show_board(self, run: Run, shell: InteractiveShell) -> None:
        """Start a run, its board in the place of the last one's."""
        capture.start_held(shell, run)
        self._follow(run)
        board = FollowedBoard(run, self._follow)
        before, self._shown = self._shown, _taken(shell, board.show)
        self.children = (self._shown,)
        if before is not None:
            before.close()

    def _follow(self, run: Run) -> None:
        """Remember a run until its end, also one that the board's buttons began."""
        self.last_run = run
        self._goes_on = True
        run.listen(self._hear)
        self._changed("")

    def _hear(self, event: Event) -> None:
        run = self.last_run
        if run is None or event.kind is not Kind.RUN_ENDED or event.run != run.id:
            return
        self._goes_on = False
        self.picture = bundle(run.record)["text/html"]
        self._changed("")


class FollowedBoard(Board):
    """A board that tells of the runs it turns to: its buttons run branches again.

    Args:
        run: What to show first.
        follow: Called with each later one.
    """

    def __init__(self, run: Run, follow: Callable[[Run], None]) -> None:
        super().__init__(run)
        self._tell = follow

    def turn_to(self, run: Run) -> None:
        """Show another run from now on."""
        super().turn_to(run)
        self._tell(run)


def _taken(shell: InteractiveShell, show: Callable[[], None]) -> Any:
    """The widget that is displayed by a call, taken out of what a front end is sent."""
    models: list[str] = []

    def take(message: dict[str, Any]) -> dict[str, Any] | None:
        reference = message["content"]["data"].get(WIDGET_MIME)
        if reference is None:
            return message
        models.append(reference["model_id"])
        return None

    publisher: Any = shell.display_pub
    publisher.register_hook(take)  # of this thread only; another may publish meanwhile
    try:
        show()
    finally:
        publisher.unregister_hook(take)
    return ipywidgets.widget_serialization["from_json"](f"IPY_MODEL_{models[0]}", None)
