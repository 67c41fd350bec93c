"""What the core's tests share: flows of plain functions, run by the engine alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nbflow.core.policies import RunOptions
from nbflow.core.run import Run
from nbflow.core.topology import Node, Topology


def node(function: Callable[..., Any], *inputs: str, **options: Any) -> Node:
    """A function as a node of its own name."""
    return Node(function.__name__, function, inputs, **options)


@pytest.fixture
def start() -> Callable[..., Run]:
    """Start a run of nodes on the test's loop."""

    def start(*nodes: Node, values: dict[str, Any] | None = None, **options: Any) -> Run:
        return Run(Topology(nodes), values or {}, RunOptions(**options)).start()

    return start
