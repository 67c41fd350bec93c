"""The graph in the builder: drawn off the loop while somebody writes, and described in words.

Knows how a reading is drawn; knows no fields. Import it only where a widget is shown.
"""

from __future__ import annotations

import asyncio
import base64
import html

import ipywidgets

from nbflow.notebook.branch_cells import graph_bundle
from nbflow.notebook.builder_state import State
from nbflow.notebook.proofreading import Reading


class Drawing(ipywidgets.HTML):  # type: ignore[misc]
    """The graph of what is written."""

    def __init__(self) -> None:
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        super().__init__()
        self.add_class("nbflow-drawing")

    def draw(self, reading: Reading, state: State, loop: asyncio.AbstractEventLoop | None) -> None:
        """Draw it anew; while the branches read each other in a circle, the last one stays.

        Args:
            reading: What there is to draw.
            state: The state that was read.
            loop: Where a layout in a thread is waited for; without one it is made at once.
        """
        if reading.topology is None and state.branches:
            return
        self._number += 1
        if loop is None or not state.branches:
            self.value = graph_html(reading, state)
        else:
            self._task = loop.create_task(self._draw(self._number, reading, state))

    async def _draw(self, number: int, reading: Reading, state: State) -> None:
        """Lay it out in a thread; what has been overtaken meanwhile isn't shown."""
        made = await asyncio.to_thread(graph_html, reading, state)
        if number == self._number:
            self.value = made


def graph_html(reading: Reading, state: State) -> str:
    """The graph as a picture, described in words; without Graphviz only in words."""
    if reading.topology is None:
        return ""
    made = graph_bundle(reading, state)
    svg = made.get("image/svg+xml")
    if svg is None:
        return made.get("text/html", "")
    data = base64.b64encode(svg.encode()).decode()
    predecessors = reading.topology.predecessors
    edges = (f"{name} reads {', '.join(read)}" for name, read in predecessors.items())
    words = html.escape(f"The graph: {'; '.join(edges)}.", quote=True)
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{words}" style="max-width:100%">'
