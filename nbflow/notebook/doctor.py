"""What nbflow finds on this machine, what that allows, and how to mend what is missing.

Reads versions, files and settings; starts no kernel, loads no model and calls nobody.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbflow.errors import ModelError
from nbflow.models import default_model, embedded, fetch
from nbflow.notebook.kernel import USE_STOP
from nbflow.views.layout import graphviz_executable

OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Args:
        what: What was looked for.
        found: What is there, and what it allows.
        mend: How to get it or make it better; empty if nothing is to be done.
        needed: Without it nbflow doesn't work as it should.
    """

    what: str
    found: str
    mend: str = ""
    needed: bool = True

    @property
    def is_fine(self) -> bool:
        """Nothing has to be done; perhaps something could be."""
        return not (self.needed and self.mend)

    @property
    def word(self) -> str:
        """`ok`, `note` or `missing`.

        Example:
            >>> Finding("dot", "2.43").word, Finding("dot", "none", "install it").word
            ('ok', 'missing')
            >>> Finding("dot", "none", "install it", needed=False).word
            'note'
        """
        if not self.mend:
            return "ok"
        return "missing" if self.needed else "note"


def findings() -> list[Finding]:
    """Everything that was looked for, in the order in which a person would want to know."""
    found = (look() for look in _LOOKS)
    return [finding for several in found for finding in several]


def report() -> str:
    """The findings as a table, and one sentence on what they come to."""
    return table(findings())


def table(rows: Iterable[Finding]) -> str:
    """Findings as aligned text, each with how to mend it below.

    Example:
        >>> print(table([Finding("Python", "3.12.1"), Finding("dot", "none", "install it")]))
        ok       Python  3.12.1
        missing  dot     none
                         -> install it
        <BLANKLINE>
        1 thing is missing.
    """
    rows = list(rows)
    width = max(len(row.what) for row in rows)
    lines = []
    for row in rows:
        lines.append(f"{row.word:7}  {row.what:{width}}  {row.found}")
        if row.mend:
            lines.append(f"{'':7}  {'':{width}}  -> {row.mend}")
    missing = sum(not row.is_fine for row in rows)
    verdict = "All that is needed is there."
    if missing:
        verdict = f"{missing} thing{' is' if missing == 1 else 's are'} missing."
    return "\n".join([*lines, "", verdict])


def _python() -> Iterator[Finding]:
    old = sys.version_info < OLDEST_PYTHON
    wanted = ".".join(map(str, OLDEST_PYTHON))
    mend = f"install Python {wanted} or newer" if old else ""
    yield Finding("Python", f"{platform.python_version()} on {platform.system()}", mend)


def _kernel() -> Iterator[Finding]:
    version = _version("ipykernel")
    if version is None:
        yield Finding("ipykernel", "not installed", 'pip install "jupyter-nbflow[lab]"')
        return
    allows, newer = kernel_allows(_numbers(version))
    yield Finding("ipykernel", f"{version}: {allows}", newer, needed=False)


def kernel_allows(version: tuple[int, ...]) -> tuple[str, str]:
    """What a version of ipykernel allows while a cell runs, and how to get more.

    Example:
        >>> kernel_allows((7, 4, 0))
        ("the board's buttons work while a cell runs", '')
        >>> kernel_allows((6, 31, 0))[0]
        "the board's Cancel can't work while a cell runs: use the stop button"
    """
    newer = 'pip install --upgrade "ipykernel>=7.4"'
    if version < (7, 0):
        return f"the board's Cancel can't work while a cell runs: {USE_STOP}", newer
    if version < (7, 4):
        return "the board's buttons work while a cell runs, with JupyterLab 4.4 or newer", newer
    return "the board's buttons work while a cell runs", ""


def _graph() -> Iterator[Finding]:
    program = graphviz_executable()
    if program:
        yield Finding("Graphviz", Path(program).name)
        return
    mend = "pip install graphviz-pure, or install the system's graphviz package"
    yield Finding("Graphviz", "no dot and no graphviz-pure: graphs are shown as lists", mend)


def _widgets() -> Iterator[Finding]:
    for name in ("ipywidgets", "anywidget"):
        version = _version(name)
        yield Finding(name, version or "not installed", "" if version else f"pip install {name}")


def _front_ends() -> Iterator[Finding]:
    lab, notebook = _version("jupyterlab"), _version("notebook")
    versions = (f"JupyterLab {lab}" if lab else "", f"Notebook {notebook}" if notebook else "")
    found = ", ".join(filter(None, versions))
    mend = (
        "" if found else 'pip install "jupyter-nbflow[lab]", unless your notebooks open elsewhere'
    )
    yield Finding("front end", found or "none in this environment", mend, needed=False)
    if not found:
        return
    widgets = _version("jupyterlab_widgets")
    mend = "" if widgets else "pip install jupyterlab_widgets, then reload the page"
    yield Finding("jupyterlab_widgets", widgets or "not installed: boards can't be live", mend)


def _model() -> Iterator[Finding]:
    version = _version("xllamacpp")
    if not embedded.is_installed():
        mend = 'pip install "jupyter-nbflow[local]"'
        yield Finding("embedded model", "xllamacpp isn't installed", mend, needed=False)
    elif fetch.fetched_path() is None:
        mend = "nbflow pull smollm2, or wait for it when a cell first asks it"
        yield Finding("embedded model", f"xllamacpp {version}, not fetched", mend, needed=False)
    else:
        yield Finding("embedded model", f"xllamacpp {version}, smollm2 is fetched")
    try:
        yield Finding("default model", default_model().name)
    except ModelError as error:
        yield Finding("default model", "none", str(error))


def _nest_asyncio() -> Iterator[Finding]:
    patched = hasattr(asyncio, "_nest_patched") and not hasattr(asyncio, "_nest_asyncio2")
    if patched:
        found = "nest_asyncio, which is archived, has patched this process and drops cells"
        yield Finding("event loop", found, "restart the kernel and use nest_asyncio2")
    elif version := _version("nest_asyncio"):
        found = f"nest_asyncio {version} is installed; applying it would make kernels drop cells"
        yield Finding("event loop", found, "use nest_asyncio2 instead", needed=False)
    else:
        yield Finding("event loop", "not patched by nest_asyncio")


def _store() -> Iterator[Finding]:
    yield Finding("store", "not in this version")


_LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _kernel,
    _front_ends,
    _widgets,
    _graph,
    _model,
    _nest_asyncio,
    _store,
)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
