"""A person's Python functions as source that stands alone: with what they import, use and call.

A decorator of nbflow's is taken off, for the program does what it said. A secret is never copied:
it is read from the environment. What can't be written down is refused with the node's name.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import inspect
import io
import re
import symtable
import sys
import sysconfig
import tokenize
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from nbflow.errors import FlowError
from nbflow.export.constants import constant_of
from nbflow.export.layout import Statement
from nbflow.export.quoting import py_string
from nbflow.writing.fan import best, each, vote
from nbflow.writing.step import node

_OWN: Mapping[str, Any] = {"node": node, "each": each, "vote": vote, "best": best}
_SECRET = re.compile(r"key(?!word)|token|secret|passw|credential", re.IGNORECASE)


class Functions:
    """Collects functions and what they need, each once."""

    def __init__(self) -> None:
        self.imports: list[str] = []
        """Import statements, in no order."""
        self.constants: list[Statement] = []
        """Assignments of plain values."""
        self.definitions: list[str] = []
        """Functions and classes, each behind what it calls while it is defined."""
        self._bound: dict[str, Any] = {}

    @property
    def names(self) -> frozenset[str]:
        """Every name that is bound."""
        return frozenset(self._bound)

    def add(self, function: Callable[..., Any], where: str, source: str = "") -> str:
        """Bring a function in.

        Args:
            function: Any function; a builtin is left where it is.
            where: The node it belongs to, for errors.
            source: Its code, if that is known better than by Python.

        Returns:
            What to call: a name, or a lambda in brackets.

        Raises:
            FlowError: its code or something that it uses can't be written down.
        """
        if getattr(getattr(function, "__code__", None), "co_name", "") == "<lambda>":
            return f"({self._lambda(function, where)})"
        if name := _builtin(function):
            return name
        called = str(getattr(function, "__name__", ""))
        is_written = isinstance(inspect.unwrap(function), FunctionType | type)
        if not is_written or _is_installed(function):
            return self._imported(function, called, where)
        text = source or _source_of(function, where)
        definition = _definition(text, where)
        name = definition.name
        if not self._bind(name, function, where):
            return name
        stripped = _without_own(definition, text, function)
        for used in _globals_of(stripped):
            if used != name:
                self._need(used, function, where)
        self.definitions.append(stripped)
        return name

    def _bind(self, name: str, value: Any, where: str) -> bool:
        """Whether a name is new; refused if it means something else already."""
        if name not in self._bound:
            self._bound[name] = value
            return True
        there = self._bound[name]
        if there is value or (type(there) is type(value) and there == value):
            return False
        raise FlowError(
            f"{where!r} can't be exported: {name!r} means one thing to it and another to a node "
            "before it; rename one of them."
        )

    def _lambda(self, function: Callable[..., Any], where: str) -> str:
        found = list(dict.fromkeys(_lambdas(_source_of(function, where))))
        same = [text for text in found if _compiles_to(text, function)] or found
        if len(same) != 1:
            raise FlowError(
                f"{where!r} can't be exported: the code of its lambda can't be found; write it as "
                "a function with a name."
            )
        for used in _globals_of(f"_ = {same[0]}"):
            self._need(used, function, where)
        return same[0]

    def _need(self, name: str, function: Callable[..., Any], where: str) -> None:
        found = _value_of(name, function)
        if not found:
            if hasattr(builtins, name):
                return
            raise FlowError(
                f"{where!r} can't be exported: its code reads {name!r}, which is neither a name of "
                "its module or notebook nor of the function around it."
            )
        value = found[0]
        if isinstance(value, FunctionType | type) and _is_near(value, function):
            self.add(value, where)
        elif isinstance(value, ModuleType):
            self._import_module(name, value, where)
        elif isinstance(value, str) and _SECRET.search(name):
            if self._bind(name, value, where):
                self.imports.append("import os")
                self.constants.append(f"{name} = os.environ[{py_string(name)}]")
        elif (constant := constant_of(name, value)) is not None and not _is_secret(name, value):
            if self._bind(name, value, where):
                self.constants.append(constant)
        elif constant is not None:
            raise FlowError(
                f"{where!r} can't be exported: its code reads {name!r}, which by its name, or a "
                "name in it, holds a secret. Read it from the environment in the function."
            )
        else:
            self._imported(value, name, where)

    def _import_module(self, name: str, module: ModuleType, where: str) -> None:
        if self._bind(name, module, where):
            full = module.__name__
            self.imports.append(f"import {full}" if full == name else f"import {full} as {name}")

    def _imported(self, value: Any, name: str, where: str) -> str:
        own = getattr(value, "__name__", None) or getattr(value, "_name", None) or name
        module = getattr(value, "__module__", None)
        if isinstance(value, BuiltinFunctionType) and module is None:
            module = type(value.__self__).__module__
        for attribute in dict.fromkeys((name, own)):
            if _is_in(module, attribute, value):
                if self._bind(name, value, where):
                    bound = attribute if attribute == name else f"{attribute} as {name}"
                    self.imports.append(f"from {module} import {bound}")
                return name
        raise FlowError(
            f"{where!r} can't be exported: its code reads {name!r}, a {type(value).__name__} that "
            "can't be written as source. Make it inside the function, or import it from a module."
        )


def _builtin(function: object) -> str:
    """What a function, or a method of a type, is called everywhere; nothing if it isn't."""
    name = str(getattr(function, "__name__", ""))
    owner = str(getattr(getattr(function, "__objclass__", None), "__name__", ""))
    if getattr(getattr(builtins, owner, None), name, None) is function:
        return f"{owner}.{name}"
    return name if getattr(builtins, name, None) is function else ""


