"""DOT -> SVG or PNG by whichever Graphviz the machine has: `dot`, else `graphviz-pure`.

Takes tens of milliseconds and more: not for an event loop. Knows nothing of runs.
"""

from __future__ import annotations

import logging
import shutil
import signal
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
    made = _made(dot, "svg")
    return None if made is None else made.decode("utf-8", "replace")


def png_of(dot: str) -> bytes | None:
    """Lay a graph out and paint it.

    Returns:
        A PNG image, or None as above.
    """
    return _made(dot, "png")


def _made(dot: str, form: str) -> bytes | None:
    executable = graphviz_executable()
    if executable is None:
        _log.info("no Graphviz found; graphs are drawn as lists")
        return None
    try:
        done = _run([executable, f"-T{form}"], dot)
        if done.returncode == -signal.SIGINT:  # it came before the process had its own session
            done = _run([executable, f"-T{form}"], dot)
        done.check_returncode()
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("%s could not draw the graph: %s", executable, error)
        return None
    return done.stdout


def _run(command: list[str], dot: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a session of its own: the stop button signals the kernel's whole group."""
    return subprocess.run(  # noqa: S603 - a fixed command; the graph comes on its stdin
        command,
        input=dot.encode("utf-8"),
        capture_output=True,
        check=False,
        timeout=LAYOUT_MOST_SECONDS,
        start_new_session=True,
    )
