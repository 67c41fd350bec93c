"""What code in a node or task may ask of its invocation, under LangGraph's names."""

from nbflow.writing.session import get_config, get_stream_writer

__all__ = ["get_config", "get_stream_writer"]
