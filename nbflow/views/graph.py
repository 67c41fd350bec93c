"""What is drawn of a flow: a record -> boxes and arrows -> DOT.

Names reach DOT only as escaped labels; nodes are called `n0`, `n1`, ... and values `v0`, `v1`, ...
Nothing of a run's progress is in it, so one layout serves a run from its start to its end.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import graphviz

from nbflow.core.record import GroupRecord, RunRecord
from nbflow.core.states import State
from nbflow.views.census import Census
from nbflow.views.groups import count_text, progress_text
from nbflow.views.model import census_of, node_ids, sources_of, wait_text
from nbflow.views.words import GLYPHS, clean_name, seconds_text

NODES_MOST = 100
"""From here on, nodes that read the same and feed the same are drawn as one box."""
LABEL_MOST = 28
"""Characters of a name that a box shows."""
NOTE_MOST = 36
"""Characters of a box's second line."""
INK = "#727a86"
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


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes and the arrows between them, as pairs of their ids."""

    boxes: tuple[Box, ...]
    arrows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """What a box says of its nodes at some moment."""

    state: State
    text: str
    """Sign, name, and time or count."""
    title: str
    """The same in words."""
    note: str = ""
    """The second line, if the box has one."""


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
    arrows = dict.fromkeys(
        (box_of[source], box_of[node.name])
        for node in record.nodes.values()
        for source in node.inputs
    )
    return Graph((*values, *boxes), tuple(arrows))


def arrow_lines(drawn: Graph) -> list[str]:
    """The graph in words, a line for each box that others read.

    Example:
        >>> arrow_lines(Graph((Box("n0", ("a",), "a"), Box("n1", ("b",), "b")), (("n0", "n1"),)))
        ['a → b']
    """
    labels = {box.id: box.label for box in drawn.boxes}
    targets: dict[str, list[str]] = {}
    for tail, head in drawn.arrows:
        targets.setdefault(tail, []).append(labels[head])
    lines = [f"{labels[tail]} → {', '.join(heads)}" for tail, heads in targets.items()]
    return lines or list(labels.values())


def _boxes(record: RunRecord) -> Iterator[Box]:
    ids = node_ids(record)
    if len(ids) <= NODES_MOST:
        for name in record.nodes:
            yield Box(ids[name], (name,), shortened(name), note=_note(record, name))
        return
    for names in _groups(record):
        label = shortened(names[0])
        if len(names) > 1:
            label = f"{shortened(names[0], 12)} … {shortened(names[-1], 12)}"
        yield Box(ids[names[0]], names, label)


def _note(record: RunRecord, name: str) -> str:
    node = record.nodes[name]
    parts = [wait_text(node, len(sources_of(record, node))), *node.fan_out]
    return shortened(" · ".join(filter(None, parts)), NOTE_MOST)


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


def dot(drawn: Graph) -> str:
    """The graph in DOT, left to right, with room in each box for a sign and a time."""
    small = len(drawn.boxes) > 30  # noqa: PLR2004 - what still fits a screen at full size
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
            "color": INK,
            "fontname": "Helvetica,Arial,sans-serif",
            "fontsize": "10" if small else "12",
            "height": "0.26" if small else "0.36",
            "margin": "0.12,0.03",
        },
        edge_attr={"color": INK, "arrowsize": "0.6"},
    )
    for box in drawn.boxes:
        if box.is_value:
            plain = {"shape": "plaintext", "style": "", "fontname": "monospace", "fontcolor": INK}
            digraph.node(box.id, _literal(box.label), **plain)
        else:
            widest = "888.8 s" if len(box.names) == 1 else "8888/8888"
            first = _literal(f"{GLYPHS['running']} {box.label} {widest}")
            second = rf"\n{_literal(box.note + ' · 888/888')}" if box.note else ""
            room = {"margin": "0.12,0.06"} if box.note else {}
            digraph.node(box.id, first + second, **room)
    for tail, head in drawn.arrows:
        digraph.edge(tail, head)
    for stack in _stacks(drawn):
        with digraph.subgraph(graph_attr={"rank": "same"}) as column:
            for above, below in itertools.pairwise(stack):
                column.edge(above, below, style="invis")
    return str(digraph.source)


def _stacks(drawn: Graph) -> Iterator[list[str]]:
    """Boxes that stand one below the other in the order in which they were written.

    Left to itself Graphviz shuffles many branches between the same sources and joins, and stacks
    parts that no arrow joins from the bottom up.
    """
    tails: dict[str, set[str]] = {box.id: set() for box in drawn.boxes}
    heads: dict[str, set[str]] = {box.id: set() for box in drawn.boxes}
    for tail, head in drawn.arrows:
        tails[head].add(tail)
        heads[tail].add(head)
    in_parts = _parts(drawn) > 1
    stacks: dict[object, list[str]] = {}
    for box in drawn.boxes:
        is_first = in_parts and not tails[box.id]
        key = "first" if is_first else (frozenset(tails[box.id]), frozenset(heads[box.id]))
        stacks.setdefault(key, []).append(box.id)
    yield from (stack for stack in stacks.values() if len(stack) > 1)


def _parts(drawn: Graph) -> int:
    """How many parts there are that no arrow joins."""
    part = {box.id: {box.id} for box in drawn.boxes}
    for tail, head in drawn.arrows:
        if part[tail] is not part[head]:
            small, large = sorted((part[tail], part[head]), key=len)
            large |= small
            part.update(dict.fromkeys(small, large))
    return len({id(members) for members in part.values()})


def _literal(label: str) -> str:
    """A label of which Graphviz reads nothing as markup, escapes or character references."""
    return str(graphviz.escape(label.replace("&", "&amp;")))


def progress(record: RunRecord, box: Box, census: Census | None = None) -> Progress:
    """What a box says now.

    Args:
        record: What happened so far.
        box: Which one.
        census: The count of the record's tasks, if the caller has one.
    """
    if len(box.names) == 1:
        return _progress_of_one(record, box, census or census_of(record))
    lives = map(record.life, box.names)
    states = Counter(State.QUEUED if life is None else life.state for life in lives)
    state = next(state for state in _LOUDEST_FIRST if states[state])
    counts = ", ".join(f"{states[state]} {state}" for state in State if states[state])
    text = f"{GLYPHS[state]} {box.label} {states[State.DONE]}/{len(box.names)}"
    return Progress(state, text, f"{len(box.names)} branches, {box.label}: {counts}")


def _progress_of_one(record: RunRecord, box: Box, census: Census) -> Progress:
    life = record.life(box.names[0])
    state = State.QUEUED if life is None else life.state
    parts, note = [str(state)], box.note
    time = ""
    if life is not None and state.is_final and (elapsed := life.elapsed(record.now)) is not None:
        time = f" {seconds_text(elapsed)}"
        parts.append(time.strip())
    if life is not None and life.unneeded:
        parts.append("not needed any more")
    if isinstance(life, GroupRecord) and life.started is not None:
        members = census.of(life.id)
        note = f"{note} · {count_text(life, members)}"
        parts.append(progress_text(life, members))
    title = f"{clean_name(box.names[0])}: {', '.join(parts)}"
    return Progress(state, f"{GLYPHS[state]} {box.label}{time}", title, note)


_LOUDEST_FIRST = (
    State.RUNNING,
    State.FAILED,
    State.QUEUED,
    State.CANCELLED,
    State.SKIPPED,
    State.DONE,
)
"""Which state a box of many nodes has: that of the first of these that one of them has."""


def shortened(name: str, most: int = LABEL_MOST) -> str:
    """A name that fits a box, clean.

    Example:
        >>> shortened("a" * 40, 5), shortened("joke")
        ('aaaa…', 'joke')
    """
    name = clean_name(name)
    return name if len(name) <= most else name[: most - 1] + "…"


def _value_label(name: str, value: str | None) -> str:
    # What stays hidden, such as a notebook's variable, has a name and no text.
    return f"{shortened(name)} = {shortened(value)}" if value else shortened(name)
