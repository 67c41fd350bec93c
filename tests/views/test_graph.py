from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbflow.core.states import State
from nbflow.core.topology import Node, Topology
from nbflow.views import baked_svg, drawing, flow_bundle, html, live_svg
from nbflow.views.dot import dot
from nbflow.views.drawing import BAKED
from nbflow.views.graph import NODES_MOST, graph
from nbflow.views.layout import graphviz_executable, svg_of
from nbflow.views.nesting import SUBGRAPH

from .records import Story

SVG = "{http://www.w3.org/2000/svg}"

needs_graphviz = pytest.mark.skipif(graphviz_executable() is None, reason="no Graphviz here")

HOSTILE_NAMES = [
    "<b>",
    "<<i>x</i>>",
    "&amp;",
    '"',
    '\\"',
    "\\",
    "a\\",
    "\\N",
    "\\l",
    "{a|b}",
    "->",
    "--",
    ";",
    "node",
    "graph",
    "digraph",
    "strict",
    "subgraph",
    "edge",
    "&#14;",
    "&lt;",
    "&#0;",
    "a:b",
    "a:n",
    "",
    " ",
    "\n",
    "\t",
    "\x00",
    "\x07",
    "\x1b[31m",
    "\ud800",
    "\udfff",
    "\uffff",
    "\u202e",
    "]",
    "[label=x]",
    "/*",
    "//",
    "#include",
    "-1.5",
    "%s",
    "]]>",
    "<!--",
    "-->",
    "<?xml?>",
    "n1",
    "v0",
    "ü",
    "猫",
    "🐈",
    "x" * 500,
]


def nodes_of(svg: str) -> list[ET.Element]:
    return [g for g in ET.fromstring(svg).iter(f"{SVG}g") if g.get("class") == "node"]


@pytest.fixture
def story() -> Story:
    story = Story({"joke": ("topic",), "facts": (), "both": ("joke", "facts")}, topic="cats")
    story.start("joke")
    story.done("joke", "Ha.", at=1.2)
    story.start("facts")
    story.fail("facts", "OSError", "no")
    return story


@needs_graphviz
def test_every_branch_is_a_box_that_carries_its_name_and_state(story):
    nodes = {node.get("data-branch"): node for node in nodes_of(live_svg(story.record))}
    states = {name: node.get("data-state") for name, node in nodes.items()}
    assert states == {"joke": "done", "facts": "failed", "both": "queued"}


@needs_graphviz
def test_a_box_says_state_name_and_time(story):
    texts = {node.find(f"{SVG}text").text for node in nodes_of(baked_svg(story.record))}
    assert texts == {"✓ joke 1.2 s", "✕ facts 1.0 s", "○ both"}


@needs_graphviz
def test_a_given_value_is_drawn_but_is_no_branch(story):
    assert "topic = cats" in live_svg(story.record)


@needs_graphviz
def test_colours_are_in_the_baked_drawing_and_not_in_the_live_one(story):
    fill, line, _ink = BAKED[State.FAILED]
    assert fill in baked_svg(story.record)
    assert line in baked_svg(story.record)
    assert fill not in live_svg(story.record)


@needs_graphviz
def test_an_arrow_out_of_a_failed_branch_is_dashed(story):
    edges = ET.fromstring(baked_svg(story.record)).iter(f"{SVG}g")
    dashed = {
        edge.get("data-source"): any(path.get("stroke-dasharray") for path in edge)
        for edge in edges
        if edge.get("class") == "edge"
    }
    assert dashed == {"v0": False, "n0": False, "n1": True}


def test_the_layout_does_not_depend_on_how_far_the_run_is(story):
    before = dot(graph(story.record))
    story.start("both")
    story.done("both", "x")
    assert dot(graph(story.record)) == before


@needs_graphviz
@settings(max_examples=25)
@example(HOSTILE_NAMES)
@given(st.lists(st.text(max_size=20) | st.sampled_from(HOSTILE_NAMES), unique=True, max_size=12))
def test_any_names_make_exactly_one_box_each(names):
    story = Story({name: tuple(names[:index][-1:]) for index, name in enumerate(names)})
    svg = live_svg(story.record)
    assert len(nodes_of(svg) if svg else []) == len(names)


def test_a_large_fan_out_is_drawn_as_one_box():
    branches = {f"b{number}": ("topic",) for number in range(3 * NODES_MOST)}
    story = Story({**branches, "all": tuple(branches)}, topic="cats")
    assert [box.label for box in graph(story.record).boxes] == ["topic = cats", "b0 … b299", "all"]
    assert graph(story.record).arrows == (("v0", "n0"), ("n0", "n300"))


@needs_graphviz
def test_a_box_of_many_counts_those_that_are_done():
    branches = {f"b{number}": () for number in range(NODES_MOST + 1)}
    story = Story(branches)
    story.start("b0")
    story.done("b0", "")
    assert "○ b0 … b100 1/101" in baked_svg(story.record)


