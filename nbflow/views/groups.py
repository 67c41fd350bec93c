"""What is shown of a node with many tasks, in words and plain values.

A group of the record, and of its members the few that are listed -> `GroupView`. Knows nothing of
HTML; names and texts in it are clean.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.core.record import CALLS, ErrorInfo, GroupRecord, Life, RunRecord, TaskRecord
from nbflow.core.states import State
from nbflow.views.census import LISTED_MOST, Census, Members
from nbflow.views.words import as_printed, clean, clean_name, counted, first_line, last_line

PRINTED_MOST = 100
"""Outputs of one member in which its last printed line is looked for."""
ANSWERS_MOST = 24
"""Different answers of a vote that are listed."""


@dataclass(frozen=True, slots=True)
class ItemView:
    """One member of a group: a task, or a group in it."""

    label: str
    """What names it among its siblings: a number, or a model."""
    state: State
    text: str
    error: ErrorInfo | None
    elapsed: float | None
    """Seconds; None if it never ran."""
    unneeded: bool
    outputs: tuple[Mapping[str, Any], ...] = ()
    """What was printed and displayed inside it."""
    display: Mapping[str, Any] | None = None
    """Its result's rich form, if that says more than its text."""

    @property
    def printed(self) -> str:
        """What it printed last, as a terminal would leave it."""
        texts = [str(output["text"]) for output in self.outputs[-PRINTED_MOST:] if "text" in output]
        return as_printed("".join(texts))

    @property
    def line(self) -> str:
        """What it says, on one line."""
        if self.error is not None and self.state is not State.DONE:
            return first_line(f"{self.error.type}: {self.error.message}")
        if self.state is State.CANCELLED:
            return "not needed any more" if self.unneeded else "cancelled"
        if self.state is State.RUNNING:
            return last_line(self.text) or last_line(self.printed)
        return first_line(self.text)


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One answer of a vote."""

    answer: str
    votes: int


@dataclass(frozen=True, slots=True)
class GroupView:
    """The many tasks of one node."""

    kind: str
    """`each`, `vote`, `best`, `variants` or `calls`."""
    progress: str
    """How far it is: `3 of 7 done · 1 failed`; empty before its first task."""
    items: tuple[ItemView, ...]
    more: int
    """How many members aren't in `items`."""
    answers: tuple[AnswerView, ...]
    """Of a vote, the winner first; while it goes on, as far as there are any."""
    more_answers: int
    agreement: float | None
    dissenters: tuple[int, ...]
    """The numbers of the samples that say something else than the winner."""
    saved: int
    """Samples that didn't have to be heard."""
    scores: Mapping[str, float]
    """Of a best of n that has ended, by the label of the sample."""
    winner: str | None
    """The label of the best."""
    is_open: bool = False
    """Whether there may be more answers."""

    @property
    def remark(self) -> str:
        """What a vote or a best of n came to, in a line; empty if there is nothing to say."""
        parts = []
        if self.answers and self.agreement is not None:
            parts.append(f"agreement {self.agreement:.0%}".replace("%", " %"))
        if self.dissenters:
            shown = ", ".join(map(str, self.dissenters[:LISTED_MOST]))
            dots = ", …" if len(self.dissenters) > LISTED_MOST else ""
            parts.append(f"dissenter{'s' if len(self.dissenters) > 1 else ''} {shown}{dots}")
        if self.saved:
            parts.append(f"{counted(self.saved, 'call')} saved")
        if self.winner is not None and self.winner in self.scores:
            parts.append(f"winner {self.winner}, score {self.scores[self.winner]:g}")
        said = " · ".join(parts)
        return f"so far {said}" if said and self.is_open else said


def group_view(record: RunRecord, group: GroupRecord, census: Census, now: float) -> GroupView:
    """What is shown of a group.

    Args:
        record: The record it is in.
        group: Which one.
        census: The count of the record's tasks.
        now: Seconds since the run started.
    """
    members = census.of(group.id)
    listed = _listed(group, members)
    outcome = group.outcome or _so_far(record, group)
    tally = outcome.get("tally", ())
    scores = outcome.get("scores") or {}
    return GroupView(
        kind=group.kind,
        progress=progress_text(group, members),
        items=tuple(_item(record, group, member, now) for member in listed),
        more=len(group.members) - len(listed),
        answers=tuple(
            AnswerView(first_line(str(own["answer"])), int(own["votes"]))
            for own in tally[:ANSWERS_MOST]
        ),
        more_answers=max(0, len(tally) - ANSWERS_MOST),
        agreement=outcome.get("agreement"),
        dissenters=tuple(outcome.get("dissenters", ())),
        saved=outcome.get("saved", 0),
        scores={clean_name(str(of)): float(score) for of, score in scores.items()},
        winner=clean_name(outcome["winner"]) if "winner" in outcome else None,
        is_open=not group.state.is_final,
    )


