"""A graph to be looked at: nodes and edges as values, and one method for each way to draw them.

Has the methods of the graph that LangGraph's `get_graph()` returns, so its users' code goes on
working; nothing here asks a network. How it is made of a flow or a run, `origins` knows.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from nbflow.views import ascii as ascii_art
from nbflow.views import mermaid, picture
from nbflow.views.mermaid import LINEAR
from nbflow.views.nesting import innermost, prefixes
from nbflow.views.words import clean_name, counted

START = "__start__"
END = "__end__"


class Node(NamedTuple):
    """A node of a drawn graph."""

    id: str
    """Unique; of a node inside a subgraph `subgraph:name`."""
    name: str
    data: Any = None
    """What it runs."""
    metadata: Mapping[str, Any] | None = None
    """What is said of it below its name."""


class Edge(NamedTuple):
    """An edge of a drawn graph, from one node's id to another's."""

    source: str
    target: str
    data: Any = None
    """What is written at it."""
    conditional: bool = False
    """Whether only the run decides if it is taken."""


@dataclass(frozen=True, slots=True)
class DrawnGraph:
    """Nodes and edges, as they are drawn.

    Args:
        nodes: By their ids, in the order in which they are drawn.
        edges: In the order in which they are listed.
        name: What it is the graph of.
        sends: The edges, as pairs of ids, along which as many tasks go as there are `Send`s.
        subgraphs: The ids of the nodes that are graphs themselves. One that isn't among the nodes
            is drawn around the nodes whose ids begin with its own and a colon.

    Raises:
        ValueError: an edge leads from or to a node that isn't there.

    Example:
        >>> nodes = {"joke": Node("joke", "joke"), "rating": Node("rating", "rating")}
        >>> graph = DrawnGraph(nodes, [Edge("joke", "rating", conditional=True)])
        >>> graph.draw_mermaid(with_styles=False).split()[-3:]
        ['joke', '-.->', 'rating;']
    """

    nodes: Mapping[str, Node]
    edges: Sequence[Edge]
    name: str = ""
    sends: frozenset[tuple[str, str]] = frozenset()
    subgraphs: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for edge in self.edges:
            if not {edge.source, edge.target} <= self.nodes.keys():
                raise ValueError(f"no node for the edge {edge.source!r} -> {edge.target!r}.")

    def first_node(self) -> Node | None:
        """The only node to which no edge leads; None if there are none or several."""
        targets = {edge.target for edge in self.edges}
        found = [node for node in self.nodes.values() if node.id not in targets]
        return found[0] if len(found) == 1 else None

    def last_node(self) -> Node | None:
        """The only node from which no edge leads; None if there are none or several."""
        sources = {edge.source for edge in self.edges}
        found = [node for node in self.nodes.values() if node.id not in sources]
        return found[0] if len(found) == 1 else None

    def clusters(self) -> dict[str, str]:
        """The subgraphs that are drawn around nodes, each with the one around it, else with ""."""
        inner = {
            prefix for id_ in self.nodes for prefix in prefixes(id_) if prefix in self.subgraphs
        }
        return {one: innermost(one, inner) for one in sorted(inner)}

    def homes(self) -> dict[str, str]:
        """Of each node the innermost of the clusters that it is in, else ""."""
        inner = self.clusters().keys()
        return {id_: id_ if id_ in inner else innermost(id_, inner) for id_ in self.nodes}

    def label(self, edge: Edge) -> str:
        """What is written at an edge: its data, and that it takes `Send`s."""
        said = [] if edge.data is None else [clean_name(str(edge.data))]
        is_send = (edge.source, edge.target) in self.sends and "Send" not in said
        return ", ".join([*said, *(["Send"] if is_send else [])])

    def to_json(self, *, with_schemas: bool = False) -> dict[str, list[dict[str, Any]]]:  # noqa: ARG002 - LangGraph's keyword; there are no schemas here
        """Nodes and edges as JSON can hold them."""
        return {
            "nodes": [_node_json(node) for node in self.nodes.values()],
            "edges": [_edge_json(edge) for edge in self.edges],
        }

    def draw_mermaid(
        self,
        *,
        with_styles: bool = True,
        curve_style: Any = LINEAR,
        node_colors: Any = None,
        wrap_label_n_words: int = 9,
        frontmatter_config: Mapping[str, Any] | None = None,
    ) -> str:
        """The graph in Mermaid's language.

        Args:
            with_styles: Whether nodes have labels and colours; without, there are only edges.
            curve_style: How edges bend: `linear`, `basis`, ...
            node_colors: What `default`, `first` and `last` nodes look like, as Mermaid's styles.
            wrap_label_n_words: An edge's label is broken after so many words.
            frontmatter_config: More of Mermaid's configuration.
        """
        head = mermaid.front_matter(curve_style, frontmatter_config) if with_styles else ""
        styles = mermaid.styles_of(node_colors) if with_styles else None
        return head + mermaid.flowchart(self, styles, wrap_label_n_words)

    def draw_mermaid_png(
        self,
        *,
        curve_style: Any = LINEAR,  # noqa: ARG002 - this and the next such: LangGraph's words
        node_colors: Any = None,
        wrap_label_n_words: int = 9,  # noqa: ARG002
        output_file_path: str | Path | None = None,
        draw_method: Any = None,  # noqa: ARG002
        background_color: str | None = "white",
        padding: int = 10,
        max_retries: int = 1,  # noqa: ARG002
        retry_delay: float = 1.0,  # noqa: ARG002
        frontmatter_config: Mapping[str, Any] | None = None,  # noqa: ARG002
        base_url: str | None = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> bytes:
        """The graph as a PNG image, drawn on this machine by Graphviz.

        Nothing is sent anywhere: LangGraph's words for the server that draws there are taken, and
        have no meaning here.

        Args:
            curve_style: Without meaning here, as it is Mermaid's.
            node_colors: What `default`, `first` and `last` nodes look like; their `fill` is taken.
            wrap_label_n_words: Without meaning here.
            output_file_path: Where to save it too.
            draw_method: Without meaning here.
            background_color: The page's colour; None for none.
            padding: Pixels around the graph.
            max_retries: Without meaning here.
            retry_delay: Without meaning here.
            frontmatter_config: Without meaning here, as it is Mermaid's.
            base_url: Without meaning here.
            proxies: Without meaning here.

        Raises:
            NbflowError: there is no Graphviz, or it can't draw this graph.
        """
        styles = mermaid.styles_of(node_colors)
        image = picture.png(self, styles, background=background_color, padding=padding)
        if output_file_path is not None:
            Path(output_file_path).write_bytes(image)
        return image

    def draw_png(
        self,
        output_file_path: str | Path | None = None,
        fontname: str | None = None,
        labels: Mapping[str, Mapping[str, str]] | None = None,
    ) -> bytes | None:
        """The graph as a PNG image.

        Args:
            output_file_path: Where to save it.
            fontname: The font of the labels.
            labels: Other labels: `nodes` by id, and `edges` by what is written at them.

        Returns:
            The image, or None if it was saved.

        Raises:
            NbflowError: there is no Graphviz, or it can't draw this graph.
        """
        drawn = self._labelled(labels or {})
        image = picture.png(drawn, mermaid.styles_of(None), font=fontname)
        if output_file_path is None:
            return image
        Path(output_file_path).write_bytes(image)
        return None

    def _labelled(self, labels: Mapping[str, Mapping[str, str]]) -> DrawnGraph:
        names, said = labels.get("nodes") or {}, labels.get("edges") or {}
        nodes = {
            id_: node._replace(name=names.get(id_, node.name)) for id_, node in self.nodes.items()
        }
        edges = [edge._replace(data=said.get(str(edge.data), edge.data)) for edge in self.edges]
        return replace(self, nodes=nodes, edges=edges)

    def draw_svg(self) -> str:
        """The graph as an SVG image, which needs nothing else.

        Raises:
            NbflowError: there is no Graphviz, or it can't draw this graph.
        """
        return picture.svg(self, mermaid.styles_of(None))

    def draw_ascii(self) -> str:
        """The graph in plain characters; a wide one as a list of its edges."""
        return ascii_art.drawing(self)

    def print_ascii(self) -> None:
        """Print the graph in plain characters."""
        print(self.draw_ascii())  # noqa: T201 - that is what it is for

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        shown = {"text/plain": self.draw_ascii()}
        if not picture.is_possible():
            return shown
        drawn = self.draw_svg()
        encoded = base64.b64encode(drawn.encode()).decode()
        shown["text/html"] = (
            f'<img alt="{escape(picture.in_words(self))}" src="data:image/svg+xml;base64,{encoded}"'
            ' style="display:block;max-width:100%;height:auto">'
        )
        shown["image/svg+xml"] = drawn
        return shown

    def __bool__(self) -> bool:
        return bool(self.nodes)

    def __repr__(self) -> str:
        nodes, edges = counted(len(self.nodes), "node"), counted(len(self.edges), "edge")
        return f"<DrawnGraph {self.name!r}: {nodes}, {edges}>"


def _node_json(node: Node) -> dict[str, Any]:
    said: dict[str, Any] = {"id": node.id}
    if node.data is not None:
        of = node.data if inspect.isroutine(node.data) else type(node.data)
        path = [*str(of.__module__).split("."), str(of.__qualname__)]
        said |= {"type": "runnable", "data": {"id": path, "name": node.name}}
    return {**said, "metadata": dict(node.metadata)} if node.metadata is not None else said


def _edge_json(edge: Edge) -> dict[str, Any]:
    said: dict[str, Any] = {"source": edge.source, "target": edge.target}
    if edge.data is not None:
        said["data"] = edge.data
    return {**said, "conditional": True} if edge.conditional else said
