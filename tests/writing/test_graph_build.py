"""Building a graph: what may be added, and what is refused before anything runs."""

from __future__ import annotations

import functools
import inspect
import operator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import pytest

from nbflow.errors import GraphError, NbflowError
from nbflow.graph import END, START, MessagesState, StateGraph
from nbflow.types import Command, Send


class State(TypedDict):
    seen: Annotated[list[str], operator.add]


def says(name: str):
    def node(state):
        return {"seen": [name]}

    return node


def graph_of(*names: str) -> StateGraph:
    builder = StateGraph(State)
    for name in names:
        builder.add_node(name, says(name))
    return builder


def test_a_graph_runs_its_nodes_in_the_order_of_its_edges():
    builder = graph_of("b", "a")
    builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", END)
    assert builder.compile().invoke({"seen": []}) == {"seen": ["a", "b"]}


def test_a_function_gives_its_node_the_name():
    def joke(state):
        return {"seen": ["joke"]}

    graph = StateGraph(State).add_node(joke).set_entry_point("joke").compile()
    assert graph.invoke({"seen": []}) == {"seen": ["joke"]}


def test_a_partial_without_a_name_is_refused():
    with pytest.raises(GraphError, match="must be provided"):
        StateGraph(State).add_node(functools.partial(says("a")))


def test_a_node_without_a_function_is_refused():
    with pytest.raises(GraphError, match="needs a function"):
        StateGraph(State).add_node("a")


def test_what_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="expected a function"):
        StateGraph(State).add_node("a", 3)


def test_nodes_and_edges_can_be_added_in_a_chain():
    graph = (
        StateGraph(State)
        .add_node("a", says("a"))
        .add_node("b", says("b"))
        .set_entry_point("a")
        .add_edge("a", "b")
        .set_finish_point("b")
        .compile(name="chain")
    )
    assert graph.name == "chain"
    assert graph.invoke({"seen": []}) == {"seen": ["a", "b"]}


def test_a_sequence_takes_functions_and_pairs():
    def first(state):
        return {"seen": ["first"]}

    builder = StateGraph(State).add_sequence([first, ("second", says("2"))])
    graph = builder.add_edge(START, "first").compile()
    assert graph.invoke({"seen": []}) == {"seen": ["first", "2"]}


def test_an_empty_sequence_is_refused():
    with pytest.raises(GraphError, match="at least one"):
        StateGraph(State).add_sequence([])


def test_a_sequence_with_a_name_twice_is_refused():
    with pytest.raises(GraphError, match="'a' already exists"):
        StateGraph(State).add_sequence([("a", says("a")), ("a", says("b"))])


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(GraphError, match="`a` already present"):
        graph_of("a", "a")


@pytest.mark.parametrize("name", [START, END])
def test_a_reserved_name_is_refused(name):
    with pytest.raises(GraphError, match="reserved"):
        graph_of(name)


@pytest.mark.parametrize("name", ["a|b", "a:b"])
def test_a_name_with_a_sign_that_means_something_is_refused(name):
    with pytest.raises(GraphError, match="reserved character"):
        graph_of(name)


def test_no_edge_leaves_the_end():
    with pytest.raises(GraphError, match="END cannot be a start"):
        graph_of("a").add_edge(END, "a")


def test_no_edge_leads_to_the_start():
    with pytest.raises(GraphError, match="START cannot be an end"):
        graph_of("a").add_edge("a", START)


def test_an_edge_to_a_node_that_is_not_there_names_the_nearest():
    builder = graph_of("story").add_edge(START, "story").add_edge("story", "stori")
    with pytest.raises(GraphError, match="`stori`.*Did you mean 'story'"):
        builder.compile()


def test_an_edge_from_a_node_that_is_not_there_names_the_nearest():
    builder = graph_of("story").add_edge(START, "story").add_edge("storry", END)
    with pytest.raises(GraphError, match="'storry'.*Did you mean 'story'"):
        builder.compile()


def test_an_edge_of_several_needs_nodes_that_are_there():
    with pytest.raises(GraphError, match="add_node `stry` first.*'story'"):
        graph_of("story", "join").add_edge(["story", "stry"], "join")


