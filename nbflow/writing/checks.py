"""What is checked of a graph before it is compiled: its edges, its way in, and its loops.

Knows nodes and edges; runs nothing.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any

from nbflow.errors import GraphError, nearest
from nbflow.writing import paths
from nbflow.writing.routes import END, START
from nbflow.writing.spec import Spec
from nbflow.writing.types import Command

if TYPE_CHECKING:
    from nbflow.writing.graph import StateGraph


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


def check(graph: StateGraph) -> None:
    """Check what can be checked before a run.

    Raises:
        GraphError: an edge from or to a node that isn't there, a node that can't be reached, no way
            in, or a loop without a way out.
    """
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
    deciding = {name for name, spec in graph.nodes.items() if _may_command(spec)}
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
            f"add_edge(START, {lost[0]!r}), or say with add_node(..., destinations=[...]) which "
            "node's Command leads there."
        )


def _may_go_anywhere(graph: StateGraph) -> bool:
    """Whether a node may be reached that no edge leads to: by a `Send` or a `Command`."""
    unmapped = any(b.ends is None for bs in graph.branches.values() for b in bs.values())
    return unmapped or any(_may_command(spec) for spec in graph.nodes.values())


def _may_command(spec: Spec) -> bool:
    """Whether a node may return a `Command`: whoever wrote its function has imported the class."""
    action = spec.action
    while isinstance(action, functools.partial):
        action = action.func
    if spec.callee is None:
        return True
    function = inspect.unwrap(action) if callable(action) else action
    scope = getattr(function, "__globals__", None)
    if scope is None:
        return True
    closure = getattr(function, "__closure__", None) or ()
    cells = (cell.cell_contents for cell in closure if _is_full(cell))
    return _names_it(function.__code__) or any(v is Command for v in (*scope.values(), *cells))


def _names_it(code: CodeType) -> bool:
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return "Command" in code.co_names or any(map(_names_it, inner))


def _is_full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True
