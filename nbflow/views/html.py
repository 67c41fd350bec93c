"""A run as HTML that needs nothing: no script, no style sheet, no kernel.

What stays in a saved notebook. It takes text colour and background from the page, and its own
colours can be read on white and on near-black. The DOM is the live board's.
"""

from __future__ import annotations

import base64
from html import escape

from nbflow.core.record import RunRecord
from nbflow.core.states import State
from nbflow.views.body import blocks
from nbflow.views.drawing import BAKED, baked_svg
from nbflow.views.graph import NO_GRAPHVIZ, arrow_lines, graph, progress
from nbflow.views.ink import MUTED, muted
from nbflow.views.model import PANES_FULL, BoardView, PaneView, Totals, census_of, view
from nbflow.views.text import totals_text
from nbflow.views.words import seconds_text

_LINE = "1px solid rgba(127,127,127,.35)"
_BOARD = f"border:{_LINE};border-radius:8px;font-size:13px;line-height:1.5;overflow:hidden"
_HEAD = (
    "display:flex;flex-wrap:wrap;align-items:center;gap:2px 10px;padding:6px 12px;"
    "min-height:42px;box-sizing:border-box"
)
_GRAPH = f"border-top:{_LINE};padding:8px 12px;text-align:center;max-height:420px;overflow:auto"
_PANE = f"min-width:0;box-sizing:border-box;padding:7px 12px 9px;border-right:{_LINE}"
_TOTAL = f"border-top:{_LINE};padding:5px 12px;color:{MUTED}"
_TEXT = "margin-top:5px;overflow:auto;overflow-wrap:anywhere"
_NAME = "display:flex;align-items:center;gap:7px;min-height:24px"
_MANY = ";max-height:720px;overflow:auto"


def html(record: RunRecord) -> str:
    """The whole board, as it is now.

    Example:
        >>> html(RunRecord(id="r1", name="<cats>"))[:56]
        '<div class="nbflow-board" data-run="r1" data-state="runn'
    """
    board = view(record)
    return (
        f'<div class="nbflow-board" data-run="{escape(board.totals.run)}"'
        f' data-state="{board.totals.state}" style="{_BOARD}">'
        f"{_header(board.totals)}"
        f'<div class="nbflow-graph" style="{_GRAPH}">{graph_html(record)}</div>'
        f"{_panes(board)}"
        f'<div class="nbflow-total" style="{_TOTAL}">{escape(totals_text(board.totals))}</div>'
        "</div>"
    )


def graph_html(record: RunRecord) -> str:
    """The graph alone: a picture, or a list where there is no Graphviz."""
    svg = baked_svg(record)
    if svg is None:
        items = "".join(f"<div>{escape(line)}</div>" for line in arrow_lines(graph(record)))
        return f'<div style="text-align:left">{items}{muted(NO_GRAPHVIZ)}</div>'
    census = census_of(record)
    boxes = [box for box in graph(record).boxes if not box.is_value]
    titles = [progress(record, box, census).title for box in boxes]
    encoded = base64.b64encode(svg.encode()).decode()
    return (
        f'<img alt="graph: {escape("; ".join(titles))}" src="data:image/svg+xml;base64,{encoded}"'
        ' style="display:block;max-width:100%;height:auto;margin:0 auto">'
    )


def _header(totals: Totals) -> str:
    _, colour, _ = BAKED[State(totals.state)]
    return (
        f'<div style="{_HEAD}">'
        f'<strong style="font-size:14px">{escape(totals.name or "run")}</strong>'
        f'<strong style="color:{colour}">{totals.glyph} {totals.state}</strong>'
        f'<span style="color:{MUTED}">{totals.summary}</span>'
        f'<span style="color:{MUTED}">{seconds_text(totals.elapsed)}</span></div>'
    )


def _panes(board: BoardView) -> str:
    many = len(board.panes) > PANES_FULL
    beside = "".join(_pane(pane, many=many) for pane in board.panes if not pane.is_join)
    below = "".join(_pane(pane, many=False) for pane in board.panes if pane.is_join)
    columns = f"repeat(auto-fit,minmax({board.column}px,1fr))"
    style = f"display:grid;grid-template-columns:{columns};margin-right:-1px{_MANY if many else ''}"
    return (
        f'<div class="nbflow-panes" style="{style}">{beside}</div>'
        f'<div class="nbflow-joins" style="margin-right:-1px">{below}</div>'
    )


def _pane(pane: PaneView, *, many: bool) -> str:
    _, colour, _ = BAKED[pane.state]
    height = "7.5em" if many else "24em"
    return (
        f'<div class="nbflow-pane" data-branch="{escape(pane.branch)}" data-state="{pane.state}"'
        f' style="{_PANE};border-top:3px solid {colour}">'
        f'<div style="{_NAME}"><span style="color:{colour};font-weight:bold">{pane.glyph}</span>'
        f' <strong style="overflow-wrap:anywhere">{escape(pane.branch)}</strong>'
        f' <span style="color:{MUTED}">{_status(pane)}</span></div>'
        f'<div style="color:{MUTED};font-size:12px">{escape(pane.detail)}</div>'
        f'<div class="nbflow-pane-text" style="{_TEXT};max-height:{height}">'
        f"{''.join(blocks(pane))}</div></div>"
    )


def _status(pane: PaneView) -> str:
    time = "" if pane.elapsed is None else seconds_text(pane.elapsed)
    return time if pane.state is State.DONE else f"{pane.state} {time}".strip()