def test_a_path_map_that_leads_nowhere_names_the_nearest():
    builder = graph_of("story").add_edge(START, "story")
    builder.add_conditional_edges("story", lambda state: "x", {"x": "stori"})
    with pytest.raises(GraphError, match="`stori`.*Did you mean 'story'"):
        builder.compile()


def test_a_conditional_edge_from_a_node_that_is_not_there_is_refused():
    builder = graph_of("story").add_edge(START, "story")
    builder.add_conditional_edges("stori", lambda state: "story", ["story"])
    with pytest.raises(GraphError, match="'stori'.*Did you mean 'story'"):
        builder.compile()


def test_a_graph_without_a_way_in_is_refused():
    with pytest.raises(GraphError, match="must have an entrypoint"):
        graph_of("a").compile()


def test_a_node_that_no_edge_leads_to_is_refused():
    # The functions are made where no `Command` is known, so that none could lead there.
    scope: dict[str, Any] = {}
    exec("def plain(state): return {}", scope)
    builder = StateGraph(State).add_node("a", scope["plain"]).add_node("b", scope["plain"])
    with pytest.raises(GraphError, match="`b` is not reachable.*add_edge"):
        builder.add_edge(START, "a").compile()


def test_a_node_that_only_a_send_leads_to_is_fine():
    builder = graph_of("a", "b").add_edge(START, "a")
    builder.add_conditional_edges("a", lambda state: [Send("b", state)])
    assert builder.compile().invoke({"seen": []}) == {"seen": ["a", "b"]}


def test_a_circle_that_nobody_leaves_is_refused_with_its_way():
    scope: dict[str, Any] = {}
    exec("def plain(state): return {}", scope)
    builder = StateGraph(State)
    for name in "abc":
        builder.add_node(name, scope["plain"])
    builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "b")
    with pytest.raises(GraphError, match="circle that never ends: b -> c -> b"):
        builder.compile()


def test_a_second_conditional_edge_of_the_same_name_is_refused():
    def route(state):
        return END

    builder = graph_of("a").add_conditional_edges("a", route)
    with pytest.raises(GraphError, match="`route` already exists for node `a`"):
        builder.add_conditional_edges("a", route)


def test_errors_of_a_graph_are_value_errors_as_in_langgraph():
    with pytest.raises(ValueError, match="already present"):
        graph_of("a", "a")


def test_a_reducer_of_three_arguments_is_refused():
    def three(left, right, more):
        return left

    schema = TypedDict("schema", {"x": Annotated[list, three]})  # noqa: UP013 - a local reducer
    with pytest.raises(GraphError, match="Invalid reducer: three takes 3"):
        StateGraph(schema)


@pytest.mark.parametrize("word", ["checkpointer", "store", "interrupt_before", "interrupt_after"])
def test_what_is_not_there_yet_is_refused_by_name(word):
    builder = graph_of("a").add_edge(START, "a")
    with pytest.raises(NbflowError, match=f"{word}=.*isn't there yet"):
        builder.compile(**{word: ["a"]})


def test_a_compiled_graph_does_not_change_with_its_builder():
    builder = graph_of("a").add_edge(START, "a")
    graph = builder.compile()
    builder.add_node("b", says("b")).add_edge("a", "b")
    assert graph.invoke({"seen": []}) == {"seen": ["a"]}
    assert builder.compile().invoke({"seen": []}) == {"seen": ["a", "b"]}


def test_defer_and_metadata_are_taken():
    builder = graph_of("a", "b")
    builder.add_node("c", says("c"), defer=True, metadata={"colour": "red"})
    builder.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c").add_edge("a", "c")
    graph = builder.compile()
    assert graph.invoke({"seen": []}) == {"seen": ["a", "b", "c"]}
    assert graph.nodes["c"].metadata == {"colour": "red"}


def test_a_commands_type_says_where_it_may_lead():
    def route(state) -> Command[Literal["b", "__end__"]]:
        return Command(goto="b")

    builder = graph_of("b").add_node(route).add_edge(START, "route")
    graph = builder.compile()
    assert dict(graph.nodes["route"].destinations) == {"b": None, END: None}
    assert graph.invoke({"seen": []}) == {"seen": ["b"]}


