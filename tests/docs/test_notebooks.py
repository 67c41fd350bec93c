"""The tutorials run from top to bottom, and stand in the repository without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from nbflow.cli.demo import run_notebook

from .readme import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"
LARGEST_BYTES = 1_000_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_tutorial_is_kept_without_outputs(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert [cell.source for cell in cells if cell.get("outputs")] == []


@pytest.mark.model
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_tutorial_runs_and_leaves_boards_that_need_no_kernel(path: Path, tmp_path: Path) -> None:
    written, page = run_notebook(path, tmp_path, {"NBFLOW_MODEL": "smollm2"})
    saved = written.read_text()
    assert WIDGET not in saved
    assert len(saved) < LARGEST_BYTES
    outputs = str([cell.get("outputs") for cell in nbformat.read(written, as_version=4).cells])
    assert "<script" not in outputs.lower()
    assert "nbflow-pane" in outputs
    assert "data:image/svg+xml" in outputs
    assert "nbflow-pane" in page.read_text()
