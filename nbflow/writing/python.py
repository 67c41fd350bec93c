"""The Python form of a cell: its functions are the nodes, its other statements run first.

Reads the code as a syntax tree, so that mistakes are found where they stand and before anything
runs. Knows no prompts in sections and no notebook; runs nothing but function definitions.
"""

from __future__ import annotations
import __future__

import ast
import dataclasses
import difflib
import itertools
import linecache
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any

from nbflow.errors import CellError, FlowError, nearest
from nbflow.writing.fan import best, each, vote
from nbflow.writing.place import Place
from nbflow.writing.python_prompt import Definition, check_prompt, exact_prompt_of, prompt_of
from nbflow.writing.source import Source, read_source
from nbflow.writing.step import Step, node, step_of
from nbflow.writing.variables import suggested

LENT: Mapping[str, Any] = {"node": node, "each": each, "vote": vote, "best": best}
"""The decorators that a cell has without an import."""

_BARE = {"node": "(timeout=5)", "each": '(doc="docs")', "vote": "(5)", "best": "(3, score=...)"}

_FIRST_CODE = re.compile(r"(?:async\s+def|def|import|from)\s|@")
_SHOWN_CHARACTERS = 300
_NAME = re.compile(r"\w+")
_DEF = re.compile(r"(?:async\s+)?def\s+(?=\w)")


@dataclass(frozen=True, slots=True)
class Function:
    """A top-level function as it stands in a cell.

    Args:
        name: The node's name.
        place: Its name in the `def`.
        reads: Where each of its parameters stands.
        options: Where each keyword of its `@node(...)` stands.
        definition: Its syntax tree.
        code: What defines it.
        source: The cell's text.
    """

    name: str
    place: Place
    reads: Mapping[str, Place]
    options: Mapping[str, Place]
    definition: Definition
    code: CodeType
    source: Source

    @property
    def required(self) -> Mapping[str, Place]:
        """The names that must stand for something; none where a decorator may change them."""
        if any(_name_of(decorator) not in LENT for decorator in self.definition.decorator_list):
            return {}
        arguments = self.definition.args
        positional = [*arguments.posonlyargs, *arguments.args]
        optional = positional[len(positional) - len(arguments.defaults) :]
        pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        optional += [argument for argument, default in pairs if default is not None]
        left_out = {argument.arg for argument in optional}
        return {name: place for name, place in self.reads.items() if name not in left_out}

    def step(self, namespace: dict[str, Any]) -> Step:
        """Define the function in the namespace, as a normal cell would, and make it a node."""
        self._refuse_decorators(namespace)
        self._define(namespace)
        defined = namespace.get(self.name)
        if not callable(defined):
            made = type(defined).__name__
            raise self._at_decorator(f"the decorators of {self.name} made it {made}, no function.")
        try:
            step = step_of(defined)
        except (FlowError, TypeError, ValueError) as error:
            raise self.place.error(str(error)) from None
        if prompt_of(self.definition) is None:  # so a docstring above a `pass` stays one
            text = self.source.text_of(self.definition)
            step = dataclasses.replace(step, function=defined, source=text)
        elif (exact := exact_prompt_of(self.definition)) is not None and step.function is None:
            step = dataclasses.replace(step, source=exact)
        if step.kind == "python":
            self._refuse_unused(step)
        return dataclasses.replace(step, name=self.name)

    def _define(self, namespace: dict[str, Any]) -> None:
        try:
            with _lent(namespace):
                exec(self.code, namespace)  # noqa: S102 - a cell is code that its author runs
        except FlowError as error:
            raise self._at_decorator(str(error)) from None
        except Exception as error:
            place = self.source.place_in_traceback(error) or self.place
            unknown = error.name if isinstance(error, NameError) else None
            guess = nearest(unknown, _close(unknown, namespace)) if unknown else ""
            raise place.error(
                f"defining {self.name} raised {_short(error)}. {guess}".rstrip()
            ) from error

    def _refuse_decorators(self, namespace: Mapping[str, Any]) -> None:
        for decorator in self.definition.decorator_list:
            name = _name_of(decorator)
            place = self.source.place(decorator)
            is_bare = isinstance(decorator, ast.Name)
            if is_bare and name in LENT and namespace.get(name, LENT[name]) is LENT[name]:
                raise place.error(
                    f"@{name} takes options: write @{name}{_BARE[name]}, or leave it out."
                )

    def _refuse_unused(self, step: Step) -> None:
        """Refuse what would be ignored: a decorated prompt, options of a model that isn't asked."""
        decorators = self.definition.decorator_list
        if prompt_of(self.definition) is not None and decorators:
            raise self.source.place(decorators[0]).error(
                "with this decorator the function is no prompt any more, and nothing would be "
                "asked; a prompt takes no decorators but @node, @each, @vote and @best."
            )
        for word in ("model", "temperature", "max_tokens", "seed"):
            if getattr(step.options, word) is not None:
                raise self.options.get(word, self.place).error(
                    f"{self.name} is code and not a prompt, so nbflow asks no model for it and "
                    f"{word!r} is of no use."
                )

    def _at_decorator(self, problem: str) -> CellError:
        """The error at the option that it names first, else at the decorator."""
        named = {problem.find(word): place for word, place in self.options.items()}
        named.pop(-1, None)
        if named:
            return named[min(named)].error(problem)
        decorators = self.definition.decorator_list
        return (self.source.place(decorators[0]) if decorators else self.place).error(problem)


