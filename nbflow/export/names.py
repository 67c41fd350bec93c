"""Identifiers for an exported program: what may be called as it was, and what else is free.

A node's name may be a keyword of the language, a function that the program needs, or no identifier
at all once the language has normalised it. Knows names only.
"""

from __future__ import annotations

import builtins
import keyword
import unicodedata
from collections.abc import Iterable

PY_RESERVED = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins)})
"""What no name of an exported Python program may be."""

TS_RESERVED = frozenset(
    [
        "abstract",
        "any",
        "arguments",
        "as",
        "async",
        "await",
        "boolean",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "constructor",
        "continue",
        "debugger",
        "declare",
        "default",
        "delete",
        "do",
        "else",
        "enum",
        "eval",
        "export",
        "extends",
        "false",
        "finally",
        "for",
        "from",
        "function",
        "get",
        "if",
        "implements",
        "import",
        "in",
        "infer",
        "instanceof",
        "interface",
        "is",
        "keyof",
        "let",
        "module",
        "namespace",
        "never",
        "new",
        "null",
        "number",
        "object",
        "of",
        "package",
        "private",
        "protected",
        "public",
        "readonly",
        "require",
        "return",
        "set",
        "static",
        "string",
        "super",
        "switch",
        "symbol",
        "this",
        "throw",
        "true",
        "try",
        "type",
        "typeof",
        "undefined",
        "unique",
        "unknown",
        "var",
        "void",
        "while",
        "with",
        "yield",
        "Array",
        "Boolean",
        "Date",
        "Error",
        "Infinity",
        "JSON",
        "Map",
        "Math",
        "NaN",
        "Number",
        "Object",
        "Promise",
        "Record",
        "RegExp",
        "Set",
        "String",
        "Symbol",
        "console",
        "fetch",
        "globalThis",
        "process",
        "Awaited",
        "Partial",
    ]
)
"""What no name of an exported TypeScript program may be."""

LANGGRAPH_WORDS = frozenset(
    ["START", "END", "StateGraph", "State", "task", "entrypoint", "builder", "graph", "workflow"]
)
"""What an exported program calls LangGraph's parts and its own, in any language."""

LOCAL_WORDS = frozenset(
    [
        *["state", "inputs", "prompt", "answer", "text", "number", "model", "models", "sample"],
        *["samples", "vote", "best", "answers", "results", "rest", "verdict"],
    ]
)
"""What an exported program calls things within its functions, in any language."""

_PROTOTYPE = frozenset(
    {"constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString"}
    | {"toString", "valueOf"}
)


_LAST_OF_THE_FIRST_PLANE = 0xFFFF


class Names:
    """Hands out names, each once.

    Example:
        >>> names = Names({"class"})
        >>> names.new("joke"), names.new("joke"), names.new("class"), names.new("ﬁsh")
        ('joke', 'joke_', 'class_', 'fish')
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def new(self, wish: str) -> str:
        """The name wished for, or the nearest that is free."""
        name = unicodedata.normalize("NFKC", wish)
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def state_keys(names: Iterable[str]) -> dict[str, str]:
    """The key of the state for each name: the name, save what LangGraph or JavaScript reserves.

    Example:
        >>> state_keys(["joke", "__proto__", "constructor", "proto_"])
        {'joke': 'joke', '__proto__': 'proto_', 'constructor': 'constructor_', 'proto_': 'proto__'}
    """
    free = Names(())
    keys = {}
    for name in names:
        reserved = name.startswith("__") or name in _PROTOTYPE
        keys[name] = free.new(f"{name.strip('_') or 'value'}_" if reserved else name)
    return keys


def camel(name: str) -> str:
    """A name as TypeScript writes it.

    Example:
        >>> camel("ask_first_draft")
        'askFirstDraft'
    """
    first, *rest = [part for part in name.split("_") if part] or ["value"]
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def is_plain(name: str) -> bool:
    """Whether a name is a property's in TypeScript that formatters leave without quotes."""
    return name.isidentifier() and all(ord(sign) <= _LAST_OF_THE_FIRST_PLANE for sign in name)
