"""The tasks of one node as a table of which a window is shown: filtered, searched and sorted.

And the order of very many nodes. For a board that can ask for more: a saved one lists only some.
Knows the record; knows nothing of HTML. Texts in it are clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.core.record import GroupRecord, RunRecord, TaskRecord
from nbflow.core.states import State
from nbflow.views.groups import label_of, member_of
from nbflow.views.words import GLYPHS, clean, first_line

ROWS_MOST = 200
"""Rows that are given at once."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows are wanted.

    Args:
        state: Only those in this state; empty for all.
        search: Only those in whose text or error this stands, in whatever case.
        sort: `order` (as they were made), `time` or `length` (the longest first).
        start: The number of the first row, from 0.
        count: How many rows.
    """

    state: str = ""
    search: str = ""
    sort: str = "order"
    start: int = 0
    count: int = 50

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Query:
        """What somebody said who may say anything.

        Example:
            >>> Query.of({"state": "failed", "sort": "size", "start": -5, "count": 10**9})
            Query(state='failed', search='', sort='order', start=0, count=200)
        """
        state, sort = str(said.get("state", "")), str(said.get("sort", ""))
        start, count = said.get("start", 0), said.get("count", 50)
        return cls(
            state if state in State.__members__.values() else "",
            str(said.get("search", ""))[:500],
            sort if sort in _KEYS else "order",
            max(0, start) if isinstance(start, int) else 0,
            min(max(1, count), ROWS_MOST) if isinstance(count, int) else 50,
        )


def items(record: RunRecord, node: str, query: Query) -> dict[str, Any]:
    """A window of a node's tasks, as JSON can hold it.

    Returns:
        `total` (how many there are that were asked for), `counts` (of all, by state), `start` and
        `rows`: `task` (its id), `label`, `state`, `glyph`, `line`, `seconds` and `characters`.
    """
    group = record.groups.get(node)
    lives = [] if group is None else [member_of(record, member) for member in group.members]
    counts = Counter(str(life.state) for life in lives)
    found = [life for life in lives if _is_wanted(life, query)]
    if query.sort in _KEYS:
        found.sort(key=lambda life: -_KEYS[query.sort](record, life))
    rows = found[query.start : query.start + query.count]
    return {
        "total": len(found),
        "counts": dict(counts),
        "start": query.start,
        "rows": [_row(life, group, record.now) for life in rows if group is not None],
    }


def _is_wanted(life: TaskRecord | GroupRecord, query: Query) -> bool:
    if query.state and life.state != query.state:
        return False
    if not query.search:
        return True
    return query.search.casefold() in f"{life.id} {_said(life)}".casefold()


def _said(life: TaskRecord | GroupRecord) -> str:
    if life.error is not None and life.state is not State.DONE:
        return f"{life.error.type}: {life.error.message}"
    return life.text


def _row(life: TaskRecord | GroupRecord, group: GroupRecord, now: float) -> dict[str, Any]:
    return {
        "task": life.id,
        "label": label_of(group, life.id),
        "state": str(life.state),
        "glyph": GLYPHS[life.state],
        "line": first_line(_said(life), 160),
        "seconds": life.elapsed(now),
        "characters": len(life.text),
    }


def branch_order(record: RunRecord, sort: str) -> list[int]:
    """The numbers of a run's nodes, from 0 as they were declared, the longest ones first.

    Args:
        record: What happened so far.
        sort: By `time` or by `length`; whatever else leaves them in their order.

    Example:
        >>> from nbflow.core.record import NodeInfo
        >>> nodes = {name: NodeInfo(name, "prompt", (), "", "") for name in "ab"}
        >>> tasks = {"b": TaskRecord("b", "b", State.DONE, chunks=["Ha."])}
        >>> branch_order(RunRecord(nodes=nodes, tasks=tasks), "length")
        [1, 0]
    """
    lives = [record.life(name) or TaskRecord(name, name) for name in record.nodes]
    key = _KEYS.get(sort)
    sizes = [0.0 if key is None else key(record, life) for life in lives]
    return sorted(range(len(sizes)), key=lambda number: -sizes[number])


def _length(record: RunRecord, life: TaskRecord | GroupRecord) -> int:
    """The characters of a text; of a group that has none, those of its tasks'."""
    if isinstance(life, GroupRecord) and not life.text:
        return sum(_length(record, member_of(record, member)) for member in life.members)
    return len(life.text)


_KEYS: Mapping[str, Callable[[RunRecord, TaskRecord | GroupRecord], float]] = {
    "time": lambda record, life: life.elapsed(record.now) or 0.0,
    "length": _length,
}
"""By what can be sorted."""


TEXT_MOST = 2_000_000
"""Characters of a text that is given whole."""


def whole_text(record: RunRecord, task: str) -> str:
    """All that a task or a node said, as far as a page can hold it; empty if there is none such.

    Of a group it is what its tasks said, one after the other.
    """
    life = record.tasks.get(task) or record.groups.get(task)
    if life is None:
        return ""
    said = _said(life)
    if isinstance(life, GroupRecord) and not said:
        said = "\n\n".join(_said(member_of(record, member)) for member in life.members)
    return clean(said[:TEXT_MOST])
