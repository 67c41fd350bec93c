"""Where drawn graphs come from: the parts of a state graph, a flow, or the record of a run.

Puts nodes and edges in the order in which LangGraph does, and subgraphs in the place of their
nodes. Knows nothing of how a graph is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbflow.core.record import GroupRecord, NodeInfo, RunRecord
from nbflow.core.topology import Topology
from nbflow.views.drawn import END, START, DrawnGraph, Edge, Node
from nbflow.views.model import shown_order, sources_of
from nbflow.views.nesting import SUBGRAPH

if TYPE_CHECKING:
    from nbflow.writing.compiled import CompiledStateGraph


def graph_of_parts(
    nodes: Iterable[Node | str],
    edges: Iterable[Edge],
    *,
    name: str = "",
    sends: Iterable[tuple[str, str]] = (),
    subgraphs: Iterable[str] = (),
    children: Mapping[str, DrawnGraph] | None = None,
) -> DrawnGraph:
    """A graph that begins at `__start__` and ends at `__end__`.

    Both nodes are added where edges need them, and an edge to `__end__` from each node that leads
    nowhere. Edges between the same two nodes become one.

    Args:
        nodes: In the order in which they were declared; a name alone is enough.
        edges: With what is written at them, such as the value that a path was chosen by.
        name: What it is the graph of.
        sends: The edges that take `Send`s, as pairs of names.
        subgraphs: The names of the nodes that are graphs themselves.
        children: The graphs of those that are drawn as what is in them (`xray`), by name.

    Raises:
        ValueError: an edge leads from or to a node that isn't there.

    Example:
        >>> drawn = graph_of_parts(["joke"], [Edge("__start__", "joke")])
        >>> [(edge.source, edge.target) for edge in drawn.edges]
        [('__start__', 'joke'), ('joke', '__end__')]
    """
    own = [node if isinstance(node, Node) else Node(node, node) for node in nodes]
    ordered = _ordered(edges, [node.id for node in own])
    used = {end for edge in ordered for end in (edge.source, edge.target)}
    by_id = {node.id: node for node in own}
    if START in used and START not in by_id:
        by_id = {START: Node(START, START), **by_id}
    if END in used and END not in by_id:
        by_id[END] = Node(END, END)
    inner = dict(children or {})
    marked = frozenset([*subgraphs, *inner])
    drawn = DrawnGraph(by_id, ordered, name, frozenset(sends), marked)
    for id_, child in inner.items():
        drawn = _expanded(drawn, id_, child)
    return drawn


def graph_of_flow(topology: Topology, name: str = "") -> DrawnGraph:
    """The graph of a flow."""
    nodes = [
        _described(NodeInfo(**node.describe()))._replace(data=node.function)
        for node in topology.nodes.values()
    ]
    return graph_of_parts(nodes, _between(topology.predecessors, {}), name=name)


def graph_of_compiled(compiled: CompiledStateGraph, xray: bool | int = False) -> DrawnGraph:
    """The graph of a compiled state graph.

    A path that may lead anywhere is drawn to what nothing else leads to, or else to everything.

    Args:
        compiled: The graph.
        xray: Whether graphs that are nodes are drawn with their own nodes, or how deep.
    """
    nodes = [
        Node(name, name, spec.action, dict(spec.metadata) or None)
        for name, spec in compiled.nodes.items()
    ]
    inner = {name: spec.action for name, spec in compiled.nodes.items() if spec.callee is None}
    deeper = xray if isinstance(xray, bool) else xray - 1
    children = {name: graph_of_compiled(graph, deeper) for name, graph in inner.items() if xray}
    edges = list(_edges_of(compiled))
    sends = [
        (start, edge.target)
        for start, branches in compiled.branches.items()
        if any(_may_send(branch.path) for branch in branches.values())
        for edge in edges
        if edge.source == start and edge.conditional and edge.target != END
    ]
    return graph_of_parts(
        nodes, edges, name=compiled.name, sends=sends, subgraphs=inner, children=children
    )


def _edges_of(compiled: CompiledStateGraph) -> Iterator[Edge]:
    """What is known of where each node leads, and then where it may lead for all one knows."""
    known = []
    for start, ends in compiled.successors.items():
        known += [Edge(start, end) for end, is_conditional in ends.items() if not is_conditional]
    for start, branches in compiled.branches.items():
        for branch in branches.values():
            labels = (branch.ends or {}).items()
            known += [Edge(start, end, str(label), conditional=True) for label, end in labels]
    for name, spec in compiled.nodes.items():
        known += [
            Edge(name, end, said, conditional=True) for end, said in spec.destinations.items()
        ]
    yield from known
    entered = {edge.target for edge in known}
    for start, branches in compiled.branches.items():
        if any(branch.ends is None for branch in branches.values()):
            others = [name for name in compiled.nodes if name != start]
            unknown = [name for name in others if name not in entered] or [*others, END]
            yield from (Edge(start, end, conditional=True) for end in unknown)


def _may_send(path: Callable[..., object]) -> bool:
    """Whether a path's annotation says that it returns `Send`s."""
    said = getattr(path, "__annotations__", {}).get("return", "")
    return re.search(r"\bSend\b", str(said)) is not None


