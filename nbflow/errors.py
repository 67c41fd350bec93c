"""Every exception that nbflow raises on purpose, in one tree; knows nothing else.

```
NbflowError
├── FlowError            a flow that can't be: cycle, unknown input, duplicate name
│   ├── CellError        the same, at a line and column of a %%fanout cell
│   └── GraphError       a StateGraph that can't be; also a ValueError
├── ModelError           a model that can't be found, loaded, reached or paid
├── InvalidUpdateError   updates of a graph's state that contradict each other, or are none
├── EmptyInputError      a graph was given nothing that its state has a place for
├── GraphRecursionError  a graph went round in a loop too often; also a RecursionError
├── ParentCommand        a graph spoke to the graph around it, and there is none
├── NodeTimeoutError     a node of a graph, or a task, took longer than its timeout
├── NodeCancelledError   a node of a graph raised CancelledError, and nobody had cancelled it
├── RunError             a run ended and not every branch succeeded
└── RunCancelled         a run was cancelled, or its cell interrupted
```
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from nbflow.core.run import Run


class NbflowError(Exception):
    """Something that nbflow refuses or reports, in words for the person at the notebook."""

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: the message alone, for a traceback into nbflow helps nobody."""
        return [f"{type(self).__name__}: {self}"]


class FlowError(NbflowError):
    """A flow that can't be: a cycle, an unknown input, a name used twice."""


class CellError(FlowError):
    """A mistake in a cell, at the place where it stands.

    Args:
        problem: What is wrong and what would be right, one sentence or two.
        line: The line in the cell, from 1; the magic's own line is line 1.
        column: The column in that line, from 1.
        text: The offending piece of the cell.

    Example:
        >>> print(CellError("unknown name {topc}; did you mean {topic}?", line=3, column=20,
        ...                 text="{topc}"))
        line 3, column 20, at '{topc}': unknown name {topc}; did you mean {topic}?
    """

    def __init__(self, problem: str, *, line: int, column: int, text: str) -> None:
        super().__init__(f"line {line}, column {column}, at {text!r}: {problem}")
        self.problem = problem
        self.line = line
        self.column = column
        self.text = text


class GraphError(FlowError, ValueError):
    """A StateGraph that can't be: a node that is unknown, can't be reached or is there twice."""


class InvalidUpdateError(NbflowError):
    """Updates of a graph's state that contradict each other, or aren't updates at all."""


class EmptyInputError(NbflowError):
    """A graph was given nothing that its state has a place for."""


class GraphRecursionError(NbflowError, RecursionError):
    """A graph went on for more steps than its `recursion_limit` allows."""


class DeadlockError(NbflowError):
    """A task waits for a result that can't come before its own."""


class ParentCommand(NbflowError):  # noqa: N818 - LangGraph's name
    """A graph spoke to the graph around it, and there is none: `Command(graph=Command.PARENT)`."""

    def __init__(self, commands: list[Any]) -> None:
        super().__init__(f"there is no graph around this one to follow {commands!r}.")
        self.commands = commands


class NodeTimeoutError(NbflowError):
    """A node of a graph, or a task, took longer than its timeout.

    Args:
        node: Its name.
        elapsed: How long the attempt took, in seconds.
        kind: Which timeout that was too long for.
        idle_timeout: The most it may take without a sign of progress, in seconds; None for no such.
        run_timeout: The most it may take at all, in seconds; None for no such.

    No `TimeoutError`, which is an `OSError`: a `RetryPolicy` tries again by default.
    """

    def __init__(
        self,
        node: str,
        elapsed: float,
        *,
        kind: Literal["idle", "run"],
        idle_timeout: float | None = None,
        run_timeout: float | None = None,
    ) -> None:
        if kind not in {"idle", "run"}:
            raise ValueError(f"kind must be 'idle' or 'run', not {kind!r}")
        timeout = idle_timeout if kind == "idle" else run_timeout
        if timeout is None:
            raise ValueError(f"{kind}_timeout is required when kind={kind!r}")
        what = "made no progress for" if kind == "idle" else "took longer than its timeout of"
        super().__init__(f"node {node!r} {what} {timeout:g} s (elapsed: {elapsed:.3f} s).")
        self.node = node
        self.timeout = timeout
        self.run_timeout = run_timeout
        self.idle_timeout = idle_timeout
        self.elapsed = elapsed
        self.kind = kind


class NodeCancelledError(NbflowError):
    """A node of a graph raised `CancelledError` by itself: nobody had cancelled it."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"node {node!r} raised CancelledError, but nobody cancelled it: something that it "
            "awaited was cancelled."
        )
        self.node = node


@dataclass(frozen=True, slots=True)
class NodeError:
    """What a node's error handler finds as `error`; no exception itself.

    Args:
        node: The name of the node that failed.
        error: What it raised.
    """

    node: str
    error: BaseException


class ModelError(NbflowError):
    """A model that can't be found, loaded, reached or paid."""


class RunError(NbflowError):
    """A run ended and not every branch succeeded.

    `__cause__` is an `ExceptionGroup` with the exception of every branch that failed.
    """

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run

    @property
    def errors(self) -> dict[str, Any]:
        """The exception of each branch that failed, by the branch's name."""
        return self.run.errors


class RunCancelled(NbflowError):  # noqa: N818 - named as asyncio names CancelledError's cause
    """A run was cancelled, or its cell interrupted; what had finished is kept in `run`."""

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run


def nearest(name: str, choices: Iterable[str]) -> str:
    """A sentence naming the choice nearest to `name`, or all of them; empty if there are none.

    Example:
        >>> nearest("topc", ["topic", "style"])
        "Did you mean 'topic'?"
        >>> nearest("zzz", ["topic", "style"])
        "Known here: 'style', 'topic'."
    """
    known = sorted(set(choices))
    if not known:
        return ""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    shown = ", ".join(repr(choice) for choice in known[:12])
    return f"Known here: {shown}{', ...' if len(known) > 12 else ''}."  # noqa: PLR2004
