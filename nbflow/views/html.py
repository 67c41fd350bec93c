"""A run as HTML that needs nothing: no script, no style sheet, no kernel.

What stays in a saved notebook. It takes text colour and background from the page, and its own
colours can be read on white and on near-black. The DOM is the live board's.
"""

from __future__ import annotations

import base64
from html import escape

from nbflow.core.record import RunRecord
from nbflow.core.states import State
from nbflow.views.bars import timeline_html
from nbflow.views.body import blocks
from nbflow.views.drawing import BAKED, baked_svg
from nbflow.views.graph import NO_GRAPHVIZ, Graph, arrow_lines, graph
from nbflow.views.ink import FADED, MUTED, muted
from nbflow.views.model import PANES_FULL, BoardView, PaneView, Totals, census_of, view
from nbflow.views.progress import notes_of, progress
from nbflow.views.text import clock_text, totals_text
from nbflow.views.timeline import timeline
from nbflow.views.words import GLYPHS, seconds_text

_LINE = "1px solid rgba(127,127,127,.35)"
_BOARD = f"border:{_LINE};border-radius:8px;font-size:13px;line-height:1.5;overflow:hidden"
_HEAD = (
    "display:flex;flex-wrap:wrap;align-items:center;gap:2px 10px;padding:6px 12px;"
    "min-height:42px;box-sizing:border-box"
)
_GRAPH = f"border-top:{_LINE};padding:8px 12px 4px;text-align:center"
_LEGEND = (
    "display:flex;flex-wrap:wrap;align-items:center;gap:0 12px;min-height:24px;margin-top:4px;"
    f"font-size:12px;{FADED}"
)
_PANE = f"min-width:0;box-sizing:border-box;padding:7px 12px 9px;border-right:{_LINE}"
_TIMELINE = f"border-top:{_LINE};padding:8px 12px;max-height:420px;overflow:auto"
_TOTAL = f"border-top:{_LINE};padding:5px 12px;{FADED}"
_TEXT = "margin-top:5px;overflow:auto;overflow-wrap:anywhere"
_NAME = "display:flex;align-items:center;gap:7px;min-height:24px"
_MAY_SCROLL = 400
"""A body of more characters may have to be scrolled, and so to be reached by keyboard."""
_MANY = ";max-height:720px;overflow:auto"


def html(record: RunRecord, drawn: Graph | None = None) -> str:
    """The whole board, as it is now.

    Args:
        record: What happened so far.
        drawn: The graph as it is laid out, if the run may have grown since.

    Example:
        >>> html(RunRecord(id="r1", name="<cats>"))[:56]
        '<div class="nbflow-board" data-run="r1" data-state="runn'
    """
    board = view(record)
    return (
        f'<div class="nbflow-board" data-run="{escape(board.totals.run)}"'
        f' data-state="{board.totals.state}" style="{_BOARD}">'
        f"{_header(board.totals)}"
        f'<div class="nbflow-graph" style="{_GRAPH}">{graph_html(record, drawn)}</div>'
        f"{_panes(board)}"
        f"{_timeline(record)}"
        f'<div class="nbflow-total" style="{_TOTAL}">{escape(totals_text(board.totals))}</div>'
        "</div>"
    )


def graph_html(record: RunRecord, drawn: Graph | None = None) -> str:
    """The graph alone: a picture, or a list where there is no Graphviz."""
    drawn = drawn or graph(record)
    if not drawn.boxes:
        return ""
    svg = baked_svg(record, drawn)
    if svg is None:
        lines = arrow_lines(drawn, notes_of(record, drawn))
        items = "".join(f"<div>{escape(line)}</div>" for line in lines)
        return f'<div style="text-align:left">{items}{muted(NO_GRAPHVIZ)}</div>'
    census = census_of(record)
    boxes = [box for box in drawn.boxes if not box.is_value]
    titles = [progress(record, box, census).title for box in boxes]
    encoded = base64.b64encode(svg.encode()).decode()
    return (
        '<div style="max-height:420px;overflow:auto">'
        f'<img alt="graph: {escape("; ".join(titles))}" src="data:image/svg+xml;base64,{encoded}"'
        f' style="display:block;max-width:100%;height:auto;margin:0 auto"></div>{_legend(drawn)}'
    )


