"""Running a notebook from the terminal: what is told, what is written, and what a failure says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nbflow.cli.demo import run_notebook
from nbflow.errors import NbflowError

WIDGET = "application/vnd.jupyter.widget-view+json"

MODEL = """\
%load_ext nbflow
import asyncio
async def parrot(prompt):
    for word in prompt.split():
        yield word + " "
"""


@pytest.fixture
def written(tmp_path: Path):
    """Writes a notebook of code cells; where it is."""

    def write(*cells: str) -> Path:
        path = tmp_path / "trial.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)
        return path

    return write


def test_each_branch_is_told_and_the_boards_are_in_notebook_and_page(
    written, tmp_path: Path, capsys
) -> None:
    cell = "%%fanout topic=cats -m parrot\njoke: A joke about {topic}\nboth: So, {joke}"
    files = run_notebook(written(MODEL, cell), tmp_path / "out", {})
    told = capsys.readouterr().out
    assert "joke, both (topic = cats)" in told
    assert "✓ joke  done in" in told
    assert "A joke about cats" in told
    notebook, page = (path.read_text() for path in files)
    assert WIDGET not in notebook
    for shown in (notebook, page):
        assert "nbflow-pane" in shown
        assert "data:image/svg+xml" in shown
        assert "So, A joke about cats" in shown
    outputs = json.dumps([cell.get("outputs") for cell in json.loads(notebook)["cells"]])
    assert "<script" not in outputs


def test_a_background_run_that_ends_under_another_cell_is_told_and_saved(
    written, tmp_path: Path, capsys
) -> None:
    begin = "%%fanout --bg -o run\nasync def slow():\n    while True:\n        yield 'x '\n"
    begin += "        await asyncio.sleep(0.01)\ndef quick(): return 'ok'"
    end = "while not run.results: await asyncio.sleep(0.01)\nrun.cancel()\n"
    end += "try:\n    await run\nexcept Exception as error:\n    print(error)"
    notebook, _page = run_notebook(written(MODEL, begin, "1", end), tmp_path / "out", {})
    told = capsys.readouterr().out
    assert "✓ quick" in told
    assert "⊘ slow" in told
    assert WIDGET not in notebook.read_text()


def test_a_cell_that_fails_is_named_and_the_notebook_is_kept(written, tmp_path: Path) -> None:
    with pytest.raises(NbflowError) as caught:
        run_notebook(written("1 + 1", "x = {}\nx['nothing']"), tmp_path / "out", {})
    assert "cell 2 (x = {}) failed with KeyError: 'nothing'" in str(caught.value)
    kept = nbformat.read(tmp_path / "out" / "trial.ipynb", as_version=4)
    assert kept.cells[0].outputs[0].data["text/plain"] == "2"


def test_a_kernel_that_dies_is_said_to_have_died(written, tmp_path: Path) -> None:
    with pytest.raises(NbflowError, match=r"the kernel died at cell 1 \(import os"):
        run_notebook(written("import os; os._exit(3)"), tmp_path / "out", {})


def test_ctrl_c_ends_the_kernel_and_leaves_no_traceback(written, tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from nbflow import cli
cli.demo.run = lambda output: cli.demo.run_notebook(Path("trial.ipynb"), output, {})
sys.exit(cli.main(["demo"]))
"""
    started = tmp_path / "kernel"
    written(
        f"import os, time\nopen({str(started)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while not (started.exists() and started.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _said, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1] == "nbflow: interrupted"
    assert "Traceback" not in errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_folder_that_cannot_be_made_is_an_error_with_advice(written, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NbflowError, match="Name another folder: --output DIR"):
        run_notebook(written("1"), tmp_path / "file" / "out", {})


def test_the_kernel_is_this_python_whatever_kernel_specs_say(
    written, tmp_path: Path, monkeypatch
) -> None:
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    broken = {"argv": ["no-such-python"], "display_name": "broken", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(broken))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    cell = "import sys; print(sys.executable)"
    notebook, _page = run_notebook(written(cell), tmp_path / "out", {})
    (output,) = nbformat.read(notebook, as_version=4).cells[0].outputs
    assert output.text.strip() == sys.executable


@pytest.mark.model
@pytest.mark.timeout(600)
def test_nbflow_demo_runs_the_tutorial_on_the_embedded_model(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; from nbflow.cli import main; sys.exit(main())"]
    done = subprocess.run(
        [*command, "demo", "--output", "shown"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "✓ combined" in done.stdout
    assert {path.name for path in (tmp_path / "shown").iterdir()} == {
        "01_fanout.ipynb",
        "01_fanout.html",
    }


def test_lab_serves_the_tutorials(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; from nbflow.cli import main; sys.exit(main())"]
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    process = subprocess.Popen(
        [*command, "lab", "mine", *options],
        cwd=tmp_path,
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "http://127.0.0.1" in line:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert "/lab/tree/01_fanout.ipynb" in "".join(said)
    assert (tmp_path / "mine" / "01_fanout.ipynb").exists()
