"""Prompts with placeholders: `{identifier}` is one, every other brace is text.

Pure functions of text. A value is put in once and never read again, so braces in a value, and
`{x.y}` or `{x!r}` in a prompt, can't reach anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    """The prompt with each placeholder replaced by its value, as `str` gives it.

    Raises:
        KeyError: a placeholder has no value.

    Example:
        >>> fill('Return {"topic": 1} about {topic}, not {{topic}}', {"topic": "{cats}"})
        'Return {"topic": 1} about {cats}, not {topic}'
    """

    def replace(match: re.Match[str]) -> str:
        if _names(match):
            return str(values[match["name"]])
        literal = match["literal"]
        return f"{{{literal}}}" if literal and literal.isidentifier() else match[0]

    return _BRACES.sub(replace, prompt)


def _names(match: re.Match[str]) -> bool:
    r"""Whether braces hold a name: `\w` takes a few characters that no identifier does, as `²`."""
    return match["name"] is not None and match["name"].isidentifier()
