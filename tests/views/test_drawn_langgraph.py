"""What LangGraph draws of a graph, and what we draw of the same: character by character."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import graph as drawing
from langgraph import graph as langgraph
from langgraph import types

import nbflow.graph
import nbflow.types
from nbflow import Flow
from nbflow.views.drawn import END, START, DrawnGraph, Edge, Node
from nbflow.views.origins import graph_of_parts


class State(TypedDict):
    x: str


def nothing(_state: Any) -> dict[str, Any]:
    return {}


def theirs(
    nodes: dict[str, Any],
    edges: list[tuple[str, str]],
    paths: dict[str, Any] | None = None,
) -> Any:
    """A graph of LangGraph's, compiled."""
    builder = langgraph.StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, nothing if node is None else node)
    for source, target in edges:
        builder.add_edge(source, target)
    for source, path_map in (paths or {}).items():
        builder.add_conditional_edges(source, nothing, path_map)
    return builder.compile()


def ours(edges: list[Any]) -> list[Edge]:
    return [Edge(*edge) for edge in edges]


def told(drawn: Any) -> dict[str, Any]:
    """What a graph of ours or of LangGraph's says."""
    return {
        "mermaid": drawn.draw_mermaid(),
        "edges in mermaid": drawn.draw_mermaid(with_styles=False),
        "nodes": list(drawn.nodes),
        "edges": [tuple(edge) for edge in drawn.edges],
    }


def test_a_flow_is_drawn_as_the_same_state_graph() -> None:
    def a(topic: str) -> str:
        return topic

    def b(topic: str) -> str:
        return topic

    def join(a: str, b: str) -> str:
        return a + b

    edges = [(START, "b"), (START, "a"), ("a", "join"), ("b", "join"), ("join", END)]
    real = theirs(dict.fromkeys(["a", "b", "join"]), edges).get_graph()
    assert told(Flow(a, b, join).get_graph()) == told(real)


def test_conditional_edges_and_their_labels_are_the_same() -> None:
    nodes = ["gate", "a", "b", "c"]
    plain = [(START, "gate"), ("b", "c"), ("c", END)]
    paths = {"gate": {"yes it is": "a", "no": "b", "c": "c"}, "a": ["b", END]}
    real = theirs(dict.fromkeys(nodes), plain, paths).get_graph()
    chosen = [
        ("gate", "a", "yes it is", True),
        ("gate", "b", "no", True),
        ("gate", "c", "c", True),
        ("a", "b", None, True),
        ("a", END, None, True),
    ]
    assert told(graph_of_parts(nodes, ours([*plain, *chosen]))) == told(real)


def test_long_labels_are_broken_in_the_same_places() -> None:
    label = "one two three four five six seven eight nine ten eleven"
    real = theirs({"a": None, "b": None}, [(START, "a"), ("b", END)], {"a": {label: "b"}})
    drawn = graph_of_parts(["a", "b"], [Edge(START, "a"), Edge("a", "b", label, conditional=True)])
    assert told(drawn) == told(real.get_graph())
    few = drawn.draw_mermaid(wrap_label_n_words=2)
    assert few == real.get_graph().draw_mermaid(wrap_label_n_words=2)


def test_loops_are_the_same() -> None:
    paths = {"a": ["a", "b"], "b": ["a", END]}
    real = theirs({"a": None, "b": None}, [(START, "a")], paths).get_graph()
    chosen = [(source, target, None, True) for source, ends in paths.items() for target in ends]
    assert told(graph_of_parts(["a", "b"], ours([(START, "a"), *chosen]))) == told(real)


def test_commands_and_what_is_said_of_a_node_are_the_same() -> None:
    def go(_state: State) -> types.Command[Literal["a", "b"]]:
        return types.Command(goto="a")

    go.__annotations__["return"] = types.Command[Literal["a", "b"]]
    builder = langgraph.StateGraph(State)
    builder.add_node("go", go)
    builder.add_node("a", nothing, metadata={"k": "v [1]", "n": 3, "tags": ["x", "y"]})
    builder.add_node("b", nothing)
    builder.add_edge(START, "go")
    nodes = [
        Node("go", "go"),
        Node("a", "a", None, {"k": "v [1]", "n": 3, "tags": ["x", "y"]}),
        "b",
    ]
    edges = [(START, "go"), ("go", "a", None, True), ("go", "b", None, True)]
    assert told(graph_of_parts(nodes, ours(edges))) == told(builder.compile().get_graph())


