"""`nbflow lab`: JupyterLab on a copy of the tutorials.

Knows how to start JupyterLab in this process; knows nothing of what the tutorials do.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from nbflow.cli import tutorials
from nbflow.errors import NbflowError


def run(folder: Path, options: Sequence[str] = ()) -> int:
    """Copy the tutorials and serve them until JupyterLab ends; returns the exit code.

    Args:
        folder: Where the copy is, or goes. What a person has changed there stays.
        options: Further words for JupyterLab, such as `--no-browser`.

    Raises:
        NbflowError: JupyterLab isn't installed, or the folder can't be written.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise NbflowError('JupyterLab isn\'t installed: `pip install "jupyter-nbflow[lab]"`.')
    for path in tutorials.copy_to(folder):
        print(f"kept your {path}, which differs from the tutorial")
    print(f"opening JupyterLab on {folder}; Ctrl-C here ends it", flush=True)
    _serve(folder, options)
    return 0


def _serve(folder: Path, options: Sequence[str]) -> None:
    # JupyterLab takes half a second to import, and is an extra.
    from jupyterlab.labapp import LabApp  # noqa: PLC0415 - see above

    first = f"--LabApp.default_url=/lab/tree/{tutorials.FIRST}"
    LabApp.launch_instance(argv=[f"--ServerApp.root_dir={folder.resolve()}", first, *options])
