"""nbflow: parallel LLM work inside a Jupyter notebook.

The layers, each importing only those before it: `errors`, `core` (the engine), `interrupts` (the
stop button), `blocking` (the sync door), `models`, `writing` (cell text or Python to a flow),
`views` (a run's record to something to look at), `testing`, `export` (a flow to another program's
source), `notebook` (magics and the live board) and `cli`. This module joins them, and is light:
what needs IPython or a model library is imported when it is first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbflow import blocking
from nbflow.core.run import Run, last_run
from nbflow.errors import CellError, FlowError, ModelError, NbflowError, RunCancelled, RunError
from nbflow.models import model
from nbflow.writing.fan import best, each, vote
from nbflow.writing.flow import Flow
from nbflow.writing.step import ask, node

if TYPE_CHECKING:
    from nbflow.notebook.builder import Builder
    from nbflow.notebook.watch import watch

__version__ = "0.1.0"

__all__ = [
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
]


_LOADED_LATER = {
    "Builder": "nbflow.notebook.builder",  # it loads ipywidgets
    "watch": "nbflow.notebook.watch",  # it loads IPython
}


def __getattr__(name: str) -> Any:
    if name in _LOADED_LATER:
        return getattr(importlib.import_module(_LOADED_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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


def _graph_of_flow(flow: Flow) -> Any:
    return importlib.import_module("nbflow.views").graph_of_flow(flow.topology, flow.name)


def _show_board(run: Run) -> Any:
    return importlib.import_module("nbflow.notebook.board").show(run)


def _export(origin: Any, target: str) -> str:
    written: str = importlib.import_module("nbflow.export").export(origin, target)
    return written


Flow.renderer = staticmethod(_draw_flow)
Flow.exporter = _export
Flow.drawer = staticmethod(_graph_of_flow)
Run.board = _show_board
Run.exporter = staticmethod(_export)
Run.wait_for = staticmethod(blocking.run)
