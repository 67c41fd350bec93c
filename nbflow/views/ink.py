"""The colours of what we say ourselves, and how we say it.

Knows a little HTML and nothing of runs.
"""

from __future__ import annotations

from html import escape

MUTED = "#727a86"
"""A grey for lines, which can be seen on white and on near-black; likewise `ALARM`."""
FONT = "Helvetica,Arial,sans-serif"
"""What Graphviz sets names in."""
ALARM = "#d94439"
FADED = "opacity:.75"
"""How a remark looks: no grey has enough contrast for text on both, but a part of the ink has."""


def muted(text: str) -> str:
    """A remark of ours.

    Example:
        >>> muted("a < b")
        '<div class="nbflow-muted" style="opacity:.75">a &lt; b</div>'
    """
    return f'<div class="nbflow-muted" style="{FADED}">{escape(text)}</div>'
