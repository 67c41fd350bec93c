"""The view model: a run's record folded into what a person is shown, in words and plain values.

Every view (live board, static HTML, text, graph) is a function of it, so they can't disagree.
Knows nothing of HTML, widgets or the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.core.record import ErrorInfo, GroupRecord, NodeInfo, RunRecord, TaskRecord
from nbflow.core.states import RunState, State
from nbflow.core.topology import Topology
from nbflow.views.census import Census
from nbflow.views.groups import GroupView, clean_error, count_text, group_view, winner_of
from nbflow.views.words import GLYPHS, clean, clean_name, counted

ENTRYPOINT = "entrypoint"
"""The kind of a node whose code calls the others."""
PANES_FULL = 24
"""With more panes than this, each is narrower and lower."""
PANES_KEPT = 60
"""Panes of a board that needs no kernel: of more, those that failed, joins, and the first."""


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
    """True if it reads several nodes, or is the code that calls the others."""
    unneeded: bool = False
    """True if it was cancelled because nobody needed its result any more."""
    group: GroupView | None = None
    """What is shown of its tasks, if the node has many."""
    count: str = ""
    """How many of them are done, in the fewest signs: `3/7`."""

    @property
    def glyph(self) -> str:
        """The sign of its state."""
        return GLYPHS[self.state]

    @property
    def is_wide(self) -> bool:
        """Whether it has a row of its own: several models' answers, one below another prompt's."""
        return self.group is not None and self.group.kind == "variants"


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
    running: int
    """How many tasks are running."""
    tasks: tuple[int, int] | None
    """How many tasks are done and how many there will be, if any node has many."""

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
        parts = [f"{self.counts[State.DONE]} of {total} done", *rest]
        if self.tasks is not None:
            parts.append(f"{self.tasks[0]:,} of {counted(self.tasks[1], 'task')}")
        return " · ".join(parts)

    @property
    def speedup(self) -> float | None:
        """`work` by elapsed time; None before any time has passed."""
        return self.work / self.elapsed if self.elapsed > 0 else None


@dataclass(frozen=True, slots=True)
class BoardView:
    """A whole run, as shown."""

    totals: Totals
    panes: tuple[PaneView, ...]
    """In the order in which the nodes were declared, entrypoints last."""
    values: Mapping[str, str]
    column: int
    """The least width of a pane, in pixels."""
    more: int = 0
    """How many nodes have no pane."""


def view(record: RunRecord, now: float | None = None) -> BoardView:
    """Fold a record into what is shown, or of very many nodes into a part of it.

    Args:
        record: What happened so far.
        now: Seconds since the run started; without it, the time of the newest event.

    Example:
        >>> board = view(RunRecord(id="r1", name="cats"))
        >>> board.totals.name, board.totals.summary, board.panes
        ('cats', '0 of 0 done', ())
    """
    values = {clean_name(name): clean_name(text) for name, text in record.values.items()}
    census = census_of(record, now)
    names = kept_names(record)
    panes = tuple(panes_of(record, names, now, census))
    more = len(record.nodes) - len(names)
    return BoardView(totals(record, now, census), panes, values, column_pixels(record), more)


def kept_names(record: RunRecord) -> list[str]:
    """The nodes that have a pane where there is no kernel to ask for others, in their order."""
    names = shown_order(record)
    if len(names) <= PANES_KEPT:
        return names
    failed = [name for name in names if state_of(record, name) is State.FAILED]
    joins = [n for n in names if len(joined_by(record, record.nodes[n])) > 1]
    wanted = dict.fromkeys([*failed[: PANES_KEPT // 2], *joins[-PANES_KEPT // 10 :], *names])
    chosen = frozenset([*wanted][:PANES_KEPT])
    return [name for name in names if name in chosen]


def census_of(record: RunRecord, now: float | None = None) -> Census:
    """The count of a record's tasks, for those who show several things of one moment."""
    return Census(record, _time(record, now))


def totals(record: RunRecord, now: float | None = None, census: Census | None = None) -> Totals:
    """What the header and the total line say."""
    now = _time(record, now)
    census = census or Census(record, now)
    counts = dict.fromkeys(State, 0)
    for name in record.nodes:
        counts[state_of(record, name)] += 1
    return Totals(
        run=record.id,
        name=clean_name(record.name),
        state=record.state,
        counts=counts,
        elapsed=now,
        work=census.work,
        tokens=census.tokens,
        running=census.running,
        tasks=(census.done, census.expected) if record.groups else None,
    )


def panes_of(
    record: RunRecord,
    names: Iterable[str],
    now: float | None = None,
    census: Census | None = None,
) -> Iterator[PaneView]:
    """What the panes of these nodes show, one after the other."""
    ids, now = node_ids(record), _time(record, now)
    census = census or Census(record, now)
    for name in names:
        yield _pane(record, name, ids[name], census, now)


def pane(record: RunRecord, name: str, now: float | None = None) -> PaneView:
    """What the pane of one node shows.

    Raises:
        KeyError: the record has no such node.
    """
    return next(panes_of(record, [name], now))


