"""The Functional API's door: `from nbflow.func import entrypoint, task`."""

import importlib
from typing import Any

from nbflow.core.record import RunRecord
from nbflow.writing.func import entrypoint, task
from nbflow.writing.workflow import Workflow

__all__ = ["entrypoint", "task"]


def _draw(record: RunRecord) -> Any:
    return importlib.import_module("nbflow.views").graph_of_record(record)


Workflow.drawer = staticmethod(_draw)
