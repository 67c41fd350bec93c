"""Clients that show no widgets: a program that runs a notebook, and a front end without them.

nbclient runs the notebook as nbconvert, papermill and CI do. `Kernel` is a front end whose person
could answer a question, but which never answers a widget, as VS Code without the widget renderer.
"""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from tests.notebook.kernel import Cell, Kernel
from tests.views.hostile import dangers

WIDGET = "application/vnd.jupyter.widget-view+json"
BUNDLE = {"text/plain", "text/html", "image/svg+xml"}

MODELS = """\
%load_ext nbflow
import asyncio, nbflow
from nbflow.notebook import board, live_output
async def parrot(prompt):
    yield prompt
async def endless(prompt):
    while True:
        yield "more "
        await asyncio.sleep(0.01)
"""

CELLS = {
    "models": MODELS,
    "done": "%%fanout -m parrot -o run topic=cats\n[joke]\nA **joke** about {topic}",
    "failed": "%%fanout -o broken\ndef good(): return 'kept'\ndef bad(): return {}['x']",
    "board": "%nbflow board run",
    "board of a failed run": "broken.board()",
    "builder": "%nbflow builder",
    "builder of a cell": "nbflow.Builder('%%fanout topic=dogs\\npun: A pun on {topic}')",
    "background": "%%fanout --bg -m parrot -o later\npoem: A poem about cats",
    "awaited": "await later",
    "background at the end": "%%fanout --bg -m endless -o never\nsong: A song about cats",
}


@pytest.fixture(scope="module")
def saved() -> NotebookNode:
    """A notebook that a program has run from top to bottom, as it is saved."""
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in CELLS.values()])
    NotebookClient(notebook, timeout=60, allow_errors=True).execute()
    nbformat.validate(notebook)
    return notebook


def shown(notebook: NotebookNode, name: str) -> NotebookNode:
    """The one thing that a cell displays."""
    outputs = notebook.cells[list(CELLS).index(name)].outputs
    (bundle,) = [output.data for output in outputs if output.output_type == "display_data"]
    return bundle


def test_a_program_saves_no_widget(saved):
    outputs = [output for cell in saved.cells for output in cell.outputs]
    assert all(WIDGET not in output.get("data", {}) for output in outputs)


def test_a_program_saves_no_state_of_a_board(saved):
    widgets = saved.metadata.get("widgets", {}).values()
    models = [model for kind in widgets for model in kind["state"].values()]
    assert [model for model in models if "view" in model["state"]] == []


def test_a_program_saves_of_a_builder_no_control(saved):
    widgets = saved.metadata.get("widgets", {}).values()
    models = [model["model_name"] for kind in widgets for model in kind["state"].values()]
    assert set(models) <= {"VBoxModel", "LayoutModel"}
    assert len(models) <= 2 * 2  # two builders


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("done", "A **joke** about cats"),
        ("failed", "KeyError: 'x'"),
        ("board", "A **joke** about cats"),
        ("board of a failed run", "KeyError: 'x'"),
        ("background", "A poem about cats"),
    ],
)
def test_a_program_saves_each_board_as_text_html_and_picture(saved, name, text):
    bundle = shown(saved, name)
    assert set(bundle) == BUNDLE
    assert text in bundle["text/plain"]
    assert 'class="nbflow-board"' in bundle["text/html"]
    assert dangers(bundle["text/html"]) == []


def test_a_program_saves_a_failed_branch_as_one_short_error(saved):
    outputs = saved.cells[list(CELLS).index("failed")].outputs
    (error,) = [output for output in outputs if output.output_type == "error"]
    assert (error.ename, len(error.traceback)) == ("RunError", 1)
    assert "kept" in shown(saved, "failed")["text/plain"]


def test_a_program_saves_a_builder_as_its_graph_and_its_cell(saved):
    bundle = shown(saved, "builder of a cell")
    assert bundle["text/plain"] == "%%fanout topic=dogs\n[pun]\nA pun on {topic}"
    assert "<img" in bundle["text/html"]
    assert "A pun on {topic}" in bundle["text/html"]
    assert shown(saved, "builder")["text/plain"]


