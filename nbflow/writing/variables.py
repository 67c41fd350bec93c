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
from nbflow.writing.options import SideBySide, side_by_side
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


def specs_of(
    said: ModelSpec | SideBySide, place: Place, namespace: Mapping[str, Any]
) -> ModelSpec | SideBySide:
    """What a word, or several with commas between them, name as a model or as several.

    What is no text is a model already.

    Raises:
        CellError: one of the words, or of the variables so called, is no model.

    Example:
        >>> both = SideBySide(a="a", b="b")
        >>> list(specs_of(both, Place(1, 1, "a,b"), {"a": str.upper, "b": str.lower}))
        ['a', 'b']
    """
    if not isinstance(said, str | SideBySide):
        check_model(said, place)
        return said
    if isinstance(said, str):
        value = namespace[said] if said.isidentifier() and is_variable(said, namespace) else said
        if isinstance(value, list | tuple | Mapping):
            return _side_by_side(value, said, place)
        return spec_of(said, place, namespace)
    found = SideBySide()
    for label, word in said.items():
        if not isinstance(word, str):
            check_model(word, place)
            found[label] = word
            continue
        start = place.text.find(word)
        part = place if start < 0 else place.part(start, start + len(word))
        found[label] = spec_of(word, part, namespace)
    return found


def _side_by_side(value: Any, name: str, place: Place) -> SideBySide:
    try:
        found = value if isinstance(value, SideBySide) else side_by_side(value)
        for spec in found.values():
            model(spec)
    except ModelError:  # whose message may quote a value
        raise place.error(f"something in {name!r} names no model. A model is {FORMS}.") from None
    if not found:
        raise place.error(f"{name!r} holds no model at all.")
    return found


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
