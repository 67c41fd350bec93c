"""The Graph API: a state, nodes that update it, and edges between them, checked when compiled.

Names and signatures are LangGraph's. What runs a compiled graph is in `traffic`.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, TypeAlias, get_args, get_origin, get_type_hints

from nbflow.core.policies import Policy
from nbflow.core.run import Run
from nbflow.errors import GraphError, InvalidUpdateError, NbflowError, nearest
from nbflow.writing import paths, traffic
from nbflow.writing.caching import InMemoryCache, Namespace, namespace_of
from nbflow.writing.calling import Callee
from nbflow.writing.routes import END, START, Routes
from nbflow.writing.state import ROOT, Schema
from nbflow.writing.streams import Invocable, Session
from nbflow.writing.types import (
    CachePolicy,
    Command,
    RetryPolicies,
    Seconds,
    Send,
    TimeoutPolicy,
    policy_of,
)

PathMap: TypeAlias = Mapping[Any, str] | Sequence[str] | None


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
        name = node or _name_of(action)
        self._check_name(name)
        is_graph = isinstance(action, CompiledStateGraph)
        hints = _hints_of(action)
        schema = self._schema(input_schema or _input_of(action, hints) or self.state_schema)
        self.nodes[name] = Spec(
            name,
            action,
            None if is_graph else Callee.of(action),
            schema,
            policy_of(retry_policy, timeout),
            cache_policy,
            None if error_handler is None else Callee.of(error_handler),
            _destinations(destinations, hints.get("return")),
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
        hints = _hints_of(path)
        schema = self._schema(_input_of(path, hints) or self.state_schema)
        ends = _ends_of(path_map, hints.get("return"))
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
            name, action = part if pair else (_name_of(part), part)
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
        _check(self)
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
        return CompiledStateGraph(self, name or traffic.UNNAMED, cache)


def _name_of(action: Any) -> str:
    name = getattr(action, "name", None) or getattr(action, "__name__", None)
    if isinstance(action, functools.partial) and name is None:
        raise GraphError(f"Node name must be provided: {action!r} has none of its own.")
    return name if isinstance(name, str) else type(action).__name__


def _hints_of(action: Any) -> dict[str, Any]:
    inner = action
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not inspect.isroutine(inner):
        inner = getattr(inner, "__call__", inner)  # noqa: B004 - its hints are wanted
    try:
        return get_type_hints(inner)
    except (NameError, TypeError, AttributeError):
        return {}


def _input_of(action: Any, hints: Mapping[str, Any]) -> Any:
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


def _destinations(
    given: Mapping[str, str] | Sequence[str] | None, returned: Any
) -> dict[str, str | None]:
    if isinstance(given, Mapping):
        return dict(given)
    if given is not None:
        return dict.fromkeys(given)
    parts = (returned, *get_args(returned))
    commands = [part for part in parts if get_origin(part) is Command]
    return dict.fromkeys(value for command in commands for value in _literals(command))


def _ends_of(path_map: PathMap, returned: Any) -> dict[Any, str] | None:
    if isinstance(path_map, Mapping):
        return dict(path_map)
    if path_map is not None:
        return {name: name for name in path_map}
    literals = _literals(returned)
    return {name: name for name in literals} if literals else None


def successors_of(graph: StateGraph) -> dict[str, dict[str, bool]]:
    """For each node, those it may lead to, as far as that is known, and whether it decides."""
    found: dict[str, dict[str, bool]] = {name: {} for name in (START, *graph.nodes)}
    for start, end in graph.edges:
        found.setdefault(start, {})[end] = False
    for starts, end in graph.waiting_edges:
        for start in starts:
            found.setdefault(start, {})[end] = False
    for start, branches in graph.branches.items():
        for branch in branches.values():
            ends: Iterable[str] = (
                (END, *graph.nodes) if branch.ends is None else branch.ends.values()
            )
            for end in ends:
                if end != start or branch.ends is not None:
                    found.setdefault(start, {}).setdefault(end, True)
    for name, spec in graph.nodes.items():
        for end in spec.destinations:
            found[name].setdefault(end, True)
    return found


def _check(graph: StateGraph) -> None:
    found = successors_of(graph)
    known = (*graph.nodes, START, END)
    for start, ends in found.items():
        if start not in known:
            raise GraphError(
                f"Found edge starting at unknown node '{start}'. {nearest(start, graph.nodes)}"
            )
        for end in ends:
            if end not in known:
                raise GraphError(
                    f"Found edge ending at unknown node `{end}` (it starts at '{start}'). "
                    f"{nearest(end, graph.nodes)}"
                )
    if not found[START]:
        raise GraphError(
            "Graph must have an entrypoint: add at least one edge from START to another node"
        )
    _check_loops(graph)
    if not _may_go_anywhere(graph):
        _check_reachable(graph, found)


def _check_loops(graph: StateGraph) -> None:
    """Refuse a loop that nothing in it decides to leave."""
    names = list(graph.nodes)
    number = {name: index for index, name in enumerate(names)}
    plain: list[list[int]] = [[] for _ in names]
    deciding = {name for name, spec in graph.nodes.items() if _may_command(spec.action)}
    edges = [*graph.edges, *((s, end) for starts, end in graph.waiting_edges for s in starts)]
    for start, end in edges:
        if start in number and end in number and start not in deciding:
            plain[number[start]].append(number[end])
    found = paths.cycle(plain)
    if found is not None:
        way = " -> ".join(names[index] for index in found)
        raise GraphError(
            f"the nodes lead to each other in a circle that never ends: {way}. Leave it by a "
            "conditional edge in place of one of these edges."
        )


def _check_reachable(graph: StateGraph, found: Mapping[str, Iterable[str]]) -> None:
    reached = {START}
    queue = [START]
    for name in queue:  # grows meanwhile
        for end in found.get(name, ()):
            if end not in reached and end != END:
                reached.add(end)
                queue.append(end)
    lost = [name for name in graph.nodes if name not in reached]
    if lost:
        raise GraphError(
            f"Node `{lost[0]}` is not reachable: no edge leads to it. Add one, such as "
            f"add_edge(START, {lost[0]!r})."
        )


def _may_go_anywhere(graph: StateGraph) -> bool:
    """Whether a node may be reached that no edge leads to: by a `Send` or a `Command`."""
    unmapped = any(b.ends is None for bs in graph.branches.values() for b in bs.values())
    return unmapped or any(_may_command(spec.action) for spec in graph.nodes.values())


def _may_command(action: Any) -> bool:
    """Whether a function may return a `Command`: whoever wrote it has imported the class."""
    while isinstance(action, functools.partial):
        action = action.func
    if isinstance(action, CompiledStateGraph):
        return True
    scope = getattr(inspect.unwrap(action), "__globals__", None) if callable(action) else None
    if scope is None:
        return True
    closure = getattr(action, "__closure__", None) or ()
    cells = (cell.cell_contents for cell in closure if _is_full(cell))
    return any(value is Command for value in (*scope.values(), *cells))


def _is_full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True


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
        self.nodes = dict(builder.nodes)
        self.edges = tuple(builder.edges)
        self.waiting_edges = tuple(builder.waiting_edges)
        self.branches = {name: dict(branches) for name, branches in builder.branches.items()}
        self.successors = successors_of(builder)
        self._routes: dict[str, Routes] = {}
        self.state = Schema(builder.state_schema)
        self.input = Schema(builder.input_schema)
        self.output = Schema(builder.output_schema)
        for schema in builder._schemas.values():  # noqa: SLF001 - nodes may have keys of their own
            for key, type_ in schema.types.items():
                self.state.types.setdefault(key, type_)
            for key, reducer in schema.reducers.items():
                self.state.reducers.setdefault(key, reducer)

    def begin(self, input: Any, session: Session) -> Run:  # noqa: A002 - LangGraph's word
        """Start a run of it."""
        session.context = self._context(session.context)
        return traffic.begin(self, input, session)

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

    def shown(self, values: Mapping[str, Any]) -> Any:
        """What those who invoke it see of the state."""
        keys = self.output.types
        return values.get(ROOT) if ROOT in keys else {k: values[k] for k in keys if k in values}

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
