"""The state of a graph: its keys, their reducers, and what a node sees of it.

A node sees the input and the updates of all that ran before it *and led to it*, folded in one order
that depends on the graph and never on timing. Two updates of a key without a reducer, neither of
which came before the other, contradict each other. Pure values; runs nothing.
"""

from __future__ import annotations

import collections.abc
import copy
import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, TypeAlias, get_args, get_origin, get_type_hints

from nbflow.errors import GraphError, InvalidUpdateError
from nbflow.writing.paths import bits
from nbflow.writing.types import Command, Overwrite

ROOT = "__root__"
"""The only key of a state that isn't a record: a list, a number, whatever."""

Reducer: TypeAlias = Callable[[Any, Any], Any]
Update: TypeAlias = list[tuple[str, Any]]

_MISSING: Any = object()

_MUTABLE = (list, dict, set)
"""What a reducer may change in place, though others hold it too."""


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


@dataclass(slots=True, eq=False)
class Visit:
    """One execution of one node, and what it wrote."""

    node: str
    index: int
    """Its number in the run, and its bit in sets of visits."""
    step: int
    """The length of the longest way to it: its step, were the graph run step by step."""
    rank: tuple[Any, ...]
    """Its place among the visits of one step."""
    before: Past
    update: Update = dataclasses.field(default_factory=list)
    after: Past | None = None


@dataclass(slots=True, eq=False)
class Past:
    """Some visits that came one after another, and the state that they made."""

    visits: int
    """The set of them, by index."""
    values: dict[str, Any]
    writers: dict[str, Visit]
    """Who wrote a key without a reducer last."""
    overwriters: dict[str, Visit]
    """Who wrote a key last that didn't go through its reducer."""

    def knows(self, visit: Visit) -> bool:
        """Whether that visit is one of them."""
        return bool(self.visits >> visit.index & 1)


_STEP = attrgetter("step")
_ORDER = attrgetter("step", "rank")


class History:
    """All visits of a run, and the states they made.

    Args:
        schema: The keys of the state.
    """

    def __init__(self, schema: Schema) -> None:
        self._reducers = schema.reducers
        self.visits: list[Visit] = []
        nothing = Past(0, schema.empty(), {}, {})
        self.first = self.visit("__start__", 0, (), nothing)

    def visit(self, node: str, step: int, rank: tuple[Any, ...], before: Past) -> Visit:
        """One more visit."""
        visit = Visit(node, len(self.visits), step, rank, before)
        self.visits.append(visit)
        return visit

    def after(self, visit: Visit) -> Past:
        """The state with a visit's update.

        Raises:
            InvalidUpdateError: it contradicts itself.
        """
        if visit.after is None:
            visit.after = self.folded(visit.before, [visit])
        return visit.after

    def merged(self, visits: Sequence[Visit]) -> Past:
        """The state after several visits, each with all that came before it.

        Raises:
            InvalidUpdateError: two of them contradict each other.
        """
        if len(visits) == 1:
            return self.after(visits[0])
        latest = max(visits, key=_STEP)
        before = latest.before
        if all(visit.before is before for visit in visits):
            return self.folded(before, visits)
        union = 0
        for visit in visits:
            union |= visit.before.visits | 1 << visit.index
        if not union & ~(before.visits | 1 << latest.index):
            return self.after(latest)
        nothing = self.first.before
        return self.folded(nothing, [self.visits[index] for index in bits(union)])

    def everything(self) -> Past:
        """The state after all visits.

        Raises:
            InvalidUpdateError: two of them contradict each other.
        """
        latest = max(self.visits, key=_STEP)
        if (latest.before.visits | 1 << latest.index).bit_count() == len(self.visits):
            return self.after(latest)
        return self.folded(self.first.before, self.visits)

    def folded(self, before: Past, visits: Iterable[Visit], *, loosely: bool = False) -> Past:
        """The state after some more visits, in the order of their steps and ranks.

        Args:
            before: What came before all of them.
            visits: In any order.
            loosely: Of two updates that contradict each other, take the later one.

        Raises:
            InvalidUpdateError: two of them contradict each other.
        """
        writers, overwriters = dict(before.writers), dict(before.overwriters)
        past = Past(before.visits, dict(before.values), writers, overwriters)
        own: set[str] = set()
        """The keys whose value is this state's alone, so a reducer may change it in place."""
        for visit in sorted(visits, key=_ORDER):
            for key, value in visit.update:
                reducer = self._reducers.get(key)
                if reducer is None:
                    _replace(past, visit, key, value, writers, loosely=loosely)
                elif (whole := _overwrite_of(value)) is not _MISSING:
                    _replace(past, visit, key, whole, overwriters, loosely=loosely)
                    own.discard(key)
                elif key in overwriters and not _follows(visit, overwriters[key]):
                    continue  # beside one that overwrites, others don't count
                elif key in past.values:
                    old = past.values[key]
                    if key not in own and type(old) in _MUTABLE:
                        old = copy.copy(old)
                    own.add(key)
                    past.values[key] = reducer(old, value)
                else:
                    past.values[key] = value
            past.visits |= 1 << visit.index
        return past


def _follows(visit: Visit, earlier: Visit) -> bool:
    return visit is earlier or visit.before.knows(earlier)


def _replace(
    past: Past, visit: Visit, key: str, value: Any, writers: dict[str, Visit], *, loosely: bool
) -> None:
    last = writers.get(key)
    if last is not None and not loosely and not _follows(visit, last):
        raise InvalidUpdateError(
            f"At key {key!r}: Can receive only one value per step, but {last.node!r} and "
            f"{visit.node!r} both wrote it and neither runs after the other. Give the key a "
            f"reducer, such as Annotated[list, operator.add], or put an edge between the two."
        )
    whole = _overwrite_of(value)
    past.values[key] = value if whole is _MISSING else whole
    writers[key] = visit


def _overwrite_of(value: Any) -> Any:
    """What an update is to be replaced with, if it says so."""
    if isinstance(value, Overwrite):
        return value.value
    if isinstance(value, dict) and len(value) == 1 and "__overwrite__" in value:
        return value["__overwrite__"]
    return _MISSING
