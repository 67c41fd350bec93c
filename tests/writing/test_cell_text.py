"""From a flow to the text of a cell and back: nothing is lost on the way."""

# ruff: noqa: PT017 - whether it is refused depends on what was generated

from __future__ import annotations

import keyword
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from IPython.utils.text import DollarFormatter

from nbflow import Flow, FlowError, ask, best, each, node, vote
from nbflow.models import Message, Model
from nbflow.writing.cell import Bound, parse
from nbflow.writing.cell_text import cell_text
from nbflow.writing.options import flow_options, node_options
from nbflow.writing.prompt import placeholders
from nbflow.writing.step import step_of


class Mute(Model):
    name = "mute"

    async def generate(self, prompt, settings):
        yield Message("")


NAMESPACE: dict[str, Any] = {"mute": Mute(), "both": [Mute(), "smollm2"]}

PIECES = [
    "[joke]", "[my joke]", "[ ]", "[x](y)", "[joke", "\\[joke]", "\\\\[joke] votes=2", "\\", "\\\\",
    "{topic}", "{{topic}}", "{a}", "{b}", "{x.y}", "{", "}", "", " ", "\t", "  indented", "joke: x",
    "def joke(): 'x'", "@node", "# no comment", "%%fanout", "!ls", "日本", "\u2028", "\x0c", "\x00",
    '"""', "'''", '"', "'", "\\n", "\r", "\ud800", "${topic}", "$topic", "[joke] retries=2", "²",
]  # fmt: skip

texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=6).flatmap(
    lambda parts: st.sampled_from(["", " ", "\n"]).map(lambda between: between.join(parts))
)
names = st.one_of(
    st.sampled_from(["joke", "a", "b", "é", "日本", "template", "for", "def_", "model"]),
    st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True),
)
seconds = st.floats(min_value=0.001, max_value=1e9)
rates = st.sampled_from(["60/min", "5/s", "1000/h", "7/2.5s", "1/90min", "3/0.125s"])
models = st.sampled_from(
    ["smollm2", "openai:a", "openai:x:y/z@http://127.0.0.1:8/v1", "smollm2,smollm2"]
)
holders = st.sampled_from([NAMESPACE["mute"], NAMESPACE["both"]])
shares = st.floats(min_value=0, max_value=1)


def sometimes(**words: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=words)


of_model = sometimes(
    model=models | holders,
    temperature=st.floats(min_value=0, max_value=1e9),
    max_tokens=st.integers(1),
    seed=st.integers(0),
)
of_node = sometimes(
    timeout=seconds,
    retries=st.integers(0),
    rate=rates,
    jobs=st.integers(1),
    wait=st.sampled_from(["all", "any", 2, 7]),
    on_error=st.just("pass"),
)
votes = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"votes": st.integers(1, 99)}, optional={"min_agreement": shares}),
)
of_flow = sometimes(
    model=models | holders,
    jobs=st.integers(1),
    timeout=seconds,
    retries=st.integers(0),
    rate=rates,
    on_error=st.sampled_from(["finish", "stop", "keep"]),
    seed=st.integers(0),
)
values = st.dictionaries(
    names, st.text() | st.sampled_from(["$topic", "{x}", "'$a' $b", "$$c", "-j", "a=b", "a 'b\" c"])
)


@st.composite
def prompts(draw: st.DrawFn, name: str) -> Any:
    text, words = draw(texts), {**draw(of_node)}
    if draw(st.booleans()):
        words["template"] = True
    else:
        words |= draw(of_model) | draw(votes)
    holes = [hole.name for hole in placeholders(text)]
    step = ask(text, name=name, **words)
    if holes and draw(st.booleans()):
        step = each(**{holes[0]: draw(names.filter(lambda source: source not in holes))})(step)
    return step


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    steps = [
        draw(prompts(name)) for name in draw(st.lists(names, min_size=1, max_size=4, unique=True))
    ]
    try:
        flow = Flow(*steps, name=draw(st.sampled_from(["", "run", "r2"])))
        return flow.options(**draw(of_flow))
    except FlowError:
        assume(False)
        raise


def read(text: str) -> Bound:
    """What a notebook makes of a cell: IPython expands its first line, nbflow reads it."""
    head, _, body = text.partition("\n")
    line = DollarFormatter().vformat(head.removeprefix("%%fanout").lstrip(), [], {"topic": "NO"})
    cell = parse(line, body)
    inputs = {name for draft in cell.drafts for name in draft.reads}
    return cell.bind(NAMESPACE | {name: ["x"] for name in inputs - NAMESPACE.keys()})


def test_the_cats_flow_is_written_as_a_person_would():
    flow = Flow(
        ask("Write a joke about {topic}", name="joke"),
        ask("Write a poem about {topic}", name="poem", retries=2, model="smollm2"),
        ask("{joke}\n{poem}", name="both", template=True),
        name="run",
    )
    assert cell_text(flow.options(jobs=4), values={"topic": "black cats"}) == (
        '%%fanout -o run -j 4 topic="black cats"\n'
        "[joke]\nWrite a joke about {topic}\n\n"
        "[poem] model=smollm2 retries=2\nWrite a poem about {topic}\n\n"
        "[both] template\n{joke}\n{poem}"
    )


