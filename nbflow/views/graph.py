"""What is drawn of a run: its record -> boxes, the arrows between them, and what is around them.

Nothing of a run's progress is in it, so one layout serves a flow's run from its start to its end;
where code calls nodes, it is another whenever there is a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nbflow.core.record import CALLS, RunRecord
from nbflow.views.model import ENTRYPOINT, node_ids, sources_of, wait_text
from nbflow.views.nesting import SUBGRAPH, homes, ways
from nbflow.views.words import clean_name, cut

NODES_MOST = 100
"""From here on, nodes that read the same and feed the same are drawn as one box."""
LABEL_MOST = 28
"""Characters of a name that a box shows."""
NOTE_MOST = 36
"""Characters of a box's second line."""
MARKED = frozenset({ENTRYPOINT, SUBGRAPH})
"""The kinds of nodes that their boxes name."""
LEGEND = "dashed: taken or not, as the run decides"
NO_GRAPHVIZ = "No Graphviz was found to draw the graph; `nbflow doctor` says how to get one."


@dataclass(frozen=True, slots=True)
class Box:
    """One box of the graph: a node, or many that stand side by side."""

    id: str
    names: tuple[str, ...]
    """The nodes in it, as the record calls them."""
    label: str
    is_value: bool = False
    note: str = ""
    """Its second line: how it becomes many tasks, how many of its inputs it waits for."""
    counts: str = ""
    """What its second line counts, if not the tasks of its note: `calls`."""
    cluster: str = ""
    """The id of the cluster it is in."""

    def says(self, count: str) -> str:
        """Its second line, once so much is counted.

        Example:
            >>> Box("n0", ("a",), "a", note="vote of 5").says("3/5")
            'vote of 5 · 3/5'
            >>> Box("n0", ("a",), "a", counts="calls").says("3")
            '3 calls'
        """
        if not self.note and not self.counts:
            return ""
        counted = f"{count} {self.counts}".strip() if self.counts else count
        return " · ".join(filter(None, [self.note, counted]))


@dataclass(frozen=True, slots=True)
class Cluster:
    """A graph that is a node, drawn around its nodes."""

    label: str
    around: str = ""
    """The id of the cluster it is in."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes and the arrows between them, as pairs of their ids."""

    boxes: tuple[Box, ...]
    arrows: tuple[tuple[str, str], ...]
    conditional: frozenset[tuple[str, str]] = frozenset()
    """The arrows that may be taken or not."""
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    """By their ids: those of the boxes of the nodes that they are."""
    hidden: tuple[tuple[str, str], ...] = ()
    """Arrows that aren't drawn: what calls others stands after those whose results it may read."""

    @property
    def legend(self) -> str:
        """What has to be explained of it; empty if nothing."""
        return LEGEND if self.conditional else ""


def graph(record: RunRecord) -> Graph:
    """The boxes and arrows of a run's flow.

    Example:
        >>> from nbflow.core.record import NodeInfo
        >>> joke = NodeInfo("joke", "prompt", ("topic",), "", "")
        >>> drawn = graph(RunRecord(nodes={"joke": joke}, values={"topic": "cats"}))
        >>> [box.label for box in drawn.boxes], drawn.arrows
        (['topic = cats', 'joke'], (('v0', 'n0'),))
    """
    inputs = (name for node in record.nodes.values() for name in node.inputs)
    outer = dict.fromkeys(name for name in inputs if name not in record.nodes)
    values = [
        Box(f"v{number}", (name,), _value_label(name, record.values.get(name)), is_value=True)
        for number, name in enumerate(outer)
    ]
    boxes = list(_boxes(record))
    box_of = {name: box.id for box in [*values, *boxes] for name in box.names}
    home_of = homes(record) if len(boxes) == len(record.nodes) else {}
    arrows: dict[tuple[str, str], bool] = {}
    for way in ways(record, home_of):
        arrow = (box_of[way.source], box_of[way.target])
        arrows[arrow] = arrows.get(arrow, True) and way.is_conditional
    cluster_of = {name: box_of[home] for name, home in home_of.items()}
    clusters = {
        box_of[home]: Cluster(shortened(home), cluster_of.get(home, ""))
        for home in dict.fromkeys(home_of.values())
    }
    boxes = [replace(box, cluster=_cluster(box, cluster_of, clusters)) for box in boxes]
    conditional = frozenset(arrow for arrow, perhaps in arrows.items() if perhaps)
    hidden = tuple(_hidden(record, [*values, *boxes], arrows))
    return Graph((*values, *boxes), tuple(arrows), conditional, clusters, hidden)


