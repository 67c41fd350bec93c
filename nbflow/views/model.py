"""The view model: a run's record folded into what a person is shown, in words and plain values.

Every view (live board, static HTML, text, graph) is a function of it, so they can't disagree.
Knows nothing of HTML, widgets or the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.core.record import ErrorInfo, NodeInfo, RunRecord, TaskRecord
from nbflow.core.states import RunState, State
from nbflow.core.topology import Topology

GLYPHS: dict[str, str] = {
    "queued": "○",
    "running": "●",
    "done": "✓",
    "failed": "✕",
    "cancelled": "⊘",
    "skipped": "–",
}
"""What stands before the name of each state, of a task or a run."""

PANES_FULL = 24
"""With more panes than this, each is narrower and lower."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_TERMINAL_CODE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class PaneView:
    """What one pane shows. Names and texts are clean: safe to encode, not yet to put into HTML."""

    id: str
    """Generated, `n0`, `n1`, ...: the only name of the branch that code ever sees."""
    branch: str
    state: State
    kind: str
    detail: str
    """A line under the name: model, tokens, what it waits for."""
    source: str
    inputs: tuple[str, ...]
    started: float | None
    """Seconds after the run did; None if it never started."""
    elapsed: float | None
    """Seconds; None if it never ran."""
    text: str
    outputs: tuple[Mapping[str, Any], ...]
    display: Mapping[str, Any] | None
    error: ErrorInfo | None
    attempts: int
    because: tuple[str, ...]
    is_join: bool
    """True if it reads several nodes."""

    @property
    def glyph(self) -> str:
        """The sign of its state."""
        return GLYPHS[self.state]


@dataclass(frozen=True, slots=True)
class Totals:
    """What the header and the total line say of a run."""

    run: str
    name: str
    state: RunState
    counts: Mapping[State, int]
    elapsed: float
    """Seconds."""
    work: float
    """The sum of the branches' own times, in seconds."""
    tokens: int

    @property
    def glyph(self) -> str:
        """The sign of the run's state."""
        return GLYPHS[self.state]

    @property
    def summary(self) -> str:
        """How far it is: `3 of 4 done · 1 failed`."""
        total = sum(self.counts.values())
        rest = [
            f"{self.counts[state]} {state}"
            for state in (State.FAILED, State.CANCELLED, State.SKIPPED)
            if self.counts[state]
        ]
        return " · ".join([f"{self.counts[State.DONE]} of {total} done", *rest])

    @property
    def speedup(self) -> float | None:
        """`work` by elapsed time; None before any time has passed."""
        return self.work / self.elapsed if self.elapsed > 0 else None


@dataclass(frozen=True, slots=True)
class BoardView:
    """A whole run, as shown."""

    totals: Totals
    panes: tuple[PaneView, ...]
    """In the order in which the nodes were declared."""
    values: Mapping[str, str]
    column: int
    """The least width of a pane, in pixels."""


def view(record: RunRecord, now: float | None = None) -> BoardView:
    """Fold a record into what is shown.

    Args:
        record: What happened so far.
        now: Seconds since the run started; without it, the time of the newest event.

    Example:
        >>> board = view(RunRecord(id="r1", name="cats"))
        >>> board.totals.name, board.totals.summary, board.panes
        ('cats', '0 of 0 done', ())
    """
    values = {clean_name(name): clean_name(text) for name, text in record.values.items()}
    panes = tuple(panes_of(record, record.nodes, now))
    return BoardView(totals(record, now), panes, values, column_pixels(record))


def totals(record: RunRecord, now: float | None = None) -> Totals:
    """What the header and the total line say."""
    now = _time(record, now)
    tasks = _tasks(record)
    counts = dict.fromkeys(State, 0)
    for name in record.nodes:
        counts[tasks[name].state if name in tasks else State.QUEUED] += 1
    return Totals(
        run=record.id,
        name=clean_name(record.name),
        state=record.state,
        counts=counts,
        elapsed=now,
        work=sum(task.elapsed(now) or 0.0 for task in record.tasks.values()),
        tokens=sum(task.output_tokens for task in record.tasks.values()),
    )


def panes_of(
    record: RunRecord, names: Iterable[str], now: float | None = None
) -> Iterator[PaneView]:
    """What the panes of these nodes show, one after the other."""
    ids, tasks = node_ids(record), _tasks(record)
    for name in names:
        yield _pane(record, name, ids[name], tasks, now)


def pane(record: RunRecord, name: str, now: float | None = None) -> PaneView:
    """What the pane of one node shows.

    Raises:
        KeyError: the record has no such node.
    """
    return next(panes_of(record, [name], now))


