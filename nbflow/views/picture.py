"""A drawn graph as SVG and PNG, made on this machine by Graphviz.

Names reach DOT only as escaped labels; nodes are called `n0`, `n1`, ... Knows nothing of runs.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import TYPE_CHECKING

import graphviz

from nbflow.errors import NbflowError
from nbflow.views.dot import literal, unmarked
from nbflow.views.ink import FONT, MUTED
from nbflow.views.layout import graphviz_executable, png_of, svg_of
from nbflow.views.words import clean_name, counted, cut

if TYPE_CHECKING:
    from nbflow.views.drawn import DrawnGraph, Edge, Node

LABEL_MOST = 60
"""Characters of a name, or of what is written at an edge, that a picture shows."""
_TEXT = "#1b1f24"
_LINE = "#9370db"
_COLOUR = re.compile(r"!?(#?[A-Za-z0-9]{1,30})")
_FILL = re.compile(r"(?:^|,)\s*fill\s*:\s*(#?[A-Za-z0-9]{1,30})")
_SVG = "http://www.w3.org/2000/svg"


def is_possible() -> bool:
    """Whether this machine has a Graphviz."""
    return graphviz_executable() is not None


def svg(drawn: DrawnGraph, styles: Mapping[str, str]) -> str:
    """The graph as SVG.

    Args:
        drawn: What to draw.
        styles: Mermaid's styles of the `default`, `first` and `last` nodes, for their `fill`.

    Raises:
        NbflowError: there is no Graphviz, or it can't draw this graph.
    """
    made = svg_of(dot(drawn, styles))
    if made is None:
        raise _impossible()
    ET.register_namespace("", _SVG)
    root = ET.fromstring(made)  # noqa: S314 - Graphviz's own output
    for group in root.iter(f"{{{_SVG}}}g"):
        group.attrib.pop("id", None)
        for title in group.findall(f"{{{_SVG}}}title"):
            group.remove(title)
    for side in ("width", "height"):
        root.set(side, root.get(side, "").removesuffix("pt"))
    root.set("role", "img")
    root.set("aria-label", in_words(drawn))
    return ET.tostring(root, encoding="unicode")


def in_words(drawn: DrawnGraph) -> str:
    """What the picture is of, for those who don't see it."""
    names = ", ".join(clean_name(node.name) for node in drawn.nodes.values())
    return f"graph of {counted(len(drawn.nodes), 'node')}: {names}"


def png(
    drawn: DrawnGraph,
    styles: Mapping[str, str],
    *,
    background: str | None = "white",
    padding: int = 10,
    font: str | None = None,
) -> bytes:
    """The graph as PNG.

    Args:
        drawn: What to draw.
        styles: As for `svg`.
        background: The page's colour; None for none.
        padding: Pixels around the graph.
        font: The labels' font.

    Raises:
        NbflowError: there is no Graphviz, or it can't draw this graph.
    """
    source = dot(drawn, styles, background=background, padding=padding, font=font)
    made = png_of(source.replace("{", f"{{\n\tdpi={_DOTS_PER_INCH}", 1))
    if made is None:
        raise _impossible()
    return made


def _impossible() -> NbflowError:
    others = "draw_mermaid() and draw_ascii() need no Graphviz."
    if is_possible():
        return NbflowError(f"Graphviz could not draw this graph; the log says why. {others}")
    return NbflowError(
        "no Graphviz was found to draw the graph. Install it, or `pip install graphviz-pure`, "
        f"which needs nothing else; `nbflow doctor` says more. {others}"
    )


_DOTS_PER_INCH = 96


