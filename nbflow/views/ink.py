"""The colours of what we say ourselves, and how we say it.

Knows a little HTML and nothing of runs.
"""

from __future__ import annotations

from html import escape

MUTED = "#727a86"
"""A grey that can be read on white and on near-black; likewise the next."""
ALARM = "#d94439"


def muted(text: str) -> str:
    """A remark of ours.

    Example:
        >>> muted("a < b")
        '<div class="nbflow-muted" style="color:#727a86">a &lt; b</div>'
    """
    return f'<div class="nbflow-muted" style="color:{MUTED}">{escape(text)}</div>'
