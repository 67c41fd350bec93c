"""What is drawn of a run, in DOT: boxes and arrows from left to right.

Names reach DOT only as escaped labels; nodes are called `n0`, `n1`, ... and values `v0`, `v1`, ...
Knows boxes and arrows; knows nothing of the record.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import graphviz

from nbflow.views.graph import Box, Graph
from nbflow.views.ink import FONT, MUTED
from nbflow.views.words import GLYPHS

_MANY = 30
"""What still fits a screen at full size."""


def dot(drawn: Graph) -> str:
    """The graph in DOT, with room in each box for a sign and a time."""
    small = len(drawn.boxes) > _MANY
    digraph = graphviz.Digraph(
        graph_attr={
            "rankdir": "LR",
            "bgcolor": "transparent",
            "nodesep": "0.08" if small else "0.16",
            "ranksep": "0.5 equally" if small else "0.6",
            "pad": "0.05",
        },
        node_attr={
            "shape": "box",
            "style": "rounded,filled",
            "fillcolor": "white",
            "color": MUTED,
            "fontname": FONT,
            "fontsize": "10" if small else "12",
            "height": "0.26" if small else "0.36",
            "margin": "0.12,0.03",
        },
        edge_attr={"color": MUTED, "arrowsize": "0.6"},
    )
    stacks: dict[str, list[list[str]]] = {}
    for around, stack in _stacks(drawn):
        stacks.setdefault(around, []).append(stack)
    _fill(digraph, drawn, stacks, "")
    for tail, head in drawn.arrows:
        digraph.edge(tail, head)
    for tail, head in drawn.hidden:
        digraph.edge(tail, head, style="invis")
    return str(digraph.source)


def _fill(
    digraph: graphviz.Digraph,
    drawn: Graph,
    stacks: Mapping[str, list[list[str]]],
    cluster: str,
) -> None:
    """The boxes that stand in a cluster, or in none, and the clusters in it."""
    for box in drawn.boxes:
        if box.cluster == cluster:
            _add(digraph, box)
    # From outside of it, a column would pull its boxes out of the cluster; and in one that is drawn
    # from left to right, Graphviz has the arrows of a column point upwards.
    for stack in stacks.get(cluster, ()):
        with digraph.subgraph(graph_attr={"rank": "same"}) as column:
            for tail, head in itertools.pairwise(reversed(stack) if cluster else stack):
                column.edge(tail, head, style="invis")
    for key, one in drawn.clusters.items():
        if one.around == cluster:
            with digraph.subgraph(name=f"cluster_{key}") as inner:
                inner.attr(label=literal(one.label), labeljust="l", style="rounded,dotted")
                inner.attr(color=MUTED, fontname=FONT, fontsize="10", fontcolor=MUTED)
                _fill(inner, drawn, stacks, key)


def _add(digraph: graphviz.Digraph, box: Box) -> None:
    if box.is_value:
        plain = {"shape": "plaintext", "style": "", "fontname": "monospace", "fontcolor": MUTED}
        digraph.node(box.id, literal(box.label), **plain)
        return
    widest = "888.8 s" if len(box.names) == 1 else "8888/8888"
    first = literal(f"{GLYPHS['running']} {box.label} {widest}")
    note = box.says("888/888")
    second = rf"\n{literal(note)}" if note else ""
    digraph.node(box.id, unmarked(first + second), **({"margin": "0.12,0.06"} if note else {}))


def _stacks(drawn: Graph) -> Iterator[tuple[str, list[str]]]:
    """Boxes that stand one below the other in the order in which they were written, by cluster.

    Left to itself Graphviz shuffles many branches between the same sources and joins, and stacks
    parts that no arrow joins from the bottom up.
    """
    tails: dict[str, set[str]] = {box.id: set() for box in drawn.boxes}
    heads: dict[str, set[str]] = {box.id: set() for box in drawn.boxes}
    for tail, head in (*drawn.arrows, *drawn.hidden):
        tails[head].add(tail)
        heads[tail].add(head)
    in_parts = _parts(drawn) > 1
    stacks: dict[tuple[str, object], list[str]] = {}
    for box in drawn.boxes:
        is_first = in_parts and not tails[box.id]
        key = "first" if is_first else (frozenset(tails[box.id]), frozenset(heads[box.id]))
        stacks.setdefault((box.cluster, key), []).append(box.id)
    yield from ((key[0], stack) for key, stack in stacks.items() if len(stack) > 1)


def _parts(drawn: Graph) -> int:
    """How many parts there are that no arrow joins."""
    part = {box.id: {box.id} for box in drawn.boxes}
    for tail, head in (*drawn.arrows, *drawn.hidden):
        if part[tail] is not part[head]:
            small, large = sorted((part[tail], part[head]), key=len)
            large |= small
            part.update(dict.fromkeys(small, large))
    return len({id(members) for members in part.values()})


def literal(label: str) -> str:
    """A label of which Graphviz reads nothing as markup, escapes or character references.

    It is a string of a kind of its own: what is joined of several is `unmarked` again.
    """
    escaped: str = graphviz.escape(label.replace("&", "&amp;"))
    return escaped


def unmarked(label: str) -> str:
    """A label that is text, though it may stand between `<` and `>`, as Graphviz's HTML does."""
    text: str = graphviz.nohtml(label)
    return text