def test_a_run_that_outlives_the_last_cell_says_how_it_stood_and_what_to_do(saved):
    bundle = shown(saved, "background at the end")
    assert set(bundle) == BUNDLE
    for text in (bundle["text/plain"], bundle["text/html"]):
        assert "running" in text
        assert "this is how it stood when its cell ended" in text
        assert "Await the run in a later cell" in text


def test_a_run_that_has_ended_says_nothing_of_the_background(saved):
    assert "background" not in shown(saved, "background")["text/plain"]


@pytest.fixture(scope="module")
def unanswered(kernel: Kernel) -> Kernel:
    """A kernel whose front end answers no widget, and that doesn't wait long for an answer."""
    kernel.run(MODELS)
    kernel.run("board.READY_SECONDS = live_output.READY_SECONDS = 0.0")
    return kernel


def settled(kernel: Kernel, cell: Cell, text: str) -> Cell:
    """The cell, when the kernel has seen that nobody answers, and its output says some text."""
    assert (cell.status, cell.error) == ("ok", "")
    for _ in range(100):
        if text in cell.text and not any(WIDGET in output for output in cell.outputs):
            return cell
        kernel.run("await asyncio.sleep(0.05)")
    raise AssertionError(f"{text!r} never came; there is {cell.text!r} in {kinds(cell)}")


def kinds(cell: Cell) -> list[set[str]]:
    """The mime types of each output with something in it; the place of a widget is left empty."""
    return [set(output) for output in cell.outputs if output["text/plain"]]


def next_board(kernel: Kernel) -> str:
    """The HTML that an output is updated to next."""
    while True:
        message = kernel.client.get_iopub_msg(timeout=30)
        if message["msg_type"] == "update_display_data":
            return str(message["content"]["data"].get("text/html", ""))


def test_where_no_widget_answers_a_running_cell_shows_html_that_goes_on(unanswered):
    started = unanswered.start("%%fanout -m endless -o run\nsong: A song about cats")
    counts = [next_board(unanswered).count("more ") for _ in range(3)]
    assert counts[0] < counts[-1]
    unanswered.manager.interrupt_kernel()
    cell = unanswered.finish(started)
    assert cell.error.startswith("RunCancelled")


def test_where_no_widget_answers_a_failed_branch_is_html_and_one_short_error(unanswered):
    cell = unanswered.run("%%fanout\ndef bad(): return {}['x']")
    assert cell.error.startswith("RunError: bad failed (KeyError: 'x')")
    assert len(cell.shown_error.splitlines()) == 1
    assert kinds(cell) == [BUNDLE]


@pytest.mark.parametrize("board", ["%nbflow board", "run.board()", "nbflow.last_run().board()"])
def test_where_no_widget_answers_the_board_of_an_ended_run_becomes_html(unanswered, board):
    unanswered.run("%%fanout -m parrot -o run\njoke: A joke about cats")
    cell = settled(unanswered, unanswered.run(board), "A joke about cats")
    assert kinds(cell) == [BUNDLE]


def test_where_no_widget_answers_the_board_of_a_run_that_goes_on_becomes_html(unanswered):
    unanswered.run("%%fanout --bg -m endless -o run\nsong: A song about cats")
    cell = settled(unanswered, unanswered.run("run.board()"), "more more")
    assert unanswered.run("run.cancel(); await run").error.startswith("RunCancelled")
    settled(unanswered, cell, "cancelled")
    assert kinds(cell) == [BUNDLE]


def test_where_no_widget_answers_the_builder_leaves_its_graph_and_its_cell(unanswered):
    builder = "nbflow.Builder('%%fanout topic=dogs\\npun: A pun on {topic}')"
    cell = settled(unanswered, unanswered.run(builder), "%%fanout topic=dogs\n[pun]")
    assert kinds(cell) == [{"text/plain", "text/html"}]
    assert "A pun on {topic}" in cell.html
    assert dangers(cell.html.replace("<style>", "").replace("</style>", "")) == []
