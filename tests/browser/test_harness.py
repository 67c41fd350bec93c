"""The harness itself, with plain cells: it must not be what fails."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .page import NotebookPage

pytestmark = pytest.mark.browser


def test_a_cell_is_seen_running_and_then_its_output_is_seen(notebook: NotebookPage) -> None:
    """A person runs a cell that waits for them, sees [*], and stops it with the stop button."""
    notebook.open_new("waits.ipynb", "import time\nprint('on')\ntime.sleep(600)", "6 * 7")
    notebook.run(0)
    expect(notebook.output(0)).to_contain_text("on")
    assert notebook.is_running(0)
    notebook.interrupt()
    expect(notebook.output(0)).to_contain_text("KeyboardInterrupt")
    notebook.run_to_end(1, 2)
    expect(notebook.output(1)).to_contain_text("42")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_saved_notebook_opens_without_a_kernel(notebook: NotebookPage, trusted: bool) -> None:
    """A person saves a notebook and opens it where its kernel isn't, trusted or not."""
    shown = "from IPython.display import HTML\nHTML('<b style=\"color: red\">bold</b>')"
    notebook.open_new("saved.ipynb", shown)
    notebook.run_to_end(0, 1)
    saved = notebook.save()
    assert "bold" in str(saved["cells"][0]["outputs"])
    notebook.reopen_without_kernel(trusted=trusted)
    expect(notebook.output(0)).to_contain_text("bold")
    assert not notebook.has_kernel()
    assert notebook.is_trusted() is trusted


def test_the_theme_can_be_dark(notebook: NotebookPage) -> None:
    """A person switches to the dark theme."""
    notebook.open_new("dark.ipynb", "1")
    notebook.use_theme("Dark")
    expect(notebook.page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
