"""The states of a task and of a run, and the one table of transitions between them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a task is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    __hash__ = str.__hash__  # equal to its text, so also found by it

    is_final: bool
    """True when nothing can follow."""


class RunState(StrEnum):
    """Where a run is; anything but `RUNNING` is its end."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    __hash__ = str.__hash__


TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.SKIPPED, State.CANCELLED}),
    State.RUNNING: frozenset({State.DONE, State.FAILED, State.CANCELLED}),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.SKIPPED: frozenset(),
}
"""From each state, the states that may follow; an empty set marks an end."""

for _state, _following in TRANSITIONS.items():
    _state.is_final = not _following  # asked for so often that a property would be too slow


def check_transition(before: State, after: State) -> None:
    """Raise `ValueError` unless a task may go from `before` to `after`.

    Example:
        >>> check_transition(State.QUEUED, State.RUNNING)
        >>> check_transition(State.DONE, State.RUNNING)
        Traceback (most recent call last):
        ...
        ValueError: a task can't go from done to running
    """
    if after not in TRANSITIONS[before]:
        raise ValueError(f"a task can't go from {before} to {after}")
