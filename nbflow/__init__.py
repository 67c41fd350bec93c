"""nbflow: parallel LLM work inside a Jupyter notebook.

The layers, each importing only those before it: `errors`, `core` (the engine), `blocking` (its sync
door), `models`, `writing` (cell text or Python to a flow), `views` (a run's record to something to
look at), `testing`, `notebook` (magics and the live board) and `cli`. This module joins them, and
is light: what needs IPython or a model library is imported when it is first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from nbflow import blocking
from nbflow.core.run import Run, last_run
from nbflow.errors import CellError, FlowError, ModelError, NbflowError, RunCancelled, RunError
from nbflow.models import model
from nbflow.writing.fan import best, each, vote
from nbflow.writing.flow import Flow
from nbflow.writing.step import ask, node

__version__ = "0.1.0"

__all__ = [
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
]


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext nbflow` calls: register the magics."""
    importlib.import_module("nbflow.notebook").load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext nbflow` calls: leave the shell as it was."""
    importlib.import_module("nbflow.notebook").unload(shell)


def _draw_flow(flow: Flow) -> Mapping[str, Any]:
    views = importlib.import_module("nbflow.views")
    drawn: Mapping[str, Any] = views.flow_bundle(flow.topology, flow.name)
    return drawn


def _show_board(run: Run) -> Any:
    return importlib.import_module("nbflow.notebook.board").show(run)


Flow.renderer = staticmethod(_draw_flow)
Run.board = _show_board
Run.wait_for = staticmethod(blocking.run)
