"""The Functional API's door: `from nbflow.func import entrypoint, task`."""

from nbflow.writing.func import entrypoint, task

__all__ = ["entrypoint", "task"]
