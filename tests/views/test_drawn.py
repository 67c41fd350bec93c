"""A graph to be looked at: drawn in Mermaid's language, as a picture and in plain characters."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbflow
from nbflow import Flow, NbflowError
from nbflow.core.events import Event, Kind
from nbflow.core.record import RunRecord
from nbflow.views import layout, picture
from nbflow.views.ascii import COLUMNS_MOST, drawing, width_of
from nbflow.views.drawn import END, START, DrawnGraph, Edge, Node
from nbflow.views.layout import graphviz_executable
from nbflow.views.origins import graph_of_flow, graph_of_parts, graph_of_record
from nbflow.views.words import clean_name

from .records import Story
from .test_graph import HOSTILE_NAMES

SVG = "{http://www.w3.org/2000/svg}"
PNG = b"\x89PNG\r\n\x1a\n"

needs_graphviz = pytest.mark.skipif(graphviz_executable() is None, reason="no Graphviz here")


def joke(topic: str) -> str:
    return topic


def story(topic: str) -> str:
    return topic


def poem(topic: str) -> str:
    return topic


def combined(joke: str, story: str, poem: str) -> str:
    return joke + story + poem


def cats() -> DrawnGraph:
    return Flow(joke, story, poem, combined, name="cats").get_graph()


def looped() -> DrawnGraph:
    edges = [
        Edge(START, "draft"),
        Edge("draft", "review"),
        Edge("review", "draft", "again", conditional=True),
        Edge("review", END, "good", conditional=True),
    ]
    return graph_of_parts(["draft", "review"], edges)


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(PNG)
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_a_flow_begins_at_start_and_ends_at_end() -> None:
    drawn = cats()
    assert list(drawn.nodes) == [START, "joke", "story", "poem", "combined", END]
    assert Edge(START, "joke") in drawn.edges
    assert Edge("combined", END) in drawn.edges
    assert drawn.first_node() == Node(START, START)
    assert drawn.last_node() == Node(END, END)


def test_a_flows_mermaid_has_langgraphs_shape() -> None:
    assert cats().draw_mermaid() == (
        "---\n"
        "config:\n"
        "  flowchart:\n"
        "    curve: linear\n"
        "---\n"
        "graph TD;\n"
        "\t__start__([<p>__start__</p>]):::first\n"
        "\tjoke(joke)\n"
        "\tstory(story)\n"
        "\tpoem(poem)\n"
        "\tcombined(combined)\n"
        "\t__end__([<p>__end__</p>]):::last\n"
        "\t__start__ --> joke;\n"
        "\t__start__ --> poem;\n"
        "\t__start__ --> story;\n"
        "\tjoke --> combined;\n"
        "\tpoem --> combined;\n"
        "\tstory --> combined;\n"
        "\tcombined --> __end__;\n"
        "\tclassDef default fill:#f2f0ff,line-height:1.2\n"
        "\tclassDef first fill-opacity:0\n"
        "\tclassDef last fill:#bfb6fc\n"
    )


def test_a_flow_that_fans_out_says_so_below_the_nodes_name() -> None:
    @nbflow.each(doc="docs")
    def note(doc: str) -> str:
        return doc

    text = Flow(note).get_graph().draw_mermaid()
    assert "note(note<hr/><small><em>tasks = for doc in docs</em></small>)" in text


def test_the_cats_in_plain_characters() -> None:
    assert cats().draw_ascii().split("\n") == [
        "         +-----------+",
        "         | __start__ |",
        "         +-----------+",
        "               |",
        "   +-----------+----------+",
        "   v           v          v",
        "+------+   +-------+   +------+",
        "| joke |   | story |   | poem |",
        "+------+   +-------+   +------+",
        "   |           |          |",
        "   +-----------+----------+",
        "               v",
        "         +----------+",
        "         | combined |",
        "         +----------+",
        "              |",
        "              v",
        "         +---------+",
        "         | __end__ |",
        "         +---------+",
    ]


def test_in_plain_characters_what_leads_back_is_dotted_and_ends_upwards() -> None:
    assert looped().draw_ascii().split("\n") == [
        "+-----------+",
        "| __start__ |",
        "+-----------+",
        "      |",
        "      v",
        "  +-------+",
        "  | draft |",
        "  +-------+",
        "     | ^",
        "     v :",
        "  +--------+",
        "  | review |",
        "  +--------+",
        "      :",
        "      v",
        " +---------+",
        " | __end__ |",
        " +---------+",
        "",
        "review ..> __end__ : good",
        "review ..> draft : again",
    ]


def test_printing_it_prints_the_plain_characters(capsys: pytest.CaptureFixture[str]) -> None:
    cats().print_ascii()
    assert capsys.readouterr().out == cats().draw_ascii() + "\n"


def test_a_graph_too_wide_for_a_line_is_a_list_of_its_edges() -> None:
    names = [f"branch_{number}" for number in range(60)]
    drawn = graph_of_parts([*names, "join"], [Edge(name, "join") for name in names])
    lines = drawn.draw_ascii().split("\n")
    assert "branch_7 --> join" in lines
    assert max(map(len, lines)) < COLUMNS_MOST


def test_conditional_edges_are_dashed_and_labelled() -> None:
    text = looped().draw_mermaid(with_styles=False)
    assert "\tdraft --> review;\n" in text
    assert "\treview -. &nbsp;again&nbsp; .-> draft;\n" in text


def test_edges_that_send_say_so() -> None:
    edges = [Edge(START, "plan"), Edge("plan", "work", conditional=True)]
    drawn = graph_of_parts(["plan", "work"], edges, sends=[("plan", "work")])
    assert "plan -. &nbsp;Send&nbsp; .-> work;" in drawn.draw_mermaid()
    assert "plan ..> work : Send" in drawn.draw_ascii()
    assert "normalnormal" in picture.dot(drawn, {})


def test_a_subgraph_that_isnt_opened_is_marked() -> None:
    drawn = graph_of_parts(["inner"], [Edge(START, "inner")], subgraphs=["inner"])
    assert "inner[[inner]]" in drawn.draw_mermaid()
    assert "| [inner] |" in drawn.draw_ascii()
    assert "peripheries=2" in picture.dot(drawn, {})


def test_an_opened_subgraph_is_drawn_around_its_nodes() -> None:
    child = graph_of_parts(["a", "b"], [Edge(START, "a"), Edge("a", "b")])
    edges = [Edge(START, "inner"), Edge("inner", "last")]
    drawn = graph_of_parts(["inner", "last"], edges, children={"inner": child})
    assert list(drawn.nodes) == [START, "last", END, "inner:a", "inner:b"]
    assert Edge("inner:b", "last") in drawn.edges
    assert "\tsubgraph inner\n" in drawn.draw_mermaid()
    assert "cluster_0" in picture.dot(drawn, {})


def test_subgraphs_of_one_name_at_different_depths_can_both_be_drawn() -> None:
    innermost = graph_of_parts(["a", "b"], [Edge(START, "a"), Edge("a", "b")])
    middle = graph_of_parts(
        ["same", "c"], [Edge(START, "same"), Edge("same", "c")], children={"same": innermost}
    )
    drawn = graph_of_parts(["same"], [Edge(START, "same")], children={"same": middle})
    assert drawn.draw_mermaid().count("\tsubgraph same\\3asame [same]\n") == 1


def test_two_labels_of_one_edge_are_both_said() -> None:
    edges = [Edge("a", "b", "yes", conditional=True), Edge("a", "b", "maybe", conditional=True)]
    assert graph_of_parts(["a", "b"], edges).edges[0].data == "yes, maybe"


def test_an_edge_from_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="'ghost' -> 'a'"):
        graph_of_parts(["a"], [Edge("ghost", "a")])


def test_a_drawn_graph_is_a_value() -> None:
    with pytest.raises(FrozenInstanceError):
        cats().name = "dogs"  # type: ignore[misc]


def test_as_json_it_has_nodes_and_edges() -> None:
    told = looped().to_json()
    assert [node["id"] for node in told["nodes"]] == [START, "draft", "review", END]
    again = {"source": "review", "target": "draft", "data": "again", "conditional": True}
    assert again in told["edges"]
    (first, *_) = [node for node in cats().to_json()["nodes"] if node["id"] == "joke"]
    assert first["data"]["name"] == "joke"


def test_mermaids_configuration_can_be_added_to() -> None:
    text = looped().draw_mermaid(
        curve_style="basis", frontmatter_config={"config": {"theme": "neutral", "x": {"y": "#f00"}}}
    )
    assert text.startswith(
        "---\nconfig:\n  flowchart:\n    curve: basis\n  theme: neutral\n  x:\n    y: '#f00'\n---\n"
    )


def test_a_record_is_drawn_as_what_its_run_did() -> None:
    drawn = graph_of_record(entrypoint_record())
    assert list(drawn.nodes) == [START, "call", "rate", "cats", END]
    assert drawn.nodes["call"].metadata == {"calls": 3}
    assert Edge("rate", "cats", conditional=True) in drawn.edges


def entrypoint_record() -> RunRecord:
    """A run of an entrypoint that called one task three times and perhaps another."""
    told = Story({"cats": ()}, name="cats", kind="entrypoint")
    seen = {"call": ((), ()), "rate": (("call",), ()), "cats": (("rate",), ("rate",))}
    for name, (inputs, perhaps) in seen.items():
        kind = "entrypoint" if name == "cats" else "python"
        described = {"name": name, "kind": kind, "inputs": inputs, "perhaps": perhaps}
        told.record.apply(Event("r1", 0, Kind.NODE, None, None, 0.0, 0.0, described | EMPTY))
    for number, task in enumerate(("call", "call[1]", "call[2]")):
        data = {"call": number} if number else {}
        told.record.apply(Event("r1", 0, Kind.QUEUED, "call", task, 0.0, 0.0, data))
    return told.record


EMPTY = {"source": "", "detail": ""}


def test_a_flow_and_its_planned_run_are_the_same_graph() -> None:
    flow = Flow(joke, story, poem, combined, name="cats")
    assert graph_of_flow(flow.topology, "cats").draw_mermaid() == flow.get_graph().draw_mermaid()


@needs_graphviz
def test_the_png_is_made_here_and_is_large_enough_to_read() -> None:
    width, height = size_of(cats().draw_mermaid_png())
    assert 200 < width < 800
    assert 200 < height < 800


@needs_graphviz
def test_langgraphs_keywords_of_the_png_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "cats.png"
    image = cats().draw_mermaid_png(
        curve_style="basis",
        node_colors={"default": "fill:#ff0000", "first": "fill:#00ff00", "last": "fill:#0000ff"},
        wrap_label_n_words=3,
        output_file_path=str(path),
        draw_method="api",
        background_color="#eeeeee",
        padding=40,
        max_retries=3,
        retry_delay=0.1,
        frontmatter_config=None,
        base_url=None,
        proxies=None,
    )
    assert path.read_bytes() == image
    assert size_of(image)[0] > size_of(cats().draw_mermaid_png(padding=0))[0]


@needs_graphviz
def test_a_png_that_is_saved_isnt_returned(tmp_path: Path) -> None:
    path = tmp_path / "cats.png"
    assert cats().draw_png(str(path)) is None
    size_of(path.read_bytes())
    image = cats().draw_png(labels={"nodes": {"joke": "a joke of quite another length"}})
    assert image is not None
    assert size_of(image)[0] > size_of(path.read_bytes())[0]


@needs_graphviz
def test_a_colour_that_is_none_is_refused() -> None:
    with pytest.raises(NbflowError, match="is no colour"):
        cats().draw_mermaid_png(background_color='red"; evil')


@needs_graphviz
def test_the_svg_says_the_names() -> None:
    root = ET.fromstring(cats().draw_svg())
    assert root.tag == f"{SVG}svg"
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"joke", "story", "poem", "combined", START, END} <= set(texts)
    box = [float(number) for number in root.get("viewBox", "").split()]
    assert [root.get("width"), root.get("height")] == [f"{size:.0f}" for size in box[2:]]


@needs_graphviz
def test_in_a_notebook_it_is_a_picture_with_the_plain_characters_beside_it() -> None:
    shown = cats()._repr_mimebundle_()
    assert shown["text/plain"] == cats().draw_ascii()
    assert shown["text/html"].startswith('<img alt="graph of 6 nodes: __start__, joke, ')
    assert "data:image/svg+xml;base64," in shown["text/html"]
    assert shown["image/svg+xml"].startswith("<svg")


def test_without_graphviz_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (layout, picture):
        monkeypatch.setattr(module, "graphviz_executable", lambda: None)
    layout.svg_of.cache_clear()
    with pytest.raises(NbflowError, match="pip install graphviz-pure"):
        cats().draw_mermaid_png()
    with pytest.raises(NbflowError, match=r"draw_mermaid\(\) and draw_ascii\(\)"):
        cats().draw_svg()
    assert cats()._repr_mimebundle_().keys() == {"text/plain"}


NAMES = st.text(max_size=12) | st.sampled_from(HOSTILE_NAMES)


@st.composite
def graphs(draw: st.DrawFn) -> DrawnGraph:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    names = [name for name in names if name not in (START, END)] or ["a"]
    ends = st.sampled_from(names)
    labels = st.none() | NAMES
    edges = draw(st.lists(st.builds(Edge, ends, ends, labels, st.booleans()), max_size=12))
    sends = [(edge.source, edge.target) for edge in edges if edge.conditional][:1]
    return graph_of_parts(
        names, [Edge(START, names[0]), *edges], sends=sends, subgraphs=draw(st.sets(ends))
    )


@given(graphs())
def test_hostile_names_stay_in_their_lines_of_mermaid(drawn: DrawnGraph) -> None:
    lines = drawn.draw_mermaid().split("\n")
    nodes, edges = len(drawn.nodes), len(drawn.edges)
    assert len(lines) == 6 + nodes + edges + 3 + 1
    for line in lines[6 : 6 + nodes + edges]:
        assert clean_name(line[1:]) == line[1:]
        assert "<script" not in line
        assert "%%" not in line
    ids = {line.split("(")[0].split("[")[0] for line in lines[6 : 6 + nodes]}
    assert len(ids) == nodes


@given(graphs())
def test_hostile_names_keep_boxes_whole_in_plain_characters(drawn: DrawnGraph) -> None:
    text = drawing(drawn)
    assert text == drawing(drawn)
    assert not any(character in text for character in "\x00\x07\x1b\r\u202e")
    text.encode()
    boxes = text.split("\n\n")[0]
    assert boxes.count("|") >= 2 * len(drawn.nodes)
    assert max(map(width_of, text.split("\n"))) < 10 * COLUMNS_MOST


@needs_graphviz
@given(graphs())
@settings(max_examples=15)
def test_hostile_names_become_exactly_one_node_each_of_a_picture(drawn: DrawnGraph) -> None:
    groups = [group.get("class") for group in ET.fromstring(drawn.draw_svg()).iter(f"{SVG}g")]
    assert groups.count("node") == len(drawn.nodes)
    assert groups.count("edge") == len(drawn.edges)


@needs_graphviz
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_keeps_the_png_from_being_made(name: str) -> None:
    drawn = graph_of_parts([name], [Edge(START, name, name, conditional=True)])
    assert min(size_of(drawn.draw_mermaid_png())) > 0


@needs_graphviz
@pytest.mark.parametrize("name", ["<b>", "<b>x</b>", "<<i>x</i>>", "<script>alert(1)</script>"])
def test_a_name_that_looks_like_html_is_drawn_as_it_is_written(name: str) -> None:
    inside = Node("sub:a", "a")
    drawn = DrawnGraph({"n": Node("n", name)}, [Edge("n", "n", name)])
    around = DrawnGraph({f"{name}:a": inside._replace(id=f"{name}:a")}, [], subgraphs={name})
    for one, times in ((drawn, 2), (around, 1)):
        texts = [text.text.strip() for text in ET.fromstring(one.draw_svg()).iter(f"{SVG}text")]
        assert texts.count(name) == times
