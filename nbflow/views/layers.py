"""A graph in layers, for whoever draws it from the top down: which row, and in which order.

Sugiyama's method in its plainest form (https://en.wikipedia.org/wiki/Layered_graph_drawing): turn
the edges that close a circle around, put each node below all that lead to it, let long edges pass
the rows between through points, and order each row by what stands above and below. Works on
generic ids; the same graph always comes out the same.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from nbflow.writing.paths import back_edges, order

SWEEPS = 4
"""How often the rows are ordered, down and up."""


class Link(NamedTuple):
    """An edge, or a part of one, from one row to the next below."""

    upper: Hashable
    lower: Hashable
    is_dashed: bool
    is_up: bool
    """Whether it leads upwards, for it closes a circle."""


class Point(NamedTuple):
    """Where edges to one end pass a row."""

    row: int
    end: Hashable
    is_dashed: bool
    is_up: bool


class Layers(NamedTuple):
    """The rows, and the links between each and the next."""

    rows: list[list[Hashable]]
    """Nodes and `Point`s from left to right."""
    links: list[list[Link]]


def layers(nodes: Sequence[Hashable], edges: Iterable[tuple[Hashable, Hashable, bool]]) -> Layers:
    """Put a graph in layers.

    Args:
        nodes: All of them; those that come first stand left and above.
        edges: From, to, and whether it is dashed. Loops are left out.

    Example:
        >>> found = layers(["a", "b", "c"], [("a", "b", False), ("b", "c", False)])
        >>> found.rows
        [['a'], ['b'], ['c']]
    """
    down = _turned(nodes, [edge for edge in edges if edge[0] != edge[1]])
    row_of = _row_of(nodes, down)
    rows: list[list[Hashable]] = [[] for _ in range(max(row_of.values(), default=-1) + 1)]
    for node in nodes:
        rows[row_of[node]].append(node)
    links: list[dict[Link, None]] = [{} for _ in rows[1:]]
    points: dict[Point, None] = {}
    for edge in down:
        for row, link in _way(edge, row_of):
            links[row][link] = None
            if isinstance(link.lower, Point):
                points[link.lower] = None
    for point in points:
        rows[point.row].append(point)
    _order(rows, links)
    return Layers(rows, [list(between) for between in links])


def _way(edge: Link, row_of: Mapping[Hashable, int]) -> Iterator[tuple[int, Link]]:
    """An edge row by row; the points on its way are shared with others that end as it does."""
    at, last = edge.upper, row_of[edge.lower]
    for row in range(row_of[edge.upper] + 1, last):
        point = Point(row, edge.upper if edge.is_up else edge.lower, edge.is_dashed, edge.is_up)
        yield row - 1, edge._replace(upper=at, lower=point)
        at = point
    yield last - 1, edge._replace(upper=at)


def _turned(
    nodes: Sequence[Hashable], edges: Sequence[tuple[Hashable, Hashable, bool]]
) -> list[Link]:
    """The edges, with those turned around that lead back in a walk from the first nodes."""
    entered = {target for _source, target, _dashed in edges}
    walk = sorted(nodes, key=lambda node: node in entered)
    number = {node: at for at, node in enumerate(walk)}
    targets = _targets(number, ((source, target) for source, target, _dashed in edges))
    circular = back_edges(targets, 0) if walk else set()
    down = dict.fromkeys(
        Link(target, source, dashed, True)
        if (number[source], number[target]) in circular
        else Link(source, target, dashed, False)
        for source, target, dashed in edges
    )
    return list(down)


def _row_of(nodes: Sequence[Hashable], down: Iterable[Link]) -> dict[Hashable, int]:
    """The length of the longest way to each node, of a graph without circles."""
    number = {node: at for at, node in enumerate(nodes)}
    targets = _targets(number, ((edge.upper, edge.lower) for edge in down))
    row = [0] * len(nodes)
    for node in order(targets):
        for target in targets[node]:
            row[target] = max(row[target], row[node] + 1)
    return dict(zip(nodes, row, strict=True))


def _targets(
    number: Mapping[Hashable, int], edges: Iterable[tuple[Hashable, Hashable]]
) -> list[list[int]]:
    """For each node by its number, those that it leads to."""
    targets: list[list[int]] = [[] for _ in number]
    for source, target in edges:
        targets[number[source]].append(number[target])
    return targets


def _order(rows: list[list[Hashable]], links: Sequence[Iterable[Link]]) -> None:
    """Order each row by the middle of what its members are linked with in the row before."""
    for _ in range(SWEEPS):
        for at in range(1, len(rows)):
            _by_middle(rows[at], rows[at - 1], [(link.lower, link.upper) for link in links[at - 1]])
        for at in range(len(rows) - 2, -1, -1):
            _by_middle(rows[at], rows[at + 1], [(link.upper, link.lower) for link in links[at]])


def _by_middle(
    row: list[Hashable],
    fixed: Sequence[Hashable],
    pairs: Iterable[tuple[Hashable, Hashable]],
) -> None:
    place = {one: (at + 0.5) / len(fixed) for at, one in enumerate(fixed)}
    linked: dict[Hashable, list[float]] = {}
    for own, other in pairs:
        linked.setdefault(own, []).append(place[other])
    own_place = {one: (at + 0.5) / len(row) for at, one in enumerate(row)}
    middle = {
        one: sum(linked[one]) / len(linked[one]) if one in linked else own_place[one] for one in row
    }
    row.sort(key=lambda one: round(middle[one], 6))
