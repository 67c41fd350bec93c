"""Events: the immutable facts of a run, from which everything that is shown is folded.

Event data is plain (what JSON can hold); the Python values that branches return stay in the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """What happened. The first six of a task are its states; the rest is what it says meanwhile."""

    RUN_STARTED = "run_started"
    RUN_ENDED = "run_ended"  # data: state

    QUEUED = "queued"
    STARTED = "started"  # data: attempt
    DONE = "done"  # data: text, and display if the value has a rich form
    FAILED = "failed"  # data: type, message, traceback
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # data: because (the nodes whose results are missing)

    CHUNK = "chunk"  # data: text
    OUTPUT = "output"  # data: one Jupyter output (stream or display_data) made inside the branch
    RETRYING = "retrying"  # data: attempt, type, message, delay (s)
    USAGE = "usage"  # data: model, input_tokens, output_tokens

    __hash__ = str.__hash__  # equal to its text, so also found by it


class Event(NamedTuple):
    """One immutable fact about a run."""

    run: str
    """The id of the run."""
    seq: int
    """Counts from 0 within the run, without gaps."""
    kind: Kind
    node: str | None
    """The node's name; None when the fact is about the run."""
    task: str | None
    """The task's id within the run; None when the fact is about the run."""
    time: float
    """Seconds since the run started, on a clock that never goes back."""
    wall: float
    """Seconds since the epoch."""
    data: Mapping[str, Any]


Sink = Callable[[Event], None]
"""Whoever wants events. It is called on the run's event loop and must return quickly."""
