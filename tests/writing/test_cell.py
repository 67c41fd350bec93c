"""What the names of a cell stand for, and the models it asks."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nbflow.core.policies import Retry, Timeout
from nbflow.errors import CellError
from nbflow.models import Message, Model, set_default_model
from nbflow.writing.cell import Bound, parse


class Echo(Model):
    name = "echo"

    async def generate(self, prompt, settings):
        yield Message(prompt)


def bind(body: str, line: str = "", **variables: Any) -> Bound:
    return parse(line, body).bind(dict(variables))


async def run(bound: Bound) -> dict[str, Any]:
    handle = bound.flow.prepare(bound.inputs, hidden=bound.hidden).start()
    return (await handle).results


async def test_a_node_goes_before_a_variable():
    assert await run(bind("joke: fun\nboth: {joke}", joke="old")) == {"joke": "fun", "both": "fun"}


async def test_a_value_on_the_line_goes_before_a_variable():
    bound = bind("joke: {topic}", "topic=cats", topic="dogs")
    assert await run(bound) == {"joke": "cats"}


def test_values_of_variables_are_hidden_and_those_of_the_line_are_shown():
    bound = bind("joke: {topic} {style}", "topic=cats", style="dry", other=1)
    assert bound.inputs == {"topic": "cats", "style": "dry"}
    assert bound.hidden == {"style"}


async def test_any_value_that_has_text_can_be_filled_in():
    assert await run(bind("a: {n} {rows}", n=3, rows=[1])) == {"a": "3 [1]"}


def test_an_unknown_placeholder_is_named_with_the_nearest_name(mistake):
    error = mistake("[joke]\nAbout cats\n[both]\n{jok}", "topic=cats")
    assert (error.line, error.column, error.text) == (5, 1, "{jok}")
    assert "Did you mean 'joke'?" in error.problem
    assert "'topic'" in mistake("joke: a {topc} b {topic}", "topic=cats").problem
    assert "'subject'" in mistake("joke: {subjct}", subject="cats").problem


def test_names_of_the_shell_are_not_suggested(mistake):
    problem = mistake("joke: {_ii}", _i="x", _iii="y", In=[], Out={}).problem
    assert "'_i" not in problem.removeprefix("unknown name '_ii'")


@pytest.mark.parametrize("name", ["exit", "quit", "get_ipython", "print", "__name__"])
def test_commands_of_the_shell_and_builtins_are_no_variables(mistake, name):
    error = mistake(f"joke: {{{name}}}", exit=exit, quit=quit, get_ipython=print, __name__="main")
    assert "unknown name" in error.problem


@pytest.mark.parametrize(
    ("value", "what"),
    [(bind, "a function"), (len, "a function"), (Echo, "a class"), (math, "a module")],
)
def test_a_placeholder_that_means_code_is_an_error_that_says_so(mistake, value, what):
    assert f"'style' is {what} here, not text" in mistake("joke: {style}", style=value).problem


def test_two_nodes_of_one_name_are_an_error_at_the_second(mistake):
    error = mistake("[joke]\na\n[poem]\nb\n[joke]\nc")
    assert (error.line, error.text) == (6, "[joke]")
    assert "line 2" in error.problem


def test_a_circle_is_an_error_that_names_it(mistake):
    error = mistake("a: {c}\nb: {a}\nc: {b}")
    assert error.text in {"{a}", "{b}", "{c}"}
    assert "a -> b -> c -> a" in error.problem


def test_a_node_that_reads_itself_is_an_error(mistake):
    assert "reads itself" in mistake("joke: {joke}").problem


def test_a_value_that_nothing_reads_is_an_error_with_the_nearest_name(mistake):
    error = mistake("joke: {topic}", "topik=cats", topic="dogs")
    assert (error.text, error.column) == ("topik=cats", 10)
    assert "'topic'" in error.problem


def test_a_value_named_like_an_option_is_told_how_the_option_is_written(mistake):
    assert "--jobs N" in mistake("joke: a", "jobs=4").problem


def test_a_value_named_like_a_node_is_an_error(mistake):
    assert "a node of this cell" in mistake("joke: a", "joke=old").problem


def test_options_of_the_line_become_those_of_the_run():
    flow = bind("joke: a", "-j 3 --timeout 5 --retries 2 --on-error keep").flow
    options = flow.prepare({})._options
    assert (options.jobs, options.on_error) == (3, "keep")
    assert (options.timeout, options.retry) == (Timeout(5.0), Retry(2))


def test_a_class_is_no_model(mistake):
    assert "is a class, not a model" in mistake("joke: a", "-m my_model", my_model=Echo).problem


@pytest.mark.parametrize("model", [Echo(), lambda prompt: prompt])
async def test_a_model_may_be_a_variable(model):
    set_default_model(lambda prompt: "not asked")
    assert await run(bind("joke: hello", "-m my_model", my_model=model)) == {"joke": "hello"}
    header = "[joke] model=my_model\nhello"
    assert await run(bind(header, my_model=model)) == {"joke": "hello"}


def test_a_variable_with_text_names_a_model_by_its_text():
    assert bind("joke: hello", "-m chosen", chosen="smollm2").flow.prepare({}) is not None


def test_a_variable_that_names_no_model_is_never_quoted(mistake):
    error = mistake("joke: hello", "-m api_key", api_key="sk-very-secret")
    assert (error.text, error.column) == ("api_key", 13)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("line", "body", "place"),
    [
        ("-m smolm2", "joke: a", (1, 13)),
        ("--model=smolm2", "joke: a", (1, 18)),
        ("", "[joke] retries=1 model=smolm2\na", (2, 24)),
        ("", "@node(model='smolm2')\ndef joke(): 'a'", (2, 7)),
    ],
)
def test_an_unknown_model_is_an_error_where_it_is_named(mistake, line, body, place):
    error = mistake(body, line)
    assert (error.line, error.column) == place
    assert "'smollm2'" in error.problem


def test_a_misspelt_variable_of_a_model_is_named_with_the_nearest(mistake):
    problem = mistake("joke: a", "-m my_modle", my_model=Echo()).problem
    assert "Did you mean the variable 'my_model'?" in problem


def test_without_any_model_the_first_prompt_says_what_to_do(mistake, monkeypatch):
    set_default_model(None)
    monkeypatch.setenv("NBFLOW_MODEL", "nonsense")
    assert mistake("[a] template\nx\n[joke]\ny").text == "[joke]"


def test_a_cell_of_templates_needs_no_model(monkeypatch):
    set_default_model(None)
    monkeypatch.setenv("NBFLOW_MODEL", "nonsense")
    assert bind("[a] template\nx").flow.steps[0].kind == "template"


def test_help_is_read_before_the_body():
    assert parse("--help", "[[[").line.help
    assert parse("--nonsense -h", "").line.help


def test_columns_of_the_line_count_the_magic_that_was_used():
    with pytest.raises(CellError) as caught:
        parse("-j x", "joke: a", magic="vote")
    assert caught.value.column == len("%%vote -j ") + 1
