"""What the README says is true: its code runs, its commands are CI's, its links lead somewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nbflow.cli.demo import run_notebook

from .readme import ROOT, Block, blocks, links

COMMANDS = ('pip install -e ".[demo]" && nbflow demo', 'pip install -e ".[test]" && pytest')
"""A newcomer's two commands, word for word."""

_SHELL = ("bash", "console", "sh", "shell")


@pytest.mark.model
@pytest.mark.timeout(600)
def test_the_readmes_cells_run_from_top_to_bottom_in_a_kernel(tmp_path) -> None:
    cells = [new_code_cell(block.code) for block in blocks("python", "")]
    assert cells[0].source.startswith("%load_ext nbflow")
    path = tmp_path / "readme.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    written, _page = run_notebook(path, tmp_path / "out", {"NBFLOW_MODEL": "smollm2"})
    assert "application/vnd.jupyter.widget-view+json" not in written.read_text()


def test_every_code_block_is_of_a_kind_that_is_tested() -> None:
    known = {"python", "", "text", *_SHELL}
    assert [block.id for block in blocks() if block.language not in known] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_two_commands_are_in_the_readme_and_ci_runs_them_on_a_fresh_environment(
    command: str,
) -> None:
    assert command in {line for block in blocks(*_SHELL) for line in block.code.splitlines()}
    assert command in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("block", blocks(*_SHELL), ids=lambda block: block.id)
def test_every_shell_command_of_the_readme_is_one_that_some_test_runs(block: Block) -> None:
    tested = {*COMMANDS, "bash .ci/run", "nbflow doctor", "nbflow lab", "nbflow pull smollm2"}
    commands = [line.split("  #")[0].strip() for line in block.code.splitlines()]
    assert [command for command in commands if command and command not in tested] == []


def test_every_link_to_a_file_leads_to_one() -> None:
    local = [link for link in links() if not urlsplit(link).scheme and not link.startswith("#")]
    assert [link for link in local if not (ROOT / urlsplit(link).path).exists()] == []


def test_the_readme_has_a_badge_that_opens_the_first_tutorial_in_lab() -> None:
    badges = [link for link in links() if "mybinder.org" in link and "urlpath" in link]
    assert any(
        "lab/tree/notebooks/01_fanout.ipynb" in badge.replace("%2F", "/") for badge in badges
    )
