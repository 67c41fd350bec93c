"""The graph of a run that grows, laid out off the loop and not too often."""

from __future__ import annotations

import asyncio
import threading

from nbflow.core.events import Event, Kind
from nbflow.notebook.layouts import QUIET_SECONDS, Layouts
from nbflow.views.graph import Graph
from tests.views.test_calls import Program


class Watched:
    """Layouts of a program's record, made by a function that waits until it may go on."""

    def __init__(self) -> None:
        self.told = Program()
        self.told.node("first")
        self.drawn: asyncio.Queue[Graph] = asyncio.Queue()
        self.sources: list[str] = []
        self.may = threading.Event()
        self.layouts = Layouts(self.told.record, self.drawn.put_nowait, self._lay_out)

    def _lay_out(self, source: str) -> None:
        self.sources.append(source)
        self.may.wait(10)

    def grow(self, name: str) -> None:
        self.told.node(name)
        self.note(Kind.NODE)

    def note(self, kind: Kind, **data: object) -> None:
        self.layouts.note(Event("r1", 0, kind, None, None, 0.0, 0.0, data))


def labels(drawn: Graph) -> list[str]:
    return [box.label for box in drawn.boxes]


async def test_the_graph_is_laid_out_at_first_and_again_when_there_is_a_new_node():
    watched = Watched()
    watched.may.set()
    watched.layouts.begin()
    assert labels(await watched.drawn.get()) == ["first"]
    watched.grow("second")
    assert labels(await watched.drawn.get()) == ["first", "second"]


async def test_nodes_that_come_while_it_is_laid_out_are_in_the_next_layout_together():
    watched = Watched()
    watched.layouts.begin()
    for name in "abc":
        watched.grow(name)
    watched.may.set()
    assert labels(await watched.drawn.get()) == ["first"]
    assert labels(await watched.drawn.get()) == ["first", "a", "b", "c"]
    assert len(watched.sources) == 2


async def test_the_second_call_of_a_node_changes_what_is_drawn_and_later_ones_do_not():
    watched = Watched()
    watched.may.set()
    watched.layouts.begin()
    await watched.drawn.get()
    watched.told.call("first")
    watched.told.call("first", 1)
    watched.note(Kind.QUEUED, call=1)
    (box,) = (await watched.drawn.get()).boxes
    assert box.counts == "calls"
    watched.note(Kind.QUEUED, call=2)
    watched.note(Kind.CHUNK, text="x")
    await asyncio.sleep(2 * QUIET_SECONDS)
    assert len(watched.sources) == 2


async def test_once_stopped_nobody_is_told():
    watched = Watched()
    watched.layouts.begin()
    watched.grow("more")
    watched.layouts.stop()
    watched.may.set()
    await asyncio.get_running_loop().shutdown_default_executor()  # when it has laid it out
    await asyncio.sleep(2 * QUIET_SECONDS)
    assert watched.drawn.empty()
