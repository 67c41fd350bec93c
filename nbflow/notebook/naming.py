"""Names of branches: one that is free, one that a text suggests, and another in the place of one.

Pure functions of texts. Knows how prompts and Python code read a name; knows no branches.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection, Iterator

from nbflow.writing.prompt import placeholders

_ASKED = re.compile(
    r"\b(?:an?|one|the)\s+(?:[\w-]+\s+){0,3}?([^\W\d]\w+)\s*(?:\b(?:about|of|for|on|that|in|to|with|"
    r"from|which|who)\b|[.,:;?!{\n]|$)",
    re.IGNORECASE,
)


def suggested_name(text: str) -> str:
    """What a prompt could be called: the noun that it asks for.

    Example:
        >>> suggested_name("Write a short story about {topic}"), suggested_name("{a} and {b}")
        ('story', '')
    """
    match = _ASKED.search(text)
    name = match[1].lower() if match else ""
    return name if name.isidentifier() and not keyword.iskeyword(name) else ""


def free_name(wanted: str, taken: Collection[str]) -> str:
    """The name, or if it is taken the same with a number.

    Example:
        >>> free_name("joke", []), free_name("joke_2", ["joke", "joke_2"])
        ('joke', 'joke_3')
    """
    stem, name, number = re.sub(r"_\d+$", "", wanted), wanted, 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name


def renamed_in_prompt(text: str, old: str, new: str) -> str:
    """A prompt that reads another name.

    Example:
        >>> renamed_in_prompt("{b} and {{b}} and {c}", "b", "d")
        '{d} and {{b}} and {c}'
    """
    parts, end = [], 0
    for hole in placeholders(text):
        if hole.name == old:
            parts += [text[end : hole.offset], f"{{{new}}}"]
            end = hole.offset + len(old) + 2
    return "".join([*parts, text[end:]])


def renamed_in_code(text: str, old: str, new: str) -> str:
    """Code that reads another name, also in its texts; as it was, if it can't be read.

    Example:
        >>> renamed_in_code("def a(b): return b.b", "b", "c")
        'def a(c): return c.b'
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    lines = text.split("\n")
    for row, column in sorted(set(_uses(tree, old, lines)), reverse=True):
        line = lines[row]
        start = len(line.encode()[:column].decode(errors="replace"))
        lines[row] = line[:start] + new + line[start + len(old) :]
    return "\n".join(lines)


def _uses(tree: ast.Module, name: str, lines: list[str]) -> Iterator[tuple[int, int]]:
    """Where a name stands, as a row and a column in bytes, both from 0."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=found) | ast.Name(id=found) if found == name:
                yield node.lineno - 1, node.col_offset
            case ast.Constant(value=str()):
                yield from _holes(node, name, lines)
            case _:
                pass


def _holes(text: ast.Constant, name: str, lines: list[str]) -> Iterator[tuple[int, int]]:
    """Where `{name}`, or the name alone, stands in a text of the code."""
    if text.value == name and text.lineno == text.end_lineno:
        source = lines[text.lineno - 1].encode()[text.col_offset : text.end_col_offset]
        at = source.find(name.encode())
        if at >= 0:
            yield text.lineno - 1, text.col_offset + at
        return
    for row in range(text.lineno - 1, text.end_lineno or text.lineno):
        for hole in placeholders(lines[row]):
            if hole.name == name:
                yield row, len(lines[row][: hole.offset + 1].encode())
