"""What a node finds as `runtime`, under LangGraph's names."""

from nbflow.writing.calling import Runtime, get_runtime

__all__ = ["Runtime", "get_runtime"]
