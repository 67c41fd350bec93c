"""What the kernel this runs in allows while a cell runs, and who is at its other end.

Measured: ipykernel 6 reads a widget's messages only between cells; 7.0 to 7.3 read them on another
thread (with JupyterLab 4.4 or newer); from 7.4 on they are read on the kernel's own loop, which is
free while a cell awaits and blocked while one doesn't.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

USE_STOP = "use the stop button"


def version() -> tuple[int, int]:
    """Major and minor version of the ipykernel this runs in; (0, 0) outside of a kernel."""
    ipykernel: Any = sys.modules.get("ipykernel")
    if ipykernel is None:
        return (0, 0)
    major, minor = ipykernel.version_info[:2]
    return (int(major), int(minor))


def in_kernel(shell: InteractiveShell) -> bool:
    """Whether the shell talks to a front end that can show more than text."""
    return getattr(shell, "kernel", None) is not None


def in_voila() -> bool:
    """Whether Voila serves this notebook as a page.

    It shows an output as it was when its cell ended, and to somebody who comes later: what is put
    in its place afterwards is never seen, and a widget in it must live on.
    """
    return "VOILA_BASE_URL" in os.environ


def is_attended(shell: InteractiveShell) -> bool:
    """Whether somebody may sit before the running cell: who sent it would take a question.

    A program that runs notebooks, such as nbclient, nbconvert or papermill, says that it takes
    none. It shows no widgets, and hears of a cell only while that runs.
    """
    get_parent: Any = getattr(getattr(shell, "kernel", None), "get_parent", None)
    request = {} if get_parent is None else get_parent("shell")
    return bool(request.get("content", {}).get("allow_stdin", True))


def shows_widgets(shell: InteractiveShell) -> bool:
    """Whether a widget may be seen where the running cell is shown, or later."""
    return in_voila() or is_attended(shell)


def cancel_hint(shell: InteractiveShell, *, sync: bool, busy: bool) -> str:
    """Why a Cancel button can't work for a run, and what does; empty if it works.

    Args:
        shell: The shell that runs the cell.
        sync: The cell blocks the loop instead of awaiting.
        busy: The cell stays busy until the run has ended.

    Returns:
        A sentence for the board, or "".
    """
    if not in_kernel(shell) or not busy:
        return ""
    if version() < (7, 0):
        return f"this kernel reads buttons only between cells: {USE_STOP}"
    if sync and version() >= (7, 4):
        return f"this cell doesn't await, so buttons aren't read: {USE_STOP}"
    return ""
