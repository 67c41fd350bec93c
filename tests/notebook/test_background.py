"""A run in the background, in a notebook that a program runs."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from nbflow.cli.demo import run_notebook

WIDGET = "application/vnd.jupyter.widget-view+json"


def test_a_run_that_ends_between_two_cells_leaves_a_board_that_needs_no_kernel(tmp_path: Path):
    cells = [
        "%load_ext nbflow\nasync def parrot(prompt):\n    yield prompt",
        "%%fanout -m parrot --bg -o run\njoke: A joke about cats",
        "await run",
    ]
    path = tmp_path / "background.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)
    written, _page = run_notebook(path, tmp_path / "out", {})
    (output,) = nbformat.read(written, as_version=4).cells[1].outputs
    assert set(output.data) == {"text/plain", "text/html", "image/svg+xml"}
    assert "A joke about cats" in output.data["text/html"]
    assert WIDGET not in written.read_text()