@pytest.mark.parametrize("xray", [1, 2, True])
def test_opened_subgraphs_are_the_same(xray: int) -> None:
    inner = theirs({"in1": None, "in2": None}, [(START, "in1"), ("in1", "in2"), ("in2", END)])
    middle = theirs({"m1": None, "m2": inner}, [(START, "m2"), ("m2", "m1"), ("m1", END)])
    plain = [(START, "sub"), ("sub", "x"), ("x", END)]
    outer = theirs({"x": None, "sub": middle}, plain)

    our_inner = graph_of_parts(["in1", "in2"], ours([(START, "in1"), ("in1", "in2")]))
    opened = {"m2": our_inner} if xray is True or xray > 1 else {}
    our_middle = graph_of_parts(["m1", "m2"], ours([(START, "m2"), ("m2", "m1")]), children=opened)
    drawn = graph_of_parts(["x", "sub"], ours(plain), children={"sub": our_middle})
    assert told(drawn) == told(outer.get_graph(xray=xray))


def test_a_subgraph_of_branches_keeps_its_ends_as_theirs_does() -> None:
    edges = [(START, "a"), (START, "b"), ("a", END), ("b", END)]
    outer = theirs({"s": theirs({"a": None, "b": None}, edges)}, [(START, "s"), ("s", END)])
    child = graph_of_parts(["a", "b"], ours(edges))
    assert told(graph_of_parts(["s"], [Edge(START, "s")], children={"s": child})) == told(
        outer.get_graph(xray=1)
    )


@pytest.mark.parametrize("name", ["Ünï", "my node", "a.b", "sub-task", "1st", "x_1", "__odd__"])
def test_ordinary_names_are_written_the_same(name: str) -> None:
    real = theirs({name: None}, [(START, name), (name, END)]).get_graph()
    assert told(graph_of_parts([name], [Edge(START, name)])) == told(real)


def test_langgraphs_own_styles_are_taken() -> None:
    real = theirs({"a": None}, [(START, "a"), ("a", END)]).get_graph()
    words: dict[str, Any] = {
        "curve_style": drawing.CurveStyle.BASIS,
        "node_colors": drawing.NodeStyles(first="fill:#ffdfba", default="fill:#fad7de"),
        "frontmatter_config": {
            "title": "It's 5: a 'quoted' one",
            "config": {"theme": "neutral", "themeVariables": {"primaryColor": "#e2e2e2", "n": 3}},
        },
    }
    drawn = graph_of_parts(["a"], [Edge(START, "a")])
    assert drawn.draw_mermaid(**words) == real.draw_mermaid(**words)


