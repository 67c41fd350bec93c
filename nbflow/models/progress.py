"""How far a download is, as a line of text on stderr; knows nothing of what is downloaded."""

from __future__ import annotations

import sys
from typing import TextIO

BAR_CELLS = 24
STEP_PERCENT = 25
"""How often a stream that keeps every line is told."""


def say(text: str) -> None:
    """Write one line for the person who waits."""
    sys.stderr.write(f"nbflow: {text}\n")
    sys.stderr.flush()


class TextProgress:
    """A progress bar that redraws itself on a terminal, and writes a few lines elsewhere.

    Args:
        title: What is being done.
        stream: Where to write; `sys.stderr` if not given.

    Example:
        >>> progress = TextProgress("fetching", sys.stdout)
        >>> for done in range(0, 2_000_001, 1000):
        ...     progress(done, 2_000_000)
        nbflow: fetching [                        ]   0 % of 2 MB
        nbflow: fetching [######                  ]  25 % of 2 MB
        nbflow: fetching [############            ]  50 % of 2 MB
        nbflow: fetching [##################      ]  75 % of 2 MB
        nbflow: fetching [########################] 100 % of 2 MB
    """

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._title = title
        self._stream = stream or sys.stderr
        self._redraws = self._stream.isatty()
        self._shown_percent = -1

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        """Show how far it is, if that looks different from what is shown."""
        percent = 100 * done_bytes // total_bytes
        if not self._redraws:
            percent -= percent % STEP_PERCENT
        if percent == self._shown_percent:
            return
        self._shown_percent = percent
        bar = "#" * (BAR_CELLS * percent // 100)
        total_megabytes = round(total_bytes / 1e6)
        line = f"nbflow: {self._title} [{bar:{BAR_CELLS}}] {percent:3} % of {total_megabytes} MB"
        if self._redraws:
            self._stream.write(f"\r{line}" + ("\n" if done_bytes >= total_bytes else ""))
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()
