"""The same source on nbflow and on LangGraph: results and streams are equal where both are defined.

They differ where LangGraph goes step by step and nbflow doesn't: a join whose ways differ in length
runs twice there. So random graphs have layers, or edges that wait for all their starts.
"""

from __future__ import annotations

import importlib
import operator
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.errors import NodeError

PACKAGES = ("nbflow", "langgraph")


def api_of(package: str) -> SimpleNamespace:
    """The names of the Graph API, of one package."""
    names: dict[str, Any] = {}
    for module in ("graph", "types", "config", "errors", "graph.message"):
        names |= vars(importlib.import_module(f"{package}.{module}"))
    return SimpleNamespace(**{name: value for name, value in names.items() if name[0] != "_"})


APIS = {package: api_of(package) for package in PACKAGES}


def told(call: Callable[[], Any]) -> Any:
    """What a call gives, or the name of the exception it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - to be compared
        return type(error).__name__


def both(
    build: Callable[[Any], Any], given: Any, config: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What each of both says to the same: the result, and the streams of values and updates.

    Updates of one step come in the order in which nodes finish, so steps are told apart by the
    values between them.
    """
    return [
        {
            "result": told(lambda graph=graph: graph.invoke(given, config)),
            "values": told(
                lambda graph=graph: list(graph.stream(given, config, stream_mode="values"))
            ),
            "updates": told(lambda graph=graph: sorted(map(repr, graph.stream(given, config)))),
        }
        for graph in (build(APIS[package]) for package in PACKAGES)
    ]


class State(TypedDict):
    seen: Annotated[list[str], operator.add]


class Plain(TypedDict, total=False):
    x: Any
    y: Any
    z: Any
    seen: Annotated[list[Any], operator.add]


def says(name: str) -> Callable[[Any], Any]:
    def node(state):
        return {"seen": [f"{name}<{''.join(state['seen'])}>"]}

    return node


