"""The record of a run: its events folded into what happened to each task.

Plain data, no Python values of the branches. Every view is a function of this record, and the same
events always fold into the same record, whether they come live or from a store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, TypeVar

from nbflow.core.events import Event, Kind
from nbflow.core.states import RunState, State, check_transition

T = TypeVar("T")

CALLS = "calls"
"""The kind of a group that code makes by calling a node more than once."""

_WORST_FIRST = (State.FAILED, State.CANCELLED, State.SKIPPED, State.DONE)


class NodeInfo(NamedTuple):
    """What is known of a node before it runs."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    source: str
    detail: str
    fan_out: tuple[str, ...] = ()
    """How it becomes many tasks, as it is written: `for doc in docs`, `vote of 5`."""
    wait: int | None = None
    """It starts as soon as so many of its input nodes have succeeded; None for all."""
    perhaps: tuple[str, ...] = ()
    """Those of its inputs that decide only when they have run whether they lead to it."""


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An exception as text."""

    type: str
    message: str
    traceback: str


@dataclass(slots=True)
class Life:
    """From the queue to the end, of a task or of a group of them. Times are seconds in the run."""

    id: str
    node: str
    state: State = State.QUEUED
    started: float | None = None
    ended: float | None = None
    error: ErrorInfo | None = None
    """Why it failed; while it waits for a retry, why the last attempt did."""
    reused: bool = False
    """True if its result is an earlier run's."""
    unneeded: bool = False
    """True if it was cancelled because nobody needed its result any more."""
    of: str | None = None
    """The id of the group it is in."""
    queued: float = 0.0
    """When it was made known; it may have had to wait for its inputs and for its turn."""

    def elapsed(self, now: float) -> float | None:
        """Seconds from its start to its end, or to `now` while it runs; None if it never ran."""
        if self.started is None:
            return None
        return (now if self.ended is None else self.ended) - self.started


@dataclass(slots=True)
class TaskRecord(Life):
    """What happened to one task."""

    attempts: int = 0
    caller: str | None = None
    """The id of the task whose code called it."""
    chunks: Sequence[str] = ()
    outputs: Sequence[Mapping[str, Any]] = ()
    """Jupyter outputs (`stream`, `display_data`) made inside the branch, in their order."""
    display: Mapping[str, Any] | None = None
    """The result's rich form, by mime type, if it has one."""
    input_tokens: int = 0
    output_tokens: int = 0
    retries: Sequence[tuple[float, float]] = ()
    """For each attempt that was tried again: when it failed, and when the next was to begin."""

    @property
    def text(self) -> str:
        """The result as text; while the task runs, as much of it as there is."""
        return "".join(self.chunks)


