"""The builder's model: what a person changes, what it says is wrong, and the cell it becomes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from IPython.utils.text import DollarFormatter

from nbflow import Flow, FlowError, ask, each, node, vote
from nbflow.notebook.branch import Branch
from nbflow.notebook.branch_cells import graph_bundle
from nbflow.notebook.builder_model import EXAMPLE, BuilderModel
from nbflow.notebook.naming import suggested_name
from nbflow.writing.cell import parse
from nbflow.writing.cell_text import cell_text
from nbflow.writing.header import OPTION_WORDS
from nbflow.writing.options import FLOW_WORDS, flow_options, node_options

CATS = EXAMPLE


def problems(model: BuilderModel) -> dict[tuple[Any, str], str]:
    names = {branch.id: branch.name for branch in model.branches}
    return {(names.get(p.owner, p.owner), p.field): p.message for p in model.read().problems}


def test_the_cats_flow_is_built_branch_by_branch():
    model = BuilderModel()
    model.add("joke", text="Write a joke about {topic}")
    model.add("both", "template", text="{joke}")
    assert model.read().inputs == ("topic",)
    assert [*problems(model)] == [("value", "topic")]
    model.set_value("topic", "cats")
    assert problems(model) == {}
    assert model.text() == (
        "%%fanout topic=cats\n[joke]\nWrite a joke about {topic}\n\n[both] template\n{joke}"
    )


def test_a_new_branch_has_a_name_that_is_free():
    model = BuilderModel()
    names = [model.add().name, model.add().name, model.add("branch_2").name]
    assert names == ["branch_1", "branch_2", "branch_3"]


def test_whoever_reads_a_branch_follows_its_new_name():
    model = BuilderModel(CATS)
    model.rename("joke", "gag")
    assert "{gag}" in model.branch("combined").text
    assert model.branch("gag").text == "Write a joke about {topic}"
    assert problems(model) == {}


LOUD = 'def loud({0}):\n    """{{{0}}}"""\n    return {0} + "joke é" + {0}'


def test_code_and_what_is_iterated_follow_too_and_an_element_does_not():
    model = BuilderModel()
    model.add("joke", text="x")
    model.add(
        "loud",
        "python",
        text='def loud(joke):\n    """{joke}"""\n    return joke + "joke é" + joke',
    )
    model.add("one", text="{joke} {item}")
    model.set_elements("one", "item", "joke")
    model.put(Branch(0, "own", text="{joke}", elements=(("joke", "jokes"),)))
    model.rename("joke", "a_pun")
    assert model.branch("loud").text == LOUD.format("a_pun")
    assert model.branch("one").elements == (("item", "a_pun"),)
    assert model.branch("own").text == "{joke}"


def test_renaming_code_renames_its_function():
    model = BuilderModel()
    model.add("a", "python", text="import math\nasync def a(x):\n    return a")
    model.rename("a", "b")
    assert model.branch("b").text.startswith("import math\nasync def b(x):")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("my joke", "such as my_joke"),
        ("story", "there is a node 'story' too"),
        ("1st", "such as joke"),
    ],
)
def test_a_name_that_cannot_be_stays_in_its_field_and_nobody_loses_theirs(typed, words):
    model = BuilderModel(CATS)
    model.rename("joke", typed)
    assert words in problems(model)["joke", "name"]
    assert "{joke}" in model.branch("combined").text
    model.rename("joke", "pun")
    assert problems(model) == {}


def test_every_branch_says_its_own_mistake_in_the_words_of_the_magic():
    model = BuilderModel(CATS)
    model.set_option("joke", "retries", "x")
    model.write("story", "About {topc}")
    model.write("poem", " ")
    model.set_option("combined", "wait", "9")
    model.set_run_option("jobs", "0")
    found = problems(model)
    assert found["joke", "retries"] == "retries takes a whole number from 0, not 'x'."
    assert found["story", "text"].startswith(
        "at '{topc}': unknown name 'topc': no node of this cell"
    )
    assert found["poem", "text"].startswith("the prompt of 'poem' is empty")
    assert "waits for 9 of its inputs" in found["combined", "wait"]
    assert found["run", "jobs"] == "jobs takes a whole number from 1, not '0'."


def test_a_mistake_is_marked_where_it_stands():
    model = BuilderModel("%%fanout topic=cats\n[joke]\nOne\nabout {topc}")
    (mark,) = {problem.mark for problem in model.read().problems if problem.mark}
    assert mark == (2, 7, 6)


def test_a_circle_is_said_and_the_graph_waits():
    model = BuilderModel("%%fanout\n[a]\n{b}\n[b]\nx")
    model.write("b", "{a}")
    assert "a circle" in " ".join(problems(model).values())
    assert model.read().topology is None


def test_a_variable_of_the_notebook_is_no_missing_input():
    model = BuilderModel(CATS.replace(" topic=cats", ""), namespace=lambda: {"topic": "dogs"})
    assert (model.read().inputs, model.read().missing) == (("topic",), ())


def test_reading_for_mistakes_runs_no_code():
    ran: list[int] = []
    model = BuilderModel(namespace=lambda: {"ran": ran})
    model.add(
        "a", "python", text="ran.append(1)\n@ran.append\ndef a(x=ran.append(2)):\n    ran.append(3)"
    )
    assert model.read().problems == ()
    assert ran == []


def test_what_waits_for_another_kind_comes_back_with_it():
    model = BuilderModel()
    model.add("a", text="x", temperature="1")
    model.reshape("a", "vote")
    assert model.branch("a").words == {"temperature": "1", "votes": "5"}
    model.reshape("a", "template")
    assert model.text() == "%%fanout\n[a] template\nx"
    model.reshape("a", "prompt")
    assert model.text() == "%%fanout\n[a] temperature=1\nx"
    model.reshape("a", "python")
    assert model.text() == "%%fanout\ndef a(): 'x'"


@pytest.mark.parametrize("end", ['"', '""', '"""', '""""', '\\"', "\\"])
def test_a_prompt_of_several_lines_becomes_code_however_it_ends(end):
    model = BuilderModel()
    model.add("a", text=f"Say\n{end}")
    model.add("b", "python", text="def b(a):\n    return a")
    assert BuilderModel(model.text()).branch("a").text == f"Say\n{end}"


def test_a_prompt_with_options_comes_back_as_one_from_a_cell_of_code():
    model = BuilderModel(CATS)
    model.set_option("joke", "retries", "2")
    model.set_option("joke", "model", "smollm2,openai:x")
    model.reshape("poem", "vote")
    model.add("loud", "python", text="def loud(joke):\n    return joke.upper()")
    again = BuilderModel(model.text())
    assert [branch.shape for branch in again.branches] == [
        "prompt",
        "prompt",
        "vote",
        "template",
        "python",
    ]
    assert again.branch("joke").words == {"model": "smollm2,openai:x", "retries": "2"}
    assert again.branch("combined").text == model.branch("combined").text


def test_undo_and_redo_go_through_everything():
    model = BuilderModel(clock=iter(range(1000)).__next__)
    states = [model.state]
    joke = model.add("joke")
    for change in (
        lambda: model.write(joke.id, "About {topic}"),
        lambda: model.rename(joke.id, "pun"),
        lambda: model.set_value("topic", "cats"),
        lambda: model.duplicate(joke.id),
        lambda: model.move(joke.id, 1),
        lambda: model.remove(joke.id),
        lambda: model.load(CATS),
    ):
        states.append(model.state)
        change()
    last = model.state
    for state in reversed(states):
        assert model.undo()
        assert model.state == state
    assert not model.undo()
    while model.redo():
        pass
    assert model.state == last


def test_what_is_typed_in_one_go_is_one_step():
    now = [0.0]
    model = BuilderModel(CATS, clock=lambda: now[0])
    for text in ("a", "ab", "abc"):
        model.write("joke", text)
    now[0] = 5.0
    model.write("joke", "abcd")
    model.undo()
    assert model.branch("joke").text == "abc"
    model.undo()
    assert model.branch("joke").text == "Write a joke about {topic}"


def test_whoever_watches_hears_of_each_change_until_they_stop():
    heard = []
    model = BuilderModel()
    stop = model.watch(lambda: heard.append(len(model.branches)))
    model.add("a")
    model.write("a", "")
    stop()
    model.add("b")
    assert heard == [1]


def test_a_cell_in_every_form_comes_back_as_it_says():
    for cell in (
        CATS,
        "%%fanout -m smollm2 -o run -j 2 --on-error keep topic=cats\njoke: About {topic}",
        (
            "%%fanout\nimport math\n\n\n@vote(3)\ndef a(x=1):\n    return math.pi\n\n\n"
            "async def b(a):\n    return a"
        ),
    ):
        model = BuilderModel(cell)
        again = BuilderModel(model.text())
        assert again.text() == model.text()
        assert again.state.branches == model.state.branches
        assert parse(*split(model.text())).line.options == parse(*split(cell)).line.options


def split(cell: str) -> tuple[str, str]:
    head, _, body = cell.partition("\n")
    return head.removeprefix("%%fanout").strip(), body


def twice(text):
    return text + text


FLOW = Flow(
    ask("About {topic}\n", name="joke", retries=2, rate="60/min"),
    vote(3, min_agreement=0.5)(ask("Good? {joke}", name="good")),
    each(doc="docs")(ask("Sum up {doc}", name="sums", wait="all")),
    ask("{sums}", name="all_of_them", template=True),
    name="run",
).options(jobs=3, on_error="keep", model="smollm2,openai:x")


def test_a_flow_comes_back_without_loss():
    model = BuilderModel(FLOW)
    assert model.text() == cell_text(FLOW)


def test_the_graph_shows_no_value_of_what_is_called_a_key():
    model = BuilderModel("%%fanout api_key=k-1 topic=cats\na: {topic}, with {api_key}")
    drawn = "".join(graph_bundle(model.read(), model.state).values())
    assert "cats" in drawn
    assert "k-1" not in drawn


def test_an_option_that_is_zero_comes_back_too():
    flow = Flow(ask("x", name="a", temperature=0, retries=0)).options(seed=0)
    assert BuilderModel(flow).text() == "%%fanout --seed 0\n[a] temperature=0 retries=0\nx"


def test_a_text_in_the_code_beside_functions_keeps_its_blank_lines():
    cell = '%%fanout\nimport math\nwords = """a\n\n\n\nb"""\n\n\ndef f():\n    return words'
    assert BuilderModel(cell).text() == cell


def test_a_branch_with_a_mistake_is_drawn_as_what_it_is():
    model = BuilderModel(CATS)
    model.set_option("joke", "retries", "x")
    model.set_option("combined", "retries", "x")
    nodes = model.read().topology.nodes
    assert (nodes["joke"].kind, nodes["combined"].kind) == ("prompt", "template")


def test_a_flow_with_functions_and_objects_comes_back_too():
    class Mute:
        name = "mute"

    def shout(prompt):
        return prompt.upper()

    flow = Flow(node(timeout=3)(twice), ask("{twice}", name="b", model=shout))
    model = BuilderModel(flow, namespace=lambda: {"shout": shout})
    assert model.text() == cell_text(flow, namespace={"shout": shout})
    assert model.branch("b").words["model"] is shout
    twice.__dict__.clear()


def test_options_of_code_stand_above_it_in_the_cell():
    model = BuilderModel()
    model.add("a", "python", text="@vote(3)\ndef a():\n    return 1", timeout="2")
    assert model.text() == "%%fanout\n@node(timeout=2)\n@vote(3)\ndef a():\n    return 1"


@pytest.mark.parametrize("cell", ["x", "%%time\n1", "%%fanout\n", "%%fanout\n[a"])
def test_what_is_no_cell_leaves_everything_as_it_was(cell):
    model = BuilderModel(CATS)
    before = model.state
    with pytest.raises(FlowError):
        model.load(cell)
    assert model.state == before


def test_what_has_mistakes_is_saved_as_it_was_written():
    model = BuilderModel(CATS)
    model.set_option("joke", "retries", "x")
    model.set_option("story", "model", object())
    model.add("code", "python", text="def code(:")
    saved = model.saved_text()
    assert saved.startswith("%%fanout topic=cats\n[joke] retries=x\nWrite a joke about {topic}")
    assert "[story] model=<object>\n" in saved
    assert "[combined] template\nHere are" in saved
    assert saved.endswith("{poem}\n\ndef code(:")


def test_nothing_has_no_cell_and_no_problems():
    model = BuilderModel()
    assert (model.read().problems, model.read().topology) == ((), None)
    with pytest.raises(FlowError, match="no branch yet"):
        model.text()


def test_names_are_suggested_from_what_is_asked_for():
    asked = {
        "Write a joke about {topic}": "joke",
        "Write a very short story.": "story",
        "Give me one good reason for {x}": "reason",
        "{a}\n{b}": "",
        "Summarise": "",
    }
    assert {text: suggested_name(text) for text in asked} == asked


HOSTILE = [
    "[x] y",
    "{a}",
    "{b}",
    "{topic}",
    "\\",
    "",
    "  ",
    "\n",
    "def a(): 1",
    "é²",
    "<script>",
    "\ud800",
    "$x",
]


class Typing(RuleBasedStateMachine):
    """Somebody who presses every button and types anything."""

    @initialize()
    def open(self) -> None:
        self.model = BuilderModel()

    def some(self, number: int) -> Any:
        branches = self.model.branches
        return branches[number % len(branches)].id if branches else None

    @rule(kind=st.sampled_from(["prompt", "template", "python"]), text=st.sampled_from(HOSTILE))
    def add(self, kind: Any, text: str) -> None:
        self.model.add(kind=kind, text=text)

    @rule(number=st.integers(0, 9), text=st.lists(st.sampled_from(HOSTILE)).map("".join))
    def write(self, number: int, text: str) -> None:
        if (which := self.some(number)) is not None:
            self.model.write(which, text)

    @rule(number=st.integers(0, 9), name=st.sampled_from(["a", "b", "class", "1", "", "é", "a b"]))
    def rename(self, number: int, name: str) -> None:
        if (which := self.some(number)) is not None:
            self.model.rename(which, name)

    @rule(
        number=st.integers(0, 9),
        word=st.sampled_from(["model", "retries", "votes", "wait", "rate", "min_agreement"]),
        value=st.sampled_from(["1", "x", "smollm2", "60/min", "any", "openai:", "a,,b"]),
    )
    def say(self, number: int, word: str, value: str) -> None:
        if (which := self.some(number)) is not None:
            self.model.set_option(which, word, value)
        self.model.set_run_option("out", value)

    @rule(
        number=st.integers(0, 9),
        shape=st.sampled_from(["prompt", "template", "python", "vote", "each"]),
    )
    def reshape(self, number: int, shape: str) -> None:
        if (which := self.some(number)) is not None:
            self.model.reshape(which, shape)

    @rule(number=st.integers(0, 9), by=st.integers(-2, 2))
    def move(self, number: int, by: int) -> None:
        if (which := self.some(number)) is not None:
            self.model.move(which, by)
            self.model.duplicate(which)
            self.model.remove(which)

    @rule(value=st.sampled_from(HOSTILE))
    def give(self, value: str) -> None:
        for name in self.model.read().inputs:
            self.model.set_value(name, value)

    @rule()
    def go_back(self) -> None:
        self.model.undo()

    @invariant()
    def what_is_without_problems_has_a_cell_that_says_it(self) -> None:
        if not hasattr(self, "model"):
            return
        names = [branch.name for branch in self.model.branches]
        assert len(set(names)) == len(names)
        found = self.model.read().problems
        if found or not names:
            return
        try:
            text = self.model.text()
        except FlowError:
            return  # said to whoever asks for the cell
        assert BuilderModel(text).names() == names


TestTyping = Typing.TestCase
TestTyping.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)


WORDS = {
    "model": [
        "smollm2",
        "openai:gpt-4o-mini",
        "smollm2,openai:x",
        "openai:x@http://localhost:1/v1",
    ],
    "temperature": ["0", "0.7"],
    "max_tokens": ["1", "200"],
    "seed": ["0", "7"],
    "timeout": ["1.5", "60"],
    "retries": ["0", "3"],
    "rate": ["60/min", "5/s", "5/2.5s"],
    "jobs": ["1", "8"],
    "votes": ["1", "5"],
    "min_agreement": ["0.5", "1"],
    "wait": ["any", "1"],
    "on_error": ["pass"],
}
"""Something right for every option of a header."""
TEXTS = st.lists(
    st.sampled_from([*HOSTILE, "{first}", "{item}", "{{x}}", '"', "'", '"""', "%%x", "#", "\t"])
    | st.text(max_size=6),
    min_size=1,
).map("".join)
VALUES = [
    "cats",
    "cats and dogs",
    "a=b",
    "-m x",
    "--bg",
    "'",
    '"',
    "$x",
    "{y}",
    "\\",
    "é  ",
    "#",
    "%",
]


