"""The builder's widgets without a page: what they show, and what they tell the model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import ipywidgets
import pytest

import nbflow
from nbflow import Flow, ask
from nbflow.notebook.builder_card import BranchCard
from nbflow.notebook.builder_drawing import Drawing
from nbflow.notebook.builder_fields import Field, PromptEditor
from nbflow.notebook.builder_model import EXAMPLE, BuilderModel
from nbflow.notebook.builder_options import OPTIONS, OptionFold, RunCard
from nbflow.writing.header import OPTION_WORDS
from tests.notebook.kernel import Kernel


@pytest.fixture
def builder():
    return nbflow.Builder(EXAMPLE)


def inside(widget: Any) -> Iterator[Any]:
    """A widget and all that is in it, in the order in which they are seen."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


def control(root: Any, label: str) -> Any:
    return next(one for one in inside(root) if getattr(one, "description", "") == label)


def press(root: Any, label: str) -> None:
    control(root, label).click()


def options(root: Any) -> Any:
    """The options of a card, opened, as a person would first do."""
    fold = next(one for one in inside(root) if isinstance(one, OptionFold))
    fold.unfold()
    return fold


def card(builder: Any, name: str) -> Any:
    cards = (one for one in inside(builder) if isinstance(one, BranchCard))
    return next(one for one in cards if control(one, "Name").value == name)


def names(builder: Any) -> list[str]:
    cards = [one for one in inside(builder) if isinstance(one, BranchCard)]
    return [control(one, "Name").value for one in cards]


def editor(root: Any) -> PromptEditor:
    return next(one for one in inside(root) if isinstance(one, PromptEditor))


def error(root: Any, label: str) -> str:
    """What is said below a control."""
    wanted = control(root, label)
    fields = (one for one in inside(root) if isinstance(one, Field))
    return next(str(one.children[1].value) for one in fields if one.children[0] is wanted)


def test_what_is_typed_reaches_the_model_and_what_changes_is_shown(builder):
    editor(card(builder, "joke")).value = "A pun about {topic} and {tone}"
    assert builder.model.branch("joke").text == "A pun about {topic} and {tone}"
    assert builder.model.read().inputs == ("topic", "tone")
    control(builder, "tone").value = "dry"
    builder.model.rename("joke", "pun")
    assert "pun" in names(builder)
    assert "{pun}" in editor(card(builder, "combined")).value
    assert builder.model.text().startswith("%%fanout topic=cats tone=dry\n[pun]")


def test_every_kind_has_its_fields(builder):
    shown = card(builder, "joke")
    kind = control(shown, "Kind")
    kind.value = "vote"
    assert builder.model.branch("joke").words == {"votes": "5"}
    control(shown, "How many votes").value = "7"
    assert "[joke] votes=7" in builder.model.text()
    kind.value = "each"
    control(shown, "For each").value = "topic"
    control(shown, "in").value = "topics"
    assert builder.model.branch("joke").elements == (("topic", "topics"),)
    kind.value = "python"
    assert builder.model.branch("joke").kind == "python"
    assert editor(shown).code


def test_a_mistake_stands_at_its_field_escaped(builder):
    joke = card(builder, "joke")
    control(options(joke), "Retries").value = "<b>x</b>"
    assert error(joke, "Retries").startswith("retries takes a whole number")
    assert "<b>" not in error(joke, "Retries")
    story = editor(card(builder, "story"))
    story.value = "About {topc}"
    assert "Did you mean 'topic'?" in story.error
    assert story.marks == [[1, 7, 6]]
    assert story.names.count("topc") == 0
    control(joke, "Name").value = "my joke"
    assert "such as my_joke" in error(joke, "Name")


def test_a_mistake_in_the_options_of_the_run_stands_at_its_field_too(builder):
    builder.model.set_run_option("jobs", "<0>")
    run = next(one for one in inside(builder) if isinstance(one, RunCard))
    assert error(run, "At once") == "jobs takes a whole number from 1, not &#x27;&lt;0&gt;&#x27;."
    control(run, "At once").value = "2"
    control(run, "If a branch fails").value = "stop"
    assert error(run, "At once") == ""
    assert builder.model.text().startswith("%%fanout -j 2 --on-error stop topic=cats")
    control(run, "If a branch fails").value = "finish"
    assert builder.model.text().startswith("%%fanout -j 2 topic=cats")


def test_a_new_branch_is_not_blamed_for_being_empty_until_it_is_run(builder):
    press(builder, "Add branch")
    text = editor(card(builder, "branch_5"))
    assert text.error == ""
    press(builder, "To cell")
    assert text.error.startswith("the prompt of 'branch_5' is empty")


def test_an_input_is_not_asked_for_its_value_until_it_is_run(builder):
    editor(card(builder, "joke")).value = "A pun about {topic} and {tone}"
    builder._draw_now()
    assert error(builder, "tone") == ""
    builder._point_at(builder.model.read().problems)
    assert error(builder, "tone").startswith("it needs a value: unknown name &#x27;tone&#x27;")
    control(builder, "tone").value = "dry"
    builder._draw_now()
    assert error(builder, "tone") == ""