def _is_in(module: object, attribute: str, value: Any) -> bool:
    if not isinstance(module, str) or module in {"__main__", "builtins"}:
        return False
    try:
        loaded = sys.modules.get(module) or importlib.import_module(module)
    except ImportError:
        return False
    return getattr(loaded, attribute, None) is value


def _is_installed(value: Any) -> bool:
    """Whether something is of the standard library or of an installed package."""
    module = sys.modules.get(value.__module__)
    file = getattr(module, "__file__", None)
    if file is None or not _is_in(value.__module__, value.__qualname__, value):
        return False
    paths = sysconfig.get_paths()
    homes = (paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return any(Path(home) in Path(file).parents for home in homes)


def _is_near(value: Any, function: Callable[..., Any]) -> bool:
    """Whether something was written beside a function, and so moves with it."""
    return bool(value.__module__ == function.__module__) or not _is_in(
        value.__module__, value.__qualname__, value
    )


def _value_of(name: str, function: Callable[..., Any]) -> tuple[Any, ...]:
    """What a global name or one of a function around means to a function; nothing if nothing."""
    plain = inspect.unwrap(function)
    if not isinstance(plain, FunctionType):
        module = sys.modules.get(plain.__module__)
        return (getattr(module, name),) if hasattr(module, name) else ()
    cells = dict(zip(plain.__code__.co_freevars, plain.__closure__ or (), strict=True))
    if name in cells:
        try:
            return (cells[name].cell_contents,)
        except ValueError:
            return ()
    return (plain.__globals__[name],) if name in plain.__globals__ else ()


def _is_secret(name: str, value: Any) -> bool:
    """Whether a plain value's name, or a key in it, says that it holds a secret."""
    if isinstance(value, Mapping):
        pairs = value.items()
        return any(_SECRET.search(str(key)) or _is_secret(name, one) for key, one in pairs)
    if isinstance(value, list | tuple | set | frozenset):
        return any(_is_secret(name, one) for one in value)
    return isinstance(value, str | bytes) and bool(_SECRET.search(name))


def _source_of(function: Callable[..., Any], where: str) -> str:
    try:
        return dedented(inspect.getsource(function))
    except (OSError, TypeError):
        name = getattr(function, "__name__", type(function).__name__)
        raise FlowError(
            f"{where!r} can't be exported: the code of {name!r} can't be found. Write it as a "
            "function in a cell or a module."
        ) from None


def dedented(text: str) -> str:
    r"""A function's code at the left margin; what stands in a long string stays where it is.

    Example:
        >>> dedented("    def f():\n        return '''\n    x'''")
        "def f():\n    return '''\n    x'''"
    """
    indent = text[: len(text) - len(text.lstrip(" \t"))]
    if not indent:
        return text
    kept = _lines_in_strings(f"if True:\n{text}")
    lines = f"\n{text}".splitlines(keepends=True)
    return "".join(
        line if number in kept else line.removeprefix(indent) for number, line in enumerate(lines)
    ).removeprefix("\n")


def _lines_in_strings(text: str) -> set[int]:
    """The numbers, from 0, of the lines that begin in a string, but for a docstring."""
    read = io.StringIO(text).readline
    tokens = []
    with contextlib.suppress(tokenize.TokenError, SyntaxError):  # of a lambda, cut out of a call
        tokens = [one for one in tokenize.generate_tokens(read) if one.type not in _UNREAD]
    inside: set[int] = set()
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        is_statement = before.type in _ENDS and after.type == tokenize.NEWLINE
        if token.type in _STRINGS and not is_statement:
            inside.update(range(token.start[0], token.end[0]))
    return inside


_UNREAD = {tokenize.NL, tokenize.COMMENT}
_ENDS = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
# From Python 3.12 a formatted string is several tokens.
_STRINGS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


def _definition(text: str, where: str) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        raise FlowError(
            f"{where!r} can't be exported: its code isn't plain Python (a ! or % of IPython?)."
        ) from None
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return statement
    raise FlowError(f"{where!r} can't be exported: its code is no function.")


def _without_own(
    definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
    text: str,
    function: Callable[..., Any],
) -> str:
    """A function's text without nbflow's decorators."""
    lines = text.splitlines()
    last = definition.end_lineno or len(lines)
    dropped = {
        number
        for decorator in definition.decorator_list
        if _is_own(decorator, function)
        for number in range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1)
    }
    first = min([definition.lineno, *(one.lineno for one in definition.decorator_list)])
    body = definition.body[0]
    before = lines[body.lineno - 1].encode()[: body.col_offset].decode()
    if before.strip():  # all on one line, which no formatter leaves so
        rest = lines[body.lineno - 1][len(before) :]
        lines[body.lineno - 1] = f"{before.rstrip()}\n    {rest}"
    kept = [lines[n - 1] for n in range(first, last + 1) if n not in dropped]
    return "\n".join(line.rstrip() for line in kept)


