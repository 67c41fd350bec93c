"""nbflow in IPython: the magics, the awaited cell, the live board, and output by branch.

The only layer that imports IPython. `load` is what `%load_ext nbflow` comes to.
"""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from nbflow.notebook import completion
from nbflow.notebook.branch_cells import BranchMagics, await_branches
from nbflow.notebook.cells import await_fanout
from nbflow.notebook.magics import NbflowMagics
from nbflow.notebook.watch import watch_cell


def load(shell: InteractiveShell) -> None:
    """Register the magics, the input transformer and the completions; once is enough."""
    shell.register_magics(NbflowMagics, BranchMagics)
    for transform in (await_fanout, await_branches, watch_cell):
        if transform not in shell.input_transformers_post:
            shell.input_transformers_post.append(transform)
    completion.register(shell)


def unload(shell: InteractiveShell) -> None:
    """Take back what `load` registered."""
    for transform in (await_fanout, await_branches, watch_cell):
        if transform in shell.input_transformers_post:
            shell.input_transformers_post.remove(transform)
    completion.unregister(shell)
    names = {"cell": ("fanout", "vote", "watch", "branch", "join"), "line": ("nbflow", "watch")}
    for kind, ours in names.items():
        for name in ours:
            shell.magics_manager.magics[kind].pop(name, None)
