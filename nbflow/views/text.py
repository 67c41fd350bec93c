"""A run as plain text: for a terminal, a log, and whoever shows no HTML."""

from __future__ import annotations

import textwrap

from nbflow.core.record import RunRecord
from nbflow.core.states import State
from nbflow.views.groups import GroupView, ItemView
from nbflow.views.model import PaneView, Totals, view
from nbflow.views.words import GLYPHS, as_printed, clean_name, counted, last_line, seconds_text

LINES_MOST = 6
"""Lines of a result that are shown."""


def text(record: RunRecord) -> str:
    """Every branch with its state, time and first lines; then the totals.

    Example:
        >>> from nbflow.core.record import NodeInfo, TaskRecord
        >>> task = TaskRecord("joke", "joke", State.DONE, started=0.0, ended=1.2, chunks=["Ha."])
        >>> node = NodeInfo("joke", "prompt", (), "", "smollm2")
        >>> record = RunRecord("r1", "cats", now=2.0, nodes={"joke": node}, tasks={"joke": task})
        >>> print(text(record))
        cats: running, 1 of 1 done
        <BLANKLINE>
        ✓ joke  done in 1.2 s · smollm2
            Ha.
        <BLANKLINE>
        elapsed 2.0 s · sum of branches 1.2 s · speed-up 0.6×
    """
    board = view(record)
    name = f"{board.totals.name}: " if board.totals.name else ""
    head = f"{name}{board.totals.state}, {board.totals.summary}"
    panes = ["\n".join(_lines(pane)) for pane in board.panes]
    if board.more:
        panes.append(f"… {board.more:,} more")
    return "\n\n".join([head, *panes, totals_text(board.totals)])


def totals_text(totals: Totals) -> str:
    """The total line."""
    parts = [
        f"elapsed {seconds_text(totals.elapsed)}",
        f"sum of branches {seconds_text(totals.work)}",
    ]
    if totals.speedup is not None and totals.work:
        parts.append(f"speed-up {totals.speedup:.1f}×")
    if totals.tokens:
        parts.append(counted(totals.tokens, "token"))
    return " · ".join(parts)


def clock_text(totals: Totals) -> str:
    """What stands in a header beside how far a run is: its time, tokens, and how much faster."""
    parts = [seconds_text(totals.elapsed)]
    if totals.tokens:
        parts.append(counted(totals.tokens, "token"))
    if totals.speedup is not None and totals.work:
        parts.append(f"{totals.speedup:.1f}× speed-up")
    return " · ".join(parts)


def group_lines(group: GroupView) -> list[str]:
    """The many tasks of a node: what they voted or scored, or else what each of them says."""
    if group.answers:
        lines = [f"{answer.votes} × {answer.answer}" for answer in group.answers]
        if group.more_answers:
            lines.append(f"… {counted(group.more_answers, 'more answer')}")
        lines = [group.remark, *lines]
        return [*lines, *_items(group)] if group.is_open else lines
    if group.scores:
        return [group.remark, *(f"{score:g}  {of}" for of, score in group.scores.items())]
    return _items(group)


def _items(group: GroupView) -> list[str]:
    lines = [line for item in group.items for line in _item_lines(item)]
    return [*lines, f"… {group.more:,} more"] if group.more else lines


def _item_lines(item: ItemView) -> list[str]:
    """A member's line, and the last one it printed."""
    lines = [f"{GLYPHS[item.state]} {item.label}  {item.line}".rstrip()]
    made = [last_line(item.printed), *_kinds(item)]
    made = [part for part in made if part and part != item.line]
    return [*lines, f"    printed: {' · '.join(made)}"] if made else lines


def _kinds(item: ItemView) -> list[str]:
    """What a member displayed that is no text, as `[image/png]`."""
    shown = [output["data"] for output in item.outputs if "data" in output]
    shown += [item.display] if item.display is not None else []
    richest = (next((mime for mime in data if mime != "text/plain"), "") for data in shown)
    return [f"[{clean_name(mime)}]" for mime in richest if mime][:3]


def _group(group: GroupView) -> list[str]:
    """Several models say more than a line each."""
    if group.kind != "variants":
        return [f"    {_shortened(line)}" for line in group_lines(group)]
    lines = []
    for item in group.items:
        lines.append(f"    {GLYPHS[item.state]} {item.label}  {item.state}")
        said = item.text if item.state is State.DONE else item.line
        lines += [f"  {line}" for line in _indented(said)]
        lines += [f"    {line}" for line in _item_lines(item)[1:]]
    return lines


def _shortened(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return indent + textwrap.shorten(line, 92 - len(indent), placeholder="…")


def _lines(pane: PaneView) -> list[str]:
    time = "" if pane.elapsed is None else f" in {seconds_text(pane.elapsed)}"
    lines = [f"{pane.glyph} {pane.branch}  {pane.state}{time} · {pane.detail}"]
    printed = "".join(str(output["text"]) for output in pane.outputs if "text" in output)
    for said in (as_printed(printed), pane.text):
        lines += _indented(said)
    if pane.group is not None:
        lines += _group(pane.group)
    if pane.unneeded:
        lines += _indented("not needed any more")
    if pane.error is not None:
        lines += _indented(f"{pane.error.type}: {pane.error.message}")
    if pane.state is State.SKIPPED:
        why = f"no result of {', '.join(pane.because)}" if pane.because else "not come to"
        lines += _indented(why)
    return lines


def _indented(said: str) -> list[str]:
    kept = [
        wrapped
        for line in said.strip().splitlines()[: LINES_MOST + 1]
        for wrapped in textwrap.wrap(line, 92, initial_indent="    ", subsequent_indent="    ")
    ]
    return kept if len(kept) <= LINES_MOST else [*kept[:LINES_MOST], "    …"]
