"""The builder, as a person who has never seen it meets it, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from .page import NotebookPage

pytestmark = pytest.mark.browser

SETUP = """\
%load_ext nbflow
import asyncio
from nbflow.models import set_default_model

async def parrot(prompt):
    for word in prompt.split():
        yield word + " "
        await asyncio.sleep(0.02)

async def endless(prompt):
    while True:
        yield "more "
        await asyncio.sleep(0.05)

set_default_model(parrot)
"""


@pytest.fixture
def builder(notebook: NotebookPage) -> Locator:
    """A builder with nothing in it, in the second cell."""
    notebook.open_new(
        "builder.ipynb", SETUP, "%nbflow builder", "%nbflow cell", "print(run['both'])"
    )
    notebook.run_to_end(0, 1)
    notebook.run_to_end(1, 2)
    shown = notebook.output(1).locator(".nbflow-builder")
    expect(shown).to_be_visible()
    return shown


def press(builder: Locator, name: str) -> None:
    builder.get_by_role("button", name=re.compile(f"{name}$")).click()


def text_of(builder: Locator, branch: str) -> Locator:
    return builder.get_by_role("textbox", name=f"Text of {branch}", exact=True)


def add(builder: Locator, number: int, text: str, button: str = "Add branch") -> Locator:
    """Press the button and type at once where the cursor then is."""
    press(builder, button)
    area = text_of(builder, f"branch_{number}")
    expect(area).to_be_focused()
    builder.page.keyboard.type(text)
    return area


def build_cats(builder: Locator) -> None:
    add(builder, 1, "Write a joke about {topic}", "Add the first branch")
    press(builder, "Call it “joke”")
    add(builder, 2, "Write a poem about {topic}")
    press(builder, "Call it “poem”")
    builder.get_by_label("topic", exact=True).fill("cats")
    add(builder, 3, "Here are {jo")
    builder.page.keyboard.press("Enter")
    builder.page.keyboard.type(" and")
    card = builder.locator(".nbflow-card").nth(2)
    card.get_by_role("button", name="Insert {poem}").click()
    card.get_by_label("Name").fill("both")
    card.get_by_label("Name").press("Enter")
    card.get_by_label("Kind").select_option(label="Template, no model")
    expect(text_of(builder, "both")).to_have_value("Here are {joke} and {poem}")


def test_the_cats_flow_is_built_run_and_put_into_a_cell(notebook, builder):
    build_cats(builder)
    drawn = builder.locator(".nbflow-drawing img")
    expect(drawn).to_have_attribute("alt", re.compile("both reads joke, poem"))
    press(builder, "Options of the run")
    builder.get_by_label("Keep the run as").fill("run")
    press(builder, "Run")
    board = builder.locator(".nbflow-board")
    expect(board).to_have_attribute("data-state", "done", timeout=15_000)
    expect(board.locator('.nbflow-pane[data-branch="both"] .nbflow-pane-text')).to_contain_text(
        "Here are Write a joke about cats and Write a poem about cats"
    )
    press(builder, "To cell")
    cell = builder.get_by_role("textbox", name="The %%fanout cell")
    expect(cell).to_have_text(
        "%%fanout -o run topic=cats\n[joke]\nWrite a joke about {topic}\n\n"
        "[poem]\nWrite a poem about {topic}\n\n[both] template\nHere are {joke} and {poem}"
    )
    notebook.run_to_end(2, 3)
    below = notebook.page.locator(".jp-Notebook .jp-Cell").nth(3).locator(".cm-content")
    expect(below).to_contain_text("%%fanout -o run topic=cats")
    notebook.run_to_end(4, 4)
    expect(notebook.output(4)).to_contain_text("Here are Write a joke about cats")
    assert notebook.alerts == []


def test_whoever_types_on_without_waiting_loses_nothing(notebook, builder):
    """They press a button and type at once: no key is lost, and no space presses it again."""
    press(builder, "Add the first branch")
    builder.page.keyboard.type("Write a joke about {topic}")
    press(builder, "Call it “joke”")
    expect(text_of(builder, "joke")).to_be_focused()
    press(builder, "Add branch")
    builder.page.keyboard.type("Write a short poem about {topic}")
    expect(text_of(builder, "branch_2")).to_have_value("Write a short poem about {topic}")
    press(builder, "Call it “poem”")
    press(builder, "Combine the answers")
    expect(text_of(builder, "combined")).to_be_focused()
    expect(text_of(builder, "combined")).to_have_value("{joke}\n\n{poem}")
    press(builder, "Run")
    expect(builder).to_contain_text("One field needs a look: the value of topic.")
    expect(builder.get_by_label("topic", exact=True)).to_be_focused()
    builder.page.keyboard.type("cats")
    press(builder, "Run")
    board = builder.locator(".nbflow-board")
    expect(board).to_have_attribute("data-state", "done", timeout=15_000)
    expect(board).to_be_in_viewport()
    expect(builder.locator(".nbflow-card")).to_have_count(3)


def test_a_button_that_is_pressed_twice_does_it_once_or_says_why(notebook, builder):
    press(builder, "Start from an example")
    builder.get_by_label("topic", exact=True).fill("cats")
    for name in ("Run", "To cell", "From cell"):
        builder.get_by_role("button", name=re.compile(f"{name}$")).dblclick()
    expect(builder.locator(".nbflow-board")).to_have_count(1)
    expect(builder.locator(".nbflow-board")).to_have_attribute("data-state", "done", timeout=15_000)
    press(builder, "Load")
    expect(builder).to_contain_text("a cell to load begins with %%fanout")
    press(builder, "Delete joke")
    expect(builder).not_to_contain_text("a cell to load begins with %%fanout")
    builder.get_by_role("button", name="Delete story").dblclick()
    expect(builder.locator(".nbflow-card")).to_have_count(2)
    builder.get_by_role("button", name=re.compile("Undo$")).dblclick()
    expect(builder.locator(".nbflow-card")).to_have_count(4)
    assert not [said for said in notebook.console if "widget" in said]


def test_what_is_changed_while_a_run_goes_on_is_for_the_next_one(notebook, builder):
    add(builder, 1, "Go on", "Add the first branch")
    press(builder, "Options of the run")
    builder.get_by_label("Model").last.fill("endless")
    press(builder, "Run")
    board = builder.locator(".nbflow-board")
    expect(board.locator(".nbflow-pane-text")).to_contain_text("more", timeout=15_000)
    press(builder, "Delete branch_1")
    expect(builder.locator(".nbflow-empty")).to_be_visible()
    board.get_by_role("button", name="Cancel run").click()
    expect(board).to_have_attribute("data-state", "cancelled", timeout=15_000)
    expect(builder.get_by_role("button", name=re.compile("Run$"))).to_be_disabled()
    press(builder, "Undo")
    expect(builder.get_by_role("button", name=re.compile("Run$"))).to_be_enabled()


def test_the_cell_is_put_below_where_the_page_offers_it(notebook, builder):
    add(builder, 1, "Yes or no?", "Add the first branch")
    press(builder, "To cell")
    press(builder, "Put it into a new cell")
    below = notebook.cell(2).locator(".cm-content")
    expect(below).to_contain_text("[branch_1]")
    press(builder, "Close")
    expect(builder.get_by_role("textbox", name="The %%fanout cell")).to_be_hidden()


def test_a_cell_is_loaded_and_undone(notebook, builder):
    press(builder, "From cell")
    builder.get_by_label("Cell", exact=True).fill("%%fanout topic=dogs\npun: A pun on {topic}")
    press(builder, "Load")
    expect(text_of(builder, "pun")).to_have_value("A pun on {topic}")
    expect(builder.get_by_label("topic", exact=True)).to_have_value("dogs")
    press(builder, "Undo")
    expect(builder.locator(".nbflow-empty")).to_be_visible()
    press(builder, "Redo")
    expect(text_of(builder, "pun")).to_be_visible()


def test_a_mistake_is_shown_at_its_field_and_goes_when_it_is_mended(notebook, builder):
    add(builder, 1, "Write a joke about {topic}", "Add the first branch")
    builder.get_by_label("topic", exact=True).fill("<img src=x onerror=alert(1)>")
    area = add(builder, 2, "Like {topc}: <script>alert(1)</script>")
    expect(area).to_have_attribute("aria-invalid", "true")
    said = builder.locator(".nbflow-card").nth(1).locator(".nbflow-wrong-text")
    expect(said).to_contain_text("unknown name 'topc'")
    expect(said).to_contain_text("Did you mean 'topic'?")
    expect(builder.locator(".nbflow-hole-wrong")).to_have_text("{topc}")
    press(builder, "Run")
    expect(builder).to_contain_text("need a look")
    area.fill("Like {topic}")
    expect(said).to_have_text("")
    expect(area).to_have_attribute("aria-invalid", "false")
    assert notebook.alerts == []


def test_the_number_of_votes_is_typed_anew_where_it_stands(notebook, builder):
    add(builder, 1, "Yes or no?", "Add the first branch")
    builder.get_by_label("Kind").select_option(label="Vote, of several")
    votes = builder.get_by_label("How many votes")
    votes.focus()
    votes.press("Backspace")
    builder.page.keyboard.type("12")
    votes.press("Enter")
    press(builder, "To cell")
    cell = builder.get_by_role("textbox", name="The %%fanout cell")
    expect(cell).to_have_text("%%fanout\n[branch_1] votes=12\nYes or no?")


def test_a_run_is_cancelled_from_its_board(notebook, builder):
    add(builder, 1, "Go on", "Add the first branch")
    press(builder.locator(".nbflow-card"), "Options")
    builder.get_by_label("Model").first.fill("endless")
    press(builder, "Run")
    board = builder.locator(".nbflow-board")
    expect(board.locator(".nbflow-pane-text")).to_contain_text("more", timeout=15_000)
    expect(builder.get_by_role("button", name="Running…")).to_be_disabled()
    board.get_by_role("button", name="Cancel run").click()
    expect(board).to_have_attribute("data-state", "cancelled", timeout=15_000)
    expect(builder.get_by_role("button", name=re.compile("Run$"))).to_be_enabled()


def test_no_key_reaches_the_notebook_and_all_is_reached_by_tab(notebook, builder):
    add(builder, 1, "Write a joke", "Add the first branch")
    cells = notebook.page.locator(".jp-Notebook .jp-Cell").count()
    press(builder, "Undo")
    builder.page.keyboard.type("ddxxaabb")
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(cells)
    names = set()
    builder.get_by_label("Name").first.focus()
    for _ in range(14):
        names.add(builder.page.evaluate("() => document.activeElement.tagName"))
        builder.page.keyboard.press("Tab")
    assert {"INPUT", "SELECT", "BUTTON", "TEXTAREA"} <= names


@pytest.mark.parametrize("pixels", [600, 900])
def test_nothing_is_wider_than_its_cell(notebook, builder, pixels):
    press(builder, "Start from an example")
    notebook.make_cells_wide(pixels)
    expect(text_of(builder, "combined")).to_be_visible()
    assert builder.evaluate("box => box.scrollWidth - box.clientWidth") <= 0
    expect(builder.get_by_role("button", name="Move joke up")).to_be_disabled()
    builder.get_by_role("button", name="Move joke down").click()
    expect(builder.locator(".nbflow-card").nth(1).get_by_label("Name")).to_have_value("joke")
