"""The board after the run: what a person does with its buttons, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .page import NotebookPage
from .test_board import MODELS, pytestmark  # noqa: F401 - they drive a browser too

FLOW = """\
%%fanout -m parrot -o run topic=cats --on-error keep
[joke]
A joke about {topic}
[poem]
A poem about {topic}
[both] template
Both: {joke} {poem}
"""


def test_a_branch_is_edited_and_run_again_on_the_board_and_the_rest_is_kept(
    notebook: NotebookPage,
) -> None:
    """A person opens the board of a run that has ended, mends a prompt, and gets the new result."""
    after = "print(run['both'], '|', run.record.tasks['poem'].reused)"
    notebook.open_new("edit.ipynb", MODELS, FLOW, "%nbflow board run", after)
    notebook.run_first(3)
    board = notebook.board(2)
    expect(board).to_have_attribute("data-state", "done")
    board.get_by_role("button", name="Edit joke").click()
    area = board.get_by_label("Text of joke")
    expect(area).to_have_value("A joke about {topic}")
    area.fill("A riddle about {topik}")
    board.get_by_role("button", name="Run joke as edited").click()
    expect(board.get_by_role("alert")).to_contain_text("Did you mean 'topic'?")
    area.fill("A riddle about {topic}")
    area.press("Control+Enter")
    notebook.wait_pane(2, "both", "Both: A riddle about cats A poem about cats")
    notebook.wait_state(2, "done")
    notebook.run_to_end(3, 4)
    expect(notebook.output(3)).to_contain_text("A riddle about cats A poem about cats | True")


def test_a_failed_branch_is_retried_and_what_depends_on_it_comes_after(
    notebook: NotebookPage,
) -> None:
    """A person mends what a branch stumbled over, and presses Retry at that branch only."""
    cell = """\
%%fanout -o run --on-error keep
def steady(): return "steady"
def fragile():
    if not mended: raise ValueError("out of order")
    return "mended"
def both(steady, fragile): return f"{steady} and {fragile}"
"""
    notebook.open_new("retry.ipynb", "%load_ext nbflow\nmended = False", cell, "run.board()")
    notebook.run_first(2)
    expect(notebook.output(1)).to_contain_text("out of order")
    notebook.run_to_end(2, 3)
    board = notebook.board(2)
    expect(notebook.pane(2, "both")).to_have_attribute("data-state", "skipped")
    first = board.get_attribute("data-run")
    board.get_by_role("button", name="Retry fragile").click()
    expect(board).not_to_have_attribute("data-run", first or "")
    notebook.wait_state(2, "failed")
    notebook.cell(0).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+End")
    notebook.page.keyboard.type("\nmended = True")
    notebook.run_to_end(0, 4)
    board.get_by_role("button", name="Retry fragile").click()
    notebook.wait_pane(2, "both", "steady and mended")
    notebook.wait_state(2, "done")


def test_keys_pressed_in_the_editor_are_text_and_no_commands_of_the_notebook(
    notebook: NotebookPage,
) -> None:
    """A person types `dd` and `a` into a prompt, and no cell is deleted or added."""
    notebook.open_new("keys.ipynb", MODELS, FLOW, "%nbflow board")
    notebook.run_first(3)
    cells = notebook.page.locator(".jp-Notebook .jp-Cell").count()
    notebook.board(2).get_by_role("button", name="Edit joke").click()
    area = notebook.board(2).get_by_label("Text of joke")
    area.fill("")
    area.press_sequentially("ddaabx")
    expect(area).to_have_value("ddaabx")
    assert notebook.page.locator(".jp-Notebook .jp-Cell").count() == cells


def test_a_board_of_an_ended_run_says_it_when_the_kernel_is_restarted(
    notebook: NotebookPage,
) -> None:
    """A person restarts the kernel; the open board says that its buttons are of no use any more."""
    notebook.open_new("gone.ipynb", MODELS, FLOW, "%nbflow board")
    notebook.run_first(3)
    board = notebook.board(2)
    expect(board.get_by_role("button", name="Retry joke")).to_be_enabled()
    notebook.restart()
    expect(board).to_contain_text("the kernel was restarted")
    expect(board.get_by_role("button", name="Retry joke")).to_be_disabled()
    expect(notebook.pane(2, "joke")).to_contain_text("A joke about cats")


def test_the_items_of_a_node_are_filtered_and_compared_in_its_pane(notebook: NotebookPage) -> None:
    """A person looks for the documents that failed, and compares what two others gave."""
    cell = """\
