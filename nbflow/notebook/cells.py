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
from nbflow.core.run import Run, last_run
from nbflow.errors import NbflowError, RunCancelled, nearest
from nbflow.interrupts import interruptible
from nbflow.notebook import capture
from nbflow.notebook.board import board_for
from nbflow.notebook.kernel import cancel_hint, in_kernel
from nbflow.notebook.plan import plan_text
from nbflow.views import flow_bundle
from nbflow.writing.cell import Bound, Cell, parse

_MAGIC_CALL = re.compile(r"get_ipython\(\)\.run_cell_magic\((?=['\"](?:fanout|vote)['\"],)")

_RETRY_CALL = re.compile(r"get_ipython\(\)\.run_line_magic\('nbflow', (?=['\"]retry\b)")

_MAGICS = "await get_ipython().find_cell_magic('fanout').__self__"
AWAITED_CALL = f"{_MAGICS}.awaited("
AWAITED_RETRY = f"{_MAGICS}.awaited_retry("


def await_fanout(lines: list[str]) -> list[str]:
    """The input transformer: a transformed `%%fanout` or `%%vote` cell becomes an awaited call.

    So does a line `%nbflow retry` that stands in no block, for that may be a function's.

    Not so below another cell magic, such as `%%time`: that runs it from sync code.

    Example:
        >>> await_fanout(["get_ipython().run_cell_magic('fanout', '', 'a: b')"])
        ["await get_ipython().find_cell_magic('fanout').__self__.awaited('fanout', '', 'a: b')"]
        >>> await_fanout(["get_ipython().run_cell_magic('vote', '', 'x')"])
        ["await get_ipython().find_cell_magic('fanout').__self__.awaited('vote', '', 'x')"]
        >>> await_fanout(["print(1)"])
        ['print(1)']
        >>> await_fanout(["get_ipython().run_line_magic('nbflow', 'retry run')"])
        ["await get_ipython().find_cell_magic('fanout').__self__.awaited_retry('retry run')"]
    """
    if not any(_MAGIC_CALL.match(line) or _RETRY_CALL.match(line) for line in lines):
        return lines
    if is_inside_magic():
        return lines
    if _MAGIC_CALL.match(lines[0]):
        return [_MAGIC_CALL.sub(AWAITED_CALL, lines[0], count=1), *lines[1:]]
    return [
        _RETRY_CALL.sub(AWAITED_RETRY, line) if _RETRY_CALL.match(line) else line for line in lines
    ]


def is_inside_magic() -> bool:
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
    await run_parsed(shell, cell, sync=sync)


async def run_parsed(shell: InteractiveShell, cell: Cell, *, sync: bool = False) -> None:
    """Run a cell that has been read to its end, or with `--bg` to its start.

    Raises:
        CellError: it can't be run; nothing has been.
        RunError: a branch failed.
        RunCancelled: the run was cancelled, or the kernel interrupted.
    """
    __tracebackhide__ = True
    cell.check_names(shell.user_ns)
    await run_code(shell, cell.statements)
    bound = cell.bind(shell.user_ns)
    if cell.line.dry_run:
        run = bound.flow.prepare(bound.inputs, hidden=bound.hidden)
        _display(flow_bundle(run.topology))
        print(plan_text(run, bound.inputs))  # noqa: T201 - what a dry run is for
        return
    await _run(shell, cell, bound, sync=sync)


async def run_code(shell: InteractiveShell, code: Any) -> None:
    """Run what stands beside the functions of a cell, if anything, as a normal cell would."""
    __tracebackhide__ = True
    if code is None:
        return
    result = eval(code, shell.user_ns)  # noqa: S307 - it is the user's own cell
    if inspect.iscoroutine(result):
        await result


async def _run(shell: InteractiveShell, cell: Cell, bound: Bound, *, sync: bool) -> None:
    run = bound.flow.prepare(bound.inputs, hidden=bound.hidden, describe=capture.describer(shell))
    if cell.line.out is not None:
        shell.user_ns[cell.line.out] = run
    await _run_shown(shell, run, sync=sync, background=cell.line.bg)


async def await_retry(shell: InteractiveShell, name: str | None, *, sync: bool = False) -> None:
    """Run again what of a run failed or was cancelled, with a board of its own.

    The variable that the run was bound to is bound to the new one.

    Args:
        shell: The shell whose cell this is.
        name: The variable that holds the run; without one, the run that was started last.
        sync: Whether this blocks the loop instead of being awaited.

    Raises:
        NbflowError: there is no such run, it hasn't ended, or it can't be run again.
        RunError: a branch failed again.
        RunCancelled: the run was cancelled, or the kernel interrupted.
    """
    run = last_run() if name is None else run_called(shell, name, "retried")
    if not run.topology.nodes.keys() - run.kept().settled:
        print("nothing to retry: every branch has its result.")  # noqa: T201 - the answer
        return
    again, bound = run.again(), name or run.record.name
    if shell.user_ns.get(bound) is run:
        shell.user_ns[bound] = again
    await _run_shown(shell, again, sync=sync)


def run_called(shell: InteractiveShell, name: str, verb: str) -> Run:
    """The run that a variable holds; `verb` is what can't be done to it otherwise.

    Raises:
        NbflowError: there is no such variable, or it holds something else.
    """
    found = shell.user_ns.get(name)
    if isinstance(found, Run):
        return found
    runs = [of for of, value in shell.user_ns.items() if isinstance(value, Run) and of[0] != "_"]
    what = "is not a run" if name in shell.user_ns else "is not there"
    raise NbflowError(f"{name!r} {what}, so it can't be {verb}. {nearest(name, runs)}".rstrip())


async def _run_shown(
    shell: InteractiveShell, run: Run, *, sync: bool, background: bool = False
) -> None:
    """Start a run, show it on a board, and unless it goes on in the background wait for its end."""
    hint = cancel_hint(shell, sync=sync, busy=not background)
    board = board_for(run, shell, cancel_hint=hint, outlives_cell=background)
    finish = now_and_in_next_cell(shell, board.finish) if background else board.finish
    run.at_end(finish)
    try:
        with interruptible(run.cancel_soon):
            capture.start_held(shell, run)
            board.show()
            if not background:
                await run
    except asyncio.CancelledError:
        raise _interrupted(run) from None


def now_and_in_next_cell(
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
