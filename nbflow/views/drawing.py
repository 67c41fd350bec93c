"""The laid-out graph as the SVG that is shown: live, coloured by CSS; or baked, colours and all.

Works on parsed XML, so a name is only ever an attribute's value or a text. Knows the record and
the layout; runs Graphviz unless the layout is remembered.
"""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping

from nbflow.core.record import RunRecord
from nbflow.core.states import State
from nbflow.views.dot import dot
from nbflow.views.graph import Box, Graph, graph
from nbflow.views.ink import MUTED
from nbflow.views.layout import svg_of
from nbflow.views.model import census_of, node_ids
from nbflow.views.progress import Progress, progress
from nbflow.views.words import clean_name, counted

_log = logging.getLogger(__name__)

_SVG = "http://www.w3.org/2000/svg"

BAKED = {
    State.QUEUED: ("#f1f2f4", MUTED, "#1b1f24"),
    State.RUNNING: ("#e1effe", "#2079de", "#0b2748"),
    State.DONE: ("#e3f5ea", "#228a56", "#0c2b1a"),
    State.FAILED: ("#fde7e5", "#d94439", "#4a120d"),
    State.CANCELLED: ("#fbeed9", "#a86c18", "#3d2706"),
    State.SKIPPED: ("#f1f2f4", "#9aa1ab", "#4a515b"),
}
"""Fill, line and text of a box in each state: dark on pale, for light and for dark pages."""

HEIGHT_PIXELS = 400
"""A higher graph is drawn smaller, down to this scale; whoever shows it lets it scroll."""
SCALE_LEAST = 0.55

CONDITIONAL_DASHES = "6 4"
BROKEN_DASHES = "1.5 3"
"""Of an arrow out of a box that has no result."""
_BROKEN = {State.FAILED, State.CANCELLED, State.SKIPPED}


def live_svg(record: RunRecord, drawn: Graph | None = None) -> str | None:
    """The graph for the live board: `g.node[data-branch][data-state]`, colours by CSS.

    Args:
        record: What happened so far.
        drawn: The graph as it is laid out, if the run may have grown since.

    Returns:
        SVG, or None without Graphviz.
    """
    return _drawn(record, drawn or graph(record), _dress_live)


def baked_svg(record: RunRecord, drawn: Graph | None = None) -> str | None:
    """The graph as it is now, for an `<img>`: colours and texts in it, nothing else needed.

    Args:
        record: What happened so far.
        drawn: The graph as it is laid out, if the run may have grown since.

    Returns:
        SVG, or None without Graphviz.
    """
    return _drawn(record, drawn or graph(record), _dress_baked)


_Dress = Callable[[ET.Element, Progress], None]


def _drawn(record: RunRecord, drawn: Graph, dress: _Dress) -> str | None:
    laid_out = svg_of(dot(drawn)) if drawn.boxes else None
    if laid_out is None:
        return None
    ET.register_namespace("", _SVG)
    try:
        root = ET.fromstring(laid_out)  # noqa: S314 - Graphviz's own output
    except ET.ParseError as error:
        _log.warning("Graphviz made a drawing that can't be read: %s", error)
        return None
    ids = node_ids(record)
    boxes = {box.id: box for box in drawn.boxes}
    census = census_of(record)
    states = {box.id: progress(record, box, census) for box in drawn.boxes if not box.is_value}
    for group in list(root.iter(f"{{{_SVG}}}g")):
        title = group.find(f"{{{_SVG}}}title")
        key = (title.text or "") if title is not None else ""
        group.attrib.pop("id", None)
        match group.get("class"):
            case "node":
                _draw_node(group, boxes[key], states.get(key), dress, ids)
            case "edge":
                _draw_edge(group, key, drawn, states)
            case _ if title is not None:
                group.remove(title)
    _frame(root, drawn)
    return ET.tostring(root, encoding="unicode")


def _frame(root: ET.Element, drawn: Graph) -> None:
    """Let it scale, and say what it is to those who don't see it."""
    root.set("role", "img")
    nodes = sum(len(box.names) for box in drawn.boxes if not box.is_value)
    root.set("aria-label", f"graph of {counted(nodes, 'node')}")
    width, height = (float(root.get(side, "1").removesuffix("pt")) for side in ("width", "height"))
    scale = min(1.0, max(HEIGHT_PIXELS / height, SCALE_LEAST))
    root.set("width", f"{width * scale:.0f}")
    root.set("height", f"{height * scale:.0f}")


def _draw_node(
    group: ET.Element, box: Box, now: Progress | None, dress: _Dress, ids: Mapping[str, str]
) -> None:
    title = group.find(f"{{{_SVG}}}title")
    assert title is not None
    if now is None:
        group.set("class", "value")
        title.text = box.label
        return
    title.text = now.title
    group.set("data-node", box.id)
    group.set("data-branch", clean_name(box.names[0]) if len(box.names) == 1 else box.label)
    group.set("data-label", box.label)
    group.set("data-note", box.note)
    group.set("data-counts", box.counts)
    group.set("data-nodes", " ".join(ids[name] for name in box.names))
    group.set("data-state", now.state)
    for text, said in zip(group.iter(f"{{{_SVG}}}text"), (now.text, now.note), strict=False):
        text.text = said
    dress(group, now)


def _draw_edge(group: ET.Element, key: str, drawn: Graph, states: dict[str, Progress]) -> None:
    tail, head = next((a, b) for a, b in drawn.arrows if f"{a}->{b}" == key)
    title = group.find(f"{{{_SVG}}}title")
    assert title is not None
    group.remove(title)
    group.set("data-source", tail)
    group.set("data-target", head)
    source = states.get(tail)
    state = source.state if source is not None else State.DONE
    group.set("data-state", state)
    is_conditional = (tail, head) in drawn.conditional
    if is_conditional:
        group.set("data-conditional", "true")
    for path in group.iter(f"{{{_SVG}}}path"):
        if state in _BROKEN:
            path.set("stroke-dasharray", BROKEN_DASHES)
        elif is_conditional:
            path.set("stroke-dasharray", CONDITIONAL_DASHES)


def _dress_live(group: ET.Element, _now: Progress) -> None:
    for element in group:
        for attribute in ("fill", "stroke", "font-family"):
            element.attrib.pop(attribute, None)


def _dress_baked(group: ET.Element, now: Progress) -> None:
    fill, line, ink = BAKED[now.state]
    group.attrib.pop("data-nodes", None)  # which may be ten thousand, and nobody asks a picture
    for element in group:
        if element.tag == f"{{{_SVG}}}text":
            element.set("fill", ink)
        elif element.tag != f"{{{_SVG}}}title":
            element.set("fill", fill)
            element.set("stroke", line)
            element.set("stroke-width", "1.4")
