"""The events of runs, told on a terminal: each branch as it finishes.

Folds events into the same record as every other view. Knows lines of text, and no kernel.
"""

from __future__ import annotations

from collections.abc import Callable

from nbflow.cli.terminal import plain, shortened
from nbflow.core.events import Event, Kind
from nbflow.core.record import CALLS, GroupRecord, RunRecord
from nbflow.core.states import State
from nbflow.views.model import PaneView, pane, totals
from nbflow.views.text import group_lines, totals_text
from nbflow.views.words import seconds_text

_ENDS = frozenset({Kind.DONE, Kind.FAILED, Kind.CANCELLED, Kind.SKIPPED})
LINES_MOST = 2
"""How many lines of a branch's text are told; of many tasks, no more either."""


class Narrator:
    """Tells runs, several at once if need be.

    Args:
        tell: Called with each line.
        columns: How many characters a line may have.

    Example:
        >>> narrator = Narrator(print, 60)
        >>> narrator(Event("r1", 0, Kind.RUN_STARTED, None, None, 0.0, 0.0, {
        ...     "name": "", "values": {"topic": "cats"},
        ...     "nodes": [{"name": "joke", "kind": "prompt", "inputs": ["topic"],
        ...                "source": "", "detail": "smollm2"}]}))
        <BLANKLINE>
        joke (topic = cats)
        >>> narrator(Event("r1", 1, Kind.QUEUED, "joke", "joke", 0.0, 0.0, {}))
        >>> narrator(Event("r1", 2, Kind.STARTED, "joke", "joke", 0.0, 0.0, {"attempt": 1}))
        >>> narrator(Event("r1", 3, Kind.DONE, "joke", "joke", 1.5, 1.5, {
        ...     "text": "Why? Ask a cat."}))
          ✓ joke  done in 1.5 s
                Why? Ask a cat.
        >>> narrator(Event("r1", 4, Kind.RUN_ENDED, None, None, 1.5, 1.5, {"state": "done"}))
          elapsed 1.5 s · sum of branches 1.5 s · speed-up 1.0×
    """

    def __init__(self, tell: Callable[[str], None], columns: int) -> None:
        self._tell = tell
        self._columns = columns
        self._records: dict[str, RunRecord] = {}

    def __call__(self, event: Event) -> None:
        """Fold one more event in, and tell of it if it is the end of something."""
        record = self._records.setdefault(event.run, RunRecord())
        record.apply(event)
        if event.kind is Kind.RUN_STARTED:
            self._tell("")
            self._tell(self._shortened(_heading(record)))
        elif event.kind is Kind.RUN_ENDED:
            for name in record.nodes:
                if name in record.groups and record.groups[name].kind == CALLS:
                    self._tell_branch(record, name)  # until now there could be more of them
            self._tell("  " + totals_text(totals(record)))
            del self._records[event.run]
        elif event.kind in _ENDS and event.node is not None and event.task == event.node:
            life = record.life(event.node)  # of many tasks, what they came to
            if not (isinstance(life, GroupRecord) and life.kind == CALLS):
                self._tell_branch(record, event.node)

    def _tell_branch(self, record: RunRecord, node: str) -> None:
        shown = pane(record, node)
        width = min(24, max(len(name) for name in record.nodes))
        time = "" if shown.elapsed is None else f" in {seconds_text(shown.elapsed)}"
        self._tell(self._shortened(f"  {shown.glyph} {shown.branch:{width}}  {shown.state}{time}"))
        for line in _said(shown)[:LINES_MOST]:
            self._tell(self._shortened(f"    {'':{width}}{line}"))

    def _shortened(self, line: str) -> str:
        return shortened(line, self._columns)


def _heading(record: RunRecord) -> str:
    # What stays hidden, such as a notebook's variable, has a name and no text.
    values = ", ".join(
        f"{name} = {plain(value)}" if value else name for name, value in record.values.items()
    )
    names = ", ".join(plain(name) for name in record.nodes)
    return f"{names} ({values})" if values else names


def _said(shown: PaneView) -> list[str]:
    """What a branch has to say for itself, in printable lines."""
    if shown.error is not None and shown.state is State.FAILED:
        return [plain(f"{shown.error.type}: {shown.error.message}")]
    if shown.state is State.SKIPPED:
        return [plain(f"no result of {', '.join(shown.because)}")]
    if shown.unneeded:
        return ["not needed any more"]
    lines = shown.text.splitlines()
    if shown.group is not None:
        lines = [*lines[:1], *group_lines(shown.group)]
    return [line for line in map(plain, lines) if line]
