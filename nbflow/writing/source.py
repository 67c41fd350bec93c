"""The text of a Python cell beside its syntax tree: from a node of the tree to its place.

Keeps the lines of what Python compiles where they stand in the cell. Knows nothing of flows.
"""

from __future__ import annotations

import ast
import difflib
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import TypeAlias

from nbflow.errors import CellError
from nbflow.writing.place import Place

Located: TypeAlias = ast.expr | ast.stmt | ast.arg | ast.keyword | ast.alias
"""The nodes of a tree that have a place."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a Python cell.

    Args:
        filename: What its code objects say they come from.
        shown: The cell's lines, as written; the magic's own is the first.
        compiled_lines: The same lines as Python compiled them.
        tree: The syntax tree; its line numbers are the cell's.
    """

    filename: str
    shown: Sequence[str]
    compiled_lines: Sequence[str]
    tree: ast.Module

    def compiled(self, statements: Sequence[ast.stmt], *flags: int) -> CodeType:
        """The code of some of the cell's statements.

        Raises:
            CellError: what only the compiler refuses, such as a `return` outside a function.
        """
        module = ast.Module(body=list(statements), type_ignores=[])
        try:
            code = compile(module, self.filename, "exec", flags=sum(flags), dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise _refused(error, self.shown, self.compiled_lines) from None
        assert isinstance(code, CodeType)
        return code

    def place(
        self,
        node: Located,
        like: re.Pattern[str] | None = None,
        *,
        after: re.Pattern[str] | None = None,
    ) -> Place:
        """Where a node of the tree stands, as far as its first line goes.

        Args:
            node: A node of the tree.
            like: What of it to point at.
            after: What to leave out before that.
        """
        whole = next(self.places(node))
        if after is not None and (prefix := after.match(whole.text)) is not None:
            whole = whole.part(prefix.end())
        found = like.match(whole.text) if like is not None else None
        return whole if found is None else whole.part(0, found.end())

    def places(self, node: Located) -> Iterator[Place]:
        """The lines of a node of the tree, without what stands beside it."""
        start, stop = node.lineno, node.end_lineno or node.lineno
        for number in range(start, stop + 1):
            whole = _line(number, self.shown)
            compiled = self.compiled_lines[number - 1]
            begin = _characters(compiled, node.col_offset) if number == start else 0
            end = _characters(compiled, node.end_col_offset if number == stop else None)
            yield _part(whole, compiled, begin, end)

    def text_of(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        """A function as it was written, with its decorators."""
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        return "\n".join(self.shown[first - 1 : node.end_lineno])

    def place_in_traceback(self, error: BaseException) -> Place | None:
        """The last line of the cell that an exception went through, if it went through one."""
        frames = traceback.extract_tb(error.__traceback__, limit=None)
        lines = [frame.lineno for frame in frames if frame.filename == self.filename]
        return _line(lines[-1], self.shown).stripped() if lines and lines[-1] else None


def read_source(
    head: str, lines: Sequence[Place], filename: str, transform: Callable[[str], str] | None
) -> Source:
    """Parse a cell's body, with IPython's own syntax made Python if need be.

    Raises:
        CellError: it is no Python.
    """
    shown = [head, *(line.text for line in lines)]
    compiled = ["", *shown[1:]]
    try:
        return Source(filename, shown, compiled, _parsed(compiled, filename))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if transform is None:
            raise _refused(error, shown, compiled) from None
        refused = error
    try:
        compiled = ["", *_aligned(shown[1:], transform)]
    except SyntaxError:
        raise _refused(refused, shown, ["", *shown[1:]]) from None
    try:
        return Source(filename, shown, compiled, _parsed(compiled, filename))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refused(error, shown, compiled) from None


def _parsed(lines: Sequence[str], filename: str) -> ast.Module:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = compile("\n".join(lines) + "\n", filename, "exec", flags=flags, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    return tree


def _aligned(lines: Sequence[str], transform: Callable[[str], str]) -> list[str]:
    """The transformed lines, each where its original stands.

    IPython drops blank lines at the start, and makes one line of a command that goes on over
    several; blank lines make up for both.
    """
    new = transform("\n".join(lines) + "\n").removesuffix("\n").split("\n")
    aligned: list[str] = []
    matcher = difflib.SequenceMatcher(None, lines, new, autojunk=False)
    for _, start, stop, new_start, new_stop in matcher.get_opcodes():
        block = new[new_start:new_stop]
        aligned += [*block, *[""] * (stop - start - len(block))]
    return aligned


def _refused(error: Exception, shown: Sequence[str], compiled: Sequence[str]) -> CellError:
    if not isinstance(error, SyntaxError) or error.lineno is None:
        reason = str(error) or type(error).__name__
        return _first_code(shown).stripped().error(f"Python can't read this cell: {reason}.")
    problem = f"Python can't read this: {error.msg}."
    number = error.lineno
    if not 1 < number <= len(shown) or not shown[number - 1].strip():
        return _first_code(shown, last=True).stripped().error(problem)
    line, compiled_line = _line(number, shown), compiled[number - 1]
    start = (error.offset or 0) - 1
    if not 0 <= start < len(compiled_line.rstrip()):
        return line.stripped().error(problem)
    ends_here = error.end_lineno == number and (error.end_offset or 0) > start + 1
    stop = (error.end_offset or 0) - 1 if ends_here else len(compiled_line)
    return _part(line, compiled_line, start, stop).stripped().error(problem)


def _first_code(shown: Sequence[str], *, last: bool = False) -> Place:
    numbers = [number for number, text in enumerate(shown[1:], start=2) if text.strip()]
    return _line(numbers[-1 if last else 0], shown)


def _line(number: int, shown: Sequence[str]) -> Place:
    return Place(number, 1, shown[number - 1])


def _characters(text: str, column_bytes: int | None) -> int:
    """A column as the syntax tree counts it, in bytes of UTF-8, in characters."""
    return len(text.encode()[:column_bytes].decode(errors="replace"))


def _part(shown: Place, compiled: str, start: int, stop: int) -> Place:
    """A part of a compiled line as it stands in the cell; the whole line if it was rewritten.

    Example:
        >>> _part(Place(2, 1, "  x = y"), "x = y", 4, 5), _part(Place(2, 1, "!ls"), "run()", 0, 3)
        (Place(line=2, column=7, text='y'), Place(line=2, column=1, text='!ls'))
    """
    shift = shown.text.find(compiled)
    return shown.stripped() if shift < 0 else shown.part(shift + start, shift + stop)
