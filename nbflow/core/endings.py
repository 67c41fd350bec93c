"""How a run that isn't done ended, in one short sentence for people; a function of its record."""

from __future__ import annotations

from nbflow.core.record import GroupRecord, Life, RunRecord
from nbflow.core.states import State


def failed_message(record: RunRecord) -> str:
    """Which branches failed, were cancelled or skipped, and what was kept."""
    lives = [life for name in record.nodes if (life := record.life(name)) is not None]
    failed = [life for life in lives if life.state is State.FAILED]
    parts = [f"{life.node} failed ({_short(life, record)})" for life in failed[:_MOST]]
    if len(failed) > _MOST:
        parts.append(f"{len(failed) - _MOST} more failed")
    cancelled = [life.node for life in lives if life.state is State.CANCELLED and not life.unneeded]
    skipped = [life.node for life in lives if life.state is State.SKIPPED]
    for names, what in ((cancelled, "cancelled"), (skipped, "skipped")):
        if names:
            parts.append(f"{_listed(names)} {'was' if len(names) == 1 else 'were'} {what}")
    return f"{'; '.join(parts)}. {_kept(record)}"


def _short(life: Life, record: RunRecord) -> str:
    error = life.error
    if error is None and isinstance(life, GroupRecord):  # of calls: it has none of its own
        tasks = (record.tasks[id_] for id_ in life.members)
        error = next(task.error for task in tasks if task.state is State.FAILED)
    assert error is not None
    message = " ".join(error.message.split())
    return f"{error.type}: {message if len(message) <= 300 else message[:300] + '...'}"  # noqa: PLR2004


def cancelled_message(record: RunRecord) -> str:
    """After how long, and what was kept."""
    return f"cancelled after {record.now:.1f} s. {_kept(record)}"


def _kept(record: RunRecord) -> str:
    lives = map(record.life, record.nodes)
    done = [life.node for life in lives if life and life.state is State.DONE]
    return f"Finished and kept: {_listed(done)}." if done else "Nothing had finished."


def _listed(names: list[str]) -> str:
    rest = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {rest} more" if rest > 0 else "")


_MOST = 6
"""How many names a message lists."""
