"""What the Tab key offers in a `%%fanout` cell: a pure function of its text and the cursor.

Reads cells that are still being written, so it is tolerant where the parser is strict. Knows the
tables of options; knows nothing of IPython.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from nbflow.models.registry import EMBEDDED, ENDPOINT
from nbflow.writing.header import FLAGS, OPTION_WORDS, is_header
from nbflow.writing.line import LINE_OPTIONS, VOTE_OPTIONS, LineOption
from nbflow.writing.place import Place
from nbflow.writing.prompt import placeholders
from nbflow.writing.python import is_python
from nbflow.writing.variables import suggested

_VALUE = re.compile(r"(?:^|\s)([^\W\d]\w*)=")
_SHORT_NAME = re.compile(r"([^\W\d]\w*)[ \t]*:")
_IN_HEADER = re.compile(r"\[\w+\]\s(.*)")
_IN_BRACES = re.compile(r"(?<!\{)\{((?:[^\W\d]\w*)?)$")


def complete(
    cell: str,
    cursor: int,
    names: Iterable[str],
) -> tuple[list[str], int]:
    r"""What may stand at the cursor, and where it would begin.

    Args:
        cell: The whole cell, also its first line.
        cursor: The offset of the cursor, in characters from 0.
        names: The notebook's variables.

    Returns:
        The completions, and the offset from which each replaces what was typed; none in another
        cell, or where only the author knows what comes.

    Example:
        >>> complete("%%fanout --on-error st", 22, [])
        (['stop'], 20)
        >>> complete("%%fanout\n[joke] re", 18, [])
        (['retries='], 16)
        >>> complete("%%fanout topic=cats\n[joke]\nAbout {to", 36, ["total"])
        (['topic', 'total'], 34)
    """
    start = len(cell) - len(cell.lstrip("\n"))
    head, *body = cell[start:].split("\n")
    name, _, line = head.partition(" ")
    at = cursor - start - len(name) - 1
    if name not in ("%%fanout", "%%vote") or at < 0:
        return [], cursor
    is_vote = name == "%%vote"
    variables = sorted(suggested(names))
    outline = (_prompt if is_vote else _outline)(line, body, variables)
    if at <= len(line):
        found, typed = _on_line(line[:at], outline)
    else:
        rows = cell[start:cursor].split("\n")
        found, typed = _in_body(rows[-1], len(rows) - 2, outline)
    fitting = [text for text in dict.fromkeys(found) if text.startswith(typed) and text != typed]
    return fitting, cursor - len(typed)


@dataclass(frozen=True, slots=True)
class _Outline:
    """What can be known of a cell that is still being written."""

    python: bool
    nodes: dict[str, int]  # each with the line of the body where it begins, from 0
    values: list[str]
    wanted: list[str]  # what is read and stands for nothing yet
    names: list[str]
    options: tuple[LineOption, ...] = LINE_OPTIONS
    headers: bool = True

    def owner(self, row: int) -> str | None:
        """The node that a line of the body belongs to."""
        above = [name for name, start in self.nodes.items() if start <= row]
        return above[-1] if above else None


def _outline(line: str, body: list[str], names: list[str]) -> _Outline:
    python = is_python([Place(number, 1, text) for number, text in enumerate(body)])
    values = _VALUE.findall(line)
    nodes, read = _functions(body) if python else _prompts(body)
    known = {*nodes, *values, *names}
    wanted = [name for name in dict.fromkeys(read) if name not in known]
    return _Outline(python, nodes, values, wanted, names)


def _prompt(line: str, body: list[str], names: list[str]) -> _Outline:
    """The outline of a cell whose body is one prompt."""
    values = _VALUE.findall(line)
    read = [hole.name for hole in placeholders("\n".join(body))]
    wanted = [name for name in dict.fromkeys(read) if name not in {*values, *names}]
    options = (*VOTE_OPTIONS, *LINE_OPTIONS)
    return _Outline(False, {}, values, wanted, names, options, headers=False)


def _prompts(body: list[str]) -> tuple[dict[str, int], list[str]]:
    rows = {row: text for row, text in enumerate(body) if is_header(text)}
    nodes = {text[1 : text.index("]")]: row for row, text in rows.items()}
    if not nodes:
        found = ((row, _SHORT_NAME.match(text)) for row, text in enumerate(body))
        nodes = {match[1]: row for row, match in found if match is not None}
    text = "\n".join(text for row, text in enumerate(body) if row not in rows)
    return nodes, [hole.name for hole in placeholders(text)]


def _functions(body: list[str]) -> tuple[dict[str, int], list[str]]:
    try:
        statements = ast.parse("\n".join(body)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}, []
    definitions = ast.FunctionDef | ast.AsyncFunctionDef
    functions = [one for one in statements if isinstance(one, definitions)]
    read = []
    for function in functions:
        given = function.args
        plain = given.args[: len(given.args) - len(given.defaults)]
        pairs = zip(given.kwonlyargs, given.kw_defaults, strict=True)
        read += [argument.arg for argument in plain]
        read += [argument.arg for argument, default in pairs if default is None]
    return {function.name: function.lineno - 1 for function in functions}, read


def _on_line(typed: str, outline: _Outline) -> tuple[list[str], str]:
    """What may stand on the magic's line, and how much of it is there."""
    *earlier, last = _split(typed)
    flag, equals, value = last.partition("=")
    option = _option(flag if equals else earlier[-1] if earlier else "", outline)
    if option is not None and option.takes:
        value = value if equals else last
        return _values(option, outline), _last_name(value) if option.word == "model" else value
    if equals:
        return [], value
    unused = [one.flag for one in outline.options if {one.flag, one.short}.isdisjoint(earlier)]
    if last.startswith("-"):
        return unused, last
    wanted = [f"{name}=" for name in outline.wanted]
    return (wanted if last else [*wanted, *unused]), last


