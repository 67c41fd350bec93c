"""The tutorial notebooks: where they are, and how a person gets a copy to write in.

Knows folders and files; knows nothing of kernels or of JupyterLab.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbflow
from nbflow.errors import NbflowError, nearest

FIRST = "01_fanout.ipynb"
"""The tutorial to begin with."""


def folder() -> Path:
    """Where the tutorials are: inside the installed package, or beside it in a checkout.

    Raises:
        NbflowError: neither is there; the installation is damaged.
    """
    package = Path(nbflow.__file__).parent
    for candidate in (package / "tutorials", package.parent / "notebooks"):
        if any(candidate.glob("*.ipynb")):
            return candidate
    raise NbflowError(
        "the tutorials aren't where nbflow is installed. Install it again: "
        "`pip install --force-reinstall jupyter-nbflow`."
    )


def tutorial(name: str = FIRST) -> Path:
    """The file of one tutorial.

    Raises:
        NbflowError: there is none of that name.
    """
    path = folder() / name
    if not path.is_file():
        names = [found.name for found in folder().glob("*.ipynb")]
        raise NbflowError(f"no tutorial is called {name!r}. {nearest(name, names)}")
    return path


def copy_to(target: Path) -> list[Path]:
    """Copy the tutorials into a folder, leaving alone whatever stands there already.

    Args:
        target: The folder; it is made if need be.

    Returns:
        The files in `target` that differ from the tutorials and were kept as they are.

    Raises:
        NbflowError: the folder can't be written.
    """
    kept = []
    try:
        for source, copy in _pairs(target):
            copy.parent.mkdir(parents=True, exist_ok=True)
            if not copy.exists():
                copy.write_bytes(source.read_bytes())
            elif copy.read_bytes() != source.read_bytes():
                kept.append(copy)
    except OSError as error:
        raise NbflowError(
            f"can't write the tutorials to {target}: {error.strerror}. Name another folder: "
            "`nbflow lab DIR`."
        ) from error
    return kept


def _pairs(target: Path) -> Iterator[tuple[Path, Path]]:
    source = folder()
    for path in sorted(source.rglob("*")):
        below = path.relative_to(source)
        hidden = any(part.startswith((".", "__")) for part in below.parts)
        if path.is_file() and not hidden:
            yield path, target / below
