"""Leaving the notebook: a flow as the source of a LangGraph program, in Python or TypeScript.

Knows how flows are written and what they say of a run; knows nothing of notebooks; runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nbflow.errors import FlowError, nearest
from nbflow.export.program import Program, program_of
from nbflow.export.python_functional import python_functional
from nbflow.export.python_graph import python_graph
from nbflow.export.typescript_functional import typescript_functional
from nbflow.export.typescript_graph import typescript_graph
from nbflow.writing.flow import Flow

__all__ = ["TARGETS", "Source", "export"]

TARGETS: Mapping[str, Callable[[Program], str]] = {
    "langgraph-python-graph": python_graph,
    "langgraph-python-functional": python_functional,
    "langgraph-typescript-graph": typescript_graph,
    "langgraph-typescript-functional": typescript_functional,
    "langgraph-python": python_graph,
    "langgraph-typescript": typescript_graph,
}
"""What a flow can be exported as."""


class Source(str):
    """The text of an exported program; a notebook shows it as it is.

    Example:
        >>> Source("x = 1")
        x = 1
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def save(self, path: str | Path) -> Path:
        """Write it to a file, in UTF-8."""
        file = Path(path)
        file.write_text(self, encoding="utf-8", newline="\n")
        return file


def export(flow: Any, target: str) -> Source:
    """A flow as the source of a program that does what it does.

    Args:
        flow: The `Flow`; the options that it was given count.
        target: `langgraph-python-graph`, `langgraph-python-functional`,
            `langgraph-typescript-graph`, `langgraph-typescript-functional`, or without the form,
            which is then a graph.

    Raises:
        FlowError: there is no such target, a node does what the target can't, or it is no flow.

    Example:
        >>> from nbflow import ask
        >>> source = export(Flow(ask("A joke about {topic}", name="joke")), "langgraph-python")
        >>> 'builder.add_edge(START, "ask_joke")' in source
        True
    """
    if target not in TARGETS:
        raise FlowError(f"there is no export {target!r}. {nearest(target, TARGETS)}")
    if not isinstance(flow, Flow):
        raise FlowError(
            "only a flow can be exported. What uses nbflow.graph or nbflow.func is a LangGraph "
            "program already, once its imports say langgraph."
        )
    return Source(TARGETS[target](program_of(flow)))
