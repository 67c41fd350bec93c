"""Events: the immutable facts of a run, from which everything that is shown is folded.

Event data is plain (what JSON can hold); the Python values that branches return stay in the run.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """What happened. The first six of a task are its states; the rest is what it says meanwhile."""

    RUN_STARTED = "run_started"
    RUN_ENDED = "run_ended"  # data: state
    NODE = "node"  # a node that came, or changed, while the run went on; data: what describes it

    QUEUED = "queued"  # data of a group: group (its kind), label, size (None if not known);
    # of a call: call (its number among the node's calls), caller (the id of the task that made it)
    STARTED = "started"  # data: attempt
    DONE = "done"  # data: text; display if the value has a rich form; reused; a group's tally;
    # of a sample of a vote: agrees (the number of the sample that gave the same answer first)
    FAILED = "failed"  # data: type, message, traceback; a group's tally
    CANCELLED = "cancelled"  # data: unneeded, true if nobody needed its result any more
    SKIPPED = "skipped"  # data: because (the nodes whose results are missing)

    CHUNK = "chunk"  # data: text; told, if a stream has it in another form
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
    """The task's id within the run; None when the fact is about the run.

    A node with many tasks has a group around them, which has the same life as a task: its id is the
    node's name, and theirs are `name[0]`, `name[1]` and so on.
    """
    time: float
    """Seconds since the run started, on a clock that never goes back."""
    wall: float
    """Seconds since the epoch."""
    data: Mapping[str, Any]


Sink = Callable[[Event], None]
"""Whoever wants events."""


class Log:
    """The events of one run in their order, kept small: columns, and no object for each event.

    It is appended to on the run's event loop; any thread may read what is there.

    Args:
        run: The run's id.
        wall: When it started, in seconds since the epoch.
    """

    def __init__(self, run: str, wall: float) -> None:
        self._run = run
        self._wall = wall
        self._kinds: list[Kind] = []
        self._nodes: list[str | None] = []
        self._tasks: list[str | None] = []
        self._times = array("d")
        self._data: list[Mapping[str, Any]] = []

    def append(
        self,
        kind: Kind,
        node: str | None,
        task: str | None,
        time: float,
        data: Mapping[str, Any],
    ) -> None:
        """Add the next fact of the run."""
        self._kinds.append(kind)
        self._nodes.append(node)
        self._tasks.append(task)
        self._times.append(time)
        self._data.append(data)  # the last column: it says how many there are

    def has(self, kind: Kind) -> bool:
        """Whether there was an event of that kind."""
        return kind in self._kinds

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, seq: int) -> Event:
        time = self._times[seq]
        return Event(
            self._run,
            seq,
            self._kinds[seq],
            self._nodes[seq],
            self._tasks[seq],
            time,
            self._wall + time,
            self._data[seq],
        )