def _pane(record: RunRecord, name: str, key: str, census: Census, now: float) -> PaneView:
    node = record.nodes[name]
    life = record.life(name) or TaskRecord(name, name)
    group = group_view(record, life, census, now) if isinstance(life, GroupRecord) else None
    said = life if isinstance(life, TaskRecord) else winner_of(record, life)
    state, sources = state_of(record, name), joined_by(record, node)
    missing = [s for s in sources if not (of := record.life(s)) or of.state is not State.DONE]
    elapsed = life.elapsed(now)
    models = [] if f"on {node.detail}" in node.fan_out else [node.detail or node.kind]
    details = [*models, *node.fan_out]
    if group is not None and group.progress and state is not State.SKIPPED:
        details.append(group.progress)
    details += _rate(census.tokens_of.get(name, 0), elapsed)
    if isinstance(life, TaskRecord) and life.attempts > 1:
        details.append(f"attempt {life.attempts}")
    if record.life(name) is None and missing and state is State.QUEUED:
        details.append(f"after {_listed(missing)}")  # nobody has called it, so nothing waits yet
    else:
        details += _fan_in(node, sources, missing if state is State.QUEUED else [])
    return PaneView(
        id=key,
        branch=clean_name(name),
        state=state,
        kind=node.kind,
        detail=clean_name(" · ".join(details)),
        source=clean(node.source),
        inputs=tuple(clean_name(source) for source in node.inputs),
        started=life.started,
        elapsed=elapsed,
        text=clean(life.text),
        outputs=tuple(said.outputs) if isinstance(said, TaskRecord) else (),
        display=said.display if isinstance(said, TaskRecord) else None,
        error=life.error and clean_error(life.error),
        attempts=life.attempts if isinstance(life, TaskRecord) else 1,
        because=tuple(clean_name(source) for source in record.because(name)),
        is_join=len(sources) > 1 or node.kind == ENTRYPOINT,
        unneeded=life.unneeded,
        group=group,
        count=count_text(life, census.of(name)) if isinstance(life, GroupRecord) else "",
    )


def sources_of(record: RunRecord, node: NodeInfo) -> list[str]:
    """The nodes that a node reads."""
    return [source for source in dict.fromkeys(node.inputs) if source in record.nodes]


def joined_by(record: RunRecord, node: NodeInfo) -> list[str]:
    """Those that a node reads whatever happens: not those that only perhaps lead to it."""
    return [source for source in sources_of(record, node) if source not in node.perhaps]


def state_of(record: RunRecord, name: str) -> State:
    """The state of a node. One that the run ended without was skipped.

    Example:
        >>> state_of(RunRecord(), "a"), state_of(RunRecord(state=RunState.DONE), "a")
        (<State.QUEUED: 'queued'>, <State.SKIPPED: 'skipped'>)
    """
    life = record.life(name)
    if life is not None:
        return life.state
    return State.QUEUED if record.state is RunState.RUNNING else State.SKIPPED


def shown_order(record: RunRecord) -> list[str]:
    """The nodes as they were declared, but what calls the others, and ends after them, last."""
    return sorted(record.nodes, key=lambda name: record.nodes[name].kind == ENTRYPOINT)


def planned(
    topology: Topology, name: str = "", values: Mapping[str, str] | None = None
) -> RunRecord:
    """The record of a run that hasn't begun: for drawing a flow.

    Example:
        >>> from nbflow.core.topology import Node
        >>> [pane.detail for pane in view(planned(Topology([Node("joke", len)]))).panes]
        ['python']
    """
    nodes = {node.name: NodeInfo(**node.describe()) for node in topology.nodes.values()}
    return RunRecord(name=name, nodes=nodes, values=dict(values or {}))


def node_ids(record: RunRecord) -> dict[str, str]:
    """The generated id of each node, by its name."""
    return {name: f"n{number}" for number, name in enumerate(record.nodes)}


def column_pixels(record: RunRecord) -> int:
    """How wide a pane is at least, so that no row is left with one pane where it can be helped.

    Joins don't count: each has a row of its own.
    """
    nodes = [node for node in record.nodes.values() if node.kind != ENTRYPOINT]
    branches = sum(len(joined_by(record, node)) <= 1 for node in nodes)
    if branches > PANES_FULL:
        return 240
    return {3: 205, 4: 340, 5: 220, 6: 220, 7: 225, 8: 225}.get(branches, 260)


def _rate(tokens: int, elapsed: float | None) -> list[str]:
    if not tokens:
        return []
    rate = [f"{tokens / elapsed:.0f}/s"] if elapsed else []
    return [counted(tokens, "token"), *rate]


def _fan_in(node: NodeInfo, sources: list[str], missing: list[str]) -> list[str]:
    """What a node still waits for, or that it joins several."""
    wait = wait_text(node, len(sources))
    if wait and missing:
        return [f"waits for {wait}: {_listed(sources)}"]
    if missing:
        return [f"waits for {_listed(missing)}"]
    if len(sources) > 1:
        return [f"joins {wait}: {_listed(sources)}" if wait else f"joins {_listed(sources)}"]
    return []


def wait_text(node: NodeInfo, sources: int) -> str:
    """How many of its input nodes a node waits for; empty if for all.

    Example:
        >>> wait_text(NodeInfo("a", "prompt", (), "", "", wait=1), 3)
        'any of 3'
    """
    if node.wait is None or node.wait >= sources:
        return ""
    return f"{'any' if node.wait == 1 else node.wait} of {sources}"


def _listed(names: list[str]) -> str:
    most = 5
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _time(record: RunRecord, now: float | None) -> float:
    return record.now if now is None or record.state is not RunState.RUNNING else now
