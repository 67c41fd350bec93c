"""The count of a run's tasks: one pass over them, for everything that a view says of many.

Knows the record. Members of a group are counted, never listed, but for the few that are shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nbflow.core.record import RunRecord
from nbflow.core.states import State

LISTED_MOST = 24
"""Members of a group that its pane lists."""


@dataclass(slots=True)
class Members:
    """What is counted of the members of one group."""

    counts: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    failed: list[str] = field(default_factory=list)
    """The first that failed, and then the first that are running: never more than are listed."""
    running: list[str] = field(default_factory=list)


class Census:
    """All tasks of a run, counted once.

    Args:
        record: What happened so far.
        now: Seconds since the run started.

    Example:
        >>> from nbflow.core.record import TaskRecord
        >>> task = TaskRecord("a", "a", State.DONE, started=0.0, ended=2.0, output_tokens=7)
        >>> counted = Census(RunRecord(tasks={"a": task}), 3.0)
        >>> counted.work, counted.tokens_of["a"], counted.done
        (2.0, 7, 1)
    """

    def __init__(self, record: RunRecord, now: float) -> None:
        self.work = 0.0
        """The sum of the tasks' own times, in seconds."""
        self.done = 0
        self.running = 0
        self.tokens_of: dict[str, int] = dict.fromkeys(record.nodes, 0)
        """Tokens that were written, by node."""
        self.members: dict[str, Members] = {}
        """By the group's id."""
        self._count_tasks(record, now)
        for group in record.groups.values():
            if group.of is not None:
                self._count_member(group.of, group.id, group.state)
        self.expected = len(record.tasks) + _still_to_come(record)
        """How many tasks there will be, as far as that is known."""

    @property
    def tokens(self) -> int:
        """Tokens that were written by all nodes."""
        return sum(self.tokens_of.values())

    def of(self, group: str) -> Members:
        """What is counted of a group's members."""
        return self.members.get(group) or Members()

    def _count_tasks(self, record: RunRecord, now: float) -> None:
        for task in record.tasks.values():
            state = task.state
            self.done += state is State.DONE
            self.running += state is State.RUNNING
            self.work += task.elapsed(now) or 0.0
            if task.output_tokens:
                self.tokens_of[task.node] = self.tokens_of.get(task.node, 0) + task.output_tokens
            if task.of is not None:
                self._count_member(task.of, task.id, state)

    def _count_member(self, group: str, member: str, state: State) -> None:
        members = self.members.get(group)
        if members is None:
            members = self.members[group] = Members()
        members.counts[state] += 1
        if state is State.FAILED or state is State.RUNNING:
            listed = members.failed if state is State.FAILED else members.running
            if len(listed) < LISTED_MOST:
                listed.append(member)


def _still_to_come(record: RunRecord) -> int:
    """How many tasks the groups that go on have still to queue, as far as they know."""
    missing: dict[str, int] = {}
    inner: dict[str, int] = {}
    for group in reversed(record.groups.values()):  # a group comes after the one it is in
        own = 0
        if group.size is not None and not group.state.is_final:
            typical = -(-inner.get(group.id, 0) // len(group.members)) if group.members else 1
            own = (group.size - len(group.members)) * max(1, typical)
        missing[group.id] = own
        if group.of is not None:
            inner[group.of] = inner.get(group.of, 0) + (group.size or len(group.members))
    return sum(missing.values())