def _so_far(record: RunRecord, group: GroupRecord) -> Mapping[str, Any]:
    """What a vote that goes on has come to, as its outcome will say it."""
    ranked = sorted(map(sorted, group.votes.values()), key=lambda own: (-len(own), own[0]))
    if not ranked:
        return {}
    return {
        "tally": [
            {"answer": record.tasks[f"{group.id}[{own[0]}]"].text, "votes": len(own)}
            for own in ranked
        ],
        "agreement": len(ranked[0]) / sum(map(len, ranked)),
        "dissenters": sorted(number for own in ranked[1:] for number in own),
    }


def progress_text(group: GroupRecord, members: Members) -> str:
    """How far a group is.

    Example:
        >>> group = GroupRecord("a", "a", State.RUNNING, started=0.0, size=7)
        >>> progress_text(group, Members(counts={**dict.fromkeys(State, 0), State.DONE: 3}))
        '3 of 7 done'
    """
    if group.started is None:
        return ""
    counts = {**members.counts, State.CANCELLED: members.counts[State.CANCELLED] - members.unneeded}
    total = size_of(group, members)
    of = "" if total is None else f" of {total:,}"
    rest = [
        f"{counts[state]:,} {state}" for state in (State.FAILED, State.CANCELLED) if counts[state]
    ]
    return " · ".join([f"{counts[State.DONE]:,}{of} done", *rest])


def count_text(group: GroupRecord, members: Members) -> str:
    """The same in the fewest signs: `3/7`, or `7` once all are done.

    Example:
        >>> group = GroupRecord("a", "a", State.RUNNING, started=0.0, size=7)
        >>> count_text(group, Members(counts={**dict.fromkeys(State, 0), State.DONE: 3}))
        '3/7'
    """
    if group.started is None:
        return ""
    done, total = members.counts[State.DONE], size_of(group, members)
    return str(done) if total is None or done == total else f"{done}/{total}"


def size_of(group: GroupRecord, members: Members) -> int | None:
    """How many members are to be done; None while nobody knows.

    Of a group that is done, only those that were needed: a vote may be over early.
    """
    if group.state is State.DONE or group.unneeded:
        return len(group.members) - members.unneeded
    if group.kind == CALLS or (group.size is None and group.state.is_final):
        return len(group.members)
    return group.size


def label_of(group: GroupRecord, member: str) -> str:
    """What names a member among its siblings.

    Example:
        >>> label_of(GroupRecord("a", "a", State.RUNNING), "a[7]")
        '7'
    """
    return clean_name(member[len(group.id) + 1 : -1]) or "0"  # the first call has no number


def member_of(record: RunRecord, member: str) -> TaskRecord | GroupRecord:
    """A member of a group by its id."""
    return record.tasks.get(member) or record.groups[member]


def winner_of(record: RunRecord, group: GroupRecord) -> Life | None:
    """The member whose result is the group's, of a best of n or a vote that has one."""
    label = group.outcome.get("winner")
    if label is None and group.outcome.get("tally"):
        label = group.outcome["tally"][0]["samples"][0]
    key = f"{group.id}[{label}]"
    return record.tasks.get(key) or record.groups.get(key)


def _listed(group: GroupRecord, members: Members) -> list[str]:
    """The members that are shown: those that failed, then the others in their order.

    While there are too many for all to be shown, those that are running go before the others.
    """
    if len(group.members) <= LISTED_MOST:
        failed = set(members.failed)
        return [*members.failed, *(name for name in group.members if name not in failed)]
    first = dict.fromkeys([*members.failed, *members.running])
    rest = (name for name in group.members[: 2 * LISTED_MOST] if name not in first)
    return list(itertools.islice(itertools.chain(first, rest), LISTED_MOST))


def _item(record: RunRecord, group: GroupRecord, member: str, now: float) -> ItemView:
    life = member_of(record, member)
    text = life.text
    if isinstance(life, GroupRecord) and not text:
        text = counted(len(life.members), "task")
    error = life.error
    return ItemView(
        label=label_of(group, member),
        state=life.state,
        text=clean(text),
        error=error and clean_error(error),
        elapsed=life.elapsed(now),
        unneeded=life.unneeded,
        outputs=tuple(life.outputs) if isinstance(life, TaskRecord) else (),
        display=_rich(life.display) if isinstance(life, TaskRecord) else None,
    )


def _rich(display: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return display if display and display.keys() - {"text/plain"} else None


def clean_error(error: ErrorInfo) -> ErrorInfo:
    """An exception of which every text is clean."""
    return ErrorInfo(clean_name(error.type), as_printed(error.message), as_printed(error.traceback))
