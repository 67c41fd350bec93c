"""The timeline as HTML with inline styles only: what a saved notebook shows of it.

Bars are boxes of so many percent in a row, so they stand in an untrusted notebook too. Every state
has a pattern and not only a colour. Knows the timeline; knows nothing of the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from nbflow.core.states import State
from nbflow.views.drawing import BAKED
from nbflow.views.ink import ALARM, FADED, MUTED, muted
from nbflow.views.timeline import (
    CRITICAL,
    RETRYING,
    WAITING,
    Row,
    Span,
    Timeline,
    scale_of,
    tick_text,
    ticks_of,
)

_ROW = "display:flex;align-items:center;gap:10px;line-height:18px;min-height:18px"
_LABEL = "flex:0 0 22%;max-width:150px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_TRACK = (
    "flex:1 1 0;min-width:0;display:flex;align-items:center;height:8px;forced-color-adjust:none"
)
_BAR = "flex:none;box-sizing:border-box;height:8px;min-width:2px;border-radius:2px"
_INSIDE = "margin-left:1.2em"


def timeline_html(drawn: Timeline, now: float) -> str:
    """The rows, an axis, and what has to be said of them; empty if one bar would say as much.

    Args:
        drawn: The timeline.
        now: Seconds since the run started, or its length.

    Example:
        >>> timeline_html(Timeline((), 0, ()), 1.0)
        ''
    """
    if not drawn.is_telling:
        return ""
    scale = scale_of(max(now, drawn.end))
    rows = "".join(_row(row, scale, now) for row in drawn.rows)
    return f"{rows}{_axis(scale)}{_remarks(drawn)}"


def _row(row: Row, scale: float, now: float) -> str:
    line = f'<div style="{_ROW}">{_inside(row, scale, now)}</div>'
    if row.members:
        members = "".join(_row(member, scale, now) for member in row.members)
        line = (
            f'<details><summary style="{_ROW};cursor:pointer">{_inside(row, scale, now)}</summary>'
            f'<div style="{_INSIDE}">{members}</div></details>'
        )
    return (
        f'<div class="nbflow-row" data-branch="{escape(row.branch)}" data-state="{row.state}"'
        f' title="{escape(row.title)}" style="display:block">{line}</div>'
    )


def _inside(row: Row, scale: float, now: float) -> str:
    colour = BAKED[row.state][1]
    sign = f'<span style="color:{colour};font-weight:bold">{row.glyph}</span>'
    name = escape(row.label) + (" ▾" if row.members else "")
    if row.is_critical:
        name = f"<strong>{name}</strong> {CRITICAL}"
    bars = "".join(_bars(row.spans, scale, now))
    return f'<span style="{_LABEL}">{sign} {name}</span><span style="{_TRACK}">{bars}</span>'


def _bars(spans: tuple[Span, ...], scale: float, now: float) -> Iterator[str]:
    at = 0.0
    for span in spans:
        end = min(now, span.end) if span.end is not None else now
        if end < span.start:
            continue
        if span.start > at:
            yield f'<span style="flex:none;width:{_percent(span.start - at, scale)}"></span>'
        width = _percent(end - max(at, span.start), scale)
        yield f'<span style="{_look(span.kind)};width:{width}"></span>'
        at = max(at, end)


def _percent(seconds: float, scale: float) -> str:
    return f"{100 * max(0.0, seconds) / scale:.2f}%"


def _look(kind: str) -> str:
    """The pattern and colour of a bar."""
    if kind == WAITING:
        return f"flex:none;height:0;border-top:1px dotted {MUTED}"
    if kind == RETRYING:
        return f"flex:none;height:0;border-top:2px dashed {ALARM}"
    fill, colour, _ = BAKED[State(kind)]
    match State(kind):
        case State.DONE:
            return f"{_BAR};background:{colour}"
        case State.FAILED:
            return f"{_BAR};background:{fill};border:2px solid {colour}"
        case _:
            stripes = f"repeating-linear-gradient(135deg,{colour} 0 3px,{fill} 3px 6px)"
            return f"{_BAR};background:{stripes}"


def _axis(scale: float) -> str:
    marks = "".join(f"<span>{tick_text(seconds)}</span>" for seconds in ticks_of(scale))
    track = f"flex:1 1 0;display:flex;justify-content:space-between;{FADED};font-size:11px"
    label = f'<span style="{_LABEL}"></span>'
    return f'<div style="{_ROW}">{label}<span style="{track}">{marks}</span></div>'


def _remarks(drawn: Timeline) -> str:
    return "".join(f'<div style="font-size:12px">{muted(said)}</div>' for said in drawn.notes)
