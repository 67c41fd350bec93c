"""Nodes and the edges between them, checked once: an input that names a node is an edge from it.

Pure values. Knows nothing of how a node is written or run.
"""

from __future__ import annotations

import graphlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from nbflow.core.fanout import FanOut
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


_NO_POLICY = Policy()


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
        policy: How its tasks are attempted.
        mode: How the function is called; by default, as it is written.
        fan_out: How it becomes many tasks, the outermost way first; none for a single task.
        wait: It starts as soon as so many of its input nodes have succeeded; None for all.
        passes_failures: What an input node failed with is a value to it, so it is not skipped.
        optional: The inputs that may be left out of the call when their node has no result.
        resource: What its attempts use, such as a model: attempts that use the same share a rate.
        perhaps: Those of its inputs that decide only when they have run whether they lead to it.
    """

    name: str
    function: Callable[..., Any]
    inputs: tuple[str, ...] = ()
    kind: str = "python"
    source: str = ""
    detail: str = ""
    policy: Policy = _NO_POLICY
    mode: Mode | None = None
    fan_out: tuple[FanOut, ...] = ()
    wait: int | None = None
    passes_failures: bool = False
    optional: frozenset[str] = frozenset()
    resource: str = ""
    perhaps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mode is None:
            object.__setattr__(self, "mode", mode_of(self.function))

    def describe(self) -> dict[str, Any]:
        """What is known of it before it runs, as plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "inputs": self.inputs,
            "source": self.source,
            "detail": self.detail,
            "fan_out": tuple(fan.label for fan in self.fan_out),
            "wait": self.wait,
            "perhaps": self.perhaps,
        }


class Topology:
    """Nodes in the order of their edges.

    Args:
        nodes: In the order in which they were declared.
        declared: Nodes that don't run by themselves: code calls them while the run goes on.

    Raises:
        FlowError: two nodes of one name, a cycle, or a node that waits for more inputs than it has.

    Example:
        >>> flow = Topology([Node("join", max, inputs=("a", "b")), Node("a", min), Node("b", min)])
        >>> list(flow.order), flow.successors["a"], flow.values
        (['a', 'b', 'join'], ('join',), ())
    """

    def __init__(self, nodes: Iterable[Node] = (), declared: Iterable[Node] = ()) -> None:
        self.nodes: dict[str, Node] = {}
        self.declared: Mapping[str, Node] = {node.name: node for node in declared}
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
        self.needs: Mapping[str, int] = {
            node.name: self._needs_of(node) for node in self.nodes.values()
        }

    def _needs_of(self, node: Node) -> int:
        """How many of a node's inputs must succeed before it starts."""
        there = len(self.predecessors[node.name])
        if node.wait is None:
            return there
        if not 1 <= node.wait <= there:
            raise FlowError(
                f"{node.name!r} waits for {node.wait} of its inputs, but {there} of them are nodes."
            )
        return node.wait

    @cached_property
    def description(self) -> list[dict[str, Any]]:
        """What is known of the nodes before they run, as plain data."""
        return [node.describe() for node in (*self.nodes.values(), *self.declared.values())]

    @property
    def values(self) -> tuple[str, ...]:
        """The inputs that aren't nodes: what a run must be given, in order of first use."""
        inputs = (name for node in self.nodes.values() for name in node.inputs)
        return tuple(dict.fromkeys(name for name in inputs if name not in self.nodes))


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