def _split(typed: str) -> list[str]:
    """The words that were typed; the last is the one at the cursor, and may be empty."""
    *earlier, last = re.split(r"\s", typed)
    return [*filter(None, earlier), last]


def _option(flag: str, outline: _Outline) -> LineOption | None:
    found = (option for option in outline.options if flag and flag in (option.flag, option.short))
    return next(found, None)


def _values(option: LineOption, outline: _Outline) -> list[str]:
    return _models(outline) if option.word == "model" else list(option.choices)


def _models(outline: _Outline) -> list[str]:
    return [EMBEDDED, ENDPOINT, *outline.names]


def _in_body(typed: str, row: int, outline: _Outline) -> tuple[list[str], str]:
    """What may stand in a line of the body, and how much of it is there."""
    if outline.python:
        return [], ""
    header = _IN_HEADER.fullmatch(typed)
    if header is not None and outline.headers:
        return _in_header(header[1], outline)
    braces = _IN_BRACES.search(typed)
    if braces is None:
        return [], ""
    others = [name for name in outline.nodes if name != outline.owner(row)]
    return [*others, *outline.values, *_unfinished(outline, braces[1]), *outline.names], braces[1]


def _unfinished(outline: _Outline, typed: str) -> list[str]:
    """Names that other prompts read too; what is just being typed is none."""
    return [name for name in outline.wanted if name != typed]


def _in_header(typed: str, outline: _Outline) -> tuple[list[str], str]:
    *earlier, last = _split(typed)
    if earlier[-1:] == ["for"]:
        return [], last
    if earlier[-2:-1] == ["for"]:
        return ["in"], last
    if earlier[-3:-2] == ["for"]:
        return [*outline.nodes, *outline.values, *outline.names], last
    word, equals, value = last.partition("=")
    if equals and word == "model":
        return _models(outline), _last_name(value)
    if equals:
        return _CHOICES.get(word, []), value
    used = {text.partition("=")[0] for text in earlier}
    words = (word for word in OPTION_WORDS if word not in used)
    return [*(word if word in FLAGS else f"{word}=" for word in words), "for"], last


_CHOICES = {"wait": ["all", "any"], "on_error": ["pass"]}


def _last_name(typed: str) -> str:
    """The one that is being typed of several names with commas between them."""
    return typed.rpartition(",")[2]
