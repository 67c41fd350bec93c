"""`nbflow demo`: the first tutorial, run in a real kernel on the embedded model.

Knows which notebook and where its results go; running it and telling of it are done elsewhere.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from nbflow.cli import pull, terminal, tutorials
from nbflow.errors import NbflowError

MODEL = "smollm2"
_NEEDED = ("ipykernel", "nbclient", "nbconvert", "xllamacpp")


def run(output: Path) -> int:
    """Run the tutorial, tell each branch as it finishes, write notebook and HTML; the exit code.

    Args:
        output: The folder for the executed notebook and its HTML; it is made if need be.

    Raises:
        NbflowError: something isn't installed, the model can't be fetched, or a cell failed. The
            notebook is then written as far as it got.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise NbflowError(
            f"{', '.join(missing)} isn't installed, which the demo needs: "
            '`pip install "jupyter-nbflow[demo]"`.'
        )
    source = tutorials.tutorial()
    pull.run(MODEL)
    print(f"running {source.name} in a kernel, on the embedded model {MODEL}", flush=True)
    written = run_notebook(source, output, {"NBFLOW_MODEL": MODEL})
    print("\nwritten:")
    for path in written:
        print(f"  {path}")
    return 0


def run_notebook(source: Path, output: Path, environment: dict[str, str]) -> list[Path]:
    """Run a notebook and write what came of it.

    Args:
        source: The notebook.
        output: The folder for the executed notebook and its HTML; it is made if need be.
        environment: Added to the kernel's environment variables.

    Returns:
        The files that were written.

    Raises:
        NbflowError: a cell failed, or the folder can't be written.
    """
    # These take a second to import, and are an extra.
    import nbformat  # noqa: PLC0415 - see above

    from nbflow.cli.execution import execute  # noqa: PLC0415 - see above
    from nbflow.cli.narration import Narrator  # noqa: PLC0415 - see above

    notebook = nbformat.read(source, as_version=4)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NbflowError(
            f"can't write to {output}: {error.strerror}. Name another folder: --output DIR."
        ) from error
    target = output / source.name
    try:
        execute(notebook, output, Narrator(_tell, terminal.columns()), environment)
    except NbflowError as error:
        nbformat.write(notebook, target)
        raise NbflowError(f"{error}\nThe notebook as far as it got: {target}") from error
    nbformat.write(notebook, target)
    page = target.with_suffix(".html")
    page.write_text(_html(notebook), encoding="utf-8")
    return [target, page]


def _tell(line: str) -> None:
    print(line, flush=True)


def _html(notebook: Any) -> str:
    from nbconvert import HTMLExporter  # noqa: PLC0415 - takes half a second, and is an extra

    page, _resources = HTMLExporter(template_name="lab").from_notebook_node(notebook)
    return str(page)