@st.composite
def plain_graphs(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    """Graphs of plain edges in which every node can be reached."""
    count = draw(st.integers(1, 7))
    names = [f"n{number}" for number in range(count)]
    edges = [(START, names[0])]
    for at in range(1, count):
        before = st.sampled_from([START, *names[:at]])
        edges += [(one, names[at]) for one in sorted(draw(st.sets(before, min_size=1, max_size=3)))]
    last = sorted(set(names) - {source for source, _target in edges})
    return names, [*edges, *((name, END) for name in last)]


@given(plain_graphs())
@settings(max_examples=40)
def test_any_graph_of_plain_edges_is_the_same(
    made: tuple[list[str], list[tuple[str, str]]],
) -> None:
    names, edges = made
    assert told(graph_of_parts(names, ours(edges))) == told(
        theirs(dict.fromkeys(names), edges).get_graph()
    )


def both(build: Callable[[Any, Any], Any]) -> tuple[DrawnGraph, Any]:
    """The same graph, built by one function, of ours and of LangGraph's."""
    return build(nbflow.graph, nbflow.types), build(langgraph, types)


def test_a_compiled_graph_is_drawn_as_theirs() -> None:
    def build(graph: Any, _types: Any) -> Any:
        builder = graph.StateGraph(State)
        for name in ("gate", "a", "b", "c", "join"):
            builder.add_node(name, nothing, metadata={"k": 1} if name == "a" else None)
        builder.add_edge(graph.START, "gate")
        builder.add_conditional_edges("gate", nothing, {"yes it is": "a", "no": "b", "c": "c"})
        builder.add_edge(["a", "b"], "join")
        builder.add_conditional_edges("c", nothing, ["gate", graph.END])
        builder.add_edge("join", graph.END)
        return builder.compile().get_graph()

    drawn, real = both(build)
    assert told(drawn) == told(real)


@pytest.mark.parametrize("xray", [False, 1, True])
def test_a_compiled_graph_in_a_graph_is_drawn_as_theirs(xray: bool | int) -> None:
    def build(graph: Any, _types: Any) -> Any:
        inner = graph.StateGraph(State)
        inner.add_sequence([("in1", nothing), ("in2", nothing)])
        inner.add_edge(graph.START, "in1")
        middle = graph.StateGraph(State)
        middle.add_node("m1", nothing)
        middle.add_node("m2", inner.compile())
        middle.add_edge(graph.START, "m2")
        middle.add_edge("m2", "m1")
        outer = graph.StateGraph(State)
        outer.add_node("x", nothing)
        outer.add_node("sub", middle.compile())
        outer.add_edge(graph.START, "sub")
        outer.add_edge("sub", "x")
        return outer.compile().get_graph(xray=xray)

    drawn, real = both(build)
    text = drawn.draw_mermaid().replace("[[", "(").replace("]]", ")")  # ours marks subgraphs
    assert text == real.draw_mermaid()


def test_commands_of_a_compiled_graph_are_drawn_as_theirs() -> None:
    def build(graph: Any, kinds: Any) -> Any:
        def go(_state: State) -> Any:
            return kinds.Command(goto="a")

        go.__annotations__["return"] = kinds.Command[Literal["a", "b"]]
        builder = graph.StateGraph(State)
        builder.add_node("go", go)
        builder.add_node("a", nothing)
        builder.add_node("b", nothing)
        builder.add_edge(graph.START, "go")
        return builder.compile().get_graph()

    drawn, real = both(build)
    assert told(drawn) == told(real)


def test_a_path_that_says_nothing_of_its_ends_is_drawn_to_what_nothing_else_leads_to() -> None:
    builder = nbflow.graph.StateGraph(State)
    for name in ("gate", "a", "b", "join"):
        builder.add_node(name, nothing)
    builder.add_edge(START, "gate")
    builder.add_conditional_edges("gate", lambda _state: "a")
    builder.add_edge("a", "join")
    builder.add_edge("b", "join")
    edges = builder.compile().get_graph().edges
    assert [edge.target for edge in edges if edge.conditional] == ["a", "b"]


def test_a_path_that_is_annotated_with_send_is_marked() -> None:
    def fan(_state: State) -> list[types.Send]:
        return []

    builder = nbflow.graph.StateGraph(State)
    builder.add_node("plan", nothing)
    builder.add_node("work", nothing)
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", fan, ["work"])
    drawn = builder.compile().get_graph()
    assert drawn.sends == {("plan", "work")}
    assert "plan -. &nbsp;Send&nbsp; .-> work;" in drawn.draw_mermaid()


@pytest.mark.parametrize(
    "name",
    [
        *["draw_mermaid", "draw_mermaid_png", "draw_png", "draw_ascii", "print_ascii"],
        *["first_node", "last_node", "to_json"],
    ],
)
def test_ours_is_called_as_theirs(name: str) -> None:
    def parameters(of: Any) -> list[tuple[str, Any]]:
        signature = inspect.signature(getattr(of, name))
        return [(one.name, one.kind) for one in signature.parameters.values()]

    assert parameters(DrawnGraph) == parameters(drawing.Graph)
