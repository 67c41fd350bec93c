"""What a box of the graph says at some moment: its state, its time, and how far its tasks are.

Knows the record and the boxes; knows nothing of how they are drawn.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from nbflow.core.record import GroupRecord, RunRecord
from nbflow.core.states import State
from nbflow.views.census import Census
from nbflow.views.graph import Box, Graph
from nbflow.views.groups import count_text, progress_text
from nbflow.views.model import census_of, state_of
from nbflow.views.words import GLYPHS, clean_name, seconds_text

_LOUDEST_FIRST = (
    State.RUNNING,
    State.FAILED,
    State.QUEUED,
    State.CANCELLED,
    State.SKIPPED,
    State.DONE,
)
"""Which state a box of many nodes has: that of the first of these that one of them has."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a box says of its nodes at some moment."""

    state: State
    text: str
    """Sign, name, and time or count."""
    title: str
    """The same in words."""
    note: str = ""
    """The second line, if the box has one."""


def progress(record: RunRecord, box: Box, census: Census | None = None) -> Progress:
    """What a box says now.

    Args:
        record: What happened so far.
        box: Which one.
        census: The count of the record's tasks, if the caller has one.
    """
    if len(box.names) == 1:
        return _progress_of_one(record, box, census or census_of(record))
    states = Counter(state_of(record, name) for name in box.names)
    state = next(state for state in _LOUDEST_FIRST if states[state])
    counts = ", ".join(f"{states[state]} {state}" for state in State if states[state])
    text = f"{GLYPHS[state]} {box.label} {states[State.DONE]}/{len(box.names)}"
    return Progress(state, text, f"{len(box.names)} branches, {box.label}: {counts}")


def _progress_of_one(record: RunRecord, box: Box, census: Census) -> Progress:
    life, state = record.life(box.names[0]), state_of(record, box.names[0])
    parts, note = [str(state)], box.says("")
    time = ""
    if life is not None and state.is_final and (elapsed := life.elapsed(record.now)) is not None:
        time = f" {seconds_text(elapsed)}"
        parts.append(time.strip())
    if life is not None and life.unneeded:
        parts.append("not needed any more")
    if isinstance(life, GroupRecord) and life.started is not None:
        members = census.of(life.id)
        note = box.says(count_text(life, members))
        parts.append(progress_text(life, members))
    title = f"{clean_name(box.names[0])}: {', '.join(parts)}"
    return Progress(state, f"{GLYPHS[state]} {box.label}{time}", title, note)


def notes_of(record: RunRecord, drawn: Graph) -> dict[str, str]:
    """What the second lines of the boxes say now, by their ids."""
    census = census_of(record)
    boxes = (box for box in drawn.boxes if not box.is_value)
    return {box.id: progress(record, box, census).note for box in boxes}