@dataclass(slots=True)
class GroupRecord(Life):
    """What happened to a node with many tasks."""

    kind: str = ""
    """`each`, `vote`, `best`, `variants`, or `calls`: those of a node that code calls, while it
    is called. The state of such a group follows from its tasks'; it has no events of its own."""
    label: str = ""
    """How it becomes many tasks, as it is written: `for doc in docs`."""
    size: int | None = None
    """How many tasks there will be, if that is known."""
    members: list[str] = field(default_factory=list)
    """The ids of its tasks, or of the groups in it, in the order in which they were queued."""
    text: str = ""
    """The result as text, of a vote or a best of n."""
    open: int = 0
    """Of a group of calls: how many of its tasks haven't ended."""
    worst: State = State.DONE
    """Of a group of calls: the worst end that a task of it has had."""
    votes: dict[int, list[int]] = field(default_factory=dict)
    """Of a vote, the samples with the same answer, by the number of the one that came first."""
    outcome: Mapping[str, Any] = field(default_factory=dict)
    """What the tasks' results came to. A vote's: `tally` (a list of `answer`, `votes`, `samples`,
    the winner first), `agreement` (0 to 1), `dissenters`, `heard`, `failed` and `saved` (samples).
    A best of n's: `scores` by sample, `winner`."""


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
    groups: dict[str, GroupRecord] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget everything, to be folded anew."""
        new = RunRecord(self.id, self.name)
        for field_ in fields(self):
            setattr(self, field_.name, getattr(new, field_.name))

    @property
    def work(self) -> float:
        """The sum of the tasks' own times, in seconds, without those that only call others."""
        callers = {task.caller for task in self.tasks.values()}
        return sum(
            task.elapsed(self.now) or 0.0 for task in self.tasks.values() if task.id not in callers
        )

    @property
    def speedup(self) -> float | None:
        """`work` by elapsed time: how many branches worked at once, on average."""
        return self.work / self.now if self.now > 0 else None

    @property
    def critical_path(self) -> list[str]:
        """The nodes that the run's time was spent waiting for, in their order.

        From the node that ended last back to the input whose result it began with, and so on; one
        that calls others goes on with their results, and one that was called at the beginning of
        its caller with what that began with.
        """
        callers: dict[str, str] = {}
        for task in self.tasks.values():
            if task.caller:
                callers.setdefault(task.node, self.tasks[task.caller].node)
        calling = set(callers.values())
        ran = {name: life for name in self.nodes if (life := self.life(name)) and life.ended}
        ran = {name: life for name, life in ran.items() if life.started is not None}
        path: dict[str, None] = {}
        last = max(ran, key=lambda name: ran[name].ended or 0.0, default=None)
        while last is not None:
            path[last] = None
            began = (ran[last].ended if last in calling else ran[last].started) or 0.0
            at: str | None = last
            last = None
            while at is not None and last is None:
                ended = {
                    name: ran[name].ended or 0.0
                    for name in self.nodes[at].inputs
                    if name in ran and name not in path
                }
                before = [name for name in ended if ended[name] <= began]
                last = max(before, key=ended.__getitem__, default=None)
                at = callers.get(at)
        return [*path][::-1]

    def life(self, node: str) -> TaskRecord | GroupRecord | None:
        """What happened to a node as a whole: its only task, or the group of its tasks."""
        return self.groups.get(node) or self.tasks.get(node)

    def because(self, node: str) -> tuple[str, ...]:
        """The inputs of a skipped node for want of whose results it was skipped."""
        life = self.life(node)
        if life is None or life.state is not State.SKIPPED:
            return ()
        lost = (State.FAILED, State.CANCELLED, State.SKIPPED)
        inputs = ((name, self.life(name)) for name in dict.fromkeys(self.nodes[node].inputs))
        return tuple(name for name, of in inputs if of is not None and of.state in lost)

    def count(self, state: State) -> int:
        """How many tasks are in a state."""
        return sum(task.state is state for task in self.tasks.values())

    def apply(self, event: Event) -> None:
        """Fold one more event in.

        Raises:
            ValueError: the event makes a transition that no task may make.
        """
        self.now = event.time
        task = event.task
        if task is None:
            self._apply_to_run(event)
        elif event.kind is Kind.QUEUED:
            self._apply_queued(task, event)
        elif (record := self.tasks.get(task)) is not None:
            _apply_state(record, event)
            _apply_to_task(record, event)
            if record.of is not None:
                group = self.groups[record.of]
                if group.kind == CALLS:
                    self._follow(group, record)
                elif "agrees" in event.data:
                    _count_vote(group, record, event.data["agrees"])
        else:
            group = self.groups[task]
            _apply_state(group, event)
            _apply_to_group(group, event)

    def _apply_to_run(self, event: Event) -> None:
        if event.kind is Kind.RUN_STARTED:
            self.id, self.wall, self.name = event.run, event.wall, event.data["name"]
            self.values = dict(event.data["values"])
            for node in event.data["nodes"]:
                self.nodes[node["name"]] = NodeInfo(**node)
        elif event.kind is Kind.NODE:
            self.nodes[event.data["name"]] = NodeInfo(**event.data)
        elif event.kind is Kind.RUN_ENDED:
            self.state = RunState(event.data["state"])

    def _apply_queued(self, task: str, event: Event) -> None:
        assert event.node is not None
        data = event.data
        of = self._calls_of(event.node) if "call" in data else data.get("of")
        if of is not None:
            self.groups[of].members.append(task)
        if "group" in data:
            made = GroupRecord(task, event.node, of=of, kind=data["group"], queued=event.time)
            made.label, made.size = data["label"], data["size"]
            self.groups[task] = made
        else:
            self.tasks[task] = TaskRecord(
                task, event.node, of=of, queued=event.time, caller=data.get("caller")
            )

    def _calls_of(self, node: str) -> str:
        """The group of a node that is called once more, and for the first time more than once."""
        group = self.groups.get(node)
        if group is None:
            first = self.tasks[node]
            first.of = node
            group = GroupRecord(node, node, first.state, first.started, kind=CALLS, members=[node])
            group.open = not first.state.is_final
            if first.state.is_final:
                _count_end(group, first)
            group.queued = first.queued
            self.groups[node] = group
        group.open += 1
        group.state = State.QUEUED if group.started is None else State.RUNNING
        group.ended = None
        return node

    def _follow(self, group: GroupRecord, task: TaskRecord) -> None:
        """A group of calls is as its tasks are."""
        if task.state is State.RUNNING and group.started is None:
            group.state, group.started = State.RUNNING, task.started
        if not task.state.is_final:
            return
        group.open -= 1
        _count_end(group, task)
        if not group.open:
            group.state, group.ended = group.worst, task.ended


