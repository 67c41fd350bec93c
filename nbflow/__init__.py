"""nbflow: parallel LLM work inside a Jupyter notebook.

The layers, each importing only those before it: `errors`, `core` (the engine), `blocking` (its sync
door), `models`, `writing` (cell text or Python to a flow), `views` (a run's record to something to
look at), `testing`, `export` (a flow to another program's source), `notebook` (magics and the live
board) and `cli`. This module joins them, and is light: what needs IPython or a model library is
imported when it is first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from nbflow import blocking
from nbflow.core.record import RunRecord
from nbflow.core.run import Run, last_run
from nbflow.errors import CellError, FlowError, ModelError, NbflowError, RunCancelled, RunError
from nbflow.models import model
from nbflow.writing.fan import best, each, vote
from nbflow.writing.flow import Flow
from nbflow.writing.graph import CompiledStateGraph
from nbflow.writing.step import ask, node
from nbflow.writing.workflow import Workflow

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


def __getattr__(name: str) -> Any:
    if name == "Builder":  # it loads ipywidgets
        return importlib.import_module("nbflow.notebook.builder").Builder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext nbflow` calls: register the magics."""
    importlib.import_module("nbflow.notebook").load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext nbflow` calls: leave the shell as it was."""
    importlib.import_module("nbflow.notebook").unload(shell)


def watch(of: Any = None) -> Any:
    """Show runs live, each on a board of its own that stays as plain HTML when it has ended.

    Without an argument, of every run that starts in a `with` block, whichever API starts it. With
    one, of every run of that flow, graph or entrypoint. Outside of a notebook each run is printed
    as text when it has ended.

    Args:
        of: A `Flow`, a compiled graph or an entrypoint; also LangGraph's own, which LangGraph then
            runs as ever.

    Returns:
        Without an argument a context manager, else the same thing, watched: use it in place of the
        original, which isn't changed.

    Raises:
        NbflowError: it is nothing that can be watched.
    """
    return importlib.import_module("nbflow.notebook.watch").watch(of)


def _draw_flow(flow: Flow) -> Mapping[str, Any]:
    views = importlib.import_module("nbflow.views")
    drawn: Mapping[str, Any] = views.flow_bundle(flow.topology, flow.name)
    return drawn


def _graph_of_flow(flow: Flow) -> Any:
    return importlib.import_module("nbflow.views").graph_of_flow(flow.topology, flow.name)


def _graph_of_compiled(compiled: CompiledStateGraph, xray: bool | int) -> Any:
    return importlib.import_module("nbflow.views").graph_of_compiled(compiled, xray)


def _graph_of_record(record: RunRecord) -> Any:
    return importlib.import_module("nbflow.views").graph_of_record(record)


def _show_board(run: Run) -> Any:
    return importlib.import_module("nbflow.notebook.board").show(run)


def _export(origin: Any, target: str) -> str:
    written: str = importlib.import_module("nbflow.export").export(origin, target)
    return written


Flow.renderer = staticmethod(_draw_flow)
Flow.exporter = _export
Flow.drawer = staticmethod(_graph_of_flow)
CompiledStateGraph.drawer = staticmethod(_graph_of_compiled)
Workflow.drawer = staticmethod(_graph_of_record)
Run.board = _show_board
Run.exporter = staticmethod(_export)
Run.wait_for = staticmethod(blocking.run)
