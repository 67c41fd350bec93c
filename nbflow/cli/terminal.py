"""What may be printed on a terminal of what models and branches say.

A model's text is hostile: an escape sequence in it could move the cursor or rename the window.
"""

from __future__ import annotations

import re
import shutil

_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+"
)


def plain(text: str) -> str:
    r"""One line of printable text, control characters and runs of white space made one space.

    Example:
        >>> plain("a\x1b[31m red\x1b[0m cat\n\nsat\x07")
        'a red cat sat'
    """
    return " ".join(_CONTROL.sub(" ", text).split())


def shortened(text: str, width: int) -> str:
    """The beginning of a text that fits, with dots if that isn't all of it.

    Example:
        >>> shortened("a cat sat on the mat", 10)
        'a cat sat…'
    """
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def columns() -> int:
    """How many characters fit beside each other."""
    return max(40, shutil.get_terminal_size((100, 24)).columns)
