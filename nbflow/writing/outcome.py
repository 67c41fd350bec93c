"""What a node's return value says: what it writes, and where it leads beside its edges.

Pure values; knows the keys of a state, and no state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from nbflow.errors import InvalidUpdateError
from nbflow.writing.schema import ROOT
from nbflow.writing.types import Command

Update: TypeAlias = list[tuple[str, Any]]


class Outcome(NamedTuple):
    """What a node's return value says."""

    update: Update
    gotos: tuple[Any, ...]
    """Names of nodes and `Send`s that it leads to, beside its edges."""
    for_parent: tuple[Command[Any], ...] = ()
    """Commands for the graph around this one."""


NO_OUTCOME = Outcome([], ())


def outcome_of(node: str, returned: Any, types: Mapping[str, Any]) -> Outcome:
    """Read what a node has returned.

    Args:
        node: Its name, for errors.
        returned: An update, a `Command`, or several of both in a list.
        types: The keys of the graph's state.

    Raises:
        InvalidUpdateError: it is none of these.

    Example:
        >>> outcome_of("joke", {"joke": "ha", "other": 1}, {"joke": str}).update
        [('joke', 'ha')]
    """
    if isinstance(returned, Command):
        returned = [returned]
    if isinstance(returned, list | tuple) and any(isinstance(r, Command) for r in returned):
        update: Update = []
        gotos: list[Any] = []
        upwards: list[Command[Any]] = []
        for part in returned:
            if not isinstance(part, Command):
                update += update_of(node, part, types)
            elif part.graph == Command.PARENT:
                upwards.append(part)
            else:
                update += update_of(node, part.update, types, by_command=True)
                gotos += _listed(part.goto)
        return Outcome(update, tuple(gotos), tuple(upwards))
    return Outcome(update_of(node, returned, types), ())


def _listed(goto: Any) -> list[Any]:
    return list(goto) if isinstance(goto, list | tuple | set | frozenset) else [goto]


def update_of(
    node: str, returned: Any, types: Mapping[str, Any], *, by_command: bool = False
) -> Update:
    """An update as pairs of key and value; keys that the state doesn't have are left out.

    Raises:
        InvalidUpdateError: it is no record of keys.
    """
    if returned is None:
        return []
    if ROOT in types:
        return [(ROOT, returned)]
    if isinstance(returned, Mapping):
        return [(key, value) for key, value in returned.items() if key in types]
    if by_command and isinstance(returned, list | tuple) and all(map(_is_pair, returned)):
        return [(key, value) for key, value in returned if key in types]
    fields = _written_fields(returned)
    if fields is None:
        raise InvalidUpdateError(
            f"Expected dict, got {returned!r}: node {node!r} must return an update of the state, "
            "such as {'key': value}, or None."
        )
    return [(key, value) for key, value in fields.items() if key in types]


def _is_pair(part: Any) -> bool:
    return isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str)  # noqa: PLR2004


def _written_fields(value: Any) -> dict[str, Any] | None:
    """The fields of a record that were given; None if it isn't one."""
    given = getattr(value, "model_fields_set", None)
    if given is not None:
        names = type(value).model_fields
        fields = {name: getattr(value, name) for name in names}
        return {n: v for n, v in fields.items() if n in given or v is not None}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: v for name, v in fields.items() if v is not None}
    hints = getattr(type(value), "__annotations__", None)
    if hints and not isinstance(value, str | bytes | int | float | list | tuple | set):
        return {name: getattr(value, name) for name in hints if hasattr(value, name)}
    return None
