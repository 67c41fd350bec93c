"""A notebook that is saved in the middle of a run, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from .page import NotebookPage
from .test_board import ENDLESS, MODELS, WIDGET

pytestmark = pytest.mark.browser

STOOD = "this is how it stood when the notebook was saved"


def begin_and_save(notebook: NotebookPage, cell: str) -> Locator:
    """Save a notebook in whose second cell a run goes on; that cell's output."""
    notebook.open_new("autosaved.ipynb", MODELS, cell)
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "joke", "joke-3")
    shown = notebook.output(1)
    expect(shown.locator(".nbflow-saved-board")).to_have_count(1)
    expect(shown.locator(".nbflow-saved-board")).to_be_hidden()
    live, saved = notebook.save()["cells"][1]["outputs"]
    assert WIDGET in live["data"]
    assert "joke-3" in "".join(saved["data"]["text/html"])
    return shown


@pytest.fixture
def output(notebook: NotebookPage) -> Locator:
    return begin_and_save(notebook, ENDLESS)


def expect_as_it_stood(output: Locator) -> None:
    expect(output.locator(".nbflow-board")).to_have_count(1)
    expect(output.locator(".nbflow-board")).to_contain_text("joke-3")
    expect(output.get_by_text(STOOD)).to_be_visible()
    expect(output.get_by_text("Error displaying widget")).to_be_hidden()
    expect(output.get_by_text("Loading widget")).to_be_hidden()


@pytest.mark.parametrize("trusted", [True, False])
def test_it_shows_the_board_as_it_stood_where_there_is_no_kernel(notebook, output, trusted):
    notebook.reopen_without_kernel(trusted=trusted)
    expect_as_it_stood(output)
    assert notebook.alerts == []


def test_it_shows_the_board_as_it_stood_in_another_kernel(notebook, output):
    notebook.server.shut_down_kernels()
    notebook.open(notebook.name)
    expect_as_it_stood(output)


def test_a_page_that_is_opened_meanwhile_has_the_live_board_alone(notebook):
    output = begin_and_save(notebook, ENDLESS.replace("-o run", "--bg -o run"))
    notebook.open(notebook.name)
    expect(output.locator(".nbflow-board")).to_have_count(1)
    expect(output.locator(".nbflow-live")).to_be_visible()
    expect(output.get_by_text(STOOD)).to_be_hidden()
    notebook.wait_pane(1, "joke", "joke-20")


def test_at_the_end_nothing_of_it_is_left_to_be_seen(notebook, output):
    notebook.interrupt()
    notebook.wait_state(1, "cancelled")
    notebook.wait_prompt(1, "[2]")
    expect(output.locator(".nbflow-live")).to_have_count(0)
    expect(output.locator(".nbflow-board")).to_have_count(1)
    ended, cleared, _error = notebook.save()["cells"][1]["outputs"]
    assert "cancelled" in "".join(ended["data"]["text/html"])
    assert {mime: "".join(lines) for mime, lines in cleared["data"].items()} == {"text/plain": ""}
    heights = output.evaluate("area => Array.from(area.children, one => one.offsetHeight)")
    assert heights[1] == 0
