"""Where a mistake is in a flow that is being written: in which branch, in which field of it.

The parser knows lines. So a field is a line too, a negative one, and of many branches each has a
range of lines of its own.
"""

from __future__ import annotations

import dataclasses

from nbflow.errors import CellError
from nbflow.writing.options import NODE_WORDS
from nbflow.writing.place import Place

NAME, EACH, TEXT = "name", "each", "text"
"""The fields that every branch has; the others are called as the options in them."""

_FIELDS = (NAME, EACH, *NODE_WORDS)
_LINES = 1_000_000
"""How many lines a branch has, more than anybody writes."""


def field_place(name: str, shown: str = "") -> Place:
    """The place of a field, any but the text.

    Example:
        >>> field_at(field_place("retries", "x").line)
        'retries'
    """
    return Place(-1 - _FIELDS.index(name), 1, shown or name)


def field_at(line: int) -> str:
    """The field whose place has a line, which is negative."""
    return _FIELDS[-1 - line]


def place_of(error: CellError) -> Place:
    """Where an error is."""
    return Place(error.line, error.column, error.text)


def in_branch(number: int, place: Place) -> Place:
    """A place in a branch among many.

    Example:
        >>> branch_at(in_branch(7, field_place("retries")))
        (7, Place(line=-8, column=1, text='retries'))
    """
    return dataclasses.replace(place, line=place.line + number * _LINES)


def branch_at(place: Place) -> tuple[int, Place]:
    """The branch that a place among many is in, and the place in that branch."""
    number, row = divmod(place.line + len(_FIELDS), _LINES)
    return number, dataclasses.replace(place, line=row - len(_FIELDS))
