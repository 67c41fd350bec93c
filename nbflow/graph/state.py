"""`StateGraph` where LangGraph has it too."""

from nbflow.writing.compiled import CompiledStateGraph
from nbflow.writing.graph import StateGraph

__all__ = ["CompiledStateGraph", "StateGraph"]
