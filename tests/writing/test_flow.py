from __future__ import annotations

import pytest

from nbflow.errors import FlowError
from nbflow.models import set_default_model
from nbflow.writing.flow import Flow, ask, node, step_of


async def test_prompts_and_functions_are_nodes_of_one_flow():
    def shout(joke):
        return joke.upper()

    flow = Flow(shout, ask("about {topic}", name="joke"))
    assert (await flow.arun(topic="cats"))["shout"] == "ABOUT CATS"


async def test_a_template_asks_nobody():
    set_default_model(lambda prompt: "asked")
    run = await Flow(ask("about {topic}", name="a", template=True)).arun(topic="cats")
    assert run["a"] == "about cats"


async def test_the_nodes_own_model_goes_before_the_runs():
    flow = Flow(ask("x", name="a"), ask("x", name="b", model=lambda prompt: "own"))
    run = await flow.options(model=lambda prompt: "the run's").arun()
    assert (run["a"], run["b"]) == ("the run's", "own")


def test_a_function_that_is_only_a_string_is_a_prompt():
    def joke(topic):
        "Write a joke about {topic}"

    async def poem(topic):
        """Write a poem

        about {topic}
        """

    assert [step_of(one).kind for one in (joke, poem)] == ["prompt", "prompt"]
    assert step_of(poem).source == "Write a poem\n\nabout {topic}"


def test_a_function_that_does_something_is_none():
    def joke(topic):
        """A docstring."""
        return topic

    async def poem(topic):
        """A docstring."""
        return topic

    def lines(topic):
        """A docstring."""
        yield topic

    assert {step_of(one).kind for one in (joke, poem, lines)} == {"python"}


def test_a_prompt_reads_only_its_parameters():
    def joke(topic):
        "Write a joke about {topc}"

    with pytest.raises(FlowError, match="'joke' reads {topc}.*'topic'"):
        Flow(joke)


def test_options_of_a_function_stay_with_it():
    @node(retries=2)
    def a():
        return 1

    assert step_of(a).options.retries == 2


@pytest.mark.parametrize(
    ("inputs", "says"),
    [({}, "needs a value for 'topic'"), ({"topic": 1, "topik": 2}, "reads 'topik'.*'topic'")],
)
async def test_inputs_are_checked_before_anything_runs(inputs, says):
    with pytest.raises(FlowError, match=says):
        await Flow(ask("{topic}", name="a")).arun(**inputs)


def test_values_that_are_hidden_or_named_like_a_secret_are_not_shown():
    flow = Flow(ask("{topic} {rows} {api_key}", name="a"))
    values = {"topic": "cats", "rows": "private", "api_key": "sk-1"}
    run = flow.prepare(values, hidden=frozenset({"rows"}))
    shown = repr(run._shown_values)
    assert "cats" in shown
    assert "private" not in shown
    assert "sk-1" not in shown


@pytest.mark.parametrize("nodes", [(), (3,), (ask("x", name="a"), ask("y", name="a"))])
def test_what_cannot_be_a_flow_is_refused(nodes):
    with pytest.raises(FlowError):
        Flow(*nodes)


def test_a_name_is_an_identifier():
    with pytest.raises(FlowError, match="not an identifier"):
        ask("x", name="my joke")