@st.composite
def written(draw: Any) -> BuilderModel:
    """What somebody may have written in a builder, of every kind and with every option."""
    model = BuilderModel()
    for name in ("first", "second", "é3")[: draw(st.integers(1, 3))]:
        shape = draw(st.sampled_from(["prompt", "template", "vote", "each", "python"]))
        model.add(name, text=draw(TEXTS))
        model.reshape(name, shape)
        if shape == "each":
            model.set_elements(name, "item", draw(st.sampled_from(["first", "items"])))
            model.write(name, f"{model.branch(name).text}{{item}}")
        for word in draw(st.sets(st.sampled_from(sorted(WORDS)), max_size=3)):
            model.set_option(name, word, draw(st.sampled_from(WORDS[word])))
    for name in model.read().inputs:
        model.set_value(name, draw(st.sampled_from(VALUES)))
    for word in draw(st.sets(st.sampled_from(sorted(FLOW_WORDS)), max_size=3)):
        stop = st.sampled_from(["stop", "keep"])
        model.set_run_option(
            word, draw(stop if word == "on_error" else st.sampled_from(WORDS[word]))
        )
    model.set_run_option("out", draw(st.sampled_from(["", "run", "é"])))
    return model


def read_back(cell: str) -> BuilderModel:
    """The builder of a cell, whose first line IPython expands before a magic sees it."""
    head, newline, body = cell.partition("\n")
    return BuilderModel(f"{DollarFormatter().vformat(head, (), {})}{newline}{body}")