def _hidden(
    record: RunRecord, boxes: Sequence[Box], arrows: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """From those that nobody has read yet to what called them, while it has read none."""
    tails, heads = {tail for tail, _head in arrows}, {head for _tail, head in arrows}
    found = (box.id for box in boxes if _kind(record, box) == ENTRYPOINT)
    callers = [caller for caller in found if caller not in heads]
    for box in boxes:
        if box.id not in tails and box.id not in callers:
            yield from ((box.id, caller) for caller in callers)


def _kind(record: RunRecord, box: Box) -> str:
    return "" if box.is_value else record.nodes[box.names[0]].kind


def _cluster(box: Box, cluster_of: Mapping[str, str], clusters: Mapping[str, Cluster]) -> str:
    """A graph that is a node stands in its own cluster."""
    return box.id if box.id in clusters else cluster_of.get(box.names[0], "")


def arrow_lines(drawn: Graph, notes: Mapping[str, str] | None = None) -> list[str]:
    """The graph in words, a line for each box that others read.

    Args:
        drawn: The graph.
        notes: The boxes' second lines by their ids, where they say more by now.

    Example:
        >>> arrow_lines(Graph((Box("n0", ("a",), "a"), Box("n1", ("b",), "b")), (("n0", "n1"),)))
        ['a → b']
    """
    labels = {box.id: _with_note(box, notes or {}) for box in drawn.boxes}
    targets: dict[tuple[str, str], list[str]] = {}
    for tail, head in drawn.arrows:
        sign = "⇢" if (tail, head) in drawn.conditional else "→"
        targets.setdefault((tail, sign), []).append(labels[head])
    lines = [f"{labels[tail]} {sign} {', '.join(to)}" for (tail, sign), to in targets.items()]
    ends = {box for arrow in drawn.arrows for box in arrow}
    return lines + [label for box, label in labels.items() if box not in ends]


def _with_note(box: Box, notes: Mapping[str, str]) -> str:
    note = notes.get(box.id, box.note)
    return f"{box.label} ({note})" if note else box.label


def _boxes(record: RunRecord) -> Iterator[Box]:
    ids = node_ids(record)
    if len(ids) <= NODES_MOST:
        for name in record.nodes:
            counts = "calls" if _is_called_often(record, name) else ""
            note = _note(record, name)
            yield Box(ids[name], (name,), shortened(name), note=note, counts=counts)
        return
    for names in _groups(record):
        label = shortened(names[0])
        if len(names) > 1:
            label = f"{shortened(names[0], 12)} … {shortened(names[-1], 12)}"
        yield Box(ids[names[0]], names, label)


def _note(record: RunRecord, name: str) -> str:
    node = record.nodes[name]
    kind = node.kind if node.kind in MARKED else ""
    parts = [kind, wait_text(node, len(sources_of(record, node))), *node.fan_out]
    return shortened(" · ".join(filter(None, parts)), NOTE_MOST)


def _is_called_often(record: RunRecord, name: str) -> bool:
    group = record.groups.get(name)
    return group is not None and group.kind == CALLS


def _groups(record: RunRecord) -> list[tuple[str, ...]]:
    """Nodes by their neighbours: branches between the same sources and joins are one group."""
    readers: dict[str, list[str]] = {name: [] for name in record.nodes}
    for node in record.nodes.values():
        for source in dict.fromkeys(node.inputs):
            if source in readers:
                readers[source].append(node.name)
    groups: dict[tuple[frozenset[str], tuple[str, ...]], list[str]] = {}
    for node in record.nodes.values():
        groups.setdefault((frozenset(node.inputs), tuple(readers[node.name])), []).append(node.name)
    return [tuple(names) for names in groups.values()]


def shortened(name: str, most: int = LABEL_MOST) -> str:
    """A name that fits a box, clean.

    Example:
        >>> shortened("a" * 40, 5), shortened("joke")
        ('aaaa…', 'joke')
    """
    return cut(clean_name(name), most)


def _value_label(name: str, value: str | None) -> str:
    # What stays hidden, such as a notebook's variable, has a name and no text.
    return f"{shortened(name)} = {shortened(value)}" if value else shortened(name)
