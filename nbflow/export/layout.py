"""Code on lines that aren't too long: a bracket is written on one line, or one item to a line.

The same rules as black's and prettier's, with the widths that they have by themselves. Pure
functions; knows no language but its brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from nbflow.export.quoting import Text, columns, pieces


@dataclass(frozen=True, slots=True)
class Style:
    """How a language's formatter lays code out.

    Args:
        step: How much further in a block within a block is.
        width_characters: How long a line may be.
    """

    step: str
    width_characters: int


PYTHON = Style("    ", 88)
TYPESCRIPT = Style("  ", 80)


@dataclass(frozen=True, slots=True)
class Bracket:
    """Items in brackets.

    Args:
        opening: What stands before the items, such as `call(`.
        items: What stands in the brackets.
        closing: What stands behind them, such as `)`.
        space: What parts the items from their brackets when all is on one line.
        hugs: Whether the last item may be broken while the others stay on the line.
    """

    opening: str
    items: Sequence[Code]
    closing: str
    space: str = ""
    hugs: bool = False


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
    element: Code
    clause: Code
    closing: str


@dataclass(frozen=True, slots=True)
class Headed:
    """A head, such as `(doc) =>` or `const doc =`, and what follows it there or further in."""

    head: str
    body: Code


Code: TypeAlias = str | Bracket | Loop | Headed
"""An expression or a statement."""


def flat(code: Code) -> str:
    """Code on one line.

    Example:
        >>> flat(Bracket("f(", ["a", Bracket("[", ["b"], "]")], ")"))
        'f(a, [b])'
    """
    match code:
        case Bracket():
            inside = ", ".join(map(flat, code.items))
            return f"{code.opening}{code.space}{inside}{code.space}{code.closing}"
        case Loop():
            return f"{code.opening}{flat(code.element)} {flat(code.clause)}{code.closing}"
        case Headed():
            return f"{code.head} {flat(code.body)}"
        case _:
            return code


@dataclass(frozen=True, slots=True)
class Literal:
    """A text given a name, in several literals if it is long.

    Args:
        opening: What stands before the text, such as `prompt = `.
        text: The text.
        quote: How the language writes it.
        around: What stands around several literals, and between them.
        closing: What ends the statement.
        keeps: Whether a lone literal stays behind its name, however long it is.
    """

    opening: str
    text: Text
    quote: Callable[[Text], str]
    around: tuple[str, str, str] = ("(", "", ")")
    closing: str = ""
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Deeper:
    """A block further in."""

    block: Block


@dataclass(frozen=True, slots=True)
class Callback:
    """A call whose last argument is a function with a block.

    Args:
        opening: What stands before the arguments, such as `const f = task(`.
        given: The arguments before the function.
        signature: The function up to the brace of its block.
        body: The block.
        closing: What stands behind the block's brace.
    """

    opening: str
    given: Sequence[Code]
    signature: Code
    body: Block
    closing: str


Statement: TypeAlias = Code | Literal | Deeper | Callback
"""A statement, or a block further in."""

Block: TypeAlias = Sequence[Statement]
"""Statements, and the blocks within them."""


def deeper(*block: Statement) -> Deeper:
    """A block further in."""
    return Deeper(block)


def rendered(block: Block, style: Style = PYTHON, indent: str = "") -> list[str]:
    """A block as lines.

    Args:
        block: Its statements.
        style: How they are laid out.
        indent: How far in the block stands.

    Example:
        >>> rendered(["def f():", deeper(Bracket("return {", ["1: 2"], "}"), "")])
        ['def f():', '    return {1: 2}', '']
    """
    made: list[str] = []
    for statement in block:
        match statement:
            case Deeper():
                made += rendered(statement.block, style, indent + style.step)
            case Literal():
                made += _literal(statement, style, indent)
            case Callback():
                made += _callback(statement, style, indent)
            case _:
                made += [line.rstrip() for line in _lines(statement, style, indent)]
    return made


def _literal(literal: Literal, style: Style, indent: str) -> list[str]:
    whole = literal.quote(literal.text)
    text = f"{indent}{literal.opening}{whole}{literal.closing}"
    opening, between, closing = literal.around
    deep, most = indent + style.step, style.width_characters
    width = most - len(f"{deep}{between}{literal.closing}")
    if columns(text) <= most:
        return [text]
    cut = [whole] if columns(whole) <= width else list(pieces(literal.text, literal.quote, width))
    if len(cut) == 1 and (literal.keeps or columns(whole) > width):
        return [text]
    # Pieces in quotes of different kinds may be shorter together than the whole in one kind.
    joined = f"{between} ".join(cut)
    if between and columns(f"{deep}{joined}{literal.closing}") <= most:
        cut = [joined]
    *first, last = (f"{deep}{one}" for one in cut)
    ended = [last, f"{indent}{closing}{literal.closing}"] if closing else [last + literal.closing]
    return [f"{indent}{literal.opening}{opening}".rstrip(), *(f + between for f in first), *ended]


def _callback(call: Callback, style: Style, indent: str) -> list[str]:
    """The function behind the other arguments if its head fits there, or all on their own lines."""
    given = "".join(f"{flat(one)}, " for one in call.given)
    text = f"{indent}{call.opening}{given}{flat(call.signature)}"
    deep = indent + style.step
    if columns(text) <= style.width_characters:
        return [text, *rendered(call.body, style, deep), f"{indent}}}{call.closing}"]
    before = (line for one in call.given for line in _lines(one, style, deep, ","))
    return [
        f"{indent}{call.opening}",
        *before,
        *_lines(call.signature, style, deep),
        *rendered(call.body, style, deep + style.step),
        f"{deep}}},",
        f"{indent}{call.closing}",
    ]


def _lines(code: Code, style: Style, indent: str, tail: str = "") -> list[str]:
    text = f"{indent}{flat(code)}{tail}"
    if isinstance(code, str) or columns(text) <= style.width_characters:
        return [text]
    deep = indent + style.step
    if isinstance(code, Headed):
        return [f"{indent}{code.head}", *_lines(code.body, style, deep, tail)]
    closing = f"{indent}{code.closing}{tail}"
    if isinstance(code, Loop):
        inner = f"{deep}{flat(code.element)} {flat(code.clause)}"
        inside = [inner]
        if columns(inner) > style.width_characters:
            inside = [*_lines(code.element, style, deep), *_lines(code.clause, style, deep)]
        return [f"{indent}{code.opening}", *inside, closing]
    if not code.items:
        return [text]
    if hugged := _hugged(code, style, indent, tail):
        return hugged
    inside = [line for item in code.items for line in _lines(item, style, deep, ",")]
    return [f"{indent}{code.opening}", *inside, closing]


def _hugged(code: Bracket, style: Style, indent: str, tail: str) -> list[str]:
    """A call with all but the inside of its last item on the first line; empty if it can't be."""
    *first, last = code.items
    before = f"{indent}{code.opening}{''.join(f'{flat(one)}, ' for one in first)}"
    deep = indent + style.step
    if isinstance(last, Headed):
        head, end = f"{before}{last.head}", code.closing
        inside = _lines(last.body, style, deep, ",")
    elif isinstance(last, Bracket) and last.opening in {"{", "["}:
        head, end = f"{before}{last.opening}", f"{last.closing}{code.closing}"
        inside = [line for item in last.items for line in _lines(item, style, deep, ",")]
    else:
        return []
    fits = code.hugs and inside and columns(head) <= style.width_characters
    return [head, *inside, f"{indent}{end}{tail}"] if fits else []


def prefixed(before: str, code: Code, after: str = "") -> Code:
    """Code with something before and after it.

    Example:
        >>> flat(prefixed("return ", Bracket("f(", ["a"], ")"), ";"))
        'return f(a);'
    """
    match code:
        case Headed():
            return Headed(before + code.head, prefixed("", code.body, after))
        case Bracket() | Loop():
            return replace(code, opening=before + code.opening, closing=code.closing + after)
        case _:
            return f"{before}{code}{after}"
