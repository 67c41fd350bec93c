"""Which nodes of a run are inside which: those of a graph that is a node are called `graph:node`.

Such a graph is drawn around its nodes. What leads to it leads to the first of them, and its own box
comes after the last, for it ends when they have. Knows the record; knows nothing of drawing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from nbflow.core.record import RunRecord

SUBGRAPH = "subgraph"
"""The kind of a node that is a graph."""


class Way(NamedTuple):
    """An edge as it is drawn."""

    source: str
    target: str
    is_conditional: bool


def homes(record: RunRecord) -> dict[str, str]:
    """Of each node that is inside a graph, the innermost one.

    Example:
        >>> from nbflow.core.record import NodeInfo
        >>> nodes = {"sub": NodeInfo("sub", "subgraph", (), "", "")}
        >>> nodes["sub:a"] = NodeInfo("sub:a", "python", (), "", "")
        >>> homes(RunRecord(nodes=nodes))
        {'sub:a': 'sub'}
    """
    graphs = {node.name for node in record.nodes.values() if node.kind == SUBGRAPH}
    if not graphs:
        return {}
    found = {name: innermost(name, graphs) for name in record.nodes}
    return {name: home for name, home in found.items() if home}


def innermost(name: str, graphs: Collection[str]) -> str:
    """The innermost of some graphs that a node is inside; empty if it is in none.

    Example:
        >>> innermost("outer:inner:joke", {"outer", "outer:inner"})
        'outer:inner'
    """
    return next((prefix for prefix in prefixes(name) if prefix in graphs), "")


def prefixes(name: str) -> Iterator[str]:
    """What stands before each colon of a name, the longest first."""
    while ":" in name:
        name = name.rpartition(":")[0]
        yield name


def ways(record: RunRecord, home_of: Mapping[str, str]) -> Iterator[Way]:
    """The edges as they are drawn.

    Args:
        record: The run.
        home_of: What `homes` found.
    """
    inside: dict[str, list[str]] = {}
    for name, home in home_of.items():
        inside.setdefault(home, []).append(name)
    for node in record.nodes.values():
        for source in node.inputs:
            for target in _entries(record, node.name, inside):
                yield Way(source, target, source in node.perhaps)
        for leaf in _leaves(record, inside.get(node.name, [])):
            yield Way(leaf, node.name, is_conditional=False)


def _entries(record: RunRecord, name: str, inside: Mapping[str, list[str]]) -> list[str]:
    """Where one comes to first: the node itself, or the nodes with which a graph begins."""
    members = inside.get(name)
    if not members:
        return [name]
    firsts = [own for own in members if not set(record.nodes[own].inputs).intersection(members)]
    return [one for own in firsts or members[:1] for one in _entries(record, own, inside)]


def _leaves(record: RunRecord, members: list[str]) -> list[str]:
    """The nodes with which a graph ends."""
    read = {source for own in members for source in record.nodes[own].inputs}
    return [own for own in members if own not in read] or members[-1:]