def dot(
    drawn: DrawnGraph,
    styles: Mapping[str, str],
    *,
    background: str | None = None,
    padding: int = 4,
    font: str | None = None,
) -> str:
    """The graph in DOT, from the top down: what is conditional dashed, what sends with two heads.

    Subgraphs are boxes around what is in them, or have a double line.
    """
    digraph = graphviz.Digraph(
        graph_attr={
            "rankdir": "TB",
            "bgcolor": _colour(background) or "transparent",
            "nodesep": "0.3",
            "ranksep": "0.4",
            "pad": f"{max(0, padding) / _DOTS_PER_INCH:.3f}",
            "fontname": font or FONT,
            "fontsize": "11",
            "fontcolor": MUTED,
        },
        node_attr={
            "shape": "box",
            "style": "rounded,filled",
            "fillcolor": _fill(styles.get("default", "")),
            "color": _LINE,
            "fontname": font or FONT,
            "fontcolor": _TEXT,
            "fontsize": "12",
            "height": "0.4",
            "margin": "0.16,0.06",
        },
        edge_attr={
            "color": MUTED,
            "arrowsize": "0.7",
            "fontname": font or FONT,
            "fontsize": "10",
            "fontcolor": MUTED,
        },
    )
    ids = {id_: f"n{number}" for number, id_ in enumerate(drawn.nodes)}
    _fill_cluster(digraph, drawn, ids, styles, "")
    for edge in drawn.edges:
        digraph.edge(ids[edge.source], ids[edge.target], **_edge_look(drawn, edge))
    return str(digraph.source)


def _fill_cluster(
    digraph: graphviz.Digraph,
    drawn: DrawnGraph,
    ids: Mapping[str, str],
    styles: Mapping[str, str],
    cluster: str,
) -> None:
    clusters, homes = drawn.clusters(), drawn.homes()
    first, last = drawn.first_node(), drawn.last_node()
    for id_, node in drawn.nodes.items():
        if homes[id_] == cluster:
            look = {"peripheries": "2"} if id_ in drawn.subgraphs else {}
            if last is not None and id_ == last.id:
                look |= {"fillcolor": _fill(styles.get("last", "")), "height": "0.3"}
            elif first is not None and id_ == first.id:
                look |= _first_look(styles)
            digraph.node(ids[id_], _label(node), **look)
    for number, (one, around) in enumerate(clusters.items()):
        if around == cluster:
            with digraph.subgraph(name=f"cluster_{number}") as inner:
                inner.attr(label=_literal(one.rpartition(":")[2]), labeljust="l")
                inner.attr(style="rounded", color=MUTED)
                _fill_cluster(inner, drawn, ids, styles, one)


def _first_look(styles: Mapping[str, str]) -> dict[str, str]:
    fill = _fill(styles.get("first", ""))
    return {
        "fillcolor": fill,
        "fontcolor": MUTED if fill == "transparent" else _TEXT,
        "height": "0.3",
    }


def _edge_look(drawn: DrawnGraph, edge: Edge) -> dict[str, str]:
    look = {"style": "dashed"} if edge.conditional else {}
    if (edge.source, edge.target) in drawn.sends:
        look["arrowhead"] = "normalnormal"
    if said := drawn.label(edge):
        look["label"] = unmarked(f" {_literal(said)} ")
    return look


def _label(node: Node) -> str:
    said = [
        f"{key} = {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in (node.metadata or {}).items()
        if isinstance(value, (str, int, float, bool, list))
    ]
    return unmarked(r"\n".join(_literal(line) for line in [node.name, *said]))


def _literal(text: str) -> str:
    return literal(cut(clean_name(text), LABEL_MOST))


def _fill(style: str) -> str:
    """The `fill` of one of Mermaid's styles."""
    found = _FILL.search(style)
    return found[1] if found else "transparent"


def _colour(name: str | None) -> str | None:
    """A colour as Graphviz knows it.

    Raises:
        NbflowError: it looks like none.
    """
    if name is None:
        return None
    found = _COLOUR.fullmatch(name)
    if found is None:
        raise NbflowError(f"{name!r} is no colour; give a name such as 'white', or '#ffffff'.")
    return found[1]
