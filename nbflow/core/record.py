"""The record of a run: its events folded into what happened to each task.

Plain data, no Python values of the branches. Every view is a function of this record, and the same
events always fold into the same record, whether they come live or from a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbflow.core.events import Event, Kind
from nbflow.core.states import RunState, State, check_transition


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What is known of a node before it runs."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    source: str
    detail: str


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An exception as text."""

    type: str
    message: str
    traceback: str


@dataclass(slots=True)
class TaskRecord:
    """What happened to one task. Times are seconds since the run started."""

    id: str
    node: str
    state: State = State.QUEUED
    attempts: int = 0
    started: float | None = None
    ended: float | None = None
    chunks: list[str] = field(default_factory=list)
    outputs: list[Mapping[str, Any]] = field(default_factory=list)
    """Jupyter outputs (`stream`, `display_data`) made inside the branch, in their order."""
    display: Mapping[str, Any] | None = None
    """The result's rich form, by mime type, if it has one."""
    error: ErrorInfo | None = None
    """Why it failed; while it waits for a retry, why the last attempt did."""
    because: tuple[str, ...] = ()
    """The nodes for want of whose results it was skipped."""
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def text(self) -> str:
        """The result as text; while the task runs, as much of it as there is."""
        return "".join(self.chunks)

    def elapsed(self, now: float) -> float | None:
        """Seconds from its start to its end, or to `now` while it runs; None if it never ran."""
        if self.started is None:
            return None
        return (now if self.ended is None else self.ended) - self.started


@dataclass(slots=True)
class RunRecord:
    """What happened in a run so far."""

    id: str = ""
    name: str = ""
    state: RunState = RunState.RUNNING
    wall: float = 0.0
    """When it started, in seconds since the epoch."""
    now: float = 0.0
    """The time of the newest event: seconds since the start, and the run's length at its end."""
    nodes: dict[str, NodeInfo] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    """The values given to the run, as short texts."""
    tasks: dict[str, TaskRecord] = field(default_factory=dict)

    @property
    def work(self) -> float:
        """The sum of the tasks' own times, in seconds."""
        return sum(task.elapsed(self.now) or 0.0 for task in self.tasks.values())

    @property
    def speedup(self) -> float | None:
        """`work` by elapsed time: how many branches worked at once, on average."""
        return self.work / self.now if self.now > 0 else None

    def count(self, state: State) -> int:
        """How many tasks are in a state."""
        return sum(task.state is state for task in self.tasks.values())

    def apply(self, event: Event) -> None:
        """Fold one more event in.

        Raises:
            ValueError: the event makes a transition that no task may make.
        """
        self.now = event.time
        if event.task is None:
            self._apply_to_run(event)
        elif event.kind is Kind.QUEUED:
            assert event.node is not None
            self.tasks[event.task] = TaskRecord(event.task, event.node)
        else:
            _apply_to_task(self.tasks[event.task], event)

    def _apply_to_run(self, event: Event) -> None:
        if event.kind is Kind.RUN_STARTED:
            self.id, self.wall, self.name = event.run, event.wall, event.data["name"]
            self.values = dict(event.data["values"])
            for node in event.data["nodes"]:
                info = NodeInfo(**{**node, "inputs": tuple(node["inputs"])})
                self.nodes[info.name] = info
        elif event.kind is Kind.RUN_ENDED:
            self.state = RunState(event.data["state"])


_STATE_OF = {
    Kind.STARTED: State.RUNNING,
    Kind.DONE: State.DONE,
    Kind.FAILED: State.FAILED,
    Kind.CANCELLED: State.CANCELLED,
    Kind.SKIPPED: State.SKIPPED,
}


def _apply_to_task(task: TaskRecord, event: Event) -> None:
    state = _STATE_OF.get(event.kind)
    if state is not None:
        check_transition(task.state, state)
        task.state = state
        if state is not State.RUNNING:
            task.ended = event.time
    data = event.data
    match event.kind:
        case Kind.CHUNK:
            task.chunks.append(data["text"])
        case Kind.STARTED:
            task.started, task.attempts = event.time, 1
        case Kind.DONE:
            task.error = None
            task.display = data.get("display")
            if "text" in data:
                task.chunks[:] = [data["text"]]
        case Kind.OUTPUT if data["output_type"] == "clear_output":
            task.outputs.clear()
        case Kind.OUTPUT:
            task.outputs.append(data)
        case Kind.USAGE:
            task.input_tokens += data["input_tokens"]
            task.output_tokens += data["output_tokens"]
        case Kind.RETRYING:
            task.attempts = data["attempt"]
            task.error = ErrorInfo(data["type"], data["message"], data["traceback"])
            task.chunks.clear()
        case Kind.FAILED:
            task.error = ErrorInfo(data["type"], data["message"], data["traceback"])
        case Kind.SKIPPED:
            task.because = tuple(data["because"])
        case _:
            pass
