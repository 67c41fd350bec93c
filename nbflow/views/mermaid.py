"""A drawn graph in Mermaid's language, as LangGraph writes it.

The text is the same for ordinary names. Whatever Mermaid reads as more than text in a name or a
label becomes a character code (https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters).
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nbflow.views.words import clean_name

if TYPE_CHECKING:
    from nbflow.views.drawn import DrawnGraph, Edge, Node

LINEAR = "linear"
STYLES = {
    "default": "fill:#f2f0ff,line-height:1.2",
    "first": "fill-opacity:0",
    "last": "fill:#bfb6fc",
}
"""LangGraph's colours, by class."""

_MARKUP = re.compile(r"[^\w\s?!,'/:.+=-]|[-.=]{2,}|^[-/:]|[-/]$")
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]|-(?![A-Za-z0-9_])|(?<![A-Za-z0-9_])-")
_KEYWORDS = re.compile(
    "(call|class|classDef|click|default|direction|end|flowchart|graph|href|interpolate|linkStyle"
    "|style|subgraph)(?![A-Za-z0-9_])"
)
_MARKDOWN = ("*", "_", "`")


def escaped(text: str) -> str:
    """A text of which Mermaid reads nothing as markup.

    Example:
        >>> escaped("is it <b>?"), escaped("a: b"), escaped("a: b;")
        ('is it #60;b#62;?', 'a: b', 'a#58; b#59;')
    """
    clean = clean_name(text)
    found = _MARKUP.sub(lambda found: "".join(map(_code, found[0])), clean)
    # Mermaid takes the last semicolon from a line with `style`, a colon and a number sign in it.
    return found if found == clean else found.replace(":", _code(":"))


def _code(character: str) -> str:
    return "#quot;" if character == '"' else f"#{ord(character)};"


def front_matter(curve: Any, config: Mapping[str, Any] | None = None) -> str:
    """What stands before the graph: how its edges bend, and whatever else is asked for.

    Example:
        >>> print(front_matter("basis"), end="")
        ---
        config:
          flowchart:
            curve: basis
        ---
    """
    given = dict(config or {})
    inner = dict(given.get("config") or {})
    flowchart = {**(inner.get("flowchart") or {}), "curve": getattr(curve, "value", curve)}
    whole = {**given, "config": {**inner, "flowchart": flowchart}}
    return "\n".join(["---", *_yaml(whole), "---", ""])


def _yaml(values: Mapping[Any, Any], indent: str = "") -> Iterator[str]:
    for key, value in sorted(values.items()):
        if isinstance(value, Mapping) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from _yaml(value, indent + "  ")
        elif isinstance(value, (list, tuple)) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from (f"{indent}- {_scalar(one)}" for one in value)
        else:
            yield f"{indent}{_scalar(key)}: {_scalar(value)}"


_PLAIN = re.compile(r"[A-Za-z][\w-]*( [\w-]+)*")
_NO_TEXT = re.compile(r"(true|false|yes|no|on|off|null)", re.IGNORECASE)


