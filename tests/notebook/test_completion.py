"""The Tab key, in a shell of this process and in a real kernel as JupyterLab asks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nbflow.notebook import completion
from tests.notebook.kernel import Kernel


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    completion.register(shell)
    yield shell
    completion.unregister(shell)


def offered(shell: InteractiveShell, cell: str) -> list[str]:
    with provisionalcompleter():
        found = list(shell.Completer.completions(cell.replace("|", ""), cell.index("|")))
    return [one.text for one in found]


def test_nothing_else_is_offered_where_we_know_what_may_come(shell):
    shell.user_ns["rest"] = 1
    assert offered(shell, "%%fanout\n[joke] re|") == ["retries="]
    assert offered(shell, "%%fanout --on-error |\na: b") == ["finish", "stop", "keep"]


def test_variables_of_the_notebook_are_offered_in_braces(shell):
    shell.user_ns["subject"] = "cats"
    assert offered(shell, "%%fanout\n[joke]\nAbout {subj|}") == ["subject"]


def test_other_cells_are_left_alone(shell):
    shell.user_ns["subject"] = "cats"
    assert "subject" in offered(shell, "print(subj|)")


def test_python_cells_are_completed_by_ipython(shell):
    shell.user_ns["subject"] = "cats"
    assert "subject" in offered(shell, "%%fanout\ndef joke():\n    return subj|")


def test_registering_twice_offers_everything_once_and_unregistering_nothing(shell):
    completion.register(shell)
    assert offered(shell, "%%fanout --on|\na: b") == ["--on-error"]
    completion.unregister(shell)
    assert "--on-error" not in offered(shell, "%%fanout --on|\na: b")


def test_a_kernel_answers_the_tab_key_of_a_front_end(kernel: Kernel):
    kernel.run("subject = 'cats'")
    cell = "%%fanout\n[joke]\nAbout {subj}"
    message = kernel.client.complete(cell, len(cell) - 1)
    content = kernel.reply(message)
    assert content["matches"] == ["subject"]
    assert cell[content["cursor_start"] : content["cursor_end"]] == "subj"
