"""The Graph API: a state, nodes that update it, and edges between them, checked when compiled.

Names and signatures are LangGraph's. What they become is in `compiled`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbflow.errors import GraphError, NbflowError, nearest
from nbflow.writing.calling import Callee
from nbflow.writing.checks import check
from nbflow.writing.compiled import CompiledStateGraph
from nbflow.writing.routes import END, START
from nbflow.writing.schema import Schema
from nbflow.writing.spec import (
    Branch,
    Defaults,
    PathMap,
    Spec,
    destinations_of,
    ends_of,
    hints_of,
    input_of,
    name_of,
)
from nbflow.writing.traffic import UNNAMED
from nbflow.writing.types import CachePolicy, RetryPolicies, Seconds, TimeoutPolicy, policy_of


class StateGraph:
    """A graph of nodes that share a state: add nodes and edges, then compile it.

    Args:
        state_schema: The keys of the state: a TypedDict, a dataclass, a Pydantic model, or a type
            that is the whole state. `Annotated[type, reducer]` lets several nodes write a key.
        context_schema: What `context` is: a dataclass or a Pydantic model may be given as a dict.
        input_schema: The keys that may be given; by default all.
        output_schema: The keys that are returned; by default all.

    Example:
        >>> from typing import TypedDict
        >>> State = TypedDict("State", {"topic": str, "joke": str})
        >>> builder = StateGraph(State)
        >>> _ = builder.add_node("joke", lambda state: {"joke": f"A {state['topic']} walks in."})
        >>> _ = builder.add_edge(START, "joke").add_edge("joke", END)
        >>> builder.compile().invoke({"topic": "cat"})
        {'topic': 'cat', 'joke': 'A cat walks in.'}
    """

    def __init__(
        self,
        state_schema: Any,
        context_schema: Any = None,
        *,
        input_schema: Any = None,
        output_schema: Any = None,
    ) -> None:
        self.state_schema = state_schema
        self.context_schema = context_schema
        self.input_schema = state_schema if input_schema is None else input_schema
        self.output_schema = state_schema if output_schema is None else output_schema
        self.nodes: dict[str, Spec] = {}
        self.edges: dict[tuple[str, str], None] = {}
        self.waiting_edges: dict[tuple[tuple[str, ...], str], None] = {}
        self.branches: dict[str, dict[str, Branch]] = {}
        self.defaults = Defaults()
        self._schemas: dict[int, Schema] = {}
        self._schema(self.state_schema)
        self._schema(self.input_schema)
        self._schema(self.output_schema)

    def _schema(self, of: Any) -> Schema:
        known = self._schemas.get(id(of))
        if known is None:
            known = self._schemas[id(of)] = Schema(of)
        return known

    def add_node(
        self,
        node: Any,
        action: Any = None,
        *,
        defer: bool = False,  # noqa: ARG002 - a join waits for all anyhow
        metadata: Mapping[str, Any] | None = None,
        input_schema: Any = None,
        retry_policy: RetryPolicies = None,
        cache_policy: CachePolicy | None = None,
        error_handler: Callable[..., Any] | None = None,
        destinations: Mapping[str, str] | Sequence[str] | None = None,
        timeout: Seconds | TimeoutPolicy | None = None,
    ) -> StateGraph:
        """Add a node.

        Args:
            node: Its name, or the function, which gives the name.
            action: A function of the state (sync, async or a generator; it may also take `config`,
                `runtime` or `writer`), a compiled graph, or an object with `invoke`.
            defer: Accepted, and needs nothing: a node waits for whoever can still come to it.
            metadata: Kept with the node.
            input_schema: What it sees of the state; by default what its first parameter's
                annotation says.
            retry_policy: After which failures it is attempted again, and how often.
            cache_policy: Whether what it returned is used again for the same input.
            error_handler: Called as a node when it has failed for good; it may take `error`.
            destinations: Where its commands may lead, for the drawing.
            timeout: How many seconds an attempt may take.

        Raises:
            GraphError: the name is taken, reserved or missing.
        """
        if not isinstance(node, str):
            node, action = None, node
        if action is None:
            raise GraphError(f"node {node!r} needs a function: add_node({node!r}, function).")
        name = node or name_of(action)
        self._check_name(name)
        is_graph = isinstance(action, CompiledStateGraph)
        hints = hints_of(action)
        schema = self._schema(input_schema or input_of(action, hints) or self.state_schema)
        self.nodes[name] = Spec(
            name,
            action,
            None if is_graph else Callee.of(action),
            schema,
            policy_of(retry_policy, timeout),
            cache_policy,
            None if error_handler is None else Callee.of(error_handler),
            destinations_of(destinations, hints.get("return")),
            dict(metadata or {}),
        )
        return self

    def _check_name(self, name: str) -> None:
        if name in self.nodes:
            raise GraphError(f"Node `{name}` already present.")
        if name in (START, END):
            raise GraphError(f"Node `{name}` is reserved.")
        for sign in "|:":
            if sign in name:
                raise GraphError(
                    f"'{sign}' is a reserved character and is not allowed in the node names."
                )

    def set_node_defaults(
        self,
        *,
        retry_policy: RetryPolicies = None,
        cache_policy: CachePolicy | None = None,
        error_handler: Callable[..., Any] | None = None,
        timeout: Seconds | TimeoutPolicy | None = None,
    ) -> StateGraph:
        """Say how nodes are attempted that don't say so themselves, whenever they are added.

        Args:
            retry_policy: As in `add_node`; for error handlers too.
            cache_policy: As in `add_node`.
            error_handler: As in `add_node`; it isn't called for itself.
            timeout: As in `add_node`; for error handlers too.
        """
        handler = None if error_handler is None else Callee.of(error_handler)
        given = Defaults(policy_of(retry_policy, timeout), cache_policy, handler)
        self.defaults = given.or_else(self.defaults)
        return self

    def add_edge(self, start_key: str | Sequence[str], end_key: str) -> StateGraph:
        """Add an edge: the one node runs after the other, and after all others that lead to it.

        Args:
            start_key: The node it leads from, or several: then all of them must have run.
            end_key: The node it leads to.

        Raises:
            GraphError: it starts at END or ends at START.
        """
        starts = (start_key,) if isinstance(start_key, str) else tuple(start_key)
        if END in starts:
            raise GraphError("END cannot be a start node")
        if end_key == START:
            raise GraphError("START cannot be an end node")
        if isinstance(start_key, str):
            self.edges[start_key, end_key] = None
            return self
        for name in (*starts, end_key):
            if name not in self.nodes and name != END:
                raise GraphError(f"Need to add_node `{name}` first. {nearest(name, self.nodes)}")
        self.waiting_edges[starts, end_key] = None
        return self

    def add_conditional_edges(
        self, source: str, path: Callable[..., Any], path_map: PathMap = None
    ) -> StateGraph:
        """Add an edge that decides where it leads when the node has run.

        Args:
            source: The node it leads from.
            path: A function of the state; it returns a node's name, END, a `Send`, or several.
            path_map: The names by what `path` returns, or all names that it may return.

        Raises:
            GraphError: that edge is there already.
        """
        name = getattr(path, "name", None) or getattr(path, "__name__", None) or "condition"
        branches = self.branches.setdefault(source, {})
        if name in branches:
            raise GraphError(f"Branch with name `{name}` already exists for node `{source}`")
        hints = hints_of(path)
        schema = self._schema(input_of(path, hints) or self.state_schema)
        ends = ends_of(path_map, hints.get("return"))
        branches[name] = Branch(path, Callee.of(path), ends, schema)
        return self

    def add_sequence(self, nodes: Sequence[Any]) -> StateGraph:
        """Add nodes, each with an edge to the next.

        Args:
            nodes: Functions, or pairs of a name and a function.

        Raises:
            GraphError: there are none, or two of one name.
        """
        if not nodes:
            raise GraphError("Sequence requires at least one node.")
        before: str | None = None
        for part in nodes:
            pair = isinstance(part, tuple) and len(part) == 2  # noqa: PLR2004 - a pair
            name, action = part if pair else (name_of(part), part)
            if name in self.nodes:
                raise GraphError(
                    f"Node names must be unique: node with the name '{name}' already exists. "
                    "Give it another as a pair of name and function."
                )
            self.add_node(name, action)
            if before is not None:
                self.add_edge(before, name)
            before = name
        return self

    def set_entry_point(self, key: str) -> StateGraph:
        """Begin with this node: `add_edge(START, key)`."""
        return self.add_edge(START, key)

    def set_conditional_entry_point(
        self, path: Callable[..., Any], path_map: PathMap = None
    ) -> StateGraph:
        """Begin where a function of the input says: `add_conditional_edges(START, ...)`."""
        return self.add_conditional_edges(START, path, path_map)

    def set_finish_point(self, key: str) -> StateGraph:
        """End with this node: `add_edge(key, END)`."""
        return self.add_edge(key, END)

    def validate(self) -> StateGraph:
        """Check what can be checked before a run.

        Raises:
            GraphError: an edge from or to a node that isn't there, a node that can't be reached, no
                way in, or a loop without a way out.
        """
        check(self)
        return self

    def compile(
        self,
        checkpointer: Any = None,
        *,
        cache: Any = None,
        store: Any = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        debug: bool = False,  # noqa: ARG002 - accepted, and says nothing
        name: str | None = None,
    ) -> CompiledStateGraph:
        """Check the graph and make it ready to run; later changes don't reach what is compiled.

        Args:
            checkpointer: Not there yet.
            cache: Where nodes with a `cache_policy` keep what they returned; by default in memory.
            store: Not there yet.
            interrupt_before: Not there yet.
            interrupt_after: Not there yet.
            debug: Accepted; watch a run on the board instead.
            name: What the views call it.

        Raises:
            GraphError: see `validate`.
            NbflowError: something that isn't there yet was given.
        """
        later = {
            "checkpointer": checkpointer,
            "store": store,
            "interrupt_before": interrupt_before,
            "interrupt_after": interrupt_after,
        }
        for word, value in later.items():
            if value not in (None, False, [], ()):
                raise NbflowError(f"compile({word}=...) isn't there yet: leave it out.")
        self.validate()
        return CompiledStateGraph(self, name or UNNAMED, cache)
