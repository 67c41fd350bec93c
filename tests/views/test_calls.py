"""What is shown of runs whose nodes come while they go on: calls, ways not taken, loops, graphs."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from nbflow.core.events import Event, Kind
from nbflow.core.record import RunRecord
from nbflow.core.states import State
from nbflow.views import baked_svg, html, live_svg, text, view
from nbflow.views.body import blocks
from nbflow.views.dot import dot
from nbflow.views.drawing import BROKEN_DASHES, CONDITIONAL_DASHES
from nbflow.views.graph import LEGEND, Graph, arrow_lines, graph
from nbflow.views.layout import graphviz_executable
from nbflow.views.progress import notes_of

SVG = "{http://www.w3.org/2000/svg}"

needs_graphviz = pytest.mark.skipif(graphviz_executable() is None, reason="no Graphviz here")


class Program:
    """The record of a run that code drives, told event by event."""

    def __init__(self, name: str = "cats") -> None:
        self.record = RunRecord()
        self._told = 0
        self.say(Kind.RUN_STARTED, nodes=[], values={}, name=name)

    def say(
        self,
        kind: Kind,
        node: str | None = None,
        task: str | None = None,
        at: float = 0.0,
        /,
        **data: Any,
    ) -> None:
        """One more event."""
        self.record.apply(Event("r1", self._told, kind, node, task, at, at, data))
        self._told += 1

    def node(
        self, name: str, *inputs: str, kind: str = "python", perhaps: tuple[str, ...] = ()
    ) -> None:
        """A node that came, or changed."""
        described = {"kind": kind, "source": "", "detail": "", "perhaps": perhaps}
        self.say(Kind.NODE, name=name, inputs=(*inputs, *perhaps), **described)

    def call(
        self, node: str, number: int = 0, *, caller: str | None = None, end: float | None = 1.0
    ) -> None:
        """A call of a node, which has ended unless `end` is None."""
        task = f"{node}[{number}]" if number else node
        data = {"call": number} if number else {}
        self.say(Kind.QUEUED, node, task, **data, **({"caller": caller} if caller else {}))
        self.say(Kind.STARTED, node, task, attempt=1)
        if end is not None:
            self.say(Kind.DONE, node, task, end, text=f"{node} {number}")

    def end(self, state: str = "done", at: float = 2.0) -> None:
        self.say(Kind.RUN_ENDED, None, None, at, state=state)


def boxes_of(drawn: Graph) -> dict[str, Any]:
    return {box.names[0]: box for box in drawn.boxes}


def arrows_of(drawn: Graph) -> set[tuple[str, str]]:
    names = {box.id: box.names[0] for box in drawn.boxes}
    return {(names[tail], names[head]) for tail, head in drawn.arrows}


@pytest.fixture
def branching() -> RunRecord:
    """A gate that led to one of two, and a loop."""
    told = Program()
    told.node("gate")
    told.node("taken", perhaps=("gate", "check"))
    told.node("left", perhaps=("gate",))
    told.node("check", "taken")
    told.call("gate")
    for number in range(3):
        told.call("taken", number)
        told.call("check", number)
    told.end()
    return told.record


@pytest.fixture
def nested() -> RunRecord:
    """A graph of two nodes that is a node between two others."""
    told = Program()
    told.node("before")
    told.node("sub", "before", kind="subgraph")
    told.node("sub:a")
    told.node("sub:b", "sub:a")
    told.node("after", "sub")
    told.call("before")
    told.call("sub")
    told.call("sub:a", caller="sub")
    told.call("sub:b", caller="sub")
    told.call("after")
    told.end()
    return told.record


def test_a_node_that_is_called_often_lists_its_calls_in_one_pane():
    told = Program()
    told.node("rate")
    for number in range(3):
        told.call("rate", number, end=None if number == 2 else 1.0)
    (pane,) = view(told.record).panes
    assert pane.state is State.RUNNING
    assert "2 of 3 done" in pane.detail
    assert pane.group is not None
    assert [(item.label, item.text) for item in pane.group.items] == [
        ("0", "rate 0"),
        ("1", "rate 1"),
        ("2", ""),
    ]
    assert "✓ 1 rate 1" in " ".join(text(told.record).split())


def test_the_box_of_a_node_that_is_called_often_counts_its_calls():
    told = Program()
    told.node("rate")
    told.call("rate")
    drawn = graph(told.record)
    assert notes_of(told.record, drawn) == {"n0": ""}
    told.call("rate", 1, end=None)
    drawn = graph(told.record)
    assert notes_of(told.record, drawn) == {"n0": "1/2 calls"}
    told.say(Kind.DONE, "rate", "rate[1]", 1.0, text="")
    assert notes_of(told.record, drawn) == {"n0": "2 calls"}


def test_further_calls_do_not_change_the_layout():
    told = Program()
    told.node("rate")
    told.call("rate")
    told.call("rate", 1)
    before = dot(graph(told.record))
    told.call("rate", 2)
    assert dot(graph(told.record)) == before


def test_an_entrypoint_is_marked_and_stands_last():
    told = Program()
    told.node("work", kind="entrypoint")
    told.call("work", end=None)
    told.node("joke")
    told.call("joke", caller="work")
    told.node("work", "joke", kind="entrypoint")
    board = view(told.record)
    assert [(pane.branch, pane.is_join) for pane in board.panes] == [
        ("joke", False),
        ("work", True),
    ]
    assert board.panes[0].id == "n1"
    assert boxes_of(graph(told.record))["work"].note == "entrypoint"


def test_the_time_of_those_that_call_others_is_not_added_to_the_others():
    told = Program()
    told.node("work", kind="entrypoint")
    told.node("joke")
    told.call("work", end=None)
    told.call("joke", caller="work", end=1.5)
    told.say(Kind.DONE, "work", "work", 2.0, text="")
    told.end()
    assert view(told.record).totals.work == told.record.work == 1.5


def test_what_the_run_did_not_come_to_is_skipped_once_it_is_over(branching):
    (pane,) = [pane for pane in view(branching).panes if pane.branch == "left"]
    assert pane.state is State.SKIPPED
    assert "the run came to its end without it" in blocks(pane)[0]
    assert "1 skipped" in view(branching).totals.summary
    assert "not come to" in text(branching)


def test_what_the_run_may_still_come_to_is_queued():
    told = Program()
    told.node("left", perhaps=("gate",))
    assert view(told.record).panes[0].state is State.QUEUED


def test_a_way_that_may_not_be_taken_is_nothing_to_wait_for():
    told = Program()
    told.node("gate")
    told.node("draft")
    told.node("left", "draft", perhaps=("gate",))
    (pane,) = [pane for pane in view(told.record).panes if pane.branch == "left"]
    assert pane.detail == "python · after draft"
    assert not pane.is_join


def test_an_entrypoint_that_has_read_nothing_yet_stands_behind_what_it_called():
    told = Program()
    told.node("work", kind="entrypoint")
    told.node("joke")
    told.node("rate", "joke")
    drawn = graph(told.record)
    assert drawn.hidden == (("n2", "n0"),)
    told.node("work", "rate", kind="entrypoint")
    assert graph(told.record).hidden == ()


def test_what_stands_behind_others_is_ordered_the_same_in_each_process():
    told = Program()
    for number in range(8):
        told.node(f"work {number}", kind="entrypoint")
    told.node("joke")
    expected = tuple(("n8", f"n{number}") for number in range(8))
    assert graph(told.record).hidden == expected


@needs_graphviz
def test_what_only_orders_isnt_drawn():
    told = Program()
    told.node("work", kind="entrypoint")
    told.node("joke")
    svg = live_svg(told.record)
    assert svg is not None
    groups = list(ET.fromstring(svg).iter(f"{SVG}g"))
    assert not [group for group in groups if group.get("class") == "edge"]
    at = {
        g.get("data-branch"): float(g.find(f"{SVG}text").get("x"))
        for g in groups
        if g.get("data-branch")
    }
    assert at["work"] > at["joke"]


def test_loops_are_drawn_and_told(branching):
    drawn = graph(branching)
    assert {("taken", "check"), ("check", "taken")} <= arrows_of(drawn)
    assert branching.critical_path[-1] in ("taken", "check", "gate")
    assert "check" in text(branching)
    assert "check" in html(branching)


def test_conditional_arrows_are_dashed_in_words_too(branching):
    lines = arrow_lines(graph(branching))
    assert lines == ["gate ⇢ taken, left", "check ⇢ taken", "taken → check"]


@needs_graphviz
def test_conditional_arrows_are_dashed_and_those_that_came_from_nowhere_dotted(branching):
    branching.nodes["end"] = branching.nodes["check"]._replace(name="end", inputs=("left",))
    svg = baked_svg(branching)
    assert svg is not None
    names = {box.id: box.names[0] for box in graph(branching).boxes}
    dashes = {
        (names[edge.get("data-source", "")], names[edge.get("data-target", "")]): edge.find(
            f"{SVG}path"
        ).get("stroke-dasharray")
        for edge in ET.fromstring(svg).iter(f"{SVG}g")
        if edge.get("class") == "edge"
    }
    assert dashes[("gate", "left")] == CONDITIONAL_DASHES
    assert dashes[("taken", "check")] is None
    assert dashes[("left", "end")] == BROKEN_DASHES


@needs_graphviz
def test_dashes_are_explained_where_there_are_any(branching, nested):
    assert LEGEND in html(branching)
    assert LEGEND not in html(nested)


def test_what_leads_to_a_graph_leads_to_its_first_node_and_its_box_comes_last(nested):
    assert arrows_of(graph(nested)) == {
        ("before", "sub:a"),
        ("sub:a", "sub:b"),
        ("sub:b", "sub"),
        ("sub", "after"),
    }


def test_a_graph_is_drawn_around_its_nodes(nested):
    drawn = graph(nested)
    (key,) = drawn.clusters
    assert drawn.clusters[key].label == "sub"
    assert {name for name, box in boxes_of(drawn).items() if box.cluster == key} == {
        "sub",
        "sub:a",
        "sub:b",
    }
    assert boxes_of(drawn)["sub"].note == "subgraph"


@needs_graphviz
def test_every_node_of_a_graph_in_a_graph_has_its_box(nested):
    svg = live_svg(nested)
    assert svg is not None
    groups = list(ET.fromstring(svg).iter(f"{SVG}g"))
    assert sum(group.get("class") == "node" for group in groups) == 5
    assert sum(group.get("class") == "cluster" for group in groups) == 1


def test_a_loop_around_all_of_a_graphs_nodes_is_drawn_too():
    told = Program()
    told.node("before")
    told.node("sub", "before", kind="subgraph")
    told.node("sub:a", "sub:b")
    told.node("sub:b", "sub:a")
    assert ("before", "sub:a") in arrows_of(graph(told.record))
    assert ("sub:b", "sub") in arrows_of(graph(told.record))


@needs_graphviz
def test_a_graph_laid_out_earlier_can_be_drawn_with_what_has_happened_since(nested):
    drawn = graph(nested)
    nested.nodes["more"] = nested.nodes["after"]._replace(name="more")
    earlier, now = live_svg(nested, drawn), live_svg(nested)
    assert earlier is not None
    assert now is not None
    assert "more" not in earlier
    assert "more" in now


def test_a_run_without_nodes_has_no_graph():
    assert "nbflow doctor" not in html(Program().record)