def is_python(lines: list[Place]) -> bool:
    """Whether a cell's body is Python: its first line that is no comment begins like it.

    Example:
        >>> is_python([Place(2, 1, "# about cats"), Place(3, 1, "def joke(topic): ...")])
        True
        >>> is_python([Place(2, 1, "define: a joke")])
        False
    """
    for line in lines:
        text = line.text.strip()
        if text and not text.startswith("#"):
            return _FIRST_CODE.match(text) is not None
    return False


def read_python(
    head: str, lines: list[Place], transform: Callable[[str], str] | None = None
) -> tuple[tuple[Function, ...], CodeType | None]:
    """The functions of a cell, and the code of its other statements if it has any.

    Args:
        head: The magic's line, for the tracebacks.
        lines: The body.
        transform: Makes Python of IPython's own syntax.

    Raises:
        CellError: it is no Python, has no function, or one that can't be a node.
    """
    source = read_source(head, lines, f"<fanout cell {next(_count)}>", transform)
    functions: list[Definition] = []
    others: list[ast.stmt] = []
    for statement in source.tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append(statement)
        else:
            others.append(statement)
    if not functions:
        first = next(line for line in lines if line.text.strip())
        raise first.stripped().error(
            "a Python cell needs at least one function at its top level; each is a node."
        )
    features = 0
    for statement in others:
        features |= _features(statement)
    drafts = tuple(_function(definition, source, features) for definition in functions)
    statements = source.compiled(others, features, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    _remember(source)
    return drafts, statements if others else None


_count = itertools.count(1)


def _remember(source: Source) -> None:
    """Let tracebacks and `inspect` show the cell's lines."""
    text = "\n".join(source.shown) + "\n"
    linecache.cache[source.filename] = (
        len(text),
        None,
        text.splitlines(keepends=True),
        source.filename,
    )


def _features(statement: ast.stmt) -> int:
    """The compiler's flags that `from __future__ import ...` sets for the whole cell."""
    if not isinstance(statement, ast.ImportFrom) or statement.module != "__future__":
        return 0
    features = (getattr(__future__, alias.name, None) for alias in statement.names)
    return sum(feature.compiler_flag for feature in features if feature is not None)


def _function(definition: Definition, source: Source, features: int) -> Function:
    arguments = definition.args
    for argument in (*arguments.posonlyargs, arguments.vararg, arguments.kwarg):
        if argument is not None:
            raise source.place(argument, _NAME).error(
                f"{argument.arg!r} can't be an input of {definition.name}: inputs are given by "
                "name, so each needs a plain parameter of its own."
            )
    parameters = (*arguments.args, *arguments.kwonlyargs)
    reads = {argument.arg: source.place(argument, _NAME) for argument in parameters}
    place = source.place(definition, _NAME, after=_DEF)
    check_prompt(definition, place, reads, source)
    return Function(
        name=definition.name,
        place=place,
        reads=_without_elements(definition, source, reads),
        options=_keywords(definition, source),
        definition=definition,
        code=source.compiled([definition], features),
        source=source,
    )


def _without_elements(
    definition: Definition, source: Source, reads: dict[str, Place]
) -> dict[str, Place]:
    """What a function reads: what `@each(doc="docs")` iterates, and not its elements."""
    found = dict(reads)
    for decorator in definition.decorator_list:
        if not isinstance(decorator, ast.Call) or _name_of(decorator) != "each":
            continue
        for keyword in decorator.keywords:
            value = keyword.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.pop(keyword.arg or "", None)
                found.setdefault(value.value, source.place(value))
    return found


def _keywords(definition: Definition, source: Source) -> dict[str, Place]:
    return {
        keyword.arg: source.place(keyword)
        for decorator in definition.decorator_list
        if isinstance(decorator, ast.Call) and _name_of(decorator) in LENT
        for keyword in decorator.keywords
        if keyword.arg is not None
    }


def _name_of(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return called.attr if called.value.id == "nbflow" else ""
    return called.id if isinstance(called, ast.Name) else ""


def _short(error: Exception) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _close(name: str, namespace: Mapping[str, Any]) -> list[str]:
    return difflib.get_close_matches(name, [*LENT, *suggested(namespace)], n=1)


@contextmanager
def _lent(namespace: dict[str, Any]) -> Iterator[None]:
    """The decorators without an import, while a function is defined, save the notebook's own."""
    lent = {name: decorator for name, decorator in LENT.items() if name not in namespace}
    namespace.update(lent)
    try:
        yield
    finally:
        for name, decorator in lent.items():
            if namespace.get(name) is decorator:
                del namespace[name]
