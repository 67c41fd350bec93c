"""The doors to an export, and what they refuse."""

from __future__ import annotations

import functools

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nbflow import Flow, NbflowError, ask, best, each, node, vote
from nbflow.errors import FlowError
from nbflow.export import TARGETS, export
from nbflow.notebook.magics import NbflowMagics

from .flows import StandIn

FLOW = Flow(ask("A joke about {topic}", name="joke", template=True), name="cats")


@pytest.fixture
def shell() -> InteractiveShell:
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.register_magics(NbflowMagics(shell))
    return shell


def line(shell: InteractiveShell, text: str) -> None:
    shell.run_line_magic("nbflow", text)


def test_a_flow_and_its_run_export_the_same():
    run = FLOW.run(topic="cats")
    for target in TARGETS:
        assert run.export(target) == FLOW.export(target) == export(FLOW, target)


def test_a_retried_run_can_be_exported_too():
    assert FLOW.run(topic="cats").retry().export("langgraph-python") == FLOW.export(
        "langgraph-python"
    )


def test_a_target_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(FlowError, match="Did you mean 'langgraph-python-graph'"):
        FLOW.export("langgraph-python-grap")


def test_what_was_no_flow_can_not_be_exported():
    with pytest.raises(FlowError, match="only a flow"):
        export(None, "langgraph-python")


def test_a_source_shows_itself_and_saves_itself(tmp_path):
    source = FLOW.export("langgraph-python")
    assert repr(source) == str(source)
    file = tmp_path / "é.py"
    assert source.save(file).read_text(encoding="utf-8") == source


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("step", "why"),
    [(ask("{a}{b}", name="join", wait="any"), "wait"),
     (ask("{a}{b}", name="join", on_error="pass"), "on_error=pass")],
)  # fmt: skip
def test_what_langgraph_can_not_say_is_refused_with_the_node(target, step, why):
    flow = Flow(ask("x", name="a"), ask("y", name="b"), step)
    with pytest.raises(FlowError, match=f"'join' can't be exported.*{why}"):
        flow.export(target)


def test_a_value_that_can_not_be_written_is_refused_with_node_and_name():
    client = object()

    def asks(topic):
        return client, topic

    with pytest.raises(FlowError, match="'asks' can't be exported.*'client'"):
        Flow(asks).export("langgraph-python")


def test_a_function_without_code_is_refused():
    made: dict = {}
    exec("def hidden(topic): return topic", made)
    with pytest.raises(FlowError, match="'hidden' can't be exported.*can't be found"):
        Flow(made["hidden"]).export("langgraph-python")


def test_a_function_named_as_the_program_needs_it_is_refused():
    def call_model(topic):
        return topic

    with pytest.raises(FlowError, match="'call_model'.*rename"):
        Flow(call_model, ask("{call_model}", name="a")).export("langgraph-python")


def test_a_function_that_hides_a_builtin_of_the_program_is_refused():
    def isinstance(topic):  # noqa: A001 - what this is about
        return topic

    flow = Flow(isinstance, ask("{isinstance}", name="a"))
    with pytest.raises(FlowError, match="'isinstance'.*rename"):
        flow.export("langgraph-python")


def test_a_parameter_that_no_state_can_hold_is_refused():
    def a(topic, constructor="x"):
        return topic

    for target in TARGETS:
        with pytest.raises(FlowError, match="'constructor'.*rename"):
            Flow(a).export(target)


def test_a_lambda_is_written_where_it_is_called():
    @best(2, score=lambda text: len(text) + 1)
    def longest():
        return "a"

    source = Flow(longest).export("langgraph-python")
    assert "(lambda text: len(text) + 1)" in source


def test_builtins_and_library_functions_are_called_by_name():
    flow = Flow(
        best(2, score=len)(ask("x", name="a")), vote(2, key=functools.partial)(ask("y", name="b"))
    )
    source = flow.export("langgraph-python")
    assert "asyncio.to_thread(len, answer)" in source
    assert "from functools import partial" in source


def test_in_typescript_a_python_function_is_a_place_to_fill_that_throws():
    def facts(topic):
        return topic

    source = Flow(facts).export("langgraph-typescript")
    assert "// def facts(topic):" in source
    assert "facts: async (_inputs: { topic: any }): Promise<any> => {" in source
    assert '"facts is Python in nbflow: write it here, or set functions.facts"' in source


def test_what_is_not_kept_is_said_at_the_top():
    @node(retries=2, retry_on=OSError)
    @each(x="xs")
    def a(x):
        return x

    flow = Flow(a).options(rate="5/s", jobs=2)
    for target in ("langgraph-python", "langgraph-typescript"):
        head = flow.export(target)[:1200]
        assert "The rate isn't kept" in head
        assert "At most 2 nodes" in head
    assert "retry_on" in flow.export("langgraph-typescript")[:1200]
    assert "isinstance(error, OSError)" in flow.export("langgraph-python")
    assert "retry_on=OSError" in flow.export("langgraph-python-functional")