def test_without_graphviz_the_arrows_are_listed(story, monkeypatch):
    monkeypatch.setattr(drawing, "svg_of", lambda _dot: None)
    assert baked_svg(story.record) is None
    shown = html(story.record)
    assert "joke → both" in shown
    assert "nbflow doctor" in shown


@pytest.mark.skipif(shutil.which("dot") is None, reason="no dot here")
def test_dot_is_asked_before_the_executable_from_pypi():
    assert graphviz_executable().endswith("dot")


@pytest.mark.skipif(graphviz_executable() is None, reason="no Graphviz here")
def test_a_graph_that_graphviz_refuses_is_none_and_not_an_error():
    assert svg_of("this is no graph {") is None


@needs_graphviz
def test_a_flow_is_drawn_without_a_run():
    topology = Topology([Node("joke", len, inputs=("topic",)), Node("poem", len)])
    drawn = flow_bundle(topology)
    assert set(drawn) == {"text/plain", "text/html", "image/svg+xml"}
    assert "joke" in drawn["image/svg+xml"]


def test_a_value_that_stays_hidden_is_drawn_as_its_name_alone():
    story = Story({"joke": ("topic", "animal")}, topic="cats", animal="")
    assert [box.label for box in graph(story.record).boxes] == ["topic = cats", "animal", "joke"]


def heights_of(svg: str, names: Iterable[str]) -> list[float]:
    """How far below the top each node stands."""
    texts = {
        node.get("data-branch"): node.find(f"{SVG}text")
        for node in ET.fromstring(svg).iter(f"{SVG}g")
    }
    return [float(text.get("y", "")) for name in names if (text := texts[name]) is not None]


@needs_graphviz
@pytest.mark.parametrize("joined", ["", "ab", "cd", "abcd"])
def test_branches_stand_from_the_top_in_the_order_in_which_they_were_written(joined):
    story = Story({**dict.fromkeys("abcd", ()), **({"join": tuple(joined)} if joined else {})})
    svg = live_svg(story.record)
    assert svg is not None
    assert heights_of(svg, "abcd") == sorted(heights_of(svg, "abcd"))


@needs_graphviz
def test_forty_branches_between_a_value_and_a_join_stand_in_order_too():
    names = [f"b{number}" for number in range(40)]
    story = Story({**dict.fromkeys(names, ("topic",)), "join": tuple(names)}, topic="cats")
    svg = live_svg(story.record)
    assert svg is not None
    assert heights_of(svg, names) == sorted(heights_of(svg, names))


@needs_graphviz
@pytest.mark.parametrize("around", ["sub", "outer:sub"])
def test_branches_of_a_graph_that_is_a_node_stand_in_the_order_in_which_they_were_written(around):
    names = [f"{around}:{name}" for name in "abcd"]
    story = Story({**dict.fromkeys(["outer", around, *names], ()), f"{around}:join": tuple(names)})
    for graph_ in ("outer", around):
        story.record.nodes[graph_] = story.record.nodes[graph_]._replace(kind=SUBGRAPH)
    svg = live_svg(story.record)
    assert svg is not None
    assert heights_of(svg, names) == sorted(heights_of(svg, names))


def span_of(shape: ET.Element) -> tuple[float, float, float, float]:
    """The left, the top, the right and the bottom of a frame or a box."""
    path = next(shape.iter(f"{SVG}path"))
    numbers = [float(number) for number in re.findall(r"-?[0-9.]+", path.get("d", ""))]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


@needs_graphviz
def test_the_nodes_of_a_graph_that_is_a_node_stand_in_its_frame_and_others_do_not():
    story = Story({"first": (), "sub": ("first",), "sub:a": (), "sub:b": (), "other": ("first",)})
    story.record.nodes["sub"] = story.record.nodes["sub"]._replace(kind=SUBGRAPH)
    svg = live_svg(story.record)
    assert svg is not None
    frame = next(g for g in ET.fromstring(svg).iter(f"{SVG}g") if g.get("class") == "cluster")
    left, top, right, bottom = span_of(frame)
    spans = {node.get("data-branch"): span_of(node) for node in nodes_of(svg)}
    inside = {
        name
        for name, span in spans.items()
        if left < span[0] and top < span[1] and span[2] < right and span[3] < bottom
    }
    assert inside == {"sub", "sub:a", "sub:b"}


@needs_graphviz
def test_a_graph_that_is_a_node_may_have_a_name_that_looks_like_html():
    story = Story({"<b>x</b>": (), "<b>x</b>:a": ()})
    story.record.nodes["<b>x</b>"] = story.record.nodes["<b>x</b>"]._replace(kind=SUBGRAPH)
    svg = live_svg(story.record)
    assert svg is not None
    assert "<b>x</b>" in {text.text for text in ET.fromstring(svg).iter(f"{SVG}text")}
