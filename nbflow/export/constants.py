"""A plain value that a person's code reads, as an assignment in Python.

Knows which values mean the same once they are written down; knows no functions.
"""

from __future__ import annotations

import ast
from typing import Any

from nbflow.export.layout import Bracket, Code, Literal, Statement, flat, prefixed
from nbflow.export.quoting import py_string, py_text


def constant_of(name: str, value: Any) -> Statement | None:
    """The assignment of a plain value; None if it is none.

    Example:
        >>> constant_of("LIMIT", 3), constant_of("LOCK", object())
        ('LIMIT = 3', None)
    """
    if type(value) is str:
        return Literal(f"{name} = ", [value], py_text)
    if type(value) not in _PLAIN:
        return None
    try:
        is_plain = ast.literal_eval(repr(value)) == value
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    return prefixed(f"{name} = ", _code(value)) if is_plain else None


_PLAIN = (int, float, bool, bytes, type(None), list, tuple, dict, set)


def _code(value: Any) -> Code:
    if isinstance(value, str):
        return py_string(value)
    if isinstance(value, dict):
        pairs = [prefixed(f"{flat(_code(key))}: ", _code(one)) for key, one in value.items()]
        return Bracket("{", pairs, "}")
    if isinstance(value, list):
        return Bracket("[", list(map(_code, value)), "]")
    if isinstance(value, tuple) and len(value) == 1:
        return f"({flat(_code(value[0]))},)"
    if isinstance(value, tuple):
        return Bracket("(", list(map(_code, value)), ")")
    if isinstance(value, set) and value:
        return Bracket("{", sorted(map(_code, value), key=flat), "}")
    return repr(value)
