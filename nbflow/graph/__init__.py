"""The Graph API, under LangGraph's names: `from nbflow.graph import StateGraph, START, END`."""

import importlib
from typing import Any

from nbflow.writing.compiled import CompiledStateGraph
from nbflow.writing.graph import StateGraph
from nbflow.writing.messages import MessagesState, add_messages
from nbflow.writing.routes import END, START

__all__ = ["END", "START", "CompiledStateGraph", "MessagesState", "StateGraph", "add_messages"]


def _draw(compiled: CompiledStateGraph, xray: bool | int) -> Any:
    return importlib.import_module("nbflow.views").graph_of_compiled(compiled, xray)


CompiledStateGraph.drawer = staticmethod(_draw)