def test_the_answers_are_put_together_by_one_button(builder):
    press(builder, "Delete combined")
    press(builder, "Combine the answers")
    made = builder.model.branch("combined")
    assert (made.shape, made.text) == ("template", "{joke}\n\n{story}\n\n{poem}")
    assert control(builder, "Combine the answers").layout.display == "none"


def test_a_text_is_offered_no_name_that_would_close_a_circle(builder):
    assert editor(card(builder, "joke")).names == ["topic", "story", "poem"]
    assert editor(card(builder, "combined")).names == ["topic", "joke", "story", "poem"]


def test_a_card_has_every_option_of_a_header_and_says_those_that_are_set(builder):
    assert {*OPTIONS} == {*OPTION_WORDS} - {"template"}
    builder.model.set_option("joke", "retries", "2")
    fold = next(one for one in inside(card(builder, "joke")) if isinstance(one, OptionFold))
    assert fold.children[0].description == "Options: retries 2"
    assert not fold.is_open
    assert control(options(card(builder, "joke")), "Retries").value == "2"


def test_a_name_is_suggested_while_a_branch_has_none(builder):
    press(builder, "Add branch")
    shown = card(builder, "branch_5")
    editor(shown).value = "Write a haiku about {topic}"
    press(shown, "Call it “haiku”")
    assert builder.model.names()[-1] == "haiku"


def test_buttons_reorder_duplicate_delete_and_undo(builder):
    press(builder, "Move story up")
    assert builder.model.names()[:2] == ["story", "joke"]
    press(builder, "Duplicate story")
    assert builder.model.names()[:2] == ["story", "story_2"]
    press(builder, "Delete story_2")
    assert names(builder) == ["story", "joke", "poem", "combined"]
    press(builder, "Undo")
    assert names(builder) == builder.model.names()
    assert "story_2" in names(builder)
    assert control(builder, "Move story up").disabled


def test_a_cell_goes_out_and_comes_in_again(builder):
    press(builder, "To cell")
    (shown,) = [one for one in inside(builder) if isinstance(one, PromptEditor) and one.copy]
    assert shown.value == EXAMPLE
    press(builder, "From cell")
    pasted = control(builder, "Cell")
    pasted.value = "%%fanout\njoke: About cats"
    press(builder, "Load")
    assert builder.model.names() == ["joke"]
    pasted.value = "joke: About cats"
    press(builder, "Load")
    assert any("begins with %%fanout" in str(getattr(one, "value", "")) for one in inside(builder))


def test_without_a_notebook_the_cell_is_printed(builder, capsys):
    builder.to_cell()
    assert capsys.readouterr().out == f"{EXAMPLE}\n"


def test_a_flow_and_a_model_can_be_opened():
    assert nbflow.Builder(Flow(ask("x", name="a"))).model.text() == "%%fanout\n[a]\nx"
    model = BuilderModel(EXAMPLE)
    one, two = nbflow.Builder(model), nbflow.Builder(model)
    editor(card(one, "joke")).value = "new"
    assert editor(card(two, "joke")).value == "new"


def test_the_graph_is_described_in_words_too(builder):
    drawing = next(one for one in inside(builder) if isinstance(one, Drawing))
    assert "combined reads" in drawing.value


async def test_a_callback_of_another_thread_is_taken_to_the_loop():
    builder = nbflow.Builder(EXAMPLE)
    shown = editor(card(builder, "joke"))
    heard = []
    changed = asyncio.Event()

    def hear() -> None:
        heard.append(threading.current_thread())
        changed.set()

    builder.model.watch(hear)
    thread = threading.Thread(target=lambda: setattr(shown, "value", "from a thread"))
    thread.start()
    await changed.wait()
    thread.join()
    assert heard == [threading.main_thread()]
    assert builder.model.branch("joke").text == "from a thread"


async def test_what_another_thread_has_heard_is_not_taken_back_before_the_model_knows_it():
    """ipykernel 7.0 to 7.3 reads what is typed on a thread; a rename may be shown meanwhile."""
    builder = nbflow.Builder(EXAMPLE)
    value, text = control(builder, "topic"), editor(card(builder, "joke"))
    said = []
    for typed in (value, text):
        typed.observe(lambda change: said.append(change["new"]), "value")

    def type_() -> None:
        value.value, text.value = "dogs", "A pun"

    thread = threading.Thread(target=type_)
    thread.start()
    thread.join()
    builder.model.rename("story", "tale")
    await asyncio.sleep(0)
    assert said == ["dogs", "A pun"]
    assert builder.model.text().startswith("%%fanout topic=dogs\n[joke]\nA pun\n\n[tale]")


def test_the_spaces_that_somebody_types_are_left_to_them(builder):
    model = control(options(card(builder, "joke")), "Model")
    model.value = "my "
    builder._draw_now()
    builder.model.rename("story", "tale")
    assert model.value == "my "
    assert builder.model.branch("joke").words == {"model": "my"}
    press(builder, "Undo")
    press(builder, "Undo")
    assert model.value == ""