@st.composite
def layers(draw: st.DrawFn) -> list[list[list[int]]]:
    """For each layer, for each of its nodes, who of the layer before leads to it."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    found = []
    before = 1
    for size in sizes:
        nodes = st.sets(st.integers(0, before - 1), min_size=1)
        found.append([sorted(draw(nodes)) for _ in range(size)])
        before = size
    return found


def layered(
    shape: list[list[list[int]]],
    waiting: bool,
    node_of: Callable[[str], Callable[[Any], Any]] = says,
) -> Callable[[Any], Any]:
    def build(api: Any) -> Any:
        builder = api.StateGraph(State)
        for depth, layer in enumerate(shape):
            for index, sources in enumerate(layer):
                name = f"l{depth}n{index}"
                builder.add_node(name, node_of(name))
                if not depth:
                    builder.add_edge(api.START, name)
                elif waiting:
                    builder.add_edge([f"l{depth - 1}n{source}" for source in sources], name)
                else:
                    for source in sources:
                        builder.add_edge(f"l{depth - 1}n{source}", name)
        return builder.compile()

    return build


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(layers(), st.booleans())
def test_layered_graphs_are_equal(shape, waiting):
    # Nodes see the whole layers before them in LangGraph, and their ancestors here: equal if every
    # node is led to by all of the layer before.
    full = [[sorted(range(len(before)))] * len(layer) for before, layer in _pairs(shape)]
    ours, theirs = both(layered(full, waiting), {"seen": ["0"]})
    assert ours == theirs


def _pairs(shape: list[list[list[int]]]) -> list[tuple[list[Any], list[Any]]]:
    return [(before, layer) for before, layer in zip([[0], *shape], shape, strict=False)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(layers(), st.booleans())
def test_sparse_layered_graphs_are_equal_if_nodes_do_not_look_around(shape, waiting):
    ours, theirs = both(
        layered(shape, waiting, lambda name: lambda state: {"seen": [name]}), {"seen": ["0"]}
    )
    assert ours == theirs


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(layers(), st.data())
def test_layers_that_choose_from_the_next_are_equal(shape, data):
    ways: dict[str, list[str]] = {}
    for depth, layer in enumerate(shape):
        following = [f"l{depth + 1}n{index}" for index in range(_size(shape, depth + 1))]
        for index in range(len(layer)):
            chosen = data.draw(st.lists(st.sampled_from([*following, "__end__"]), unique=True))
            ways[f"l{depth}n{index}"] = chosen

    def build(api: Any) -> Any:
        builder = api.StateGraph(State)
        for name, chosen in ways.items():
            builder.add_node(name, lambda state, name=name: {"seen": [name]})
            builder.add_conditional_edges(name, lambda state, chosen=chosen: chosen)
            if name.startswith("l0"):
                builder.add_edge(api.START, name)
        return builder.compile()

    ours, theirs = both(build, {"seen": []})
    assert ours == theirs


def _size(shape: list[list[list[int]]], depth: int) -> int:
    return len(shape[depth]) if depth < len(shape) else 0


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_walks_through_loops_are_equal(data):
    names = "abcd"[: data.draw(st.integers(1, 4))]
    targets = st.lists(st.sampled_from([*names, "__end__"]), min_size=1, max_size=4)
    ways = {name: data.draw(targets) for name in names}

    def build(api: Any) -> Any:
        builder = api.StateGraph(State)
        for name in names:
            builder.add_node(name, says(name))
            builder.add_conditional_edges(
                name, lambda state, name=name: ways[name][len(state["seen"]) % len(ways[name])]
            )
        return builder.add_edge(api.START, names[0]).compile()

    ours, theirs = both(build, {"seen": []}, {"recursion_limit": 12})
    assert ours == theirs


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_walks_by_commands_and_sends_are_equal(data):
    names = "abcd"[: data.draw(st.integers(1, 4))]
    steps = st.sampled_from([*names, "__end__"])
    ways = {name: data.draw(st.lists(steps, min_size=1, max_size=3)) for name in names}
    sends = data.draw(st.frozensets(st.sampled_from(names)))

    def build(api: Any) -> Any:
        def node_of(name: str) -> Callable[[Any], Any]:
            def node(state):
                target = ways[name][state["x"] % len(ways[name])]
                if name in sends and target != "__end__":
                    target = api.Send(target, {"x": state["x"] + 1})
                return api.Command(update={"x": state["x"] + 1, "seen": [name]}, goto=target)

            return node

        builder = api.StateGraph(Plain)
        for name in names:
            builder.add_node(name, node_of(name), destinations=tuple(names))
        return builder.add_edge(api.START, names[0]).compile()

    ours, theirs = both(build, {"x": 0}, {"recursion_limit": 12})
    assert ours == theirs


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_edges_that_wait_for_several_are_equal_in_any_graph_without_loops(data):
    count = data.draw(st.integers(1, 6))
    sources = [
        sorted(data.draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else []
        for number in range(count)
    ]

    def build(api: Any) -> Any:
        builder = api.StateGraph(State)
        for number, before in enumerate(sources):
            name = f"n{number}"
            builder.add_node(name, lambda state, name=name: {"seen": [name]})
            if before:
                builder.add_edge([f"n{source}" for source in before], name)
            else:
                builder.add_edge(api.START, name)
        return builder.compile()

    ours, theirs = both(build, {"seen": []})
    assert ours == theirs


@pytest.mark.parametrize("count", [0, 1, 5])
def test_map_and_reduce_are_equal(count):
    def build(api: Any) -> Any:
        builder = api.StateGraph(Plain)
        builder.add_node("plan", lambda state: {"x": list(range(count))})
        builder.add_node("work", lambda given: {"seen": [given["n"] ** 2]})
        builder.add_node("sum", lambda state: {"y": sum(state["seen"])})
        builder.add_edge(api.START, "plan").add_edge("work", "sum")
        builder.add_conditional_edges(
            "plan", lambda state: [api.Send("work", {"n": n}) for n in state["x"]], ["work"]
        )
        return builder.compile()

    ours, theirs = both(build, {"x": []})
    assert ours == theirs


@pytest.mark.parametrize("limit", [1, 5, 40])
def test_loops_are_equal(limit):
    def build(api: Any) -> Any:
        builder = api.StateGraph(Plain)
        builder.add_node("add", lambda state: {"x": state["x"] + 1, "seen": [state["x"]]})
        builder.add_node("check", lambda state: {"y": state["x"] >= limit})
        builder.add_node("after", lambda state: {"z": len(state["seen"])})
        builder.add_edge(api.START, "add").add_edge("add", "check").add_edge("after", api.END)
        builder.add_conditional_edges("check", lambda s: s["y"], {True: "after", False: "add"})
        return builder.compile()

    ours, theirs = both(build, {"x": 0}, {"recursion_limit": 25})
    assert ours == theirs
    assert (ours["result"] == "GraphRecursionError") == (limit == 40)


@pytest.mark.parametrize("width", [1, 3])
def test_loops_around_a_fan_out_are_equal(width):
    def build(api: Any) -> Any:
        builder = api.StateGraph(Plain)
        builder.add_node("fan", lambda state: {"x": state["x"] + 1})
        builder.add_node("join", lambda state: {"y": len(state["seen"])})
        for index in range(width):
            builder.add_node(
                f"b{index}", lambda state, index=index: {"seen": [(index, state["x"])]}
            )
            builder.add_edge("fan", f"b{index}").add_edge(f"b{index}", "join")
        builder.add_edge(api.START, "fan")
        builder.add_conditional_edges("join", lambda s: "fan" if s["x"] < 4 else api.END)
        return builder.compile()

    ours, theirs = both(build, {"x": 0})
    assert ours == theirs
    assert ours["result"]["y"] == 4 * width


@pytest.mark.parametrize("goto", ["b", ["b", "c"], "send", "end", "nothing"])
def test_commands_are_equal(goto):
    def build(api: Any) -> Any:
        where = {"send": [api.Send("b", {"seen": ["sent"]})], "end": api.END, "nothing": ()}

        def route(state) -> api.Command[Literal["b", "c"]]:
            target = goto if isinstance(goto, list) else where.get(goto, goto)
            return api.Command(update={"seen": ["route"]}, goto=target)

        route.__annotations__["return"] = api.Command[Literal["b", "c"]]
        builder = api.StateGraph(State).add_node("route", route)
        for name in "bc":
            builder.add_node(name, says(name))
        return builder.add_edge(api.START, "route").compile()

    ours, theirs = both(build, {"seen": []})
    assert ours == theirs


def test_graphs_in_graphs_are_equal():
    class Inner(TypedDict):
        x: int
        own: int

    def build(api: Any) -> Any:
        inner = api.StateGraph(Inner)
        inner.add_node("one", lambda state: {"own": state["x"] + 1})
        inner.add_node("two", lambda state: {"x": state["own"] * 10})
        inner.add_edge(api.START, "one").add_edge("one", "two")
        builder = api.StateGraph(Plain).add_node("inner", inner.compile())
        builder.add_node("after", lambda state: {"y": state["x"]})
        return builder.add_edge(api.START, "inner").add_edge("inner", "after").compile()

    ours, theirs = both(build, {"x": 4})
    assert ours == theirs
    assert ours["result"]["y"] == 50


@pytest.mark.parametrize("limit", range(1, 6))
@pytest.mark.parametrize("nodes", [1, 3])
def test_the_recursion_limit_ends_chains_and_loops_alike(nodes, limit):
    def chain(api: Any) -> Any:
        names = [f"n{index}" for index in range(nodes)]
        builder = api.StateGraph(State).add_sequence([(name, says(name)) for name in names])
        return builder.add_edge(api.START, "n0").compile()

    def loop(api: Any) -> Any:
        builder = api.StateGraph(State).add_node("a", says("a")).add_edge(api.START, "a")
        again = {True: "a", False: api.END}
        return builder.add_conditional_edges(
            "a", lambda state: len(state["seen"]) < nodes, again
        ).compile()

    for build in (chain, loop):
        ours, theirs = both(build, {"seen": []}, {"recursion_limit": limit})
        assert ours == theirs


def test_streams_of_graphs_in_graphs_are_equal():
    def parts(api: Any) -> list[Any]:
        inner = api.StateGraph(State).add_node("i", says("i")).add_edge(api.START, "i")
        builder = api.StateGraph(State).add_node("inner", inner.compile())
        graph = builder.add_edge(api.START, "inner").compile()
        modes = ["values", "updates"]
        found = graph.stream({"seen": ["0"]}, stream_mode=modes, subgraphs=True)
        return [([w.split(":")[0] for w in where], mode, data) for where, mode, data in found]

    assert parts(APIS["nbflow"]) == parts(APIS["langgraph"])


def test_commands_to_the_parent_are_equal():
    def build(api: Any) -> Any:
        def leave(state):
            return api.Command(graph=api.Command.PARENT, goto="b", update={"seen": ["left"]})

        inner = api.StateGraph(State).add_node("leave", leave).add_edge(api.START, "leave")
        builder = api.StateGraph(State).add_node("inner", inner.compile(), destinations=("b",))
        builder.add_node("b", says("b")).add_edge(api.START, "inner")
        return builder.compile()

    ours, theirs = both(build, {"seen": []})
    assert ours == theirs


@pytest.mark.parametrize(
    "answer",
    ["b", ["b", "c"], "__end__", [], ["b", "__end__"], "send", "mixed", "unknown"],
    ids=str,
)
def test_choices_are_equal(answer):
    def build(api: Any) -> Any:
        sends = [api.Send("b", {"seen": ["1"]}), api.Send("c", {"seen": ["2"]})]
        where = {"send": sends, "mixed": ["c", *sends[:1]]}
        builder = api.StateGraph(State)
        for name in "abc":
            builder.add_node(name, says(name))
        builder.add_edge(api.START, "a")
        key = answer if isinstance(answer, str) else ""
        builder.add_conditional_edges("a", lambda state: where.get(key, answer))
        return builder.compile()

    if answer == "unknown":  # LangGraph goes on without a word; that is one of its surprises
        with pytest.raises(Exception, match="unknown"):
            build(APIS["nbflow"]).invoke({"seen": []})
    else:
        ours, theirs = both(build, {"seen": []})
        assert ours == theirs


def test_updates_that_contradict_are_equal():
    def build(api: Any) -> Any:
        builder = api.StateGraph(Plain)
        for name in "ab":
            builder.add_node(name, lambda state, name=name: {"x": name})
            builder.add_edge(api.START, name)
        return builder.compile()

    ours, theirs = both(build, {"x": ""})
    assert ours == theirs
    assert ours["result"] == "InvalidUpdateError"


def test_overwrites_are_equal():
    def build(api: Any) -> Any:
        builder = api.StateGraph(State).add_node("a", says("a")).add_node("c", says("c"))
        builder.add_node("b", lambda state: {"seen": api.Overwrite(["only"])})
        return builder.add_edge(api.START, "a").add_edge("a", "b").add_edge("b", "c").compile()

    ours, theirs = both(build, {"seen": ["0"]})
    assert ours == theirs


def test_reused_results_stream_the_same():
    def parts(package: str) -> list[Any]:
        api = APIS[package]
        memory = {"nbflow": "nbflow.writing.caching", "langgraph": "langgraph.cache.memory"}
        cache = importlib.import_module(memory[package]).InMemoryCache()
        builder = api.StateGraph(Plain)
        builder.add_node("a", lambda state: {"y": state["x"]}, cache_policy=api.CachePolicy())
        graph = builder.add_edge(api.START, "a").compile(cache=cache)
        return [part for x in (1, 1, 2) for part in graph.stream({"x": x})]

    assert parts("nbflow") == parts("langgraph")


@pytest.mark.parametrize("given", [None, {}, {"x": None}, {"x": 1, "unknown": 2}], ids=str)
def test_inputs_are_equal(given):
    def build(api: Any) -> Any:
        builder = api.StateGraph(Plain).add_node("a", lambda state: {"y": 1})
        return builder.add_edge(api.START, "a").compile()

    ours, theirs = both(build, given)
    assert ours == theirs
    assert (ours["result"] == "EmptyInputError") == (given is None)


@pytest.mark.parametrize("goto", [None, "c"])
def test_after_an_error_handler_only_its_commands_lead_on(goto):
    def build(api: Any) -> Any:
        def fails(state):
            raise LookupError("gone")

        def handler(state, error: NodeError):
            return api.Command(update={"seen": ["handled"]}, goto=goto or ())

        builder = api.StateGraph(State)
        builder.add_node("a", fails, error_handler=handler)
        for name in "bc":
            builder.add_node(name, says(name))
        builder.add_edge(api.START, "a")
        builder.add_edge("a", "b")
        return builder.add_edge("b", "c").compile()

    ours, theirs = both(build, {"seen": []})
    assert ours == theirs


def endless(api, **how):
    builder = api.StateGraph(State).add_node("a", says("a"), **how)
    builder.add_conditional_edges("a", lambda state: "a", ["a", api.END])
    return builder.add_edge(api.START, "a").compile()


def contradicting(api, **how):
    builder = api.StateGraph(Plain).add_node("a", lambda state: {"x": 1})
    builder.add_node("b", lambda state: {"x": 2}).add_node("c", says("c"), **how)
    builder.add_edge(api.START, "a").add_edge(api.START, "b")
    return builder.add_edge(["a", "b"], "c").compile()


@pytest.mark.parametrize("graph", [endless, contradicting])
def test_what_isnt_the_nodes_own_failure_is_neither_handled_nor_tried_again(graph):
    handled = []

    def handler(state):
        handled.append(state)

    def build(api: Any) -> Any:
        patient = api.RetryPolicy(initial_interval=600.0, retry_on=Exception)
        return graph(api, error_handler=handler, retry_policy=patient)

    ours, theirs = both(build, {"seen": []}, {"recursion_limit": 3})

    assert ours == theirs
    assert handled == []


def extended(old, new):
    old.extend(new)
    return old


def added(old, new):
    old += new
    return old


@pytest.mark.parametrize("reducer", [extended, added])
def test_a_reducer_may_change_its_first_argument(reducer):
    Changed = TypedDict("Changed", {"seen": Annotated[list[str], reducer]})  # noqa: UP013 - a local

    def build(api: Any) -> Any:
        builder = api.StateGraph(Changed)
        for name in "abcd":
            builder.add_node(name, lambda state, name=name: {"seen": [name]})
        for start, end in ((api.START, "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")):
            builder.add_edge(start, end)
        return builder.compile()

    ours, theirs = both(build, {"seen": ["given"]})
    assert ours["result"] == theirs["result"] == {"seen": ["given", *"abcd"]}
    told = [part["seen"] for part in ours["values"]]  # LangGraph's change after they were told
    assert told == [["given"], ["given", "a"], ["given", *"abc"], ["given", *"abcd"]]


def test_configs_are_merged_key_by_key_and_reach_what_a_node_invokes():
    def seen(package: str) -> list[Any]:
        api = APIS[package]
        told: list[Any] = []

        def tell(state, config: RunnableConfig):
            own = config["configurable"].items()
            kept = sorted(pair for pair in own if pair[0] in {"x", "y", "z"})
            about = sorted(pair for pair in config["metadata"].items() if pair[0] in {"p", "q"})
            told.append((kept, sorted(config["tags"]), about))

        def invokes(state):
            inner.invoke({"x": 1}, {"configurable": {"z": 3}})

        inner = api.StateGraph(Plain).add_node("tell", tell).add_edge(api.START, "tell").compile()
        graph = api.StateGraph(Plain).add_node("tell", tell).add_node("inner", invokes)
        graph = graph.add_edge(api.START, "tell").add_edge("tell", "inner").compile()
        bound = graph.with_config(configurable={"x": 1}, metadata={"p": 1}, tags=["s"])
        more = {"configurable": {"y": 2}, "metadata": {"q": 2}, "tags": ["t"]}
        bound.invoke({"x": 0}, more)
        return told

    assert seen("nbflow") == seen("langgraph")


@pytest.mark.parametrize("mode", ["updates", "values", ["updates", "values"]], ids=str)
def test_streams_show_the_state_and_results_the_keys_of_the_output_schema(mode):
    class Output(TypedDict):
        y: Any

    def parts(package: str) -> list[Any]:
        api = APIS[package]
        builder = api.StateGraph(Plain, output_schema=Output)
        builder.add_node("a", lambda state: {"x": state["x"] + 1})
        builder.add_node("b", lambda state: {"y": 2})
        builder.add_edge(api.START, "a")
        graph = builder.add_edge("a", "b").compile()
        given = {"x": 1}
        streamed = list(graph.stream(given, stream_mode=mode))
        return [graph.invoke(given), graph.invoke(given, stream_mode=mode), streamed]

    assert parts("nbflow") == parts("langgraph")


@pytest.mark.parametrize("keys", ["y", ["x"], ["x", "y"]], ids=str)
@pytest.mark.parametrize("mode", ["updates", "values", ["updates", "values"]], ids=str)
def test_only_the_output_keys_are_shown(keys, mode):
    def parts(package: str) -> tuple[Any, list[Any]]:
        api = APIS[package]
        builder = api.StateGraph(Plain)
        builder.add_node("a", lambda state: {"x": state["x"] + 1})
        builder.add_node("b", lambda state: {"y": 2})
        builder.add_edge(api.START, "a")
        graph = builder.add_edge("a", "b").compile()
        how = {"output_keys": keys}
        return graph.invoke({"x": 1}, **how), list(graph.stream({"x": 1}, stream_mode=mode, **how))

    assert parts("nbflow") == parts("langgraph")


SEED = '''
class State(TypedDict):
    topic: str
    joke: str
    story: str
    poem: str
    combined_output: str


def call_llm_1(state: State):
    """First LLM call to generate initial joke"""

    msg = llm.invoke(f"Write a joke about {state['topic']}")
    return {"joke": msg.content}


def call_llm_2(state: State):
    """Second LLM call to generate story"""

    msg = llm.invoke(f"Write a story about {state['topic']}")
    return {"story": msg.content}


def call_llm_3(state: State):
    """Third LLM call to generate poem"""

    msg = llm.invoke(f"Write a poem about {state['topic']}")
    return {"poem": msg.content}


def aggregator(state: State):
    """Combine the joke and story into a single output"""

    combined = f"Here's a story, joke, and poem about {state['topic']}!\\n\\n"
    combined += f"STORY:\\n{state['story']}\\n\\n"
    combined += f"JOKE:\\n{state['joke']}\\n\\n"
    combined += f"POEM:\\n{state['poem']}"
    return {"combined_output": combined}


# Build workflow
parallel_builder = StateGraph(State)

# Add nodes
parallel_builder.add_node("call_llm_1", call_llm_1)
parallel_builder.add_node("call_llm_2", call_llm_2)
parallel_builder.add_node("call_llm_3", call_llm_3)
parallel_builder.add_node("aggregator", aggregator)

# Add edges to connect nodes
parallel_builder.add_edge(START, "call_llm_1")
parallel_builder.add_edge(START, "call_llm_2")
parallel_builder.add_edge(START, "call_llm_3")
parallel_builder.add_edge("call_llm_1", "aggregator")
parallel_builder.add_edge("call_llm_2", "aggregator")
parallel_builder.add_edge("call_llm_3", "aggregator")
parallel_builder.add_edge("aggregator", END)
parallel_workflow = parallel_builder.compile()

# Show workflow
display(Image(parallel_workflow.get_graph().draw_mermaid_png()))

# Invoke
state = parallel_workflow.invoke({"topic": "cats"})
'''


class Model:
    """Says what it was asked."""

    def invoke(self, prompt: str) -> Any:
        return SimpleNamespace(content=f"<{prompt}>")


def test_the_seeds_code_runs_on_both_and_says_the_same():
    states = {}
    for package in PACKAGES:
        scope: dict[str, Any] = {"llm": Model(), "display": lambda image: None}
        scope["Image"] = lambda png: png
        exec("from typing import TypedDict", scope)
        exec(f"from {package}.graph import StateGraph, START, END", scope)
        source = SEED
        if package == "langgraph":  # its picture comes from a web service
            source = re.sub(r"display\(.*\n", "\n", source)
        exec(source, scope)
        states[package] = scope["state"]
    assert states["nbflow"] == states["langgraph"]
    assert "STORY:\n<Write a story about cats>" in states["nbflow"]["combined_output"]
