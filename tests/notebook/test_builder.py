"""The builder's widgets without a page: what they show, and what they tell the model."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import ipywidgets
import pytest

import nbflow
from nbflow import Flow, ask
from nbflow.notebook.builder_model import BuilderModel, example
from tests.notebook.kernel import Kernel


@pytest.fixture
def builder():
    return nbflow.Builder(example())


def card(builder: Any, name: str) -> Any:
    return builder._cards[builder.model.branch(name).id]


def error(field: Any) -> str:
    return str(field._error.value)


def test_what_is_typed_reaches_the_model_and_what_changes_is_shown(builder):
    card(builder, "joke").fields["text"].value = "A pun about {topic} and {tone}"
    assert builder.model.branch("joke").text == "A pun about {topic} and {tone}"
    assert builder.model.inputs == ("topic", "tone")
    builder._inputs["tone"].control.value = "dry"
    builder.model.rename("joke", "pun")
    assert card(builder, "pun").fields["name"].control.value == "pun"
    assert "{pun}" in card(builder, "combined").fields["text"].value
    assert builder.model.text().startswith("%%fanout topic=cats tone=dry\n[pun]")


def test_every_kind_has_its_fields(builder):
    shown = card(builder, "joke")
    shown._shape.control.value = "vote"
    assert builder.model.branch("joke").words == {"votes": "5"}
    shown._votes.control.value = "7"
    assert "[joke] votes=7" in builder.model.text()
    shown._shape.control.value = "each"
    shown._element.control.value = "topic"
    shown._source.control.value = "topics"
    assert builder.model.branch("joke").elements == (("topic", "topics"),)
    shown._shape.control.value = "python"
    assert builder.model.branch("joke").kind == "python"
    assert shown.fields["text"].code


def test_a_mistake_stands_at_its_field_escaped(builder):
    card(builder, "joke").fields["retries"].control.value = "<b>x</b>"
    assert error(card(builder, "joke").fields["retries"]).startswith("retries takes a whole number")
    assert "<b>" not in error(card(builder, "joke").fields["retries"])
    card(builder, "story").fields["text"].value = "About {topc}"
    editor = card(builder, "story").fields["text"]
    assert "Did you mean 'topic'?" in editor.error
    assert editor.marks == [[1, 7, 6]]
    assert editor.names.count("topc") == 0
    card(builder, "joke").fields["name"].control.value = "my joke"
    assert "such as my_joke" in error(card(builder, "joke").fields["name"])


def test_a_new_branch_is_not_blamed_for_being_empty_until_it_is_run(builder):
    builder._add.click()
    editor = card(builder, "branch_5").fields["text"]
    assert editor.error == ""
    builder._to_cell.click()
    assert editor.error.startswith("the prompt of 'branch_5' is empty")


def test_a_name_is_suggested_while_a_branch_has_none(builder):
    builder._add.click()
    shown = card(builder, "branch_5")
    shown.fields["text"].value = "Write a haiku about {topic}"
    assert shown._suggest.description == "Call it “haiku”"
    shown._suggest.click()
    assert builder.model.names()[-1] == "haiku"


def test_buttons_reorder_duplicate_delete_and_undo(builder):
    card(builder, "story")._up.click()
    assert builder.model.names()[:2] == ["story", "joke"]
    card(builder, "story")._copy.click()
    assert builder.model.names()[:2] == ["story", "story_2"]
    card(builder, "story_2")._delete.click()
    builder._undo.click()
    assert "story_2" in builder.model.names()
    assert list(builder._list.children) == [
        builder._cards[branch.id] for branch in builder.model.branches
    ]
    assert card(builder, "story")._up.disabled


def test_a_cell_goes_out_and_comes_in_again(builder):
    builder._to_cell.click()
    assert builder._cell.value == example()
    builder._pasted.value = "%%fanout\njoke: About cats"
    builder._load()
    assert builder.model.names() == ["joke"]
    builder._pasted.value = "joke: About cats"
    builder._edit(builder._load)
    assert "begins with %%fanout" in builder._notice.value


def test_a_flow_and_a_model_can_be_opened():
    assert nbflow.Builder(Flow(ask("x", name="a"))).model.text() == "%%fanout\n[a]\nx"
    model = BuilderModel(example())
    one, two = nbflow.Builder(model), nbflow.Builder(model)
    card(one, "joke").fields["text"].value = "new"
    assert card(two, "joke").fields["text"].value == "new"


def test_the_graph_is_described_in_words_too(builder):
    assert "combined reads" in builder._graph.value


async def test_a_callback_of_another_thread_is_taken_to_the_loop():
    builder = nbflow.Builder(example())
    editor = card(builder, "joke").fields["text"]
    heard = []
    changed = asyncio.Event()

    def hear() -> None:
        heard.append(threading.current_thread())
        changed.set()

    builder.model.watch(hear)
    thread = threading.Thread(target=lambda: setattr(editor, "value", "from a thread"))
    thread.start()
    await changed.wait()
    thread.join()
    assert heard == [threading.main_thread()]
    assert builder.model.branch("joke").text == "from a thread"


def test_every_control_has_a_name_for_those_who_cannot_see_it(builder):
    for widget in list(ipywidgets.widgets.widget._instances.values()):
        if isinstance(widget, ipywidgets.Button):
            assert widget.description or widget.tooltip
        elif isinstance(widget, ipywidgets.Text | ipywidgets.Dropdown | ipywidgets.Textarea):
            assert widget.description


def test_the_builder_and_the_cells_of_a_notebook_stay_in_step(kernel: Kernel):
    kernel.run("%nbflow flow --clear")
    kernel.run("%%branch joke\nA joke about {topic}")
    assert kernel.run("%nbflow builder").error == ""
    kernel.run(
        "from nbflow.notebook.branch_cells import current_flow\n"
        "model = current_flow(get_ipython()); b = __import__('nbflow').Builder(model)"
    )
    kernel.run("b._cards[1].fields['text'].value = 'A pun about {topic}'")
    kernel.run("%%join both\n{joke}")
    assert kernel.run("list(model.names()), len(b._cards)").text == "(['joke', 'both'], 2)"
    kernel.run("async def parrot(prompt): yield prompt")
    kernel.run("%nbflow run topic=cats -m parrot -o run")
    assert kernel.run("run['both']").text == "'A pun about cats'"


def test_where_no_widget_is_shown_the_next_cell_leaves_its_graph_and_its_cell(kernel: Kernel):
    kernel.run("%nbflow flow --clear")
    kernel.run("%%branch joke\nA <joke> about {topic}")
    shown = kernel.run("%nbflow builder").outputs[0]
    assert "application/vnd.jupyter.widget-view+json" in shown
    kernel.run("1")
    assert {*shown} == {"text/plain", "text/html"}
    assert "[joke]\nA &lt;joke&gt; about {topic}" in shown["text/html"]
    assert "data:image/svg+xml" in shown["text/html"]


def test_a_run_shows_its_board_and_its_variable(kernel: Kernel):
    kernel.run("import nbflow, asyncio\nasync def parrot(prompt): yield prompt")
    kernel.run("b = nbflow.Builder('%%fanout topic=cats -m parrot -o made\\njoke: About {topic}')")
    cell = kernel.run("b._run_button.click()\nawait asyncio.wait(list(b._tasks))\nmade['joke']")
    assert cell.error == ""
    assert cell.text.endswith("'About cats'")
    assert kernel.run("len(b._board.children), b.last_run is made").text == "(1, True)"