@pytest.mark.parametrize("target", TARGETS)
def test_models_that_only_nbflow_knows_are_named_at_the_top(target):
    own = StandIn('own */ """')
    flow = Flow(
        ask("one", name="a", model="openai:gpt-4o-mini"),
        best(2, score=ask("Rate {it}", name="rate", model="smollm2"))(
            ask("two", name="b", model=own)
        ),
    )
    head = flow.export(target)[:1200]
    assert "Only nbflow knows these models" in head
    assert "own _ ___, smollm2.\n" in head


def test_the_head_says_how_to_run_the_program():
    assert "Run: python FILE INPUTS, or await graph.ainvoke(INPUTS)" in FLOW.export(
        "langgraph-python"
    )
    assert "Run: npx tsx FILE INPUTS, or await workflow.invoke(INPUTS)" in FLOW.export(
        "langgraph-typescript-functional"
    )


def test_parameters_have_the_types_of_what_they_are_given():
    flow = Flow(
        ask("of {topic}", name="joke"),
        each(doc="docs")(ask("{doc}", name="notes")),
        ask("{joke} {notes} {topic}", name="both"),
    )
    assert "async def ask_both(joke: str, notes: list[Any], topic: Any) -> str:" in flow.export(
        "langgraph-python-functional"
    )
    assert "async (joke: string, notes: any[], topic: any) => {" in flow.export(
        "langgraph-typescript-functional"
    )


WIDE = Flow(
    ask("About {topic}", name="first", retries=2, timeout=9),
    ask("{topic}", name="second_and_rather_long", temperature=0.5, max_tokens=100, seed=1),
    each(one="xs", other="ys")(ask("{one}{other}", name="crossed_with_one_another")),
    ask("{topic}", name="asked", model={"one": StandIn('a"b'), "two": StandIn("c")}),
)


@pytest.mark.parametrize("laid", [
    """
const askedModels = new Map([
  ["one", 'a"b'],
  ["two", "c"],
]);""", """
  return {
    second_and_rather_long: await callModel(prompt, null, {
      temperature: 0.5,
      max_tokens: 100,
      seed: 1,
    }),
  };""", """
    crossed_with_one_another: await together(
      product(elements(state.xs), elements(state.ys)),
      ([one, other]) => sample(one, other),
    ),""", """
  .addNode("ask_first", askFirst, {
    retryPolicy: { maxAttempts: 3, maxInterval: 30_000, retryOn: () => true },
    timeout: 9000,
  })""",
])  # fmt: skip
def test_a_typescript_graph_is_laid_out_as_prettier_does_it(laid):
    assert laid in WIDE.export("langgraph-typescript-graph")


@pytest.mark.parametrize("laid", [
    """
const askFirst = task(
  {
    name: "ask_first",
    retry: { maxAttempts: 3, maxInterval: 30_000, retryOn: () => true },
    timeout: 9000,
  },
  async (topic: any) => {
    const prompt = `About ${asText(topic)}`;
    return await callModel(prompt, null, {});
  },
);""", """
const askAsked = task("ask_asked", async (model: string, topic: any) => {
  const prompt = asText(topic);
""", """
  return await together(product(elements(xs), elements(ys)), ([one, other]) =>
    askCrossedWithOneAnother(one, other),
  );""", """
  const [first, secondAndRatherLong, crossedWithOneAnother, asked] =
    await Promise.all([
      askFirst(topic),
""",
])  # fmt: skip
def test_a_typescript_workflow_is_laid_out_as_prettier_does_it(laid):
    assert laid in WIDE.export("langgraph-typescript-functional")


def test_the_magic_shows_the_last_runs_flow(shell, capsys):
    FLOW.run(topic="cats")
    line(shell, "export langgraph-python-functional")
    assert "@entrypoint()" in capsys.readouterr().out


def test_the_magic_takes_the_name_of_a_flow_or_a_run_and_a_file(shell, capsys, tmp_path):
    shell.user_ns.update(flow=FLOW, run=FLOW.run(topic="cats"))
    for name in ("flow", "run"):
        line(shell, f"export langgraph-typescript {name} -o '{tmp_path}/a b.ts'")
        assert (tmp_path / "a b.ts").read_text() == FLOW.export("langgraph-typescript")
    assert "wrote" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "problem"),
    [("", "TARGET"), ("langgraph-python floww", "Did you mean 'flow'"),
     ("langgraph-python flow -o", "takes one file"), ("langgraph-java flow", "no export"),
     ("langgraph-python flow more", "TARGET")],
)  # fmt: skip
def test_the_magic_says_what_is_wrong(shell, words, problem):
    shell.user_ns["flow"] = FLOW
    with pytest.raises(NbflowError, match=problem):
        line(shell, f"export {words}")
