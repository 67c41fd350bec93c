r"""Texts as source: literals that mean exactly the text, whatever it holds.

Prompts, names and values are hostile: quotes, backslashes, braces, `${`, line separators and lone
surrogates all come out as literals. Pure functions; knows nothing of flows.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

SHORT_CHARACTERS = 60
"""How long a text may be that is returned without being given a name first."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in a text where the value of an expression goes."""

    expression: str


Text: TypeAlias = Sequence[str | Hole]
"""A text with holes in it."""


def lone(text: Text) -> str:
    """The expression of a text that is nothing else, and needs no quotes then; or nothing.

    Example:
        >>> lone([Hole("x")]), lone(["a ", Hole("x")])
        ('x', '')
    """
    match text:
        case [Hole(expression)]:
            return expression
        case _:
            return ""


_WIDE = frozenset({"W", "F"})
_BYTE, _PLANE = 0xFF, 0xFFFF

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def py_string(text: str) -> str:
    r"""A text as a Python literal, in the quotes that need fewer escapes.

    Example:
        >>> print(py_string('a "quoted"\n{x}'), py_string("it's"), py_string("\u2028"))
        'a "quoted"\n{x}' "it's" "\u2028"
    """
    quote = "'" if text.count('"') > text.count("'") else '"'
    return f"{quote}{_py_escaped(text, quote)}{quote}"


def _py_escaped(text: str, quote: str) -> str:
    return "".join(_py_sign(sign, quote) for sign in text)


def _py_sign(sign: str, quote: str) -> str:
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    if sign == quote:
        return f"\\{quote}"
    if sign.isprintable():
        return sign
    code = ord(sign)
    form = "\\x{:02x}" if code <= _BYTE else "\\u{:04x}" if code <= _PLANE else "\\U{:08x}"
    return form.format(code)


def py_text(text: Text) -> str:
    r"""A text with holes as a Python literal; an f-string if it has any.

    Example:
        >>> print(py_text(["a {b} ", Hole("x"), "\n"]), py_text(["a {b}"]))
        f"a {{b}} {x}\n" "a {b}"
    """
    holes = [part for part in text if isinstance(part, Hole)]
    plain = "".join(part for part in text if isinstance(part, str))
    if not holes:
        return py_string(plain)
    quote = "'" if plain.count('"') > plain.count("'") else '"'
    inner = '"' if quote == "'" else "'"
    body = "".join(
        "{" + part.expression.replace('"', inner) + "}"
        if isinstance(part, Hole)
        else _py_escaped(part.replace("{", "{{").replace("}", "}}"), quote)
        for part in text
    )
    return f"f{quote}{body}{quote}"


def ts_string(text: str) -> str:
    r"""A text as a JavaScript string, in the quotes that need fewer escapes.

    Example:
        >>> print(ts_string('a "quoted" \u2028 café'), ts_string("it's"))
        'a "quoted" \u2028 café' "it's"
    """
    quoted = json.dumps(text, ensure_ascii=False)
    if text.count('"') > text.count("'"):
        quoted = "'{}'".format(quoted[1:-1].replace('\\"', '"').replace("'", "\\'"))
    return "".join(_ts_sign(sign) for sign in quoted)


def _ts_sign(sign: str) -> str:
    if sign.isprintable():
        return sign
    code = ord(sign)
    return f"\\u{code:04x}" if code <= _PLANE else f"\\u{{{code:x}}}"


def ts_text(text: Text) -> str:
    r"""A text with holes as JavaScript; a template literal if it has any.

    Example:
        >>> print(ts_text(["`${a}` \\ ", Hole("x"), "\n"]))
        `\`\${a}\` \\ ${x}\n`
    """
    if not any(isinstance(part, Hole) for part in text):
        return ts_string("".join(part for part in text if isinstance(part, str)))
    body = "".join(
        f"${{{part.expression}}}" if isinstance(part, Hole) else _ts_template(part) for part in text
    )
    return f"`{body}`"


def _ts_template(text: str) -> str:
    marked = re.sub(r"[\\`$]", lambda match: f"\\{match[0]}", text)
    # A lone dollar needs no escape, and reads better without one.
    marked = re.sub(r"\\\$(?!\{)", "$", marked) if not text.endswith("$") else marked
    return "".join(_ESCAPES[s] if s in "\n\r\t" else _ts_sign(s) for s in marked)


def columns(text: str) -> int:
    """How wide a line is on a screen, as formatters count it.

    Example:
        >>> columns("café"), columns("猫")
        (4, 2)
    """
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(sign) in _WIDE else 1 for sign in text)


def pieces(text: Text, quote: Callable[[Text], str], width: int) -> Iterator[str]:
    """A text as literals of at most that many columns, cut behind line breaks and spaces.

    What can't be cut, an expression, may be longer. Joined they mean the text.
    """
    for line in _lines(text):
        piece: list[str | Hole] = []
        for word in _words(line):
            if piece and columns(quote([*piece, word])) > width:
                yield quote(piece)
                piece = []
            for part in _cut(word, quote, width):
                if piece and columns(quote([*piece, part])) > width:
                    yield quote(piece)
                    piece = []
                piece.append(part)
        yield quote(piece)


def _cut(word: str | Hole, quote: Callable[[Text], str], width: int) -> Iterator[str | Hole]:
    """A word in parts that fit."""
    while isinstance(word, str) and len(word) > 1 and columns(quote([word])) > width:
        count = max(1, width // 12)  # the longest escape is 10 characters long
        yield word[:count]
        word = word[count:]
    yield word


def _lines(text: Text) -> Iterator[list[str | Hole]]:
    line: list[str | Hole] = []
    for part in text:
        if isinstance(part, Hole):
            line.append(part)
            continue
        *ended, rest = part.split("\n")
        for one in ended:
            yield [*line, one + "\n"]
            line = []
        line.append(rest) if rest else None
    if line:
        yield line


def _words(line: Iterable[str | Hole]) -> Iterator[str | Hole]:
    for part in line:
        if isinstance(part, Hole):
            yield part
        else:
            yield from re.findall(r"[^ ]* +|[^ ]+", part)


def plain(text: str) -> str:
    r"""A text as a comment may hold it: on one line, with nothing that ends a comment or string.

    Example:
        >>> plain('cats */ "x" \u2028 \\ end')
        'cats _ _x_ _ _ end'
    """
    return re.sub(r"\*/|[^\w .,:;!?@()\[\]{}<>=+-]", "_", text)


def commented(text: str, mark: str) -> list[str]:
    r"""A text as comment lines, as it is but for what isn't printable.

    Example:
        >>> commented("a\nb", "//")
        ['// a', '// b']
    """
    shown = (
        "".join(s if s.isprintable() else _ts_sign(s) for s in line) for line in text.splitlines()
    )
    return [f"{mark} {line}".rstrip() for line in shown]
