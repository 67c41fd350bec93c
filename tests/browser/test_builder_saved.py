"""A saved notebook with a builder in it, where there is no kernel; and a kernel that restarts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from .page import NotebookPage
from .test_builder import SETUP, add, press

pytestmark = pytest.mark.browser


@pytest.fixture
def builder(notebook: NotebookPage) -> Locator:
    """A builder with one branch that has run."""
    notebook.open_new("saved-builder.ipynb", SETUP, "%nbflow builder")
    notebook.run_first(2)
    shown = notebook.output(1).locator(".nbflow-builder")
    add(shown, 1, "Write a joke about cats", "Add the first branch")
    press(shown, "Call it “joke”")
    press(shown, "Run")
    board = shown.locator(".nbflow-board")
    expect(board).to_have_attribute("data-state", "done", timeout=15_000)
    saved = notebook.output(1).locator(".nbflow-saved-cell")
    expect(saved).to_contain_text("[joke]")
    expect(saved).to_be_hidden()
    return shown


@pytest.mark.parametrize("trusted", [True, False])
def test_a_saved_builder_shows_its_flow_and_its_last_run(notebook, builder, trusted):
    notebook.save()
    notebook.reopen_without_kernel(trusted=trusted)
    output = notebook.output(1)
    expect(output.locator("pre").filter(has_text="%%fanout")).to_be_visible()
    expect(output).to_contain_text("Write a joke about cats")
    expect(output).to_contain_text("1 of 1 done")
    expect(output.locator("img")).to_be_visible()
    expect(output.get_by_text("Error displaying widget")).to_be_hidden()
    assert notebook.alerts == []


def test_a_builder_whose_kernel_was_restarted_says_so_and_keeps_its_cell(notebook, builder):
    notebook.restart()
    expect(builder).to_contain_text("The kernel was restarted")
    expect(builder.get_by_role("button", name=re.compile("Run$"))).to_be_hidden()
    expect(notebook.output(1).locator(".nbflow-saved-cell")).to_contain_text("[joke]")
    expect(notebook.output(1).locator(".nbflow-saved-cell")).to_be_visible()
    notebook.run_to_end(0, 1)
    notebook.run_to_end(1, 2)
    expect(notebook.output(1).locator(".nbflow-empty")).to_be_visible()
    expect(notebook.output(1)).not_to_contain_text("The kernel was restarted")


def test_a_page_that_is_opened_anew_has_the_live_builder_again(notebook, builder):
    notebook.save()
    notebook.open(notebook.name)
    shown = notebook.output(1).locator(".nbflow-builder")
    expect(shown.get_by_label("Name")).to_have_value("joke")
    expect(notebook.output(1).locator(".nbflow-saved-cell")).to_be_hidden()
    press(shown, "Add branch")
    expect(shown.locator(".nbflow-card")).to_have_count(2)