def test_what_stays_is_the_same_widget_in_the_same_place(builder):
    def places() -> dict[str, Any]:
        boxes = [one for one in inside(builder) if hasattr(one, "children")]
        return {one.description: box for box in boxes for one in box.children if is_field(one)}

    def is_field(one: Any) -> bool:
        return isinstance(one, ipywidgets.Text | ipywidgets.Dropdown) and one.description != "Name"

    joke, topic = editor(card(builder, "joke")), control(builder, "topic")
    before = places()
    builder.model.rename("story", "tale")
    editor(card(builder, "poem")).value = "A {short} poem"
    press(builder, "Delete tale")
    press(builder, "Undo")
    assert {name: places()[name] for name in before} == before
    assert editor(card(builder, "joke")) is joke
    assert control(builder, "topic") is topic


def test_every_control_has_a_name_for_those_who_cannot_see_it(builder):
    for widget in inside(builder):
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
        "from tests.notebook.test_builder import editor, card, names\n"
        "b = __import__('nbflow').Builder(current_flow(get_ipython()))"
    )
    kernel.run("editor(card(b, 'joke')).value = 'A pun about {topic}'")
    kernel.run("%%join both\n{joke}")
    assert kernel.run("b.model.names(), names(b)").text == "(['joke', 'both'], ['joke', 'both'])"
    kernel.run("async def parrot(prompt): yield prompt")
    kernel.run("%nbflow run topic=cats -m parrot -o run")
    assert kernel.run("run['both']").text == "'A pun about cats'"


def test_only_variables_of_the_notebook_are_filled_into_a_cell_that_is_loaded(kernel: Kernel):
    kernel.run("import nbflow\nb = nbflow.Builder(); text = 'cats'")
    kernel.run("b.from_cell('%%fanout topic={text}\\njoke: About {topic}')")
    assert kernel.run("b.model.state.values['topic']").text == "'cats'"


def test_where_no_widget_is_shown_the_next_cell_leaves_its_graph_and_its_cell(kernel: Kernel):
    kernel.run("%nbflow flow --clear")
    kernel.run("%%branch joke\nA <joke> about {topic}")
    shown, live = kernel.run("%nbflow builder").outputs
    assert "application/vnd.jupyter.widget-view+json" in live
    kernel.run("1")
    assert {*shown} == {"text/plain", "text/html"}
    assert "[joke]" in shown["text/plain"]
    assert "[joke]\nA &lt;joke&gt; about {topic}" in shown["text/html"]
    assert "data:image/svg+xml" in shown["text/html"]


def test_what_is_saved_holds_the_last_run_and_no_key(kernel: Kernel):
    kernel.run("import nbflow, asyncio\nasync def parrot(prompt): yield 'Ha!'")
    cell = "%%fanout topic=cats api_key=k-123 -m parrot\\njoke: {topic} {api_key}"
    shown = kernel.run(f"b = nbflow.Builder('{cell}')\nb").outputs[0]
    kernel.run("from tests.notebook.test_builder import inside, press\nb._output.say_ready()")
    assert "Ha!" not in shown["text/html"]
    kernel.run(
        "press(b, 'Run')\nwhile b.last_run is None: await asyncio.sleep(0)\n"
        "await b.last_run\nawait asyncio.sleep(0)\nb._draw_now()"
    )
    assert "Ha!" in shown["text/html"]
    assert "%%fanout -m parrot topic=cats" in shown["text/html"]
    assert "k-123" not in "".join(shown.values())


def test_both_ways_to_run_run_the_imports_of_a_python_branch(kernel: Kernel):
    kernel.run("%nbflow flow --clear")
    kernel.run("import asyncio, nbflow; from nbflow.notebook.branch_cells import current_flow")
    kernel.run("from tests.notebook.test_builder import press\nmodel = current_flow(get_ipython())")
    code = "import math as area_math\\ndef area(): return round(area_math.pi, 2)"
    kernel.run(f"model.add('area', 'python', text='{code}')")
    assert kernel.run("%nbflow run -o run").error == ""
    assert kernel.run("run['area']").text == "3.14"
    kernel.run("del area_math; b = nbflow.Builder(model)")
    ran = kernel.run(
        "press(b, 'Run')\nwhile b.last_run is None: await asyncio.sleep(0)\n"
        "await b.last_run\nb.last_run['area']"
    )
    assert ran.text.endswith("3.14")


def test_a_run_shows_its_board_and_its_variable(kernel: Kernel):
    kernel.run("import nbflow, asyncio\nasync def parrot(prompt): yield prompt")
    kernel.run("b = nbflow.Builder('%%fanout topic=cats -m parrot -o made\\njoke: About {topic}')")
    kernel.run("from tests.notebook.test_builder import inside, press")
    cell = kernel.run(
        "press(b, 'Run')\nwhile b.last_run is None: await asyncio.sleep(0)\n"
        "await b.last_run\nmade['joke']"
    )
    assert cell.error == ""
    assert cell.text.endswith("'About cats'")
    boards = "sum(type(one).__name__ == 'BoardWidget' for one in inside(b))"
    assert kernel.run(f"{boards}, b.last_run is made").text == "(1, True)"
