"""The keys of a graph's state and their reducers, as a class says them.

Knows types; knows nothing of who writes the keys.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from nbflow.errors import GraphError

ROOT = "__root__"
"""The only key of a state that isn't a record: a list, a number, whatever."""

Reducer: TypeAlias = Callable[[Any, Any], Any]

_MISSING: Any = object()


class Schema:
    """The keys of a state, as a class says them.

    Args:
        of: A TypedDict, a dataclass, a Pydantic model or any class with annotations; or a type that
            is the whole state, such as `Annotated[list, operator.add]`.

    Example:
        >>> import operator
        >>> keys = {"topic": str, "jokes": Annotated[list[str], operator.add]}
        >>> schema = Schema(typing.TypedDict("State", keys))
        >>> list(schema.types), schema.reducers == {"jokes": operator.add}, schema.empty()
        (['topic', 'jokes'], True, {'jokes': []})
    """

    def __init__(self, of: Any) -> None:
        self.of = of
        self.types: dict[str, Any] = _fields_of(of)
        self.is_root = ROOT in self.types
        self.reducers = {
            key: reducer for key, type_ in self.types.items() if (reducer := _reducer_of(type_))
        }
        self._is_record = isinstance(of, type) and (
            dataclasses.is_dataclass(of) or hasattr(of, "model_fields")
        )

    def empty(self) -> dict[str, Any]:
        """What keys with a reducer hold before anything is written."""
        pairs = ((key, _empty_of(self.types[key])) for key in self.reducers)
        return {key: value for key, value in pairs if value is not _MISSING}

    def read(self, values: Mapping[str, Any]) -> Any:
        """The state as a node is given it: a new dict, an object of the class, or the one value."""
        if self.is_root:
            return values.get(ROOT)
        seen = {key: values[key] for key in self.types if key in values}
        return self.of(**seen) if self._is_record else seen

    def __repr__(self) -> str:
        return f"Schema({getattr(self.of, '__name__', self.of)!s})"


def _fields_of(of: Any) -> dict[str, Any]:
    try:
        hints = get_type_hints(of, include_extras=True) if isinstance(of, type) else {}
    except NameError as error:
        raise GraphError(
            f"the state {of.__name__} names a type that isn't there: {error}"
        ) from None
    fields = {key: _bare(hint) for key, hint in hints.items() if not _is_class_variable(hint)}
    if fields:
        return fields
    if isinstance(of, type) and of is not dict and hasattr(of, "__annotations__"):
        return {}
    return {ROOT: of}


def _is_class_variable(hint: Any) -> bool:
    return get_origin(hint) is typing.ClassVar or hint is typing.ClassVar


def _bare(hint: Any) -> Any:
    """A type without what says whether its key must be there."""
    while getattr(get_origin(hint), "_name", None) in {"Required", "NotRequired", "ReadOnly"}:
        hint = get_args(hint)[0]
    return hint


def _reducer_of(hint: Any) -> Reducer | None:
    """The function of two arguments that comes last in `Annotated[type, ...]`."""
    if get_origin(hint) is not Annotated:
        return None
    last = hint.__metadata__[-1]
    if not callable(last):
        return None
    try:
        parameters = inspect.signature(last).parameters.values()
    except (ValueError, TypeError):
        return None if isinstance(last, type) else last
    positional = [p for p in parameters if p.kind in _POSITIONAL and p.default is p.empty]
    many = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    takes = [p for p in parameters if p.kind in _POSITIONAL]
    if many or len(positional) <= 2 <= len(takes):  # noqa: PLR2004 - the old and the new value
        return last  # type: ignore[no-any-return]
    raise GraphError(
        f"Invalid reducer: {getattr(last, '__name__', last)!s} takes {len(positional)} arguments; "
        "it must take 2, the value so far and the update: Annotated[list, operator.add]."
    )


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

_CONCRETE: dict[Any, type] = {
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}


def _empty_of(hint: Any) -> Any:
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    make = get_origin(bare) or bare
    make = _CONCRETE.get(make, make)
    try:
        return make() if isinstance(make, type) else _MISSING
    except Exception:  # noqa: BLE001 - a type that can't be made of nothing
        return _MISSING
