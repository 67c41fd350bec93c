"""When everything happened: for each node a row of bars, one for each attempt, from the record.

A node with many tasks is one row, with rows of its own below for a few of them. Knows the record;
knows nothing of HTML: `bars` draws it for a page without scripts, and `board.js` for one with.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nbflow.core.record import GroupRecord, Life, RunRecord, TaskRecord
from nbflow.core.states import RunState, State
from nbflow.views.groups import label_of, member_of
from nbflow.views.model import node_ids, shown_order, state_of
from nbflow.views.words import GLYPHS, clean_name, counted, first_line, seconds_text

ROWS_MOST = 24
"""Nodes that have a row; of more, those that failed, those that took longest, and the first."""
MEMBERS_MOST = 8
"""Tasks of a node that have a row below its own."""
SEARCHED_MOST = 400
"""Among so many nodes or tasks those that took longest are looked for while the run goes on."""
WAITING = "waiting"
RETRYING = "retrying"

CRITICAL = "◆"
"""Stands beside what is on the critical path."""
_PATTERNS = {
    WAITING: "dotted: waiting",
    State.RUNNING: "striped: running",
    State.FAILED: "hollow: failed",
    RETRYING: "dashed: until it is tried again",
}
_PATH_MOST = 8

_STEPS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted: `waiting`, `retrying` (until the next attempt), or an attempt.

    An attempt is called as it ended, by a state; seconds in the run.
    """

    kind: str
    start: float
    end: float | None
    """None while it lasts."""


