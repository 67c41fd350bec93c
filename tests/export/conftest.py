"""The folder in which exported TypeScript is type-checked and run, with the real packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_HERE = Path(__file__).with_name("typescript")


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with LangGraph for TypeScript; without npm the tests are skipped, but in CI fail."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        _missing("there is no node with npm on this machine")
    folder = tmp_path_factory.mktemp("typescript")
    for file in _HERE.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    command = [str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode:
        _missing(f"npm can't install the packages: {made.stderr[-500:]}")
    (folder / "programs").mkdir()
    return folder


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI must run these tests")
    pytest.skip(reason)