def _is_own(decorator: ast.expr, function: Callable[..., Any]) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        found = _value_of(called.value.id, function)
        return any(getattr(value, called.attr, None) in _OWN.values() for value in found)
    if not isinstance(called, ast.Name):
        return False
    found = _value_of(called.id, function)
    return any(value in _OWN.values() for value in found) if found else called.id in _OWN


def _globals_of(text: str) -> Iterator[str]:
    """The names that a piece of code reads and doesn't bind, in their order."""
    found: dict[str, None] = {}
    _collect(symtable.symtable(text, "<exported>", "exec"), found)
    return iter(found)


def _collect(table: symtable.SymbolTable, found: dict[str, None]) -> None:
    is_module = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (
            not symbol.is_assigned() and not symbol.is_namespace()
            if is_module
            else symbol.is_global()
        ):
            found[symbol.get_name()] = None
    for inner in table.get_children():
        _collect(inner, found)


def _lambdas(text: str) -> Iterator[str]:
    """The lambdas in the statement that a piece of code begins with."""
    for tree in _parsed(text):
        for found in ast.walk(tree):
            if isinstance(found, ast.Lambda):
                yield ast.unparse(found)


def _compiles_to(text: str, function: Callable[..., Any]) -> bool:
    compiled = compile(text, "<lambda>", "eval").co_consts[0]
    code = function.__code__
    return all(
        getattr(compiled, one) == getattr(code, one)
        for one in ("co_code", "co_consts", "co_names", "co_varnames")
    )


def _parsed(text: str) -> Iterator[ast.AST]:
    """The syntax of a piece of code that may be cut out of a longer statement."""
    for candidate in (text, f"({text.strip().rstrip(',')})", f"{text.strip()}\ndef _(): pass"):
        try:
            yield ast.parse(candidate)
        except SyntaxError:
            continue
        return
    start = text.find("lambda")
    while start >= 0:
        for stop in range(len(text), start, -1):
            try:
                yield ast.parse(text[start:stop].strip(), mode="eval")
            except SyntaxError:
                continue
            break
        start = text.find("lambda", start + 1)
