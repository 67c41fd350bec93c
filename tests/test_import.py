"""`import nbflow` is light, and what it exports is what it promises."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import nbflow

HEAVY = {
    "IPython",
    "anywidget",
    "dask",
    "graphviz",
    "httpx",
    "ipykernel",
    "ipywidgets",
    "jupyter_client",
    "markdown_it",
    "matplotlib",
    "nbclient",
    "nbconvert",
    "nbformat",
    "nest_asyncio2",
    "nh3",
    "openai",
    "pandas",
    "platformdirs",
    "xllamacpp",
}

EXPORTED = {
    "Builder",
    "CellError",
    "Flow",
    "FlowError",
    "ModelError",
    "NbflowError",
    "Run",
    "RunCancelled",
    "RunError",
    "ask",
    "best",
    "each",
    "last_run",
    "load_ipython_extension",
    "model",
    "node",
    "unload_ipython_extension",
    "vote",
    "watch",
}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after one statement."""
    code = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    return {name.partition(".")[0] for name in json.loads(said.splitlines()[-1])}


@pytest.mark.parametrize("module", ["nbflow", "nbflow.testing", "nbflow.cli"])
def test_importing_loads_neither_ipython_nor_widgets_nor_a_model_library(module: str) -> None:
    assert loaded_by(f"import {module}") & HEAVY == set()


def test_asking_for_a_model_by_name_loads_no_model_library() -> None:
    statement = "import nbflow; nbflow.model('smollm2')"
    assert loaded_by(statement) & {"openai", "xllamacpp"} == set()


def test_the_exported_names_are_pinned() -> None:
    assert set(nbflow.__all__) == EXPORTED
    assert [name for name in nbflow.__all__ if not hasattr(nbflow, name)] == []
