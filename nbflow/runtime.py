"""What a node finds as `runtime`, under LangGraph's names."""

from nbflow.writing.calling import ExecutionInfo, Runtime, get_runtime

__all__ = ["ExecutionInfo", "Runtime", "get_runtime"]
