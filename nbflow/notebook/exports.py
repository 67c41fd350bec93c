"""What `%nbflow export` does: a flow of the notebook as the source of another program.

Knows the words of the line and the notebook's variables; how a program is written, `export` knows.
"""

from __future__ import annotations

import re
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from nbflow.core.run import Run, last_run
from nbflow.errors import NbflowError, nearest
from nbflow.export import TARGETS, export
from nbflow.writing.flow import Flow

_USAGE = "%nbflow export TARGET [NAME] [-o FILE]"


def export_line(shell: InteractiveShell, words: list[str]) -> None:
    """Write or show the program that a line asks for.

    Args:
        shell: Whose variables the flow is looked up in.
        words: What stands behind `export`: a target, perhaps a name, perhaps `-o` and a file.

    Raises:
        NbflowError: the line says something else, or the flow can't be exported.
    """
    target, name, file = _read(words)
    source = export(_origin(shell, name), target)
    if file is not None:
        path = source.save(file)
        print(f"wrote {path}")  # noqa: T201 - the answer
        return
    shown: dict[str, Any] = {"text/plain": str(source), "text/markdown": _fenced(source, target)}
    display(shown, raw=True)  # type: ignore[no-untyped-call]


def _read(words: list[str]) -> tuple[str, str | None, str | None]:
    rest = list(words)
    file = None
    for option in ("-o", "--out"):
        if option in rest:
            at = rest.index(option)
            if file is not None or at + 1 == len(rest):
                raise NbflowError(f"{option} takes one file: {_USAGE}.")
            file = rest.pop(at + 1)
            del rest[at]
    if not 1 <= len(rest) <= 2:  # noqa: PLR2004 - a target and a name
        shown = ", ".join(name for name in TARGETS if name.count("-") > 1)
        raise NbflowError(f"write {_USAGE}, where TARGET is one of {shown}.")
    return rest[0], rest[1] if len(rest) > 1 else None, file


def _origin(shell: InteractiveShell, name: str | None) -> Any:
    """The flow that is meant: a variable's, its run's, or else the last run's."""
    if name is None:
        return last_run().origin
    found = shell.user_ns.get(name)
    if isinstance(found, Run):
        return found.origin
    if isinstance(found, Flow):
        return found
    flows = [one for one, value in shell.user_ns.items() if isinstance(value, Flow | Run)]
    raise NbflowError(f"no flow and no run is called {name!r}. {nearest(name, flows)}".rstrip())


def _fenced(source: str, target: str) -> str:
    """The source as a block of Markdown that nothing in it can end."""
    longest = max(map(len, re.findall("`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    language = "typescript" if "typescript" in target else "python"
    return f"{fence}{language}\n{source}{fence}\n"