def said(branch: Branch) -> tuple[Any, ...]:
    """What a branch says, however it is written."""
    words = {
        word: getattr(node_options({word: value}), word) for word, value in branch.said.items()
    }
    return branch.name, branch.shape, branch.text, words, branch.elements


def test_the_laws_know_every_option():
    assert {*WORDS} == {*OPTION_WORDS} - {"template"}
    assert {*FLOW_WORDS} <= {*WORDS}


@settings(max_examples=300, deadline=None)
@given(written())
def test_whatever_is_written_comes_back_from_its_cell(model):
    """A builder to a cell to a builder: the same branches, options and values, and one cell."""
    if model.read().problems:
        return
    try:
        text = model.text()
    except FlowError:
        return  # said to whoever asks for the cell
    again = read_back(text)
    assert read_back(again.text()).text() == again.text()
    assert again.text() == text or any(branch.kind == "python" for branch in model.branches)
    assert again.state.out == model.state.out
    assert again.read().line.values == model.read().line.values
    assert flow_options(again.state.options) == flow_options(model.state.options)
    for one, other in zip(model.branches, again.branches, strict=True):
        if one.kind == "python":
            assert (other.kind, other.name) in {("python", one.name), ("prompt", one.name)}
        else:
            assert said(other) == said(one)


@given(st.lists(st.sampled_from(HOSTILE), min_size=1).map("".join))
def test_any_prompt_comes_back_from_its_cell(text):
    model = BuilderModel()
    model.add("the_node", text=text)
    for name in model.read().inputs:
        model.set_value(name, "x")
    if not model.read().problems and "\r" not in text:
        assert BuilderModel(model.text()).branches[0].text == text
