"""A compiled graph: it is invoked, streamed and drawn, and no longer changes.

What goes on in a run of it is in `traffic`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from nbflow.core.run import Run
from nbflow.core.topology import Topology
from nbflow.errors import GraphError, nearest
from nbflow.writing import traffic
from nbflow.writing.caching import InMemoryCache, Namespace, namespace_of
from nbflow.writing.checks import successors_of
from nbflow.writing.routes import Routes, declared_nodes
from nbflow.writing.schema import ROOT, Schema
from nbflow.writing.session import Session
from nbflow.writing.streams import Invocable

if TYPE_CHECKING:
    from nbflow.writing.graph import StateGraph


class CompiledStateGraph(Invocable):
    """A graph that can be run; `StateGraph.compile` makes it.

    Args:
        builder: The graph; later changes of it aren't seen.
        name: What the views call it.
        cache: Where nodes keep what they returned.
    """

    drawer: ClassVar[Callable[..., Any]]
    """Draws it; the views bring it."""

    def __init__(self, builder: StateGraph, name: str, cache: Any) -> None:
        self.builder = builder
        self.name = name
        self.cache = InMemoryCache() if cache is None else cache
        self.defaults = builder.defaults
        self.nodes = {n: spec.with_defaults(builder.defaults) for n, spec in builder.nodes.items()}
        self.edges = tuple(builder.edges)
        self.waiting_edges = tuple(builder.waiting_edges)
        self.branches = {name: dict(branches) for name, branches in builder.branches.items()}
        self.successors = successors_of(builder)
        self._routes: dict[str, Routes] = {}
        self.state = Schema(builder.state_schema)
        self.input = Schema(builder.input_schema)
        self.output = Schema(builder.output_schema)
        self.result_keys = None if self.output.is_root else tuple(self.output.types)
        for schema in builder._schemas.values():  # noqa: SLF001 - nodes may have keys of their own
            for key, type_ in schema.types.items():
                self.state.types.setdefault(key, type_)
            for key, reducer in schema.reducers.items():
                self.state.reducers.setdefault(key, reducer)

    def begin(self, input: Any, session: Session) -> Run:  # noqa: A002 - LangGraph's word
        """Start a run of it."""
        session.context = self._context(session.context)
        self._check_keys(session.keys)
        return traffic.begin(self, input, session)

    def _check_keys(self, keys: str | tuple[str, ...] | None) -> None:
        for key in (keys,) if isinstance(keys, str) else keys or ():
            if key not in self.state.types:
                raise GraphError(f"Key {key} not in channels. {nearest(key, self.state.types)}")

    def _context(self, given: Any) -> Any:
        """A context of the class that the builder names, if fields of it are given."""
        schema = self.builder.context_schema
        is_record = dataclasses.is_dataclass(schema) or hasattr(schema, "model_fields")
        return schema(**given) if is_record and isinstance(given, dict) else given

    def routes(self, prefix: str) -> Routes:
        """What is known of it before it runs.

        Args:
            prefix: Begins the names of its nodes in a run.
        """
        if prefix not in self._routes:
            self._routes[prefix] = Routes(self, prefix)
        return self._routes[prefix]

    @cached_property
    def topology(self) -> Topology:
        """What the engine knows of it before it runs."""
        return Topology(declared=declared_nodes(self))

    def shown(self, values: Mapping[str, Any], wanted: str | tuple[str, ...] | None = None) -> Any:
        """What those who invoke it see of the state.

        Args:
            values: The state.
            wanted: The keys that they have asked for; a text for one without its name.
        """
        if isinstance(wanted, str):
            return values.get(wanted)
        if self.output.is_root:
            return values.get(ROOT)
        keys = self.output.types if wanted is None else wanted
        return {key: values[key] for key in keys if key in values}

    def namespace_of(self, node: str) -> Namespace:
        """Where a cache keeps what a node returned."""
        action = self.nodes[node].action
        return ("node", node, *namespace_of(action)[1:])

    def clear_cache(self, nodes: Iterable[str] | None = None) -> None:
        """Forget what nodes with a `cache_policy` returned.

        Args:
            nodes: Their names; None for all.
        """
        self.cache.clear([self.namespace_of(name) for name in nodes or self.nodes])

    async def aclear_cache(self, nodes: Iterable[str] | None = None) -> None:
        """Forget what nodes with a `cache_policy` returned; as `clear_cache`."""
        self.clear_cache(nodes)

    def copy(self) -> Self:
        """The same once more."""
        return copy.copy(self)

    def get_graph(self, config: Any = None, *, xray: bool | int = False) -> Any:  # noqa: ARG002
        """The drawing: `draw_mermaid()`, `draw_mermaid_png()`, `draw_svg()`, `draw_ascii()`.

        Args:
            config: Accepted; a graph looks the same whatever it says.
            xray: Whether graphs that are nodes are drawn with their own nodes, or how deep.
        """
        return CompiledStateGraph.drawer(self, xray)

    def __repr__(self) -> str:
        return f"<CompiledStateGraph {self.name!r}: {', '.join(self.nodes)}>"
