"""Code on lines that aren't too long: a bracket is written on one line, or one item to a line.

The same rule as black's and prettier's. Pure functions; knows no language but its brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nbflow.export.quoting import WIDTH_CHARACTERS, Text, columns, pieces


@dataclass(frozen=True, slots=True)
class Bracket:
    """Items in brackets.

    Args:
        opening: What stands before the items, such as `call(`.
        items: What stands in the brackets.
        closing: What stands behind them, such as `)`.
        space: What parts the items from their brackets when all is on one line.
    """

    opening: str
    items: Sequence[Code]
    closing: str
    space: str = ""


@dataclass(frozen=True, slots=True)
class Loop:
    """A comprehension in brackets.

    Args:
        opening: What stands before, such as `together(`.
        element: What is made of each.
        clause: What follows it, such as `for doc in docs`.
        closing: What stands behind, such as `)`.
    """

    opening: str
    element: str
    clause: str
    closing: str


Code: TypeAlias = str | Bracket | Loop
"""An expression or a statement."""


def flat(code: Code) -> str:
    """Code on one line.

    Example:
        >>> flat(Bracket("f(", ["a", Bracket("[", ["b"], "]")], ")"))
        'f(a, [b])'
    """
    if isinstance(code, str):
        return code
    if isinstance(code, Loop):
        return f"{code.opening}{code.element} {code.clause}{code.closing}"
    inside = ", ".join(map(flat, code.items))
    return f"{code.opening}{code.space}{inside}{code.space}{code.closing}"


@dataclass(frozen=True, slots=True)
class Literal:
    """A text given a name, in several literals if it is long.

    Args:
        opening: What stands before the text, such as `prompt = `.
        text: The text.
        quote: How the language writes it.
        around: What stands around several literals, and between them.
        closing: What ends the statement.
    """

    opening: str
    text: Text
    quote: Callable[[Text], str]
    around: tuple[str, str, str] = ("(", "", ")")
    closing: str = ""


@dataclass(frozen=True, slots=True)
class Deeper:
    """A block further in."""

    block: Block


Statement: TypeAlias = Code | Literal | Deeper
"""A statement, or a block further in."""

Block: TypeAlias = Sequence[Statement]
"""Statements, and the blocks within them."""


def deeper(*block: Statement) -> Deeper:
    """A block further in."""
    return Deeper(block)


def rendered(block: Block, step: str = "    ", indent: str = "") -> list[str]:
    """A block as lines.

    Args:
        block: Its statements.
        step: How much further in a block within it is.
        indent: How far in it stands itself.

    Example:
        >>> rendered(["def f():", deeper(Bracket("return {", ["1: 2"], "}"), "")])
        ['def f():', '    return {1: 2}', '']
    """
    made: list[str] = []
    for statement in block:
        if isinstance(statement, Deeper):
            made += rendered(statement.block, step, indent + step)
        elif isinstance(statement, Literal):
            made += _literal(statement, step, indent)
        else:
            made += [line.rstrip() for line in _lines(statement, indent, "", step)]
    return made


def _literal(literal: Literal, step: str, indent: str) -> list[str]:
    whole = literal.quote(literal.text)
    text = f"{indent}{literal.opening}{whole}{literal.closing}"
    opening, between, closing = literal.around
    width = WIDTH_CHARACTERS - len(f"{indent}{step}{between}{literal.closing}")
    cut = [whole] if columns(whole) <= width else list(pieces(literal.text, literal.quote, width))
    if columns(text) <= WIDTH_CHARACTERS or (len(cut) == 1 and columns(whole) > width):
        return [text]
    *first, last = (f"{indent}{step}{one}" for one in cut)
    ended = [last, f"{indent}{closing}{literal.closing}"] if closing else [last + literal.closing]
    return [f"{indent}{literal.opening}{opening}".rstrip(), *(f + between for f in first), *ended]


def _lines(code: Code, indent: str, tail: str, step: str) -> list[str]:
    text = f"{indent}{flat(code)}{tail}"
    if isinstance(code, str) or columns(text) <= WIDTH_CHARACTERS:
        return [text]
    if isinstance(code, Loop):
        inner = [f"{indent}{step}{code.element} {code.clause}"]
        if len(inner[0]) > WIDTH_CHARACTERS:
            inner = [f"{indent}{step}{code.element}", f"{indent}{step}{code.clause}"]
        return [f"{indent}{code.opening}", *inner, f"{indent}{code.closing}{tail}"]
    if not code.items:
        return [text]
    inside = [line for item in code.items for line in _lines(item, indent + step, ",", step)]
    return [f"{indent}{code.opening}", *inside, f"{indent}{code.closing}{tail}"]


def prefixed(before: str, code: Code, after: str = "") -> Code:
    """Code with something before and after it.

    Example:
        >>> flat(prefixed("return ", Bracket("f(", ["a"], ")"), ";"))
        'return f(a);'
    """
    if isinstance(code, str):
        return f"{before}{code}{after}"
    if isinstance(code, Loop):
        return Loop(before + code.opening, code.element, code.clause, code.closing + after)
    return Bracket(before + code.opening, code.items, code.closing + after, code.space)
