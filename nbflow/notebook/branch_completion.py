"""The Tab key where the notebook's current flow is written: as in the `%%fanout` cell it would be.

A pure function of the text, the cursor and what is defined. Knows no IPython.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nbflow.notebook.branch import Branch
from nbflow.writing.completion import complete

COMMANDS = (
    "board", "builder", "cell", "doctor", "export", "flow", "model", "retry", "run", "--help",
)  # fmt: skip
"""The commands of `%nbflow`."""

_CELL = re.compile(r"%%(?:branch|join) +")
_LINE = re.compile(r"\s*%nbflow +")
_MAGIC = "%%fanout "


def complete_branch(
    cell: str, cursor: int, names: Iterable[str], branches: Sequence[Branch]
) -> tuple[list[str], int]:
    r"""What may stand at the cursor of such a cell or line, and where it would begin.

    Args:
        cell: The whole cell.
        cursor: The offset of the cursor, in characters from 0.
        names: The notebook's variables.
        branches: What is defined.

    Example:
        >>> complete_branch("%%branch pun retr", 17, [], [])
        (['retries='], 13)
        >>> complete_branch("%nbflow bo", 10, [], [])
        (['board'], 8)
    """
    head = _CELL.match(cell)
    if head is not None and cursor >= head.end():
        return _in_cell(cell, cursor, head.end(), [*names, *(one.name for one in branches)])
    start = cell.rfind("\n", 0, cursor) + 1
    line = cell[start:cursor]
    command = _LINE.match(line)
    if command is None:
        return [], cursor
    rest = line[command.end() :]
    if " " not in rest:
        return [one for one in COMMANDS if one.startswith(rest) and one != rest], cursor - len(rest)
    if rest.startswith("run "):
        return _in_run(rest.removeprefix("run "), cursor, names, branches)
    return _in_flow(rest, cursor, branches)


def _in_cell(cell: str, cursor: int, begin: int, names: list[str]) -> tuple[list[str], int]:
    first, newline, body = cell[begin:].partition("\n")
    name, _, options = first.partition(" ")
    if cursor <= begin + len(name):
        return [], cursor
    pretended = f"{_MAGIC}\n[{name}] {options}{newline}{body}"
    shift = len(_MAGIC) + len("\n[]") - begin
    found, start = complete(pretended, cursor + shift, names)
    return found, start - shift


def _in_run(
    typed: str, cursor: int, names: Iterable[str], branches: Sequence[Branch]
) -> tuple[list[str], int]:
    body = "\n".join(f"[{one.name}]\n{one.text}" for one in branches if one.kind != "python")
    found, start = complete(f"{_MAGIC}{typed}\n{body}", len(_MAGIC) + len(typed), names)
    return found, cursor - (len(_MAGIC) + len(typed) - start)


def _in_flow(rest: str, cursor: int, branches: Sequence[Branch]) -> tuple[list[str], int]:
    *earlier, last = rest.split(" ")
    offered: list[str] = []
    if earlier == ["flow"]:
        offered = ["--clear", "--drop"]
    elif earlier == ["flow", "--drop"]:
        offered = [one.name for one in branches]
    return [one for one in offered if one.startswith(last)], cursor - len(last)
