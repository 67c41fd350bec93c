"""A function whose whole body is a string: the prompt that it is, and its mistakes.

Knows syntax trees and placeholders; knows nothing of models, and runs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from nbflow.errors import nearest
from nbflow.writing.place import Place
from nbflow.writing.prompt import placeholders
from nbflow.writing.source import Source

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
"""A function in a syntax tree."""


def prompt_of(definition: Definition) -> str | None:
    """The string that is the whole body of a function; None if there is more or other.

    Example:
        >>> tree = ast.parse('def joke(topic): "A joke about {topic}"')
        >>> prompt_of(tree.body[0])
        'A joke about {topic}'
    """
    lone = _lone_expression(definition)
    value = lone.value if isinstance(lone, ast.Constant) else None
    return value if isinstance(value, str) else None


def exact_prompt_of(definition: Definition) -> str | None:
    r"""A prompt that is written on one line, which is taken as it is; None of another.

    A prompt of several lines stands indented in the code, and loses the indentation and the blank
    lines around it as a docstring does.

    Example:
        >>> exact_prompt_of(ast.parse(r"def joke(): ' A\tjoke\n'").body[0])
        ' A\tjoke\n'
    """
    lone = _lone_expression(definition)
    is_on_one_line = lone is not None and lone.lineno == lone.end_lineno
    return prompt_of(definition) if is_on_one_line else None


def check_prompt(
    definition: Definition, place: Place, reads: Mapping[str, Place], source: Source
) -> None:
    """Refuse a prompt that is empty, formatted by Python, or reads what is no parameter.

    Args:
        definition: A function, a prompt or not.
        place: Its name.
        reads: Its parameters.
        source: The cell's text.

    Raises:
        CellError: at the placeholder, the string or the name.
    """
    lone = _lone_expression(definition)
    if isinstance(lone, ast.JoinedStr):
        raise source.place(lone).error(
            "an f-string is code whose value nobody takes; without the f it is a prompt, and its "
            "{names} are filled in."
        )
    text = prompt_of(definition)
    if lone is None or text is None:
        return
    if not text.strip():
        raise place.error(f"the prompt of {definition.name!r} is empty.")
    for hole in placeholders(text):
        if hole.name not in reads:
            shown = next(_holes(lone, hole.name, source), place)
            parameters = ", ".join([*reads, hole.name])
            raise shown.error(
                f"{hole.name!r} is no parameter of {definition.name}, and a function reads its "
                f"parameters: def {definition.name}({parameters}). "
                f"{nearest(hole.name, reads)}".rstrip()
            )


def _lone_expression(definition: Definition) -> ast.expr | None:
    body = definition.body[0]
    return body.value if len(definition.body) == 1 and isinstance(body, ast.Expr) else None


def _holes(text: ast.expr, name: str, source: Source) -> Iterator[Place]:
    """Where `{name}` stands in a string, as its author wrote it."""
    for line in source.places(text):
        for hole in placeholders(line.text):
            if hole.name == name:
                yield line.part(hole.offset, hole.offset + len(name) + 2)
