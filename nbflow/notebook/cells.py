"""A `%%fanout` cell from its text to its end, as one awaited call.

IPython has no async magics, so an input transformer turns the cell into `await run_cell(...)`: the
cell stays busy, "Run All" waits for it, and the kernel's loop goes on serving the board's buttons.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable
from contextvars import Context
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from nbflow import blocking
from nbflow.core.events import Event, Kind
from nbflow.core.run import Run
from nbflow.errors import NbflowError, RunCancelled
from nbflow.notebook import capture
from nbflow.notebook.board import board_for
from nbflow.notebook.kernel import cancel_hint, in_kernel
from nbflow.notebook.plan import plan_text
from nbflow.views import flow_bundle
from nbflow.writing.cell import Bound, Cell, parse

_MAGIC_CALL = re.compile(r"get_ipython\(\)\.run_cell_magic\((?=['\"](?:fanout|vote)['\"],)")

AWAITED_CALL = "await get_ipython().find_cell_magic('fanout').__self__.awaited("


def await_fanout(lines: list[str]) -> list[str]:
    """The input transformer: a transformed `%%fanout` or `%%vote` cell becomes an awaited call.

    Not so below another cell magic, such as `%%time`: that runs it from sync code.

    Example:
        >>> await_fanout(["get_ipython().run_cell_magic('fanout', '', 'a: b')"])
        ["await get_ipython().find_cell_magic('fanout').__self__.awaited('fanout', '', 'a: b')"]
        >>> await_fanout(["get_ipython().run_cell_magic('vote', '', 'x')"])
        ["await get_ipython().find_cell_magic('fanout').__self__.awaited('vote', '', 'x')"]
        >>> await_fanout(["print(1)"])
        ['print(1)']
    """
    if not lines or not _MAGIC_CALL.match(lines[0]) or _is_inside_magic():
        return lines
    return [_MAGIC_CALL.sub(AWAITED_CALL, lines[0], count=1), *lines[1:]]


def _is_inside_magic() -> bool:
    """Whether a cell magic is being called, whose body this cell would be; then nobody awaits."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code is not InteractiveShell.run_cell_magic.__code__:
        frame = frame.f_back
    return frame is not None


def run_cell(
    shell: InteractiveShell, line: str, body: str, help_text: str, *, magic: str = "fanout"
) -> None:
    """Run a cell from sync code, such as `run_cell_magic`; returns when the run has ended."""
    blocking.run(await_cell(shell, line, body, help_text, magic=magic, sync=True))


async def await_cell(
    shell: InteractiveShell,
    line: str,
    body: str,
    help_text: str,
    *,
    magic: str = "fanout",
    sync: bool = False,
) -> None:
    """Run a cell to its end, or with `--bg` to its start.

    Raises:
        CellError: the cell can't be run; nothing has been.
        RunError: a branch failed.
        RunCancelled: the run was cancelled, or the kernel interrupted.
    """
    __tracebackhide__ = True  # what the cell's own statements raise begins in the cell
    cell = parse(line, body, magic=magic, transform=shell.transform_cell)
    if cell.line.help:
        print(help_text)  # noqa: T201 - help is printed
        return
    cell.check_names(shell.user_ns)
    await _run_statements(shell, cell)
    bound = cell.bind(shell.user_ns)
    if cell.line.dry_run:
        run = bound.flow.prepare(bound.inputs, hidden=bound.hidden)
        _display(flow_bundle(run.topology))
        print(plan_text(run, bound.inputs))  # noqa: T201 - what a dry run is for
        return
    await _run(shell, cell, bound, sync=sync)


async def _run_statements(shell: InteractiveShell, cell: Cell) -> None:
    """Run what a cell in Python form says beside its functions, as a normal cell would."""
    __tracebackhide__ = True
    if cell.statements is None:
        return
    result = eval(cell.statements, shell.user_ns)  # noqa: S307 - it is the user's own cell
    if inspect.iscoroutine(result):
        await result


async def _run(shell: InteractiveShell, cell: Cell, bound: Bound, *, sync: bool) -> None:
    run = bound.flow.prepare(bound.inputs, hidden=bound.hidden, describe=capture.describer(shell))
    name = cell.line.out
    if name is not None:
        shell.user_ns[name] = run
    board = board_for(run, shell, cancel_hint=cancel_hint(shell, sync=sync, busy=not cell.line.bg))
    capture.hold(shell)
    finish = _now_and_in_next_cell(shell, board.finish) if cell.line.bg else board.finish
    run.listen(_at_end(finish, capture.release))
    try:
        with blocking.interruptible(run.cancel_soon):
            run.start()
            board.show()
            if not cell.line.bg:
                await run
    except asyncio.CancelledError:
        raise _interrupted(run) from None


def _at_end(*callbacks: Any) -> Any:
    """A sink that calls back when the run has ended, before whoever awaits it goes on."""

    def sink(event: Event) -> None:
        if event.kind is Kind.RUN_ENDED:
            for callback in callbacks:
                callback()

    return sink


def _now_and_in_next_cell(
    shell: InteractiveShell, callback: Callable[[], None]
) -> Callable[[], None]:
    """The callback, called in no branch's context, and once more when the next cell begins.

    A background run ends after its own cell has. A notebook client such as nbclient hears only of
    the cell that runs, so it would save the live board if the run ended between two cells.
    """

    def now() -> None:
        Context().run(callback)
        if in_kernel(shell):
            shell.events.register("pre_run_cell", again)

    def again(_info: object) -> None:
        shell.events.unregister("pre_run_cell", again)
        callback()

    return now


def _interrupted(run: Run) -> NbflowError:
    try:
        run.raise_unless_done()
    except RunCancelled as error:
        return error
    return RunCancelled("interrupted at its very end; everything had finished.", run)


def _display(made: dict[str, str]) -> None:
    show: Any = display
    show(made, raw=True)
