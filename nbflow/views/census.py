"""The count of a run's tasks: one pass over them, for everything that a view says of many.

Knows the record. Members of a group are counted, never listed, but for the few that are shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nbflow.core.record import GroupRecord, Life, RunRecord
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
    unneeded: int = 0
    """How many of the cancelled ones nobody needed any more."""


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
        """The sum of the tasks' own times, in seconds, without those that call others."""
        self.done = 0
        self.running = 0
        """How many tasks are running, without those that call others."""
        self._unneeded = 0
        self.tokens_of: dict[str, int] = dict.fromkeys(record.nodes, 0)
        """Tokens that were written, by node."""
        self.members: dict[str, Members] = {}
        """By the group's id."""
        self._count_tasks(record, now)
        for group in record.groups.values():
            if group.of is not None:
                self._count_member(group.of, group)
        self.expected = len(record.tasks) - self._unneeded + _still_to_come(record)
        """How many tasks are to be done, as far as that is known: all but those not needed."""

    @property
    def tokens(self) -> int:
        """Tokens that were written by all nodes."""
        return sum(self.tokens_of.values())

    def of(self, group: str) -> Members:
        """What is counted of a group's members."""
        return self.members.get(group) or Members()

    def _count_tasks(self, record: RunRecord, now: float) -> None:
        # The board's innermost loop: of what is done in a group, which is most, nothing but sums.
        plain: dict[str | None, int] = {}
        callers: set[str] = set()
        work, done_state = 0.0, State.DONE
        for task in record.tasks.values():
            if task.started is not None:
                work += (now if task.ended is None else task.ended) - task.started
            if task.output_tokens:
                self.tokens_of[task.node] = self.tokens_of.get(task.node, 0) + task.output_tokens
            if task.caller is not None:
                callers.add(task.caller)
            of = task.of
            if task.state is done_state:
                plain[of] = plain.get(of, 0) + 1
                continue
            self.running += task.state is State.RUNNING
            self._unneeded += task.unneeded
            if of is not None:
                self._count_member(of, task)
        for caller in callers:  # while others work for them, they only wait
            work -= record.tasks[caller].elapsed(now) or 0.0
            self.running -= record.tasks[caller].state is State.RUNNING
        self.work = work
        self.done = sum(plain.values())
        for group, count in plain.items():
            if group is not None:
                self.members.setdefault(group, Members()).counts[done_state] += count

    def _count_member(self, group: str, member: Life) -> None:
        members = self.members.get(group)
        if members is None:
            members = self.members[group] = Members()
        state = member.state
        members.counts[state] += 1
        members.unneeded += member.unneeded
        if state is State.FAILED or state is State.RUNNING:
            listed = members.failed if state is State.FAILED else members.running
            if len(listed) < LISTED_MOST:
                listed.append(member.id)


def _still_to_come(record: RunRecord) -> int:
    """How many tasks the groups have not queued, as far as they know; of those done, none.

    So a group that was cancelled or failed lacks what it never came to.
    """
    missing: dict[str, int] = {}
    inner: dict[str, int] = {}
    for group in reversed(record.groups.values()):  # a group comes after the one it is in
        own = 0
        if group.size is not None and not _is_over(group):
            typical = -(-inner.get(group.id, 0) // len(group.members)) if group.members else 1
            own = (group.size - len(group.members)) * max(1, typical)
        missing[group.id] = own
        if group.of is not None:
            inner[group.of] = inner.get(group.of, 0) + (group.size or len(group.members))
    return sum(missing.values())


def _is_over(group: GroupRecord) -> bool:
    """Whether a group needs no more tasks than it has."""
    never_ran = group.state.is_final and group.started is None
    return group.state is State.DONE or group.unneeded or never_ran