def _count_end(group: GroupRecord, task: TaskRecord) -> None:
    """The worst end of its tasks is that of a group; it was needed if one of those was."""
    if _WORST_FIRST.index(task.state) < _WORST_FIRST.index(group.worst):
        group.worst, group.unneeded = task.state, task.unneeded
    elif task.state is group.worst:
        group.unneeded = group.unneeded and task.unneeded


def _count_vote(group: GroupRecord, task: TaskRecord, agrees: int) -> None:
    number = int(task.id[len(group.id) + 1 : -1])
    group.votes.setdefault(agrees, []).append(number)


_STATE_OF = {
    Kind.STARTED: State.RUNNING,
    Kind.DONE: State.DONE,
    Kind.FAILED: State.FAILED,
    Kind.CANCELLED: State.CANCELLED,
    Kind.SKIPPED: State.SKIPPED,
}


def _apply_state(life: Life, event: Event) -> None:
    """What is the same for a task and for a group."""
    state = _STATE_OF.get(event.kind)
    if state is None:
        return
    check_transition(life.state, state)
    life.state = state
    if state is State.RUNNING:
        life.started = event.time
        return
    life.ended = event.time
    if state is State.DONE:
        life.error = None
        life.reused = "reused" in event.data
    elif state is State.FAILED:
        life.error = _error_of(event.data)
    elif state is State.CANCELLED:
        life.unneeded = "unneeded" in event.data


def _error_of(data: Mapping[str, Any]) -> ErrorInfo:
    return ErrorInfo(data["type"], data["message"], data["traceback"])


def _apply_to_task(task: TaskRecord, event: Event) -> None:
    data = event.data
    match event.kind:
        case Kind.CHUNK:
            task.chunks = _with(task.chunks, data["text"])
        case Kind.STARTED:
            task.attempts = 1
        case Kind.DONE:
            task.display = data.get("display")
            if "text" in data:
                task.chunks = (data["text"],)
        case Kind.OUTPUT if data["output_type"] == "clear_output":
            task.outputs = ()
        case Kind.OUTPUT:
            task.outputs = _with(task.outputs, data)
        case Kind.USAGE:
            task.input_tokens += data["input_tokens"]
            task.output_tokens += data["output_tokens"]
        case Kind.RETRYING:
            task.attempts = data["attempt"]
            task.retries = _with(task.retries, (event.time, event.time + data["delay"]))
            task.error = _error_of(data)
            task.chunks = ()
        case _:
            pass


def _with(sequence: Sequence[T], element: T) -> list[T]:
    """A sequence with one more element: most tasks never have one, so they share an empty one."""
    grown = sequence if isinstance(sequence, list) else list(sequence)
    grown.append(element)
    return grown


def _apply_to_group(group: GroupRecord, event: Event) -> None:
    if event.kind is Kind.STARTED:
        group.size = event.data["size"]
    if event.kind in (Kind.DONE, Kind.FAILED, Kind.CANCELLED):
        group.text = event.data.get("text", "")
        group.outcome = event.data.get("outcome", group.outcome)
