"""Somebody who goes on while the kernel is slow to answer, in JupyterLab and in Notebook 7.

The kernel answered `Call it “poem”` late, and put the cursor back into the poem's text: the value
that was being typed into the input `topic` by then ended there, and the input had none.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from .page import NotebookPage
from .servers import FrontEnd
from .test_builder import SETUP, press, text_of

# In one front end: the other tests of boards and builders show that both do the same.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("server", [FrontEnd.LAB], indirect=True),
]

BUSY = "import pathlib, time\nwhile not pathlib.Path('go-on').exists(): time.sleep(0.01)"
FLOW = """\
%%fanout topic=dogs
[joke]
A {tone} joke about {topic}

[branch_2]
Write a poem about {topic}"""


@pytest.fixture
def builder(notebook: NotebookPage) -> Locator:
    """A builder with two branches and two inputs, of which `tone` has no value."""
    show = f"import nbflow\nbuilder = nbflow.Builder({FLOW!r})\nbuilder"
    notebook.open_new("typing.ipynb", SETUP, show, BUSY, "print(builder.model.text())")
    notebook.run_first(2)
    shown = notebook.output(1).locator(".nbflow-builder")
    expect(text_of(shown, "branch_2")).to_be_visible()
    expect(shown.locator(".nbflow-drawing img")).to_be_visible()
    return shown


class Busy:
    """A cell that keeps the kernel busy, so that it answers nothing, until it is told to end."""

    def __init__(self, notebook: NotebookPage) -> None:
        self._notebook = notebook
        self._gate = notebook.server.home / "notebooks" / "go-on"

    def begin(self) -> None:
        self._gate.unlink(missing_ok=True)
        self._notebook.run(2)
        self._notebook.wait_prompt(2, "[*]")

    def end(self) -> None:
        self._gate.touch()
        self._notebook.wait_prompt(2, "[3]")


@pytest.fixture
def busy(notebook: NotebookPage) -> Busy:
    return Busy(notebook)


def value_of(builder: Locator, name: str) -> Locator:
    return builder.get_by_label(name, exact=True)


def test_a_late_rename_leaves_the_cursor_where_somebody_types_now(builder, busy):
    busy.begin()
    press(builder, "Call it “poem”")
    topic = value_of(builder, "topic")
    topic.fill("ca")
    busy.end()
    expect(text_of(builder, "poem")).to_be_visible()
    builder.page.keyboard.type("ts")
    expect(topic).to_have_value("cats")
    expect(text_of(builder, "poem")).to_have_value("Write a poem about {topic}")


@pytest.mark.parametrize("text", ["A joke about {topic}", "A {short} {tone} joke about {topic}"])
def test_a_value_is_typed_on_when_an_input_before_it_goes_or_comes(builder, busy, text):
    busy.begin()
    text_of(builder, "joke").fill(text)
    topic = value_of(builder, "topic")
    topic.fill("ca")
    busy.end()
    expect(value_of(builder, "tone")).to_have_count(text.count("{tone}"))
    expect(value_of(builder, "short")).to_have_count(text.count("{short}"))
    builder.page.keyboard.type("ts")
    expect(topic).to_have_value("cats")


def test_a_text_is_typed_on_when_a_card_before_it_goes_and_comes(builder, busy):
    busy.begin()
    press(builder, "Delete joke")
    area = text_of(builder, "branch_2")
    area.fill("One")
    busy.end()
    expect(text_of(builder, "joke")).to_have_count(0)
    builder.page.keyboard.type(" and")
    expect(area).to_have_value("One and")
    press(builder, "Undo")
    press(builder, "Undo")
    area.click()
    area.press("End")
    expect(text_of(builder, "joke")).to_be_visible()
    builder.page.keyboard.type("!")
    expect(area).to_have_value("Write a poem about {topic}!")


def test_a_late_complaint_leaves_the_cursor_where_somebody_types_now(builder, busy):
    busy.begin()
    press(builder, "Run")
    topic = value_of(builder, "topic")
    topic.fill("ca")
    busy.end()
    expect(builder).to_contain_text("it needs a value: unknown name 'tone'")
    builder.page.keyboard.type("ts")
    expect(topic).to_have_value("cats")
    expect(value_of(builder, "tone")).to_have_value("")


def test_a_complaint_puts_the_cursor_into_its_field(builder):
    press(builder, "Run")
    expect(value_of(builder, "tone")).to_be_focused()
    builder.page.keyboard.type("dry")
    expect(value_of(builder, "tone")).to_have_value("dry")


def test_keys_that_come_slowly_while_the_kernel_is_busy_all_arrive(notebook, builder, busy):
    busy.begin()
    value_of(builder, "tone").press_sequentially("very ", delay=60)
    text_of(builder, "branch_2").press_sequentially("!", delay=60)
    value_of(builder, "tone").press("End")
    value_of(builder, "tone").press_sequentially("dry", delay=60)
    busy.end()
    expect(value_of(builder, "tone")).to_have_value("very dry")
    notebook.run_to_end(3, 4)
    expect(notebook.output(3)).to_contain_text('tone="very dry"')