def _legend(drawn: Graph) -> str:
    """What the signs mean, and of dashed arrows what they do; as high as the live board's."""
    signs = [
        f'<span><span style="color:{BAKED[State(state)][1]};font-weight:bold">{glyph}</span>'
        f" {state}</span>"
        for state, glyph in GLYPHS.items()
    ]
    if drawn.legend:
        sample = f"display:inline-block;width:26px;margin-right:7px;border-top:1.5px dashed {MUTED}"
        signs.append(
            f'<span><span style="{sample};vertical-align:middle"></span>'
            f"{escape(drawn.legend)}</span>"
        )
    return f'<div class="nbflow-legend" style="{_LEGEND}">{"".join(signs)}</div>'


def _header(totals: Totals) -> str:
    _, colour, _ = BAKED[State(totals.state)]
    return (
        f'<div style="{_HEAD}">'
        f'<strong style="font-size:14px">{escape(totals.name or "run")}</strong>'
        f'<strong><span style="color:{colour}">{totals.glyph}</span> {totals.state}</strong>'
        f'<span style="{FADED}">{totals.summary}</span>'
        f'<span style="{FADED}">{clock_text(totals)}</span></div>'
    )


def _timeline(record: RunRecord) -> str:
    rows = timeline_html(timeline(record), record.now)
    return f'<div class="nbflow-timeline" style="{_TIMELINE}">{rows}</div>' if rows else ""


def _panes(board: BoardView) -> str:
    many = len(board.panes) > PANES_FULL
    wide = "" if many else f";flex:1 1 {board.column}px"  # with `min()`, JupyterLab takes it out
    height = "7.5em" if many else "24em"
    beside = "".join(
        _pane(pane, ";flex:1 1 100%" if pane.is_wide else wide, height)
        for pane in board.panes
        if not pane.is_join
    )
    below = "".join(_pane(pane, "", "24em") for pane in board.panes if pane.is_join)
    columns = f"display:grid;grid-template-columns:repeat(auto-fit,minmax({board.column}px,1fr))"
    style = f"{columns if many else 'display:flex;flex-wrap:wrap'};margin-right:-1px"
    if many:
        style += _MANY
    if board.more:
        beside += f'<div style="{_PANE}">{muted(f"… {board.more:,} more")}</div>'
    return (
        f'<div class="nbflow-panes" style="{style}">{beside}</div>'
        f'<div class="nbflow-joins" style="margin-right:-1px">{below}</div>'
    )


def _pane(pane: PaneView, width: str, height: str) -> str:
    _, colour, _ = BAKED[pane.state]
    body = "".join(blocks(pane))
    reach = ' tabindex="0"' if len(body) > _MAY_SCROLL else ""
    return (
        f'<div class="nbflow-pane" data-branch="{escape(pane.branch)}" data-state="{pane.state}"'
        f' style="{_PANE}{width};border-top:3px solid {colour}">'
        f'<div style="{_NAME}"><span style="color:{colour};font-weight:bold">{pane.glyph}</span>'
        f' <strong style="overflow-wrap:anywhere">{escape(pane.branch)}</strong>'
        f' <span style="{FADED}">{_status(pane)}</span></div>'
        f'<div style="{FADED};font-size:12px">{escape(pane.detail)}</div>'
        f'<div class="nbflow-pane-text"{reach} style="{_TEXT};max-height:{height}">'
        f"{body}</div></div>"
    )


def _status(pane: PaneView) -> str:
    time = "" if pane.elapsed is None else seconds_text(pane.elapsed)
    return time if pane.state is State.DONE else f"{pane.state} {time}".strip()
