"""Output made inside a branch goes to that branch's pane.

While a run is on, `sys.stdout`, `sys.stderr`, IPython's display publisher and pyplot's list of
figures ask which task they are called from (a context variable, so threads and coroutines are both
right) and hand what they are given to that task as an event. Outside of a task nothing changes.
"""

from __future__ import annotations

import base64
import io
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO
from weakref import WeakKeyDictionary

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from nbflow.core.context import TaskContext, current_task
from nbflow.core.events import Kind
from nbflow.core.run import Run


class BranchStream(io.TextIOBase):
    """A text stream that hands what a branch writes to the branch, and the rest to the original.

    Args:
        original: The stream it stands in for.
        name: `stdout` or `stderr`.
    """

    def __init__(self, original: TextIO, name: str) -> None:
        super().__init__()
        self.original = original
        self._name = name

    def write(self, text: str) -> int:
        """Write to the branch this is called from, or to the original stream."""
        task = current_task.get()
        if task is None:
            return self.original.write(text)
        task.emit(Kind.OUTPUT, {"output_type": "stream", "name": self._name, "text": str(text)})
        return len(text)

    def flush(self) -> None:
        """Flush the original stream; what a branch wrote needs none."""
        self.original.flush()

    def close(self) -> None:
        """Do nothing: Python closes a stream that nobody holds any more, and the original lives."""

    def __getattribute__(self, name: str) -> Any:
        """Everything but writing is the original's: its encoding, its file number, its colours."""
        if name in _OWN:
            return super().__getattribute__(name)
        return getattr(super().__getattribute__("original"), name)


_OWN = frozenset(
    {"write", "writelines", "flush", "close", "original", "_name", "__class__", "__dict__"}
)


class BranchFigures(MutableMapping[Any, Any]):
    """pyplot's figures by number, one set for each branch and one for everybody else.

    It stands in for `matplotlib._pylab_helpers.Gcf.figs`, an `OrderedDict`, so that branches that
    plot at the same time don't draw into each other's current figure.

    Args:
        everybody: The figures of the code outside of branches.
    """

    def __init__(self, everybody: OrderedDict[Any, Any]) -> None:
        self.everybody = everybody
        self._of_task: WeakKeyDictionary[TaskContext, OrderedDict[Any, Any]] = WeakKeyDictionary()

    def _own(self) -> OrderedDict[Any, Any]:
        task = current_task.get()
        return self.everybody if task is None else self._of_task.setdefault(task, OrderedDict())

    def __getitem__(self, number: Any) -> Any:
        return self._own()[number]

    def __setitem__(self, number: Any, manager: Any) -> None:
        self._own()[number] = manager

    def __delitem__(self, number: Any) -> None:
        del self._own()[number]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._own())

    def __reversed__(self) -> Iterator[Any]:
        yield from reversed(self._own())

    def __len__(self) -> int:
        return len(self._own())

    def values(self) -> Any:
        """The managers; unlike a plain mapping's, these can be reversed."""
        return self._own().values()

    def move_to_end(self, number: Any, last: bool = True) -> None:
        """Make a figure the active one."""
        self._own().move_to_end(number, last)


_holders = 0
_undo = ExitStack()


@contextmanager
def captured(shell: InteractiveShell) -> Iterator[None]:
    """Route branch output while the context is open; several may be open at once, in any order."""
    hold(shell)
    try:
        yield
    finally:
        release()


def hold(shell: InteractiveShell) -> None:
    """Route branch output until `release` has been called as often as this."""
    global _holders  # noqa: PLW0603 - streams and display are the process's, so is the count
    _holders += 1
    if _holders == 1:
        _replace_streams()
        _replace_display(shell)
    _replace_figures()


def release() -> None:
    """Undo one `hold`; the last one puts everything back."""
    global _holders  # noqa: PLW0603 - see `hold`
    _holders -= 1
    if _holders == 0:
        _undo.close()


def start_held(shell: InteractiveShell, run: Run) -> None:
    """Start a run, and route what its branches say until it has ended."""
    hold(shell)
    try:
        run.start()
    except BaseException:
        release()
        raise
    run.at_end(release)


def _replace_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = BranchStream(getattr(sys, name), name)
        setattr(sys, name, stream)
        _undo.callback(_put_back, sys, name, stream, stream.original)


def _put_back(owner: Any, name: str, ours: Any, theirs: Any) -> None:
    """Restore an attribute unless somebody else has replaced it meanwhile."""
    if getattr(owner, name) is ours:
        setattr(owner, name, theirs)


def _replace_display(shell: InteractiveShell) -> None:
    publisher: Any = shell.display_pub
    publish, clear_output = publisher.publish, publisher.clear_output

    def publish_to_branch(data: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        task = current_task.get()
        if task is None:
            return publish(data, *args, **kwargs)
        transient = kwargs.get("transient") or {}
        output = {
            "output_type": "display_data",
            "data": plain_bundle(data),
            "display_id": transient.get("display_id"),
            "update": bool(kwargs.get("update")),
        }
        return task.emit(Kind.OUTPUT, output)

    def clear_branch_output(wait: bool = False) -> Any:
        task = current_task.get()
        if task is None:
            return clear_output(wait)
        return task.emit(Kind.OUTPUT, {"output_type": "clear_output"})

    publisher.publish, publisher.clear_output = publish_to_branch, clear_branch_output
    _undo.callback(vars(publisher).pop, "publish", None)
    _undo.callback(vars(publisher).pop, "clear_output", None)


def _replace_figures() -> None:
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    if helpers is not None and not isinstance(helpers.Gcf.figs, BranchFigures):
        figures = BranchFigures(helpers.Gcf.figs)
        helpers.Gcf.figs = figures
        _undo.callback(_put_back, helpers.Gcf, "figs", figures, figures.everybody)


def plain_bundle(data: Mapping[str, Any]) -> dict[str, Any]:
    """A mime bundle as plain data: bytes become base64 text, as Jupyter sends them."""
    return {
        mime: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for mime, value in data.items()
    }


def describer(shell: InteractiveShell) -> Callable[[Any], dict[str, Any]]:
    """What adds a branch's result, and figures it left open, to the record in their rich form."""

    def describe(result: Any) -> dict[str, Any]:
        _show_open_figures(result)
        if result is None or isinstance(result, str):
            return {}
        formatter: Any = shell.display_formatter
        data, _metadata = formatter.format(result)
        return {"display": plain_bundle(data)}

    return describe


def _show_open_figures(result: Any) -> None:
    """Display what this branch plotted and didn't show, as a cell does at its end."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or "inline" not in pyplot.get_backend():
        return
    show: Any = display
    for number in pyplot.get_fignums():
        figure = pyplot.figure(number)
        if figure is not result:
            show(figure)
    pyplot.close("all")
