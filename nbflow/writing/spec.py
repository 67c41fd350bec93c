"""Nodes and conditional edges as they were added, and what their functions say about themselves.

Annotations say what a function sees of the state and where it may lead. Knows nothing of the graph.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from nbflow.core.policies import Policy
from nbflow.errors import GraphError, InvalidUpdateError, nearest
from nbflow.writing.calling import Callee
from nbflow.writing.schema import Schema
from nbflow.writing.types import CachePolicy, Command, Send

PathMap: TypeAlias = Mapping[Any, str] | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Defaults:
    """How nodes are attempted that don't say so themselves.

    Args:
        policy: How; error handlers too.
        cache_policy: Whether what a node returned is reused.
        error_handler: What is called with the state and the error when a node has failed.
    """

    policy: Policy = Policy()
    cache_policy: CachePolicy | None = None
    error_handler: Callee | None = None

    def or_else(self, others: Defaults) -> Defaults:
        """These, and where they say nothing, others."""
        return Defaults(
            replace(
                others.policy,
                timeout=self.policy.timeout or others.policy.timeout,
                retry=self.policy.retry or others.policy.retry,
            ),
            self.cache_policy or others.cache_policy,
            self.error_handler or others.error_handler,
        )


@dataclass(frozen=True, slots=True)
class Spec:
    """One node as it was added.

    Args:
        name: Unique within the graph.
        action: What was added.
        callee: How it is called; None for a compiled graph.
        schema: What it sees of the state.
        policy: How it is attempted.
        cache_policy: Whether what it returned is reused.
        error_handler: What is called with the state and the error when it has failed.
        destinations: Where its commands may lead, as far as it says so, with labels.
        metadata: What was said of it.
    """

    name: str
    action: Any
    callee: Callee | None
    schema: Schema
    policy: Policy
    cache_policy: CachePolicy | None = None
    error_handler: Callee | None = None
    destinations: Mapping[str, str | None] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def with_defaults(self, defaults: Defaults) -> Spec:
        """The same, and where it says nothing of how it is attempted, what these say."""
        own = Defaults(self.policy, self.cache_policy, self.error_handler).or_else(defaults)
        return replace(
            self,
            policy=own.policy,
            cache_policy=own.cache_policy,
            error_handler=own.error_handler,
        )


@dataclass(frozen=True, slots=True)
class Branch:
    """A conditional edge.

    Args:
        path: Says of the state where to go.
        callee: How it is called.
        ends: The names it may lead to, by what it returns; None if it may lead anywhere.
        schema: What it sees of the state.
    """

    path: Callable[..., Any]
    callee: Callee
    ends: Mapping[Any, str] | None
    schema: Schema

    def end_of(self, source: str, answer: Any) -> Any:
        """Where an answer leads: a node's name, END or a `Send`.

        Raises:
            InvalidUpdateError: the path map doesn't have it.
        """
        if isinstance(answer, Send) or self.ends is None:
            return answer
        if answer in self.ends:
            return self.ends[answer]
        raise InvalidUpdateError(
            f"the conditional edge of {source!r} returned {answer!r}, which its path map "
            f"doesn't have. {nearest(str(answer), map(str, self.ends))}"
        )


def name_of(action: Any) -> str:
    """What a node is called that was added without a name.

    Raises:
        GraphError: it is a partial, which has no name.
    """
    name = getattr(action, "name", None) or getattr(action, "__name__", None)
    if isinstance(action, functools.partial) and name is None:
        raise GraphError(f"Node name must be provided: {action!r} has none of its own.")
    return name if isinstance(name, str) else type(action).__name__


def hints_of(action: Any) -> dict[str, Any]:
    """A function's annotations; none if they can't be read."""
    inner = action
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not inspect.isroutine(inner):
        inner = getattr(inner, "__call__", inner)  # noqa: B004 - its hints are wanted
    try:
        return get_type_hints(inner)
    except (NameError, TypeError, AttributeError):
        return {}


def input_of(action: Any, hints: Mapping[str, Any]) -> Any:
    """What the first parameter's annotation says the function sees of the state."""
    if not hints or isinstance(action, functools.partial):
        return None
    try:
        first = next(iter(inspect.signature(action).parameters), None)
    except (ValueError, TypeError):
        return None
    hint = hints.get(first or "")
    if isinstance(hint, type) and hint.__module__ != "builtins" and _annotations_of(hint):
        return hint
    return None


def _annotations_of(of: type) -> dict[str, Any]:
    try:
        return get_type_hints(of)
    except (NameError, TypeError):
        return {}


def _literals(hint: Any) -> tuple[Any, ...]:
    """The values of a `Literal`, also of one in a list or a union."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(value for part in get_args(hint) for value in _literals(part))


def destinations_of(
    given: Mapping[str, str] | Sequence[str] | None, returned: Any
) -> dict[str, str | None]:
    """Where a node's commands may lead, with labels: as given, or as its annotation says."""
    if isinstance(given, Mapping):
        return dict(given)
    if given is not None:
        return dict.fromkeys(given)
    parts = (returned, *get_args(returned))
    commands = [part for part in parts if get_origin(part) is Command]
    return dict.fromkeys(value for command in commands for value in _literals(command))


def ends_of(path_map: PathMap, returned: Any) -> dict[Any, str] | None:
    """Where a conditional edge may lead, by what its function returns; None if anywhere."""
    if isinstance(path_map, Mapping):
        return dict(path_map)
    if path_map is not None:
        return {name: name for name in path_map}
    literals = _literals(returned)
    return {name: name for name in literals} if literals else None
