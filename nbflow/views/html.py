"""A run as HTML that needs nothing: no script, no style sheet, no kernel.

What stays in a saved notebook. It takes text colour and background from the page, and its own
colours can be read on white and on near-black. The DOM is the live board's.
"""

from __future__ import annotations

import base64
from html import escape

from nbflow.core.record import RunRecord
from nbflow.core.states import State
from nbflow.views.body import MUTED, blocks, muted
from nbflow.views.drawing import BAKED, baked_svg
from nbflow.views.graph import NO_GRAPHVIZ, arrow_lines, graph, progress
from nbflow.views.model import BoardView, PaneView, Totals, seconds_text, view
from nbflow.views.text import totals_text

LINE = "rgba(127,127,127,.35)"
PANES_FULL = 24
"""With more panes than this, each is narrower and lower."""


def html(record: RunRecord) -> str:
    """The whole board, as it is now."""
    board = view(record)
    return (
        f'<div class="nbflow-board" data-run="{escape(board.totals.run)}"'
        f' data-state="{board.totals.state}"'
        f' style="border:1px solid {LINE};border-radius:6px;font-size:13px;line-height:1.5;overflow:hidden">'
        f"{_header(board.totals)}{_graph(record)}{_panes(board)}{_footer(board.totals)}</div>"
    )


def graph_html(record: RunRecord) -> str:
    """The graph alone: a picture, or a list where there is no Graphviz."""
    svg = baked_svg(record)
    if svg is None:
        return _graph_list(record)
    names = ", ".join(
        progress(record, box).title for box in graph(record).boxes if not box.is_value
    )
    encoded = base64.b64encode(svg.encode()).decode()
    return (
        f'<img alt="graph: {escape(names)}" src="data:image/svg+xml;base64,{encoded}"'
        ' style="max-width:100%;height:auto;margin:0 auto">'
    )


def _header(totals: Totals) -> str:
    _, colour, _ = BAKED[State(totals.state)]
    return (
        f'<div style="display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 12px;padding:8px 12px">'
        f'<strong style="font-size:14px">{escape(totals.name or "run")}</strong>'
        f'<strong style="color:{colour}">{totals.glyph} {totals.state}</strong>'
        f'<span style="color:{MUTED}">{totals.summary} · {seconds_text(totals.elapsed)}</span></div>'
    )


def _graph(record: RunRecord) -> str:
    return (
        f'<div class="nbflow-graph" style="border-top:1px solid {LINE};padding:8px;text-align:center;'
        f'max-height:420px;overflow:auto">{graph_html(record)}</div>'
    )


def _graph_list(record: RunRecord) -> str:
    items = "".join(f"<div>{escape(line)}</div>" for line in arrow_lines(graph(record)))
    return f'<div style="text-align:left">{items}{muted(NO_GRAPHVIZ)}</div>'


def _panes(board: BoardView) -> str:
    many = len(board.panes) > PANES_FULL
    panes = "".join(_pane(pane, many=many) for pane in board.panes)
    return f'<div class="nbflow-panes" style="display:flex;flex-wrap:wrap;gap:0">{panes}</div>'


def _pane(pane: PaneView, *, many: bool) -> str:
    _, colour, _ = BAKED[pane.state]
    time = "" if pane.elapsed is None else seconds_text(pane.elapsed)
    width = "100%" if pane.is_join else "180px" if many else "260px"
    return (
        f'<div class="nbflow-pane" data-branch="{escape(pane.branch)}" data-state="{pane.state}"'
        f' style="flex:1 1 {width};min-width:0;box-sizing:border-box;padding:8px 12px;'
        f'border-top:3px solid {colour};border-right:1px solid {LINE}">'
        f'<div><span style="color:{colour};font-weight:bold" title="{pane.state}">{pane.glyph}</span>'
        f" <strong>{escape(pane.branch)}</strong>"
        f' <span style="color:{MUTED}">{_state_text(pane, time)}</span></div>'
        f'<div style="color:{MUTED};font-size:12px">{escape(pane.detail)}</div>'
        f'<div class="nbflow-pane-text" style="margin-top:4px;overflow:auto;overflow-wrap:anywhere;'
        f'max-height:{"12em" if many else "32em"}">{"".join(blocks(pane))}</div></div>'
    )


def _state_text(pane: PaneView, time: str) -> str:
    return time if pane.state is State.DONE else f"{pane.state} {time}".strip()


def _footer(totals: Totals) -> str:
    return (
        f'<div class="nbflow-total" style="border-top:1px solid {LINE};padding:6px 12px;color:{MUTED}">'
        f"{escape(totals_text(totals))}</div>"
    )
