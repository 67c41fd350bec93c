"""From each mime type to the function that shows a run in it: what a notebook saves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from nbflow.core.record import RunRecord
from nbflow.core.topology import Topology
from nbflow.views.drawing import baked_svg
from nbflow.views.graph import Graph
from nbflow.views.html import graph_html, html
from nbflow.views.model import planned
from nbflow.views.text import text

_Show: TypeAlias = Callable[[RunRecord, Graph | None], str | None]

RUN: dict[str, _Show] = {
    "text/plain": lambda record, _drawn: text(record),
    "text/html": html,
    "image/svg+xml": baked_svg,
}
"""A run with all that its branches said."""

FLOW: dict[str, _Show] = {
    "text/plain": lambda record, _drawn: f"{record.name or 'flow'!r}: " + ", ".join(record.nodes),
    "text/html": graph_html,
    "image/svg+xml": baked_svg,
}
"""Only the graph, as for a flow that isn't run."""


def bundle(
    record: RunRecord, table: dict[str, _Show] = RUN, drawn: Graph | None = None
) -> dict[str, str]:
    """A record in every mime type of a table that can be made here; never a widget.

    Args:
        record: What happened so far.
        table: What to make.
        drawn: The graph as it is laid out, if the run may have grown since.

    Example:
        >>> sorted(bundle(RunRecord(id="r1", name="empty")))
        ['text/html', 'text/plain']
    """
    made = {mime: show(record, drawn) for mime, show in table.items()}
    return {mime: content for mime, content in made.items() if content is not None}


def flow_bundle(topology: Topology, name: str = "") -> dict[str, str]:
    """A flow that isn't run, as its graph."""
    return bundle(planned(topology, name), FLOW)
