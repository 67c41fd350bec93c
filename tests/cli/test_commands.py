"""The command line's words, and what it returns to the shell."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from nbflow.cli import lab, main, tutorials
from nbflow.cli.terminal import plain, shortened
from nbflow.errors import NbflowError
from nbflow.models import fetch
from nbflow.notebook import doctor


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["lab", "--help"]])
def test_help_is_printed_and_is_no_failure(arguments: list[str], capsys) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("usage: nbflow")


@pytest.mark.parametrize(
    "arguments", [[], ["dmo"], ["demo", "--outptu", "x"], ["demo", "x"], ["pull", "gpt"], ["pull"]]
)
def test_a_mistake_is_said_and_is_a_failure(arguments: list[str], capsys) -> None:
    assert main(arguments) == 2
    assert "nbflow" in capsys.readouterr().err


def test_an_error_is_one_paragraph_and_no_traceback(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NBFLOW_CACHE", str(tmp_path))

    def offline(*_arguments: object) -> Path:
        raise NbflowError("nobody answers; try again later.")

    monkeypatch.setattr(fetch, "fetch", offline)
    assert main(["pull", "smollm2"]) == 1
    assert capsys.readouterr().err == "nbflow: nobody answers; try again later.\n"


def test_ctrl_c_ends_a_command_as_shells_expect(capsys, monkeypatch) -> None:
    def interrupted() -> list[doctor.Finding]:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "findings", interrupted)
    assert main(["doctor"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_pull_says_where_the_weights_are(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fetch, "fetched_path", lambda _weights: tmp_path / "w.gguf")
    assert main(["pull", "smollm2"]) == 0
    assert f"smollm2 is here already: {tmp_path / 'w.gguf'}" in capsys.readouterr().out


def test_doctor_finds_all_that_is_needed_here(capsys) -> None:
    code = main(["doctor"])
    said = capsys.readouterr().out
    assert code == 0, said
    for name in ("Python", "ipykernel", "Graphviz", "anywidget", "default model", "store"):
        assert name in said


def test_doctor_says_what_is_missing_how_to_mend_it_and_fails(capsys, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "graphviz_executable", lambda: None)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "pip install graphviz-pure" in said
    assert "1 thing is missing." in said


@pytest.mark.parametrize(
    ("version", "allows"),
    [
        ((6, 31, 0), "use the stop button"),
        ((7, 3, 1), "with JupyterLab 4.4 or newer"),
        ((7, 4, 0), "the board's buttons work while a cell runs"),
    ],
)
def test_doctor_knows_what_each_kernel_allows(version: tuple[int, ...], allows: str) -> None:
    said, mend = doctor.kernel_allows(version)
    assert allows in said
    assert bool(mend) == (version < (7, 4))


def test_doctor_warns_of_a_loop_that_nest_asyncio_has_patched(monkeypatch) -> None:
    monkeypatch.setattr(asyncio, "_nest_patched", True, raising=False)
    monkeypatch.delattr(asyncio, "_nest_asyncio2", raising=False)
    (finding,) = [f for f in doctor.findings() if f.what == "event loop"]
    assert not finding.is_fine
    assert "restart the kernel" in finding.mend


def test_tutorials_are_copied_once_and_a_changed_one_is_kept(tmp_path: Path) -> None:
    assert tutorials.copy_to(tmp_path / "mine") == []
    first = tmp_path / "mine" / tutorials.FIRST
    assert first.read_bytes() == tutorials.tutorial().read_bytes()
    first.write_text("my own words")
    assert tutorials.copy_to(tmp_path / "mine") == [first]
    assert first.read_text() == "my own words"


def test_tutorials_that_cannot_be_written_are_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NbflowError, match="Name another folder"):
        tutorials.copy_to(tmp_path / "file")


def test_a_tutorial_that_is_not_there_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(NbflowError, match="Did you mean '01_fanout.ipynb'"):
        tutorials.tutorial("01_fanuot.ipynb")


def test_lab_without_jupyterlab_says_how_to_get_it(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(NbflowError, match=r"jupyter-nbflow\[lab\]"):
        lab.run(tmp_path)


def test_what_a_model_says_cannot_steer_the_terminal() -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b1A\u202etxt\ud800"
    assert not set(plain(hostile)) & set("\x1b\x07\x9b\u202e\ud800\n")
    assert shortened("x" * 50, 10) == "x" * 9 + "…"