def _pane(
    record: RunRecord,
    name: str,
    key: str,
    tasks: Mapping[str, TaskRecord],
    now: float | None,
) -> PaneView:
    node = record.nodes[name]
    task = tasks.get(name) or TaskRecord(name, name)
    elapsed = task.elapsed(_time(record, now))
    sources = [source for source in dict.fromkeys(node.inputs) if source in record.nodes]
    missing = [s for s in sources if s not in tasks or tasks[s].state is not State.DONE]
    return PaneView(
        id=key,
        branch=clean_name(name),
        state=task.state,
        kind=node.kind,
        detail=clean_name(" · ".join(_details(node, task, elapsed, sources, missing))),
        source=clean(node.source),
        inputs=tuple(clean_name(source) for source in node.inputs),
        started=task.started,
        elapsed=elapsed,
        text=clean(task.text),
        outputs=tuple(task.outputs),
        display=task.display,
        error=_clean_error(task.error),
        attempts=task.attempts,
        because=tuple(clean_name(source) for source in task.because),
        is_join=len(sources) > 1,
    )


def planned(
    topology: Topology, name: str = "", values: Mapping[str, str] | None = None
) -> RunRecord:
    """The record of a run that hasn't begun: for drawing a flow.

    Example:
        >>> from nbflow.core.topology import Node
        >>> [pane.detail for pane in view(planned(Topology([Node("joke", len)]))).panes]
        ['python']
    """
    nodes = {
        node.name: NodeInfo(node.name, node.kind, node.inputs, node.source, node.detail)
        for node in topology.nodes.values()
    }
    return RunRecord(name=name, nodes=nodes, values=dict(values or {}))


def node_ids(record: RunRecord) -> dict[str, str]:
    """The generated id of each node, by its name."""
    return {name: f"n{number}" for number, name in enumerate(record.nodes)}


def column_pixels(record: RunRecord) -> int:
    """How wide a pane is at least, so that no row is left with one pane where it can be helped.

    Joins don't count: each has a row of its own.
    """
    nodes = record.nodes.values()
    branches = sum(len(set(node.inputs) & record.nodes.keys()) <= 1 for node in nodes)
    if branches > PANES_FULL:
        return 190
    return {3: 205, 4: 340, 5: 220, 6: 220, 7: 225, 8: 225}.get(branches, 260)


def seconds_text(seconds: float) -> str:
    """A duration for people.

    Example:
        >>> [seconds_text(s) for s in (0.04, 12.34, 59.96, 125, 7260)]
        ['0.0 s', '12.3 s', '1 min 0 s', '2 min 5 s', '2 h 1 min']
    """
    if seconds < 59.95:  # noqa: PLR2004 - what would round to 60.0 s is a minute
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:  # noqa: PLR2004 - seconds in an hour
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clean(text: str) -> str:
    r"""A text that any encoder takes: what can't be printed or encoded is replaced.

    Example:
        >>> clean("a\x00b\ud800c\n")
        'a�b�c\n'
    """
    return _UNPRINTABLE.sub("\ufffd", text)


def clean_name(text: str) -> str:
    """The same for a name: on one line, and without marks that turn the writing direction."""
    return _INVISIBLE.sub("\ufffd", clean(text))


def as_printed(text: str) -> str:
    r"""A clean text as a terminal would leave it: no colour codes, progress bars at their last.

    Example:
        >>> as_printed("\x1b[31mred\x1b[0m\n 10%\r100%")
        'red\n100%'
    """
    return clean(_OVERWRITTEN.sub("", _TERMINAL_CODE.sub("", text)))


def _clean_error(error: ErrorInfo | None) -> ErrorInfo | None:
    if error is None:
        return None
    return ErrorInfo(clean_name(error.type), as_printed(error.message), as_printed(error.traceback))


def _details(
    node: NodeInfo, task: TaskRecord, elapsed: float | None, sources: list[str], missing: list[str]
) -> list[str]:
    parts = [node.detail or node.kind]
    if task.output_tokens:
        parts.append(f"{task.output_tokens} tokens")
        if elapsed:
            parts.append(f"{task.output_tokens / elapsed:.0f}/s")
    if task.attempts > 1:
        parts.append(f"attempt {task.attempts}")
    if task.state is State.QUEUED and missing:
        parts.append(f"waits for {_listed(missing)}")
    elif len(sources) > 1:
        parts.append(f"joins {_listed(sources)}")
    return parts


def _listed(names: list[str]) -> str:
    most = 5
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _tasks(record: RunRecord) -> dict[str, TaskRecord]:
    """The newest task of each node."""
    return {task.node: task for task in record.tasks.values()}


def _time(record: RunRecord, now: float | None) -> float:
    return record.now if now is None or record.state is not RunState.RUNNING else now