def _scalar(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None:
            return "null"
        case int() | float():
            return str(value)
        case Mapping() | list() | tuple() if not value:
            return "{}" if isinstance(value, Mapping) else "[]"
        case _:
            text = clean_name(str(value))
            is_plain = _PLAIN.fullmatch(text) and not _NO_TEXT.fullmatch(text)
            return text if is_plain else "'" + text.replace("'", "''") + "'"


def styles_of(colours: Any) -> dict[str, str]:
    """The styles of the three classes of nodes: LangGraph's `NodeStyles`, a mapping, or None."""
    if colours is None:
        return dict(STYLES)
    given = dataclasses.asdict(colours) if dataclasses.is_dataclass(colours) else dict(colours)  # type: ignore[arg-type]
    return {**STYLES, **{str(of): clean_name(str(style)) for of, style in given.items()}}


def flowchart(graph: DrawnGraph, styles: Mapping[str, str] | None, label_words_most: int) -> str:
    """The graph, from the top down.

    Args:
        graph: What to draw.
        styles: The styles of the classes of nodes; without them, only edges are drawn.
        label_words_most: An edge's label is broken after so many words.
    """
    return "\n".join(["graph TD;", *_Chart(graph, styles, label_words_most).lines(), ""])


class _Chart:
    """The lines of one chart."""

    def __init__(
        self, graph: DrawnGraph, styles: Mapping[str, str] | None, label_words_most: int
    ) -> None:
        self._graph = graph
        self._styles = styles
        self._words_most = max(1, label_words_most)
        self._clusters = graph.clusters()
        self._homes = graph.homes()
        self._ends = {"first": graph.first_node(), "last": graph.last_node()}
        self._taken: set[str] = set()
        self._ids = {id_: self._free(safe_id(id_)) for id_ in graph.nodes}
        self._cluster_ids = {one: self._cluster_id(one) for one in self._clusters}

    def _free(self, wanted: str) -> str:
        """An id that nothing else has: two names may come to the same codes."""
        tries = (f"{wanted}_{number}" for number in itertools.count(2))
        id_ = next(one for one in itertools.chain([wanted], tries) if one not in self._taken)
        self._taken.add(id_)
        return id_

    def _cluster_id(self, cluster: str) -> str:
        name = _last(cluster)
        if safe_id(name) == name and self._free(name) == name:
            return name
        return f"{self._free(safe_id(cluster))} [{_label(name)}]"

    def lines(self) -> Iterator[str]:
        yield from self._inside("")
        for of, style in (self._styles or {}).items():
            yield f"\tclassDef {of} {style}"

    def _inside(self, cluster: str) -> Iterator[str]:
        """The nodes and edges that are in a cluster, or in none, and the clusters in it."""
        if self._styles is not None:
            for id_, home in self._homes.items():
                if home == cluster:
                    yield f"\t{self._node(self._graph.nodes[id_])}"
        loops: dict[Edge, None] = {}
        inner: dict[str, None] = {}
        for edge in self._graph.edges:
            meeting = self._meeting(edge)
            if meeting == cluster and edge.source == edge.target:
                loops[edge] = None
            elif meeting == cluster:
                yield f"\t{self._edge(edge)}"
            elif (next_ := self._below(cluster, meeting)) is not None:
                inner[next_] = None
        yield from (f"\t{self._edge(edge)}" for edge in loops)
        if self._styles is not None:
            inner.update(
                dict.fromkeys(c for c, around in self._clusters.items() if around == cluster)
            )
        for one in inner:
            yield f"\tsubgraph {self._cluster_ids[one]}"
            yield from self._inside(one)
            yield "\tend"

    def _meeting(self, edge: Edge) -> str:
        """The innermost cluster in which an edge lies as a whole."""
        around = set(self._around(self._homes[edge.source]))
        return next(one for one in self._around(self._homes[edge.target]) if one in around)

    def _around(self, cluster: str) -> Iterator[str]:
        while cluster:
            yield cluster
            cluster = self._clusters[cluster]
        yield ""

    def _below(self, cluster: str, inner: str) -> str | None:
        """Which cluster directly in `cluster` another one is or is in, if any."""
        path = list(self._around(inner))
        return path[path.index(cluster) - 1] if cluster in path and inner != cluster else None

    def _node(self, node: Node) -> str:
        label = _label(node.name)
        said = "\n".join(_said(node.metadata or {}))
        if said:
            label += f"<hr/><small><em>{said}</em></small>"
        id_ = self._ids[node.id]
        for of, end in self._ends.items():
            if end is not None and end.id == node.id:
                return f"{id_}([{label}]):::{of}"
        return f"{id_}[[{label}]]" if node.id in self._graph.subgraphs else f"{id_}({label})"

    def _edge(self, edge: Edge) -> str:
        source, target = self._ids[edge.source], self._ids[edge.target]
        words = self._graph.label(edge).split()
        if not words:
            return f"{source} {'-.->' if edge.conditional else '-->'} {target};"
        rows = (words[at : at + self._words_most] for at in range(0, len(words), self._words_most))
        said = (escaped(" ".join(row)).replace(".", _code(".")) for row in rows)
        label = "&nbsp<br>&nbsp".join(said)
        start, end = ("-.", ".->") if edge.conditional else ("--", "-->")
        return f"{source} {start} &nbsp;{label}&nbsp; {end} {target};"


def safe_id(name: str) -> str:
    r"""A name as Mermaid takes it for an id, as LangGraph writes it.

    Example:
        >>> safe_id("sub:joke"), safe_id("end")
        ('sub\\3ajoke', '\\65nd')
    """
    safe = _NOT_IN_IDS.sub(lambda found: f"\\{ord(found[0]):x}", name) or "\\"
    return f"\\{ord(name[0]):x}{safe[1:]}" if _KEYWORDS.match(name) else safe


def _label(name: str) -> str:
    is_markdown = name.startswith(_MARKDOWN) and name.endswith(_MARKDOWN)
    label = escaped(name) if name.strip() else "&nbsp;"
    return f"<p>{label}</p>" if is_markdown else label


def _said(metadata: Mapping[str, Any]) -> Iterator[str]:
    plain = (str, int, float, bool)
    for key, value in metadata.items():
        if isinstance(value, plain):
            yield escaped(f"{key} = {value}")
        elif isinstance(value, (list, tuple, set)) and all(isinstance(one, plain) for one in value):
            items = map(str, value)
            yield escaped(
                f"{key} = {', '.join(sorted(items) if isinstance(value, set) else items)}"
            )


def _last(cluster: str) -> str:
    return cluster.rpartition(":")[2]
