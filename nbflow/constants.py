"""`START` and `END` where LangGraph has them too."""

from nbflow.writing.routes import END, START
from nbflow.writing.types import Send

__all__ = ["END", "START", "Send"]