@given(flows())
@example(Flow(ask("", name="a")))
@example(Flow(ask("\n \n{a}\n\\\n", name="b")))
@example(Flow(ask("a\r\nb", name="a"), ask("\t{a}\n", name="t", template=True)))
@example(Flow(ask("a\rb", name="a", model=NAMESPACE["both"])))
def test_every_flow_of_prompts_comes_back_as_it_was(flow):
    try:
        text = cell_text(flow, namespace=NAMESPACE)
    except FlowError as error:  # only a function can hold a \r or a \x00, and not by every name
        python = any("\r" in step.source for step in flow.steps)
        names = {name for step in flow.steps for name in (step.name, *step.inputs)}
        assert python
        assert (
            any(keyword.iskeyword(name) for name in names)
            or not all(step.source.strip() for step in flow.steps)
            # From Python 3.13 the text that a function begins with can't have half of a pair.
            or any("\ud800" <= sign <= "\udfff" for step in flow.steps for sign in step.source)
        ), error
        return
    came = read(text).flow
    assert came.steps == flow.steps
    assert came.chosen == flow.chosen
    assert came.name == flow.name


@given(values)
def test_every_value_of_one_line_comes_back_as_it_was(values):
    flow = Flow(ask(" ".join(f"{{{name}}}" for name in values), name="the_node"))
    assume("the_node" not in values)
    try:
        text = cell_text(flow, values=values)
    except FlowError as error:
        assert "more than one line" in str(error)
        assert any(value.splitlines() not in ([], [value]) for value in values.values())
        return
    assert read(text).inputs == values


@given(flows())
def test_what_is_written_twice_is_the_same(flow):
    try:
        once = cell_text(flow, namespace=NAMESPACE)
    except FlowError:
        assume(False)
    assert cell_text(read(once).flow, namespace=NAMESPACE) == once


def facts(topic):
    """Look something up."""
    return f"All about {topic}"


@node(timeout=5)
@each(doc="docs")
def length(doc):
    return len(doc)


def close(text):
    return text.strip()


def test_a_function_among_prompts_makes_all_of_them_functions():
    flow = Flow(
        facts,
        ask("A joke about {topic}", name="joke", temperature=0.5, model=NAMESPACE["mute"]),
        ask("{facts}\n\n  {joke}\n", name="both", template=True),
        length,
    )
    text = cell_text(flow, values={"topic": "cats"}, namespace=NAMESPACE)
    assert text == (
        "%%fanout topic=cats\n"
        'def facts(topic):\n    """Look something up."""\n    return f"All about {topic}"\n\n\n'
        "@node(model=mute, temperature=0.5)\ndef joke(topic): 'A joke about {topic}'\n\n\n"
        "@node(template=True)\ndef both(facts, joke): '{facts}\\n\\n  {joke}\\n'\n\n\n"
        '@node(timeout=5)\n@each(doc="docs")\ndef length(doc):\n    return len(doc)'
    )
    came = read(text).flow
    assert [step.kind for step in came.steps] == ["python", "prompt", "template", "python"]
    assert came.steps[1:3] == flow.steps[1:3]
    assert [step.options for step in came.steps] == [step.options for step in flow.steps]


def test_a_prompt_of_several_lines_stands_indented_in_its_function():
    flow = Flow(facts, ask('One \\ and\n  "two"\n{topic}', name="joke"))
    text = cell_text(flow)
    assert 'def joke(topic):\n    """One \\\\ and\n      "two"\n    {topic}"""' in text
    assert read(text).flow.steps[1] == flow.steps[1]


def test_what_was_said_of_a_function_afterwards_is_written_above_it():
    step = vote(3, key=close)(node(retries=2)(step_of(length)))
    assert cell_text(Flow(step), namespace={"close": close}) == (
        '%%fanout\n@each(doc="docs")\n@vote(3, key=close)\n@node(timeout=5, retries=2)\n'
        "def length(doc):\n    return len(doc)"
    )


def test_a_cell_in_python_form_comes_back_word_for_word():
    body = (
        "@vote(5, key=str.strip)\ndef joke(topic): 'A joke about {topic}'\n\n\n"
        "@node(\n    retries=2, retry_on=TimeoutError\n)\nasync def both(joke):\n    return joke"
    )
    bound = parse("topic=cats", body).bind({})
    assert cell_text(bound.flow, values=bound.inputs) == f"%%fanout topic=cats\n{body}"


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        (lambda: Flow(ask("x", name="a", model=Mute())), "no variable"),
        (lambda: Flow(ask("x", name="a")).options(model={"mine": "smollm2"}), "names of their own"),
        (lambda: Flow(facts, ask("x", name="class")), "word of Python"),
        (lambda: Flow(best(2, score=lambda text: 1)(ask("x", name="a"))), "has no name"),
        (lambda: Flow(len_of), "isn't at hand"),
        (lambda: Flow(closure("x")), "reads 'word' of the function"),
    ],
)
def test_what_no_cell_can_say_is_an_error_that_names_it(flow, words):
    with pytest.raises(FlowError, match=words):
        cell_text(flow(), namespace={})


len_of = eval("lambda text: len(text)")  # a function without a file
len_of.__name__ = "len_of"


def closure(word):
    def inner(topic):
        return word + topic

    return inner


def test_an_option_that_a_template_has_no_use_for_is_left_out():
    text = cell_text(Flow(ask("x", name="a", template=True, temperature=1)))
    assert text == "%%fanout\n[a] template\nx"


def test_every_word_of_the_tables_can_be_written():
    words = {"timeout": 5, "retries": 1, "rate": "60/min", "jobs": 2, "wait": "any"}
    words |= {"model": "smollm2", "temperature": 1, "max_tokens": 9, "seed": 3, "votes": 3}
    flow = Flow(
        ask("{b}", name="a", on_error="pass", min_agreement=0.5, **words), ask("x", name="b")
    )
    assert (
        "[a] model=smollm2 temperature=1 max_tokens=9 seed=3 timeout=5 retries=1 rate=60/min"
        in (cell_text(flow))
    )
    assert node_options(words)
    assert flow_options({"jobs": 1})
