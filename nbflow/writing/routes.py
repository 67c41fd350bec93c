"""What is known of a compiled graph before it runs: where each node leads, loops, and the order.

Knows the graph and the algorithms of `paths`; knows nothing of a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from nbflow.core.topology import Mode, Node
from nbflow.writing import paths

if TYPE_CHECKING:
    from nbflow.writing.compiled import CompiledStateGraph
    from nbflow.writing.spec import Branch, Spec

START = "__start__"
END = "__end__"


Way: TypeAlias = tuple[int, int | None]
"""A node by its number, and by how much the round of the loop grows on the way to it; None if it
isn't in the loop that the way begins in."""


class Routes:
    """Where one can get in a compiled graph.

    Args:
        graph: The graph.
        prefix: Begins the names of its nodes in the run.
    """

    def __init__(self, graph: CompiledStateGraph, prefix: str = "") -> None:
        names = self.names = [START, *graph.nodes]
        self.number = {name: index for index, name in enumerate(names)}
        """Of each node, its place in declared order."""
        ways = [[self.number[e] for e in graph.successors[n] if e != END] for n in names]
        self.before = self._before(graph)
        """For each node, those from which one can come to it without going back in a loop."""
        self.loop = paths.loops(ways, self.before)
        self.members: Counter[int] = Counter()
        """The nodes of each loop, as a set."""
        for index, loop in enumerate(self.loop):
            if loop is not None:
                self.members[loop] |= 1 << index
        self.plain: dict[str, list[Way]] = {name: [] for name in names}
        """For each node, where its edges lead."""
        for start, end in graph.edges:
            if end != END:
                self.plain[start].append(self.way(start, end))
        self.together: dict[str, list[tuple[int, frozenset[str], str]]] = {}
        """For each node, the edges that it shares with others: number, starts and end."""
        for index, (starts, end) in enumerate(graph.waiting_edges):
            for start in set(starts) if end != END else ():
                self.together.setdefault(start, []).append((index, frozenset(starts), end))
        self.nodes = _nodes_of(graph, prefix)
        """The nodes as the engine knows them."""
        mode = _mode_of(None, graph.branches.get(START))
        self.entrance = Node(f"{prefix}{START}", _never, mode=mode)
        """What decides where to begin."""

    def _before(self, graph: CompiledStateGraph) -> list[int]:
        """Plain edges go on; of those that decide, the ones to where one has come from go back."""
        number = self.number
        pairs = [*graph.edges, *((s, end) for starts, end in graph.waiting_edges for s in starts)]
        plain: list[list[int]] = [[] for _ in self.names]
        for start, end in pairs:
            if end != END:
                plain[number[start]].append(number[end])
        back = paths.back_edges(plain, 0)
        forward = [[t for t in ts if (n, t) not in back] for n, ts in enumerate(plain)]
        before = paths.ancestors(forward)
        deciding = []
        for start in self.names:
            ends = [e for e, decides in graph.successors[start].items() if decides and e != END]
            deciding.append((len(ends), number[start], sum(1 << number[end] for end in ends)))
        for _, node, targets in sorted(deciding):  # those that may lead anywhere come last
            paths.lead_on(before, node, targets)
        return before

    def way(self, start: str, end: str) -> Way:
        """Where it leads to go from one node to another."""
        source, target = self.number[start], self.number[end]
        loop = self.loop[target]
        if loop is None or loop != self.loop[source]:
            return target, None
        return target, int(source == target or bool(self.before[source] >> target & 1))


def _nodes_of(graph: CompiledStateGraph, prefix: str) -> dict[str, Node]:
    sources: dict[str, list[tuple[str, bool]]] = {name: [] for name in graph.nodes}
    deciding = (START,) if START in graph.branches else ()  # only then is it executed
    for start in (*deciding, *graph.nodes):
        for end, decides in graph.successors[start].items():
            if end in sources:
                sources[end].append((f"{prefix}{start}", decides))
    return {
        name: Node(
            f"{prefix}{name}",
            _never,
            tuple(start for start, _ in sources[name]),
            kind="subgraph" if spec.callee is None else "python",
            policy=spec.policy,
            mode=_mode_of(spec, graph.branches.get(name)),
            perhaps=tuple(start for start, decides in sources[name] if decides),
        )
        for name, spec in graph.nodes.items()
    }


def _never() -> None:
    """What a node is made of until it is called."""


def _mode_of(spec: Spec | None, branches: Mapping[str, Branch] | None) -> Mode:
    """In a thread if nothing about it needs the loop."""
    callees = [branch.callee for branch in (branches or {}).values()]
    if spec is not None:
        if spec.callee is None:
            return Mode.COROUTINE
        callees.append(spec.callee)
    return Mode.THREAD if all(callee.is_sync for callee in callees) else Mode.COROUTINE


def declared_nodes(graph: CompiledStateGraph, prefix: str = "") -> Iterator[Node]:
    """Every node of a graph and of the graphs in it, as the engine knows them."""
    if START in graph.branches:
        yield graph.routes(prefix).entrance
    for name, node in graph.routes(prefix).nodes.items():
        yield node
        inner = graph.nodes[name]
        if inner.callee is None:
            yield from declared_nodes(inner.action, f"{prefix}{name}:")