%%fanout -o run --on-error keep
@each(doc="docs")
async def page(doc):
    if doc % 50 == 7: raise ValueError(f"page {doc} is torn")
    return f"page {doc} is whole"
"""
    setup = "%load_ext nbflow\ndocs = list(range(300))"
    notebook.open_new("items.ipynb", setup, cell, "%nbflow board")
    notebook.run_first(3)
    board = notebook.board(2)
    board.get_by_role("button", name="Expand page").click()
    expect(board.locator(".nbflow-items")).to_contain_text("300 · ✓ 294 done · ✕ 6 failed")
    board.get_by_label("State of the tasks of page").select_option("failed")
    expect(board.locator(".nbflow-item-row")).to_have_count(6)
    expect(board.locator(".nbflow-item-row").nth(1)).to_contain_text("page 57 is torn")
    board.get_by_label("State of the tasks of page").select_option("")
    board.get_by_label("Search the tasks of page").fill("page 29")
    expect(board.locator(".nbflow-item-row")).to_have_count(11)
    board.get_by_label("Compare 290").check()
    board.get_by_label("Compare 291").check()
    expect(board.locator(".nbflow-diff")).to_have_text("page 290291 is whole")


def test_of_three_hundred_branches_that_stream_those_in_sight_can_be_read_and_held(
    notebook: NotebookPage,
) -> None:
    """A person selects a sentence while three hundred branches are being written."""
    cell = "%%fanout -m endless -o run\n" + "\n".join(f"b{n}: text{n}" for n in range(300))
    notebook.open_new("many.ipynb", MODELS, cell)
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "b1", "text1-8", seconds=30)
    held = notebook.pane(1, "b1").evaluate("""(pane) => {
      getSelection().selectAllChildren(pane.querySelector(".nbflow-pane-text p"));
      return getSelection().toString();
    }""")
    assert "text1-8" in held
    grid = notebook.board(1).locator(".nbflow-many")
    grid.evaluate("(grid) => { grid.scrollTop = grid.scrollHeight; }")
    far = notebook.board(1).locator('.nbflow-pane[data-branch="b299"] .nbflow-pane-text')
    expect(far).to_contain_text("text299-", timeout=20_000)
    assert notebook.page.evaluate("getSelection().toString()") == held
    notebook.interrupt()
    notebook.wait_prompt(1, "[2]", seconds=20)
    expect(notebook.board(1)).to_contain_text("… 240 more")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_board_that_was_opened_again_leaves_a_picture_of_what_it_showed_last(
    notebook: NotebookPage, trusted: bool
) -> None:
    """A person mends a prompt on the board, saves, and sends the notebook to somebody else."""
    notebook.open_new("sent.ipynb", MODELS, FLOW, "run.board()")
    notebook.run_first(3)
    board = notebook.board(2)
    board.get_by_role("button", name="Edit joke").click()
    board.get_by_label("Text of joke").fill("A riddle about {topic}")
    board.get_by_label("Text of joke").press("Control+Enter")
    notebook.wait_pane(2, "both", "Both: A riddle about cats A poem about cats")
    notebook.wait_state(2, "done")
    model = "window.jupyterapp.shell.currentWidget.context.model.toJSON()"
    notebook.page.wait_for_function(f"() => JSON.stringify({model}).includes('Both: A riddle')")
    expect(board).to_have_count(1)
    notebook.save()
    notebook.reopen_without_kernel(trusted=trusted)
    expect(notebook.board(2)).to_contain_text("Both: A riddle about cats")
    expect(notebook.board(2).get_by_role("img")).to_be_visible()
    for text in ("Loading widget", "Error displaying widget"):
        expect(notebook.output(2).get_by_text(text)).to_be_hidden()
