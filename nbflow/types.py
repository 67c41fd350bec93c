"""What nodes return and how they are attempted, under LangGraph's names."""

from nbflow.writing.types import (
    CachePolicy,
    Command,
    GraphOutput,
    Overwrite,
    RetryPolicy,
    Send,
    StreamMode,
    StreamWriter,
    TimeoutPolicy,
    default_retry_on,
)

__all__ = [
    "CachePolicy",
    "Command",
    "GraphOutput",
    "Overwrite",
    "RetryPolicy",
    "Send",
    "StreamMode",
    "StreamWriter",
    "TimeoutPolicy",
    "default_retry_on",
]