def graph_of_record(record: RunRecord) -> DrawnGraph:
    """The graph of what a run did: of an entrypoint, the calls that its code made.

    Example:
        >>> joke = NodeInfo("joke", "python", (), "", "")
        >>> graph_of_record(RunRecord(name="cats", nodes={"joke": joke}))
        <DrawnGraph 'cats': 3 nodes, 2 edges>
    """
    infos = [record.nodes[name] for name in shown_order(record)]
    nodes = [_described(info, record.life(info.name)) for info in infos]
    inputs = {info.name: sources_of(record, info) for info in infos}
    perhaps = {info.name: info.perhaps for info in infos}
    subgraphs = [info.name for info in infos if info.kind == SUBGRAPH]
    return graph_of_parts(nodes, _between(inputs, perhaps), name=record.name, subgraphs=subgraphs)


def _described(info: NodeInfo, life: object = None) -> Node:
    said: dict[str, Any] = {}
    if info.fan_out:
        said["tasks"] = list(info.fan_out)
    if info.wait is not None:
        said["wait"] = info.wait
    if isinstance(life, GroupRecord) and not info.fan_out:
        said["calls"] = len(life.members)
    return Node(info.name, info.name, None, said or None)


def _between(
    inputs: Mapping[str, Sequence[str]], perhaps: Mapping[str, Sequence[str]]
) -> list[Edge]:
    """The edges into nodes that are known by their inputs; those without begin the graph."""
    begin = [Edge(START, name) for name, sources in inputs.items() if not sources]
    edges = [
        Edge(source, name, conditional=source in perhaps.get(name, ()))
        for name, sources in inputs.items()
        for source in sources
    ]
    return [*begin, *edges]


def _ordered(edges: Iterable[Edge], nodes: Iterable[str]) -> list[Edge]:
    """Edges in LangGraph's order: by their ends, and last those that are nothing but an end."""
    merged: dict[tuple[str, str], Edge] = {}
    for given in edges:
        edge = given._replace(data=None) if given.data == given.target else given
        pair = (edge.source, edge.target)
        merged[pair] = _merged(merged[pair], edge) if pair in merged else edge
    sources = {edge.source for edge in merged.values()}
    for id_ in nodes:
        if id_ not in sources and id_ != END:
            merged[id_, END] = Edge(id_, END)
    return sorted(merged.values(), key=_place)


def _place(edge: Edge) -> tuple[bool, str, str]:
    return (edge.target == END and not edge.conditional, edge.source, edge.target)


def _merged(one: Edge, other: Edge) -> Edge:
    """One edge for two between the same nodes; it is taken always if one of them is."""
    if not (one.conditional and other.conditional):
        return other if one.conditional else one
    said = dict.fromkeys(str(edge.data) for edge in (one, other) if edge.data is not None)
    return one._replace(data=", ".join(said) or None)


def _expanded(drawn: DrawnGraph, id_: str, child: DrawnGraph) -> DrawnGraph:
    """With what is in a subgraph in its place, if that has one first and one last node."""
    if id_ not in drawn.nodes or not (child.first_node() and child.last_node()):
        return drawn
    child = _trimmed(child)
    first, last = child.first_node(), child.last_node()
    if first is None or last is None or len(child.nodes) < 2:  # noqa: PLR2004 - nothing to see in it
        return drawn
    entry, leaving = f"{id_}:{first.id}", f"{id_}:{last.id}"

    def outer(source: str, target: str) -> tuple[str, str]:
        return leaving if source == id_ else source, entry if target == id_ else target

    def inner(source: str, target: str) -> tuple[str, str]:
        return f"{id_}:{source}", f"{id_}:{target}"

    nodes = {own: node for own, node in drawn.nodes.items() if own != id_}
    for node in child.nodes.values():
        nodes[f"{id_}:{node.id}"] = node._replace(id=f"{id_}:{node.id}")
    edges = [_moved(edge, outer) for edge in drawn.edges]
    edges += [_moved(edge, inner) for edge in child.edges]
    sends = {outer(*pair) for pair in drawn.sends} | {inner(*pair) for pair in child.sends}
    marked = drawn.subgraphs | {f"{id_}:{own}" for own in child.subgraphs}
    return DrawnGraph(nodes, edges, drawn.name, frozenset(sends), marked)


def _moved(edge: Edge, to: Callable[[str, str], tuple[str, str]]) -> Edge:
    source, target = to(edge.source, edge.target)
    return edge._replace(source=source, target=target)


def _trimmed(drawn: DrawnGraph) -> DrawnGraph:
    """Without its first and its last node, where what is left has one first and one last node."""
    for side in (0, 1):
        end = drawn.last_node() if side else drawn.first_node()
        assert end is not None
        rest = _without(drawn, end.id)
        only = rest.last_node() if side else rest.first_node()
        if only is not None and sum(edge[side] == end.id for edge in drawn.edges) == 1:
            drawn = rest
    return drawn


def _without(drawn: DrawnGraph, id_: str) -> DrawnGraph:
    nodes = {own: node for own, node in drawn.nodes.items() if own != id_}
    edges = [edge for edge in drawn.edges if id_ not in (edge.source, edge.target)]
    sends = frozenset(pair for pair in drawn.sends if id_ not in pair)
    return replace(drawn, nodes=nodes, edges=edges, sends=sends)
