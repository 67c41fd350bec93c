"""Prompts with placeholders: `{identifier}` is one, every other brace is text.

Pure functions of text. A value is put in once and never read again, so braces in a value, and
`{x.y}` or `{x!r}` in a prompt, can't reach anything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

_BRACES = re.compile(r"\{\{(?P<literal>[^\W\d]\w*)\}\}|\{(?P<name>[^\W\d]\w*)\}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A `{name}` in a prompt, and the offset of its brace in characters from 0."""

    name: str
    offset: int


def placeholders(prompt: str) -> list[Placeholder]:
    """Every placeholder, in its order, also repeated ones.

    Example:
        >>> [hole.name for hole in placeholders('{a} {{b}} {c.d} {"e": 1} {} {f!r} {g}')]
        ['a', 'g']
    """
    found = (match for match in _BRACES.finditer(prompt) if _names(match))
    return [Placeholder(match["name"], match.start()) for match in found]


def fill(prompt: str, values: Mapping[str, Any]) -> str:
    """The prompt with each placeholder replaced by its value, as `as_text` gives it.

    Raises:
        KeyError: a placeholder has no value.

    Example:
        >>> fill('Return {"topic": 1} about {topic}, not {{topic}}', {"topic": "{cats}"})
        'Return {"topic": 1} about {cats}, not {topic}'
    """

    def replace(match: re.Match[str]) -> str:
        if _names(match):
            return as_text(values[match["name"]])
        literal = match["literal"]
        return f"{{{literal}}}" if literal and literal.isidentifier() else match[0]

    return _BRACES.sub(replace, prompt)


def as_text(value: Any) -> str:
    r"""A value as a prompt reads it: texts by texts, nothing for None, a failure in brackets.

    Example:
        >>> as_text(["one", "two"]), as_text({"a": "one", "b": "two"})
        ('one\n\ntwo', 'a:\none\n\nb:\ntwo')
        >>> as_text(None), as_text(ValueError("no")), as_text([1, 2])
        ('', '(failed: ValueError: no)', '[1, 2]')
    """
    if value is None:
        return ""
    if isinstance(value, BaseException):
        return f"(failed: {type(value).__name__}: {value})"
    if isinstance(value, list | tuple) and _are_texts(value):
        return "\n\n".join(map(as_text, value))
    if isinstance(value, Mapping) and _are_texts(value.values()):
        return "\n\n".join(f"{name}:\n{as_text(text)}" for name, text in value.items())
    return str(value)


def _are_texts(values: Collection[Any]) -> bool:
    """Whether there is a text among the values, and nothing but texts and what is missing."""
    there = any(isinstance(value, str) for value in values)
    return there and all(isinstance(value, str | BaseException | None) for value in values)


def _names(match: re.Match[str]) -> bool:
    r"""Whether braces hold a name: `\w` takes a few characters that no identifier does, as `²`."""
    return match["name"] is not None and match["name"].isidentifier()