def test_destinations_may_be_given_with_labels():
    builder = graph_of("b").add_node("a", says("a"), destinations={"b": "often"})
    assert builder.nodes["a"].destinations == {"b": "often"}


def test_the_words_of_the_graph_api_are_langgraphs():
    def words(function) -> list[str]:
        return [name for name in inspect.signature(function).parameters if name != "self"]

    assert words(StateGraph.__init__) == [
        "state_schema",
        "context_schema",
        "input_schema",
        "output_schema",
    ]
    assert {
        "defer",
        "metadata",
        "input_schema",
        "retry_policy",
        "cache_policy",
        "error_handler",
        "destinations",
        "timeout",
    } <= set(words(StateGraph.add_node))
    assert words(StateGraph.add_edge) == ["start_key", "end_key"]
    assert words(StateGraph.add_conditional_edges) == ["source", "path", "path_map"]
    assert words(StateGraph.add_sequence) == ["nodes"]
    assert words(StateGraph.set_entry_point) == ["key"]
    assert words(StateGraph.set_conditional_entry_point) == ["path", "path_map"]
    assert words(StateGraph.set_finish_point) == ["key"]
    assert words(StateGraph.compile)[:3] == ["checkpointer", "cache", "store"]


def test_the_state_may_be_a_dataclass():
    @dataclass
    class Record:
        topic: str
        jokes: Annotated[list, operator.add]

    def joke(state: Record):
        return {"jokes": [f"about {state.topic}"]}

    graph = StateGraph(Record).add_node(joke).add_edge(START, "joke").compile()
    assert graph.invoke({"topic": "cats", "jokes": []}) == {
        "topic": "cats",
        "jokes": ["about cats"],
    }
    assert graph.invoke(Record("dogs", []))["jokes"] == ["about dogs"]


def test_the_state_may_be_one_value_with_a_reducer():
    graph = (
        StateGraph(Annotated[list, operator.add])
        .add_node("a", lambda state: [len(state)])
        .add_node("b", lambda state: [len(state)])
        .add_edge(START, "a")
        .add_edge("a", "b")
        .compile()
    )
    assert graph.invoke([7]) == [7, 1, 2]


def test_the_state_may_be_of_pydantic():
    import pydantic  # noqa: PLC0415 - only here

    class Model(pydantic.BaseModel):
        topic: str
        length: int = 0

    def measure(state: Model):
        return {"length": len(state.topic)}

    graph = StateGraph(Model).add_node(measure).add_edge(START, "measure").compile()
    assert graph.invoke({"topic": "cats"})["length"] == 4
    with pytest.raises(pydantic.ValidationError):
        graph.invoke({"topic": ["no", "text"]})


def test_the_messages_state_collects_messages():
    def answer(state: MessagesState):
        return {"messages": [("ai", f"{len(state['messages'])} so far")]}

    graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile()
    messages = graph.invoke({"messages": [("user", "hello")]})["messages"]
    assert [(m.type, m.content) for m in messages] == [("human", "hello"), ("ai", "1 so far")]


class Whole(TypedDict):
    question: str
    notes: str
    answer: str


class Asked(TypedDict):
    question: str


class Told(TypedDict):
    answer: str


def test_input_and_output_schemas_say_what_is_given_and_returned():
    seen: list[Any] = []

    def first(state: Asked):
        seen.append(state)
        return {"notes": "n"}

    def second(state: Whole) -> Told:
        return {"answer": state["question"] + state["notes"]}

    builder = StateGraph(Whole, input_schema=Asked, output_schema=Told)
    graph = builder.add_sequence([first, second]).add_edge(START, "first").compile()
    assert graph.invoke({"question": "q", "notes": "not asked for"}) == {"answer": "qn"}
    assert seen == [{"question": "q"}]


class Private(TypedDict):
    secret: str


def test_a_node_may_hand_on_keys_that_the_state_does_not_have():
    def first(state: Whole) -> Private:
        return {"secret": "s"}

    def second(state: Private) -> Told:
        return {"answer": state["secret"]}

    graph = StateGraph(Whole).add_sequence([first, second]).add_edge(START, "first").compile()
    assert graph.invoke({"question": "q"}) == {"question": "q", "answer": "s"}
