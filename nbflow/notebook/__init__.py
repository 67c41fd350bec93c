"""nbflow in IPython: the magics, the awaited cell, the live board, and output by branch.

The only layer that imports IPython. `load` is what `%load_ext nbflow` comes to.
"""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from nbflow.notebook import completion
from nbflow.notebook.cells import await_fanout
from nbflow.notebook.magics import NbflowMagics


def load(shell: InteractiveShell) -> None:
    """Register the magics, the input transformer and the completions; once is enough."""
    shell.register_magics(NbflowMagics)
    if await_fanout not in shell.input_transformers_post:
        shell.input_transformers_post.append(await_fanout)
    completion.register(shell)


def unload(shell: InteractiveShell) -> None:
    """Take back what `load` registered."""
    if await_fanout in shell.input_transformers_post:
        shell.input_transformers_post.remove(await_fanout)
    completion.unregister(shell)
    for kind, name in (("cell", "fanout"), ("cell", "vote"), ("line", "nbflow")):
        shell.magics_manager.magics[kind].pop(name, None)
