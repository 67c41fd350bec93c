"""A notebook with a board of every kind: run, saved, opened where there is no kernel, run again."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from .page import NotebookPage
from .test_board import MODELS, is_drawn

pytestmark = pytest.mark.browser

BUNDLE = {"text/plain", "text/html", "image/svg+xml"}

SECTIONS = "%%fanout -m parrot topic=cats\n[joke]\nA joke about {topic}\n[both] template\n<{joke}>"
PYTHON = "%%fanout\ndef left(): return 'from the left'\ndef right(left): return f'{left} to right'"
VOTE = "%%vote -n 3 -m parrot animal=octopus\nDoes the {animal} have bones?"
EACH = "%%fanout -m parrot\n[page] for n in numbers\nPage {n} of a book"
FAILED = "%%fanout\ndef good(): return 'kept all the same'\ndef bad(): return {}['no such key']"

SHOWN = {
    SECTIONS: ["<A joke about cats >", "2 of 2 done"],
    PYTHON: ["from the left to right", "2 of 2 done"],
    VOTE: ["Does the octopus have bones?", "agreement 100 %"],
    EACH: ["Page 3 of a book", "4 of 4"],
    FAILED: ["kept all the same", "KeyError: 'no such key'", "1 failed"],
}
CELLS = list(SHOWN)


def outputs(notebook: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What each of the five cells has saved, but for the error that the last one raises."""
    cells = notebook["cells"][1:]
    return [[out for out in cell["outputs"] if out["output_type"] != "error"] for cell in cells]


def expect_all_shown(notebook: NotebookPage) -> None:
    for index, texts in enumerate(SHOWN.values(), start=1):
        for text in texts:
            expect(notebook.output(index)).to_contain_text(text)
        pictures = notebook.output(index).locator('img[alt^="graph: "]')
        expect(pictures).to_have_count(1)
        assert is_drawn(pictures)
        expect(notebook.output(index)).not_to_contain_text("Error displaying widget")
    expect(notebook.output(5)).to_contain_text("RunError: bad failed")


def run_all(notebook: NotebookPage) -> set[str]:
    """Run all cells to the end and save them; the names of the five runs."""
    notebook.run_all()
    notebook.wait_prompt(5, "[6]")
    expect_all_shown(notebook)
    saved = outputs(notebook.save())
    assert [[set(output["data"]) for output in cell] for cell in saved] == [[BUNDLE]] * 5
    boards = [notebook.board(index) for index in range(1, 6)]
    runs = {board.get_attribute("data-run") or "" for board in boards}  # one each: it is strict
    assert len(runs) == 5
    return runs


def test_five_boards_are_saved_shown_without_a_kernel_and_run_again(
    notebook: NotebookPage,
) -> None:
    """A person sends the notebook around; somebody reads it, and then runs it anew."""
    notebook.open_new("five.ipynb", f"{MODELS}\nnumbers = range(4)", *CELLS)
    before = run_all(notebook)

    notebook.reopen_without_kernel(trusted=False)
    assert not notebook.has_kernel()
    expect_all_shown(notebook)

    notebook.server.shut_down_kernels()
    notebook.open("five.ipynb")
    expect_all_shown(notebook)
    after = run_all(notebook)
    assert not before & after
    assert notebook.alerts == []
