"""The text of a `%%branch` or `%%join` cell: the branch that it says.

Reads it by the grammar of `%%fanout`: its line as a header, its body as a prompt or as Python.
Every mistake is a `CellError`. Knows nothing of IPython, and runs nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from nbflow.errors import CellError
from nbflow.notebook.branch import Branch, branch_of
from nbflow.notebook.branch_node import node_of
from nbflow.writing.header import MODEL_WORDS, Header, is_header, read_header, slip, unescaped
from nbflow.writing.place import Place
from nbflow.writing.python import is_python
from nbflow.writing.sections import body_lines, section_of
from nbflow.writing.words import typed_words


def read_branch(
    magic: str, line: str, body: str, transform: Callable[[str], str] | None = None
) -> Branch:
    r"""What a `%%branch` or `%%join` cell says.

    Args:
        magic: `branch` or `join`.
        line: What stands behind the magic's name.
        body: The lines below.
        transform: Makes Python of IPython's own syntax.

    Raises:
        CellError: it says no node.

    Example:
        >>> read_branch("join", "both wait=any", "{joke}\n{poem}\n").kind
        'template'
    """
    header = _header(magic, line)
    lines = list(body_lines(body.replace("\r\n", "\n").replace("\r", "\n")))
    if is_python(lines):
        return _read_code(header, body, transform)
    following = [*(line.text for line in lines[1:]), ""]
    section = section_of(header, [*map(_text_line, lines, following)])
    if magic == "join" and not section.reads:
        raise header.place.error("a join reads other nodes, and this text has no {name} in it.")
    return branch_of(section)


def _header(magic: str, line: str) -> Header:
    """The line as a header; its places are those of the line."""
    offset = len(f"%%{magic} ") + 1 + len(line) - len(line.lstrip())
    name, _, rest = line.strip().partition(" ")
    place = Place(1, offset, name)
    if not name.isidentifier():
        raise place.error(f"%%{magic} takes a name and then options: %%{magic} joke retries=2.")
    prompt = re.search(r"(?<!\S)prompt(?!\S)", rest) if magic == "join" else None
    if prompt is not None:
        rest = rest[: prompt.start()] + " " * len("prompt") + rest[prompt.end() :]
    header = read_header(Place(1, offset - 1, f"[{name}]{rest}"))  # the ] is where the space is
    if magic == "join" and prompt is None:
        _make_template(header)
    return dataclasses.replace(header, place=place)


def _make_template(header: Header) -> None:
    for unused in sorted({*MODEL_WORDS} & header.words.keys()):
        raise header.places[unused].error(
            f"a template calls no model, so {unused!r} is of no use here. Write `prompt` behind "
            f"the name to ask one: %%join {header.name} prompt ..."
        )
    header.words["template"] = True


def _read_code(header: Header, body: str, transform: Callable[[str], str] | None) -> Branch:
    for word in (*MODEL_WORDS, "template"):
        if word in header.places:
            raise header.places[word].error(
                f"{word!r} is of no use before code; of a function that is a prompt, say it above "
                f"its def: @node({word}=...)."
            )
    words = {word: one for word, one in header.words.items() if word not in ("template", "each")}
    elements = tuple(header.words.get("each", {}).items())
    text = body.strip("\n")
    blank = len(body) - len(body.lstrip("\n"))
    branch = Branch(0, header.name, "python", text, typed_words(words), elements)
    try:
        node_of(branch, transform).forget()
    except CellError as error:
        place = Place(error.line + blank, error.column, error.text)
        raise (header.place if error.line < 0 else place).error(error.problem) from None
    return branch


def _text_line(line: Place, following: str) -> Place:
    if is_header(line.text):
        name = line.text[1 : line.text.index("]")]
        raise line.error(
            f"a cell is one node; give this one a cell of its own: %%branch {name}. If the line "
            r"is text and no header, begin it with \[."
        )
    if (mistake := slip(line, following)) is not None:
        raise mistake
    return unescaped(line)
