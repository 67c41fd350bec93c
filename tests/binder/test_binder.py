"""Binder's files, taken through the steps that Binder takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"
_NOT_IN_A_CLONE = shutil.ignore_patterns(
    ".git", ".*_cache", "__pycache__", ".venv", "node_modules", "nbflow-demo"
)


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command to its end; what it printed. One that fails shows all it said."""
    done = subprocess.run(
        command,
        check=False,
        cwd=cwd,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def python_of_runtime_txt() -> str:
    """The Python that `runtime.txt` names, or this one where that isn't installed."""
    name = (BINDER / "runtime.txt").read_text().strip().replace("-", "", 1)
    found = shutil.which(name)
    if found is None:
        return sys.executable
    # A version manager's stand-in for a Python may be there without that Python.
    asked = subprocess.run([found, "--version"], check=False, capture_output=True)
    return found if asked.returncode == 0 else sys.executable


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project as a clone has it."""
    return shutil.copytree(ROOT, tmp_path / "checkout", ignore=_NOT_IN_A_CLONE)


@pytest.mark.model
@pytest.mark.timeout(900)
def test_binders_steps_in_a_fresh_environment_give_a_working_nbflow(
    checkout: Path, tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    run(python_of_runtime_txt(), "-m", "venv", venv, cwd=tmp_path)
    path = os.pathsep.join([str(venv / "bin"), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "NBFLOW_CACHE": str(tmp_path / "cache")}
    run("pip", "install", "-r", "binder/requirements.txt", cwd=checkout, env=environment)
    run("./binder/postBuild", cwd=checkout, env=environment)
    # Away from the checkout, only what was installed can be found.
    report = run("nbflow", "doctor", cwd=tmp_path, env=environment)
    assert "smollm2 is fetched" in report
    find = "from nbflow.cli import tutorials; print(tutorials.tutorial())"
    assert "tutorials" in run("python", "-c", find, cwd=tmp_path, env=environment)


def test_repo2docker_takes_every_file_of_the_binder_folder(checkout: Path) -> None:
    dockerfile = run(
        sys.executable,
        "-m",
        "repo2docker",
        "--no-build",
        "--debug",
        "--user-id=1000",
        "--user-name=someone",
        ".",
        cwd=checkout,
    )
    assert "python=3.12" in dockerfile
    assert "install --yes --no-install-recommends graphviz" in dockerfile
    assert 'pip install --no-cache-dir -r "binder/requirements.txt"' in dockerfile
    assert "RUN ./binder/postBuild" in dockerfile


def test_the_files_of_the_binder_folder_are_those_that_binder_reads() -> None:
    assert {path.name for path in BINDER.iterdir()} == {
        "apt.txt",
        "postBuild",
        "requirements.txt",
        "runtime.txt",
    }
    assert os.access(BINDER / "postBuild", os.X_OK)
