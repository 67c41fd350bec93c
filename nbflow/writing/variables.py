"""The notebook's variables as a cell may read them: what counts as one, and what as a model's name.

Pure functions of a namespace. Never says what a variable holds.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from nbflow.errors import ModelError
from nbflow.models import ModelSpec, model
from nbflow.models.registry import FORMS
from nbflow.writing.place import Place

_OF_THE_SHELL = frozenset({"In", "Out", "exit", "get_ipython", "quit", "open"})


def is_variable(name: str, namespace: Mapping[str, Any]) -> bool:
    """Whether a name is a notebook variable; builtins and the shell's own commands are none.

    Example:
        >>> is_variable("topic", {"topic": "cats"}), is_variable("exit", {"exit": exit})
        (True, False)
    """
    if name not in namespace or (name.startswith("__") and name.endswith("__")):
        return False
    return name not in _OF_THE_SHELL or isinstance(namespace[name], str)


def suggested(namespace: Iterable[str]) -> list[str]:
    """The names that a person may have meant: not the shell's own, nothing private.

    Example:
        >>> suggested({"topic": 1, "_i": "", "In": [], "exit": exit})
        ['topic']
    """
    return [name for name in namespace if not name.startswith("_") and name not in _OF_THE_SHELL]


def no_text(value: Any) -> str:
    """What a value is, if it is something that no prompt can want; else nothing.

    Example:
        >>> no_text(len), no_text(str), no_text(inspect), no_text("cats")
        ('a function', 'a class', 'a module', '')
    """
    if inspect.isclass(value):
        return "a class"
    if inspect.ismodule(value):
        return "a module"
    return "a function" if inspect.isroutine(value) else ""


def spec_of(word: str, place: Place, namespace: Mapping[str, Any]) -> ModelSpec:
    """What a word names as a model: a notebook variable's value, else the word is a spec itself.

    Raises:
        CellError: the variable, or the word, is no model.
    """
    if not (word.isidentifier() and is_variable(word, namespace)):
        _check_spec(word, place, namespace)
        return word
    value: ModelSpec = namespace[word]
    if not isinstance(value, str):
        check_model(value, place)
        return value
    try:
        model(value)
    except ModelError:  # whose message quotes the value, and that may be a secret
        raise place.error(
            f"the text in the variable {word!r} names no model. A model is {FORMS}."
        ) from None
    return value


def _check_spec(word: str, place: Place, namespace: Mapping[str, Any]) -> None:
    try:
        model(word)
    except ModelError as error:
        variables = difflib.get_close_matches(word, suggested(namespace), n=1)
        guess = f" Did you mean the variable {variables[0]!r}?" if variables else ""
        raise place.error(f"{error}{guess}") from error


def check_model(spec: ModelSpec, place: Place) -> None:
    """Refuse what names no model.

    Raises:
        CellError: at the place where it is named.
    """
    try:
        model(spec)
    except ModelError as error:
        raise place.error(str(error)) from error
