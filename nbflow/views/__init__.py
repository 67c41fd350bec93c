"""What a run looks like: pure functions from its record to text, HTML, SVG and mime bundles.

`model` folds the record into what is shown; `body` makes the inside of a pane out of it, with
`markdown` for what nobody vouches for; `graph` makes DOT, `layout` has it laid out, `drawing`
colours it; `html` and `text` put it all together and `mime` is the table of them. `drawn` is a
graph with nothing of a run's progress in it, made by `origins`, written by `mermaid` and `ascii`
(with the rows of `layers`), and painted by `picture`.
"""

from nbflow.views.drawing import baked_svg, live_svg
from nbflow.views.drawn import DrawnGraph
from nbflow.views.html import graph_html, html
from nbflow.views.mime import bundle, flow_bundle
from nbflow.views.model import BoardView, PaneView, Totals, planned, view
from nbflow.views.origins import (
    graph_of_compiled,
    graph_of_flow,
    graph_of_parts,
    graph_of_record,
)
from nbflow.views.text import text

__all__ = [
    "BoardView",
    "DrawnGraph",
    "PaneView",
    "Totals",
    "baked_svg",
    "bundle",
    "flow_bundle",
    "graph_html",
    "graph_of_compiled",
    "graph_of_flow",
    "graph_of_parts",
    "graph_of_record",
    "html",
    "live_svg",
    "planned",
    "text",
    "view",
]
