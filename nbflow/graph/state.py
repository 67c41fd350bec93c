"""`StateGraph` where LangGraph has it too."""

from nbflow.writing.graph import CompiledStateGraph, StateGraph

__all__ = ["CompiledStateGraph", "StateGraph"]
