"""Watching: every run that starts in a cell, or of one graph, gets a board in the cell's output.

Knows when a run is shown and where; how, the board knows. `%%watch` leaves the cell's code as it
is: its first line becomes a statement that begins to watch, until the cell has ended.
"""

from __future__ import annotations

import ast
import asyncio
import copy
import re
import shlex
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any, Self

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from nbflow import blocking
from nbflow.core.context import current_task
from nbflow.core.events import Event, Kind
from nbflow.core.run import Run
from nbflow.core.scheduler import Describe
from nbflow.core.states import RunState
from nbflow.errors import NbflowError
from nbflow.interrupts import interruptible
from nbflow.notebook import capture, langgraph_watch
from nbflow.notebook.board import board_for, has_board
from nbflow.notebook.cells import now_and_in_next_cell
from nbflow.notebook.kernel import cancel_hint
from nbflow.writing.flow import Flow
from nbflow.writing.streams import Invocable

BOARDS_MOST = 10
"""How many boards one watch shows; a cell may start very many runs."""


def watch(of: Any = None) -> Any:
    """Show runs live, each on a board of its own that stays as plain HTML when it has ended.

    Without an argument, of every run that starts in a `with` block, whichever API starts it; at
    most `BOARDS_MOST`. With one, of every run of that flow, graph or entrypoint. Outside of a
    notebook each run is printed as text when it has ended.

    Args:
        of: A `Flow`, a compiled graph or an entrypoint; also LangGraph's own, which LangGraph then
            runs as ever.

    Returns:
        Without an argument a context manager, else the same thing, watched: use it in place of the
        original, which isn't changed.

    Raises:
        NbflowError: it is nothing that can be watched.

    Example:
        >>> from nbflow import Flow
        >>> def shout(text): return text.upper()
        >>> with watch():
        ...     run = Flow(shout, name="loud").run(text="hello")  # doctest: +ELLIPSIS
        loud: done...
    """
    if of is None:
        return Watch(get_ipython())
    if isinstance(of, Flow):
        return _watched_flow(of)
    if isinstance(of, Invocable):
        return _watched_invocable(of)
    if langgraph_watch.is_langgraph(of):
        return langgraph_watch.watched(of, show_run)
    compiled = " Compile it first." if hasattr(of, "compile") else ""
    raise NbflowError(
        f"{of!r} can't be watched: give a Flow, a compiled graph or an entrypoint, or use "
        f"`with nbflow.watch():` around what starts runs.{compiled}"
    )


class Watch:
    """Shows every run of this process that starts while it is open.

    Args:
        shell: Whose cell shows them; without one, they are printed.
        bind: The variable that each run is bound to as it starts, so it is the last one's.
    """

    def __init__(self, shell: InteractiveShell | None, bind: str | None = None) -> None:
        self._shell = shell
        self._bind = bind
        self._exhibits: list[_Exhibit] = []
        self._is_full = False

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def open(self) -> None:
        """Begin."""
        self._context = _context_of_cell()
        Run.watchers.append(self._note)

    def close(self) -> None:
        """Stop; what is shown, goes on being shown."""
        if self._note in Run.watchers:
            Run.watchers.remove(self._note)
        for exhibit in self._exhibits:
            exhibit.settle()

    def _note(self, run: Run) -> None:
        if self._bind is not None and self._shell is not None:
            self._shell.user_ns[self._bind] = run
        if has_board(run):
            return
        if len(self._exhibits) < BOARDS_MOST:
            exhibit = _Exhibit(run, self._shell, self._context)
            self._exhibits.append(exhibit)
            exhibit.begin()
        elif not self._is_full:
            self._is_full = True
            self._context.copy().run(_say_enough)


def _say_enough() -> None:
    said = (
        f"{BOARDS_MOST} runs are shown here, and no more: nbflow.last_run().board() shows the last."
    )
    print(said)  # noqa: T201 - it stands where the next board would


def show_run(run: Run) -> None:
    """Show a run that is about to start or has just started, in the cell that this is called in."""
    if not has_board(run):
        _Exhibit(run, get_ipython(), _context_of_cell()).begin()


def _context_of_cell() -> Context:
    """This context, as if it were no branch's: what is displayed in it goes to the cell."""
    context = copy_context()
    context.run(current_task.set, None)
    return context


class _StopButton:
    """While runs are awaited that are shown, the stop button cancels them instead of the cell.

    So the cell's code hears of it as of a cancelled run, and a branch that keeps the loop to itself
    is reached. What blocks the loop for a run's end sees to that itself.
    """

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._open = ExitStack()

    def add(self, run: Run, shell: InteractiveShell) -> None:
        """It has started, on this thread's loop."""
        if blocking.holds_loop() or threading.current_thread() is not threading.main_thread():
            return
        if not self._runs:
            self._open.enter_context(interruptible(self._cancel))
            shell.events.register("post_run_cell", self._end_of_cell)
            self._open.callback(shell.events.unregister, "post_run_cell", self._end_of_cell)
        self._runs.append(run)

    def remove(self, run: Run) -> None:
        """It has ended."""
        if run in self._runs:
            self._runs.remove(run)
            if not self._runs:
                self._open.close()

    def _end_of_cell(self, _result: object) -> None:
        """What goes on isn't awaited any more."""
        self._runs.clear()
        self._open.close()

    def _cancel(self) -> None:
        for run in self._runs:
            run.cancel_soon()