@dataclass(frozen=True, slots=True)
class Row:
    """What happened to a node, or to one of its tasks. Names are clean."""

    node: str
    """The generated id of the node."""
    branch: str
    label: str
    state: State
    spans: tuple[Span, ...]
    title: str
    """All of it in words."""
    is_critical: bool = False
    """Whether it is on the critical path."""
    members: tuple[Row, ...] = ()
    """Of a node with many tasks: some of them, those that failed and those that took longest."""

    @property
    def glyph(self) -> str:
        """The sign of its state."""
        return GLYPHS[self.state]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The rows of a run."""

    rows: tuple[Row, ...]
    more: int
    """How many nodes have no row."""
    path: tuple[str, ...]
    """The names of the critical path's nodes, in their order."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be said of it: what isn't drawn, the critical path, what patterns mean."""
        more = f"… {self.more:,} more branch{'' if self.more == 1 else 'es'}" if self.more else ""
        path = f"{CRITICAL} {_path_text(self.path)}" if len(self.path) > 1 else ""
        kinds = {span.kind for row in self.rows for span in row.spans}
        legend = " · ".join(text for kind, text in _PATTERNS.items() if kind in kinds)
        return tuple(said for said in (more, path, legend) if said)

    @property
    def is_telling(self) -> bool:
        """Whether it says more than one bar would."""
        return len(self.rows) > 1 or any(row.members or len(row.spans) > 2 for row in self.rows)  # noqa: PLR2004

    @property
    def end(self) -> float:
        """The last time in it, in seconds."""
        times = (span.end or span.start for row in self.rows for span in row.spans)
        return max(times, default=0.0)


def timeline(record: RunRecord) -> Timeline:
    """When everything happened, as far as it has.

    Example:
        >>> from nbflow.core.record import NodeInfo
        >>> task = TaskRecord("a", "a", State.DONE, started=0.5, ended=2.0)
        >>> node = NodeInfo("a", "prompt", (), "", "")
        >>> (row,) = timeline(RunRecord(nodes={"a": node}, tasks={"a": task})).rows
        >>> [(span.kind, span.start, span.end) for span in row.spans]
        [('waiting', 0.0, 0.5), ('done', 0.5, 2.0)]
    """
    is_over = record.state is not RunState.RUNNING
    path = record.critical_path if is_over or len(record.nodes) <= SEARCHED_MOST else []
    names = _chosen(record, path, is_over=is_over)
    ids, critical = node_ids(record), frozenset(path)
    rows = (_row(record, name, ids[name], name in critical, is_over=is_over) for name in names)
    return Timeline(tuple(rows), len(record.nodes) - len(names), tuple(map(clean_name, path)))


def scale_of(seconds: float) -> float:
    """The length of an axis on which so many seconds fit, so that it seldom has to grow.

    Example:
        >>> [scale_of(seconds) for seconds in (0.0, 0.72, 2.1, 3.0, 47.0)]
        [0.1, 0.8, 3.0, 3.0, 50.0]
    """
    if seconds <= 0.1:  # noqa: PLR2004 - nothing shorter is of interest
        return 0.1
    power = 10.0 ** math.floor(math.log10(seconds))
    step = next(step for step in _STEPS if step * power >= seconds * (1 - 1e-9))
    return round(step * power, 9)


def ticks_of(scale: float) -> list[float]:
    """Where an axis of that length is marked, in seconds.

    Example:
        >>> ticks_of(3.0), ticks_of(0.8), ticks_of(50.0)
        ([0.0, 1.0, 2.0, 3.0], [0.0, 0.2, 0.4, 0.6, 0.8], [0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
    """
    power = 10.0 ** math.floor(math.log10(scale) + 1e-9)
    step = next(s * power for s in (0.2, 0.5, 1.0, 2.0) if s * power * 5 >= scale * (1 - 1e-9))
    return [round(number * step, 9) for number in range(round(scale / step) + 1)]


def tick_text(seconds: float) -> str:
    """What stands at a mark.

    Example:
        >>> [tick_text(seconds) for seconds in (0.0, 0.25, 3.0, 90.0)]
        ['0 s', '0.25 s', '3 s', '90 s']
    """
    return f"{seconds:g} s"


def _path_text(path: tuple[str, ...]) -> str:
    names = [*path] if len(path) <= _PATH_MOST else [*path[:3], "…", *path[-3:]]
    return f"critical path: {' → '.join(names)}"


def _chosen(record: RunRecord, path: list[str], *, is_over: bool) -> list[str]:
    """The nodes that have a row, in their order."""
    names = shown_order(record)
    if len(names) <= ROWS_MOST:
        return names
    if not is_over and len(names) > SEARCHED_MOST:
        return names[:ROWS_MOST]
    failed = [name for name in names if state_of(record, name) is State.FAILED]
    lives = [life for name in names if (life := record.life(name)) is not None]
    longest = (life.node for life in _longest(lives, record.now, ROWS_MOST // 3))
    wanted = dict.fromkeys([*failed[: ROWS_MOST // 3], *path[-ROWS_MOST // 3 :], *longest, *names])
    chosen = frozenset([*wanted][:ROWS_MOST])
    return [name for name in names if name in chosen]


def _longest(lives: Iterable[Life], now: float, most: int) -> list[Life]:
    return heapq.nlargest(most, lives, key=lambda life: life.elapsed(now) or 0.0)


def _row(record: RunRecord, name: str, key: str, critical: bool, *, is_over: bool) -> Row:
    life = record.life(name) or TaskRecord(name, name, state_of(record, name))
    members: tuple[Row, ...] = ()
    if isinstance(life, GroupRecord):
        chosen = _members_of(record, life, is_over=is_over)
        members = tuple(
            _row_of(key, clean_name(name), label_of(life, one.id), one) for one in chosen
        )
    return _row_of(key, clean_name(name), clean_name(name), life, critical, members)


def _members_of(record: RunRecord, group: GroupRecord, *, is_over: bool) -> list[Life]:
    """Those that failed, those that took longest, and the first, in their order."""
    ids = group.members if is_over else group.members[:SEARCHED_MOST]
    lives = [member_of(record, one) for one in ids]
    failed = [life for life in lives if life.state is State.FAILED][: MEMBERS_MOST // 2]
    longest = _longest(lives, record.now, MEMBERS_MOST)
    chosen = [*{life.id: None for life in [*failed, *longest]}][:MEMBERS_MOST]
    return [life for life in lives if life.id in chosen]


def _row_of(  # noqa: PLR0917 - what a row is made of
    key: str,
    branch: str,
    label: str,
    life: Life,
    critical: bool = False,
    members: tuple[Row, ...] = (),
) -> Row:
    spans = tuple(_spans(life))
    title = " · ".join([f"{label}: {life.state}", *_in_words(life, spans)])
    if critical:
        title += " · on the critical path"
    return Row(key, branch, label, life.state, spans, title, critical, members)


def _spans(life: Life) -> Iterator[Span]:
    if life.reused:
        return
    first = life.started if life.started is not None else life.ended
    if first is None or first > life.queued:
        yield Span(WAITING, life.queued, first)
    if life.started is None:
        return
    start = life.started
    for failed, again in life.retries if isinstance(life, TaskRecord) else ():
        yield Span(State.FAILED.value, start, failed)
        ended = life.ended is not None and life.ended < again  # cancelled meanwhile
        yield Span(RETRYING, failed, life.ended if ended else again)
        start = again
    if life.ended is None or life.ended >= start:
        yield Span(life.state.value, start, life.ended)


def _in_words(life: Life, spans: tuple[Span, ...]) -> Iterator[str]:
    if life.reused:
        yield "kept from an earlier run"
    for span in spans:
        if span.kind == WAITING and span.end is not None and span.end - span.start >= 0.05:  # noqa: PLR2004
            yield f"waited {seconds_text(span.end - span.start)}"
    if life.started is not None and not life.reused:
        yield f"began at {seconds_text(life.started)}"
        if life.ended is not None:
            yield f"took {seconds_text(life.ended - life.started)}"
    if isinstance(life, TaskRecord) and life.retries:
        yield f"{len(life.retries) + 1} attempts"
    if isinstance(life, GroupRecord) and life.members:
        yield counted(len(life.members), "task")
    if life.error is not None and life.state is not State.DONE:
        yield first_line(f"{life.error.type}: {life.error.message}", 120)
