"""Nodes and the edges between them, checked once: an input that names a node is an edge from it.

Pure values. Knows nothing of how a node is written or run.
"""

from __future__ import annotations

import graphlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nbflow.core.policies import Policy
from nbflow.errors import FlowError


class Mode(Enum):
    """How a node's function is called."""

    COROUTINE = "awaited on the loop"
    ASYNC_GENERATOR = "iterated on the loop, each element a chunk"
    GENERATOR = "iterated in a thread, each element a chunk"
    INLINE = "called on the loop, for it is quick and pure"
    THREAD = "called in a thread"


def mode_of(function: Callable[..., Any]) -> Mode:
    """How a function is written, and so how it is called.

    Example:
        >>> mode_of(len)
        <Mode.THREAD: 'called in a thread'>
    """
    if inspect.iscoroutinefunction(function):
        return Mode.COROUTINE
    if inspect.isasyncgenfunction(function):
        return Mode.ASYNC_GENERATOR
    return Mode.GENERATOR if inspect.isgeneratorfunction(function) else Mode.THREAD


@dataclass(frozen=True, slots=True)
class Node:
    """One named step of a flow.

    Args:
        name: An identifier, unique within the flow.
        function: Called with the node's inputs as keyword arguments. Coroutine functions and async
            generator functions run on the event loop, everything else in a thread.
        inputs: The names it reads: other nodes (these are the edges) or values given to the run.
        kind: What the views call it: `prompt`, `template` or `python`.
        source: The prompt, template or code as its author wrote it.
        detail: What the views say beside the kind, such as the model's name.
        policy: Timeout and retries of this node.
        mode: How the function is called; by default, as it is written.
    """

    name: str
    function: Callable[..., Any]
    inputs: tuple[str, ...] = ()
    kind: str = "python"
    source: str = ""
    detail: str = ""
    policy: Policy = Policy()
    mode: Mode | None = None

    def __post_init__(self) -> None:
        if self.mode is None:
            object.__setattr__(self, "mode", mode_of(self.function))


class Topology:
    """Nodes in the order of their edges.

    Args:
        nodes: In the order in which they were declared.

    Raises:
        FlowError: two nodes of one name, or a cycle.

    Example:
        >>> flow = Topology([Node("join", max, inputs=("a", "b")), Node("a", min), Node("b", min)])
        >>> list(flow.order), flow.successors["a"], flow.values
        (['a', 'b', 'join'], ('join',), ())
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes: dict[str, Node] = {}
        for node in nodes:
            if node.name in self.nodes:
                raise FlowError(f"two nodes are called {node.name!r}; rename one of them.")
            self.nodes[node.name] = node
        self.predecessors: Mapping[str, tuple[str, ...]] = {
            node.name: tuple(name for name in dict.fromkeys(node.inputs) if name in self.nodes)
            for node in self.nodes.values()
        }
        self.order: tuple[str, ...] = _topological_order(self.predecessors)
        self.successors: Mapping[str, tuple[str, ...]] = _inverted(self.predecessors)

    @property
    def values(self) -> tuple[str, ...]:
        """The inputs that aren't nodes: what a run must be given, in order of first use."""
        inputs = (name for node in self.nodes.values() for name in node.inputs)
        return tuple(dict.fromkeys(name for name in inputs if name not in self.nodes))

    def descendants(self, name: str) -> list[str]:
        """Every node that depends on `name`, directly or not, in topological order."""
        reached: set[str] = set()
        front = [name]
        while front:
            for successor in self.successors[front.pop()]:
                if successor not in reached:
                    reached.add(successor)
                    front.append(successor)
        return [node for node in self.order if node in reached]


def _topological_order(predecessors: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    try:
        return tuple(graphlib.TopologicalSorter(predecessors).static_order())
    except graphlib.CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise CycleFound(
            f"the nodes read each other in a circle: {cycle}.", error.args[1]
        ) from None


class CycleFound(FlowError):  # noqa: N818 - a FlowError that carries the path
    """A cycle; `path` names its nodes, the first again at the end."""

    def __init__(self, message: str, path: list[str]) -> None:
        super().__init__(message)
        self.path = path


def _inverted(edges: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    lists: dict[str, list[str]] = {name: [] for name in edges}
    for name, sources in edges.items():
        for source in sources:
            lists[source].append(name)
    return {name: tuple(targets) for name, targets in lists.items()}