_stop_button = _StopButton()


class _Exhibit:
    """One run that is shown.

    Args:
        run: The run, which may have started.
        shell: Whose cell shows it.
        context: The cell's.
    """

    def __init__(self, run: Run, shell: InteractiveShell | None, context: Context) -> None:
        self._run = run
        self._shell = shell
        self._context = context
        hint = shell and cancel_hint(shell, sync=blocking.holds_loop(), busy=True)
        self._board = board_for(run, shell, cancel_hint=hint or "", outlives_cell=True)
        self._cell = shell and shell.execution_count
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """Show the run from its first event, or at once."""
        self._run.listen(self._on_event)
        if self._run.record.wall:
            self._show()

    def _on_event(self, event: Event) -> None:
        if event.kind is Kind.RUN_STARTED:
            self._show()
        elif event.kind is Kind.RUN_ENDED:
            self._finish()

    def settle(self) -> None:
        """If all tasks of the run have ended and it only has to note that, let it: the cell ends.

        Whoever saves the notebook after the cell may not hear of it later.
        """
        tasks = self._run.record.tasks.values()
        is_over = bool(tasks) and all(task.state.is_final for task in tasks)
        here = asyncio._get_running_loop()  # noqa: SLF001 - None if there is none
        if is_over and self._run.status is RunState.RUNNING and here and here is self._loop:
            blocking.run(self._run.ended())

    def _show(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._shell is not None:
            _stop_button.add(self._run, self._shell)
            capture.hold(self._shell)
            self._run.at_end(capture.release)
        self._context.copy().run(self._board.show)

    def _finish(self) -> None:
        _stop_button.remove(self._run)
        if self._shell is not None and self._shell.execution_count != self._cell:
            now_and_in_next_cell(self._shell, self._board.finish)()  # its own cell is over
        else:
            self._context.copy().run(self._board.finish)


# One flow, graph or entrypoint


class _WatchedFlow(Flow):
    """A flow whose runs are shown."""

    def options(self, **words: Any) -> Flow:
        """The same flow with other options of its run, watched too."""
        return _watched_flow(super().options(**words))

    def prepare(
        self, inputs: Mapping[str, Any], *, describe: Describe | None = None, **how: Any
    ) -> Run:
        """A run that has not been started, and will be shown."""
        shell = get_ipython()
        if describe is None and shell is not None:
            describe = capture.describer(shell)
        run = super().prepare(inputs, describe=describe, **how)
        show_run(run)
        return run


def _watched_flow(flow: Flow) -> Flow:
    watched = copy.copy(flow)
    watched.__class__ = _WatchedFlow
    return watched


def _watched_invocable(of: Invocable) -> Invocable:
    """A copy that shows what it begins; its copies do too, for they copy what it is made of."""
    begin = of.begin

    def begin_shown(*how: Any) -> Run:
        run = begin(*how)
        show_run(run)
        return run

    watched = copy.copy(of)
    watched.is_watched = True
    vars(watched)["begin"] = begin_shown
    return watched


# The cell magic

_MAGIC_CALL = re.compile(r"get_ipython\(\)\.run_cell_magic\((?=['\"]watch['\"],)")


def watch_cell(lines: list[str]) -> list[str]:
    """The input transformer: a transformed `%%watch` cell becomes its own code, watched.

    Every line stays where it is, so what goes wrong is shown at the line that its author wrote.
    """
    shell = get_ipython()
    if shell is None or not lines or not _MAGIC_CALL.match(lines[0]):
        return lines
    call: Any = ast.parse(lines[0].strip(), mode="eval").body
    line, body = (ast.literal_eval(argument) for argument in call.args[1:])
    if _wants_help(line):
        return lines
    transform: Any = shell.transform_cell
    code = transform(body).splitlines(keepends=True)
    dropped = len(body) - len(body.lstrip("\n"))  # blank lines, which IPython takes off the front
    return [f"get_ipython().run_line_magic('watch', {line!r})\n", *["\n"] * dropped, *code]


def run_magic(shell: InteractiveShell, line: str, cell: str | None, help_text: str) -> None:
    """What `%watch` does: watch until the cell has ended; and `%%watch` from sync code.

    Raises:
        NbflowError: the line says what can't be.
    """
    if _wants_help(line):
        print(help_text)  # noqa: T201 - help is printed
        return
    watching = Watch(shell, _name_in(line))
    if cell is not None:
        run: Any = shell.run_cell
        with watching:
            run(cell)
        return

    def end(_result: object) -> None:
        shell.events.unregister("post_run_cell", end)
        watching.close()

    watching.open()
    shell.events.register("post_run_cell", end)


def _wants_help(line: str) -> bool:
    return bool({"-h", "--help"} & set(line.split()))


def _name_in(line: str) -> str | None:
    """The name that `-o` gives."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = [line]
    match words:
        case []:
            return None
        case ["-o" | "--out", name] if name.isidentifier():
            return name
        case _:
            raise NbflowError(
                f"%%watch can't read {line!r}: it takes -o NAME, and nothing else. See %%watch -h."
            )
