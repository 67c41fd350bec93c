"""DOT -> SVG by whichever Graphviz the machine has: `dot`, else the `graphviz-pure` executable.

Takes tens of milliseconds and more: not for an event loop. Knows nothing of runs.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

LAYOUT_MOST_SECONDS = 20.0

_log = logging.getLogger(__name__)


def graphviz_executable() -> str | None:
    """The path of `dot`, else of `graphviz-pure` (also beside this Python), else None."""
    beside = str(Path(sys.executable).parent)
    for name, path in (("dot", None), ("graphviz-pure", None), ("graphviz-pure", beside)):
        found = shutil.which(name, path=path)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=64)
def svg_of(dot: str) -> str | None:
    """Lay a graph out.

    Returns:
        SVG, or None if there is no Graphviz or it failed; the log says which.
    """
    executable = graphviz_executable()
    if executable is None:
        _log.info("no Graphviz found; graphs are drawn as lists")
        return None
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command; the graph comes on its stdin
            [executable, "-Tsvg"],
            input=dot.encode("utf-8"),
            capture_output=True,
            check=True,
            timeout=LAYOUT_MOST_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("%s could not draw the graph: %s", executable, error)
        return None
    return done.stdout.decode("utf-8", "replace")
