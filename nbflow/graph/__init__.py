"""The Graph API, under LangGraph's names: `from nbflow.graph import StateGraph, START, END`."""

from nbflow.writing.graph import CompiledStateGraph, StateGraph
from nbflow.writing.messages import MessagesState, add_messages
from nbflow.writing.routes import END, START

__all__ = ["END", "START", "CompiledStateGraph", "MessagesState", "StateGraph", "add_messages"]
