"""The body of a pane as HTML blocks: outputs, then the result, then the error.

One function for the live board and the saved one. Every word in it is somebody else's: it goes
through `markdown` or `html.escape`, and pictures become data URIs made here.
"""

from __future__ import annotations

from nbflow.core.states import State
from nbflow.views.ink import muted
from nbflow.views.markdown import Rendered, render
from nbflow.views.members import group_blocks
from nbflow.views.model import PaneView
from nbflow.views.outputs import TEXT_MOST, bundle_html, error_html, output_blocks
from nbflow.views.words import cut

SOURCE_MOST = 140
"""Characters that are shown of the prompt of a node that waits."""


def blocks(pane: PaneView, result: Rendered | None = None, *, most: int = TEXT_MOST) -> list[str]:
    r"""The body of a pane, as pieces of sanitised HTML.

    Args:
        pane: What to show.
        result: The result's text as `result_of` rendered it, if the caller keeps that.
        most: Characters of the result that are shown.

    Example:
        >>> from nbflow.core.record import NodeInfo, RunRecord, TaskRecord
        >>> from nbflow.views.model import pane
        >>> task = TaskRecord("a", "a", State.DONE, chunks=["*hi*"])
        >>> node = NodeInfo("a", "prompt", (), "", "")
        >>> blocks(pane(RunRecord(nodes={"a": node}, tasks={"a": task}), "a"))
        ['<p style="margin:0 0 .5em"><em>hi</em></p>\n']
    """
    found = list(output_blocks(pane.outputs))
    rich = bundle_html(pane.display) if pane.display else ""
    if rich:
        found.append(rich)
    else:
        start, end = _window(pane, most)
        if start:
            found.append(muted(f"… {start:,} characters before"))
        found += (result or result_of(pane, most=most)).blocks
        if end < len(pane.text):
            found.append(_more(len(pane.text) - end, pane))
    if pane.error is not None and not _is_listed(pane):  # before what may be a long list
        found.append(error_html(pane.error, again=pane.state is State.RUNNING))
    if pane.group is not None:
        found += group_blocks(pane.group)
    if found and pane.state is State.CANCELLED:
        found.append(muted("not needed any more" if pane.unneeded else "cancelled"))
    return found or [note for note in [_note(pane)] if note]


def result_of(pane: PaneView, before: Rendered | None = None, *, most: int = TEXT_MOST) -> Rendered:
    """The result's text, or as much of it as is shown, as HTML; see `markdown.render`."""
    start, end = _window(pane, most)
    return render(pane.text[start:end], before)


def _is_listed(pane: PaneView) -> bool:
    """Whether a group failed of nothing but the members that its list shows as failed."""
    failed = pane.group is not None and any(i.state is State.FAILED for i in pane.group.items)
    return failed and pane.error is not None and pane.error.type.endswith("ExceptionGroup")


def _window(pane: PaneView, most: int) -> tuple[int, int]:
    """Which part of a result's text is shown: while it is written its end, then its beginning."""
    length = len(pane.text)
    if pane.state is not State.RUNNING:
        return 0, min(length, most)
    step = most // 2  # it seldom moves, so that most of what was rendered can stay
    return max(0, -(-(length - most) // step) * step), length


def _note(pane: PaneView) -> str:
    match pane.state:
        case State.SKIPPED if not pane.because:
            return muted("skipped: the run came to its end without it")
        case State.SKIPPED:
            one = len(pane.because) == 1
            return muted(f"skipped: {', '.join(pane.because)} {'has' if one else 'have'} no result")
        case State.CANCELLED if pane.unneeded:
            return muted("not needed any more")
        case State.CANCELLED:
            return muted("cancelled before it said anything")
        case State.DONE:
            return muted("no text")
        case State.QUEUED if pane.kind != "python" and pane.source:
            return muted(cut(" ".join(pane.source.split()), SOURCE_MOST))
        case _:
            return ""


def _more(count: int, pane: PaneView) -> str:
    where = f"; run[{pane.branch!r}] has them all" if pane.state is State.DONE else ""
    return muted(f"… {count:,} more characters{where}")
