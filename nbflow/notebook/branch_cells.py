"""One node per cell: `%%branch`, `%%join`, `%nbflow flow` and `%nbflow run`.

Each shell has one flow that these cells write into, and a builder opened on it shows the same. A
name that isn't there yet is an error only in a run. What a cell says, `branch_text` reads.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.display import display

from nbflow import blocking
from nbflow.errors import FlowError, NbflowError, nearest
from nbflow.notebook import cells
from nbflow.notebook.branch_node import Node, node_of
from nbflow.notebook.branch_place import TEXT
from nbflow.notebook.branch_text import read_branch
from nbflow.notebook.builder_model import BuilderModel
from nbflow.notebook.builder_state import State
from nbflow.notebook.proofreading import RUN, VALUE, Problem, Reading, read_through
from nbflow.views.mime import FLOW, bundle
from nbflow.views.model import planned
from nbflow.writing.cell import Cell
from nbflow.writing.flow import shown_values
from nbflow.writing.line import MagicLine, read_line
from nbflow.writing.place import Place

BRANCH_HELP = """\
%%branch NAME [options]

Define one node of the notebook's current flow; running the cell again replaces it. The cell is a
prompt, or Python with one function of that name. {name} is another node, defined above or below, a
value that `%nbflow run` is given, or a notebook variable.

    %%branch joke retries=2
    Write a joke about {topic}

Options are those of a header of %%fanout: model, temperature, max_tokens, seed, timeout, retries,
rate, jobs, template, votes=5, for doc in docs, wait=any, on_error=pass.

    %nbflow flow                 the graph of what is defined, and what is missing
    %nbflow run topic=cats       run it, with every option of %%fanout
    %nbflow flow --drop joke     take a node out; --clear begins again with nothing
    %nbflow builder              the same flow with fields and buttons
"""

JOIN_HELP = """\
%%join NAME [options]

Define a node that puts others together. It is a template: filled in, and no model is called. With
the word `prompt` behind its name it is sent to a model.

    %%join combined
    {joke}
    {poem}

    %%join verdict prompt temperature=0
    Which is better?
    {joke}
    {poem}

Everything else is as in %%branch: see %%branch --help.
"""

_CELL_CALL = re.compile(r"get_ipython\(\)\.run_cell_magic\((?=['\"](?:branch|join)['\"],)")
_RUN_CALL = re.compile(r"get_ipython\(\)\.run_line_magic\('nbflow', (?=['\"]run\b)")
_MAGICS = "await get_ipython().find_cell_magic('branch').__self__"

_flows: WeakKeyDictionary[InteractiveShell, BuilderModel] = WeakKeyDictionary()


def current_flow(shell: InteractiveShell) -> BuilderModel:
    """The flow that a shell's `%%branch` cells write into."""
    if shell not in _flows:
        _flows[shell] = model_in(shell)
    return _flows[shell]


def model_in(shell: InteractiveShell | None, flow: Any = None) -> BuilderModel:
    """A flow to be written where the variables are a shell's."""
    if shell is None:
        return BuilderModel(flow)

    def variables() -> Mapping[str, Any]:
        hidden = shell.user_ns_hidden
        return {
            name: value
            for name, value in shell.user_ns.items()
            if name not in hidden or hidden[name] is not value
        }

    return BuilderModel(flow, namespace=variables, transform=shell.transform_cell)


def await_branches(lines: list[str]) -> list[str]:
    """The input transformer: these cells, and a line `%nbflow run` in no block, are awaited.

    Example:
        >>> await_branches(["get_ipython().run_line_magic('nbflow', 'run -o x')"])
        ["await get_ipython().find_cell_magic('branch').__self__.awaited_run('run -o x')"]
        >>> await_branches(["runs = 1"])
        ['runs = 1']
    """
    found = [bool(_CELL_CALL.match(line) or _RUN_CALL.match(line)) for line in lines]
    if not any(found) or cells.is_inside_magic():
        return lines
    lines = [_RUN_CALL.sub(f"{_MAGICS}.awaited_run(", line, count=1) for line in lines]
    if found[0]:
        lines[0] = _CELL_CALL.sub(f"{_MAGICS}.awaited(", lines[0], count=1)
    return lines


@magics_class
class BranchMagics(Magics):
    """The magics that write into the shell's current flow."""

    shell: InteractiveShell

    @cell_magic
    def branch(self, line: str, cell: str) -> None:
        """Described by `BRANCH_HELP`."""
        blocking.run(define(self.shell, "branch", line, cell))

    branch.__doc__ = BRANCH_HELP

    @cell_magic
    def join(self, line: str, cell: str) -> None:
        """Described by `JOIN_HELP`."""
        blocking.run(define(self.shell, "join", line, cell))

    join.__doc__ = JOIN_HELP

    async def awaited(self, magic: str, line: str, cell: str) -> None:
        """What a `%%branch` or `%%join` cell becomes: the same magic, awaited."""
        __tracebackhide__ = True
        expand: Any = self.shell.var_expand
        await define(self.shell, magic, expand(line, depth=1), cell)

    async def awaited_run(self, line: str) -> None:
        """What a line `%nbflow run` becomes: the same magic, awaited."""
        __tracebackhide__ = True
        expand: Any = self.shell.var_expand
        await run_flow(self.shell, expand(line, depth=1).removeprefix("run"))


async def define(shell: InteractiveShell, magic: str, line: str, body: str) -> None:
    """Put the node of a cell into the shell's current flow.

    Raises:
        CellError: the cell says no node; the flow is as it was.
    """
    __tracebackhide__ = True
    if {"-h", "--help"} & {*line.split()}:
        print(BRANCH_HELP if magic == "branch" else JOIN_HELP)  # noqa: T201 - help is printed
        return
    branch = read_branch(magic, line, body, shell.transform_cell)
    node = node_of(branch, shell.transform_cell)
    if node.function is not None:  # as a normal cell would, so its mistakes are found at once
        await cells.run_code(shell, node.statements)
        node.draft.step(shell.user_ns)
    current_flow(shell).put(branch)
    kind = "Python function" if branch.kind == "python" else branch.kind
    reads = f" that reads {', '.join(node.draft.reads)}" if node.draft.reads else ""
    print(f"{magic} {branch.name}: a {kind}{reads}")  # noqa: T201 - the answer


async def run_beside(shell: InteractiveShell, nodes: Iterable[Node]) -> None:
    """Run what stands beside the functions of a flow, such as imports, before the flow is run."""
    __tracebackhide__ = True
    for node in nodes:
        await cells.run_code(shell, node.statements)


def show_flow(shell: InteractiveShell, words: list[str]) -> None:
    """What `%nbflow flow` does: draw the current flow, empty it, or take a node out.

    Raises:
        NbflowError: the line says something else, or there is no such node.
    """
    model = current_flow(shell)
    match words:
        case []:
            pass
        case ["--clear"]:
            model.clear()
        case ["--drop", name]:
            if name not in model.names():
                raise NbflowError(f"no node is called {name!r}. {nearest(name, model.names())}")
            model.remove(name)
        case _:
            raise NbflowError("write %nbflow flow, %nbflow flow --clear or --drop NAME.")
    if not model.branches:
        print("no node is defined; a %%branch cell defines one.")  # noqa: T201 - the answer
        return
    reading = model.read()
    if reading.topology is not None:
        show: Any = display
        show(graph_bundle(reading, model.state), raw=True)
    for problem in reading.problems:
        print(f"{where(problem, model)}{problem.message}")  # noqa: T201 - the answer


def graph_bundle(reading: Reading, state: State) -> dict[str, str]:
    """The graph of what is written, with a question mark at each input that has no value."""
    assert reading.topology is not None
    values = {**shown_values(state.values), **dict.fromkeys(reading.missing, "?")}
    shown = {name: values[name] for name in reading.inputs if values.get(name)}
    return bundle(planned(reading.topology, state.out, shown), FLOW)


def where(problem: Problem, model: BuilderModel) -> str:
    """Where a problem is, in front of its message."""
    if problem.owner == VALUE:
        return ""
    if problem.owner == RUN:
        return f"--{problem.field.replace('_', '-')}: "
    branch = model.branch(problem.owner)
    if problem.mark is not None and problem.field == TEXT:
        line, column, _ = problem.mark
        return f"{branch.name}, line {line + 1}, column {column}, "
    return f"{branch.name}: "


async def run_flow(shell: InteractiveShell, line: str, *, sync: bool = False) -> None:
    """Run the shell's current flow as a `%%fanout` cell is run.

    Args:
        shell: The shell.
        line: What stands behind `%nbflow run`: options and values, as on the magic's line.
        sync: Whether this blocks the loop instead of being awaited.

    Raises:
        CellError: the line can't be read.
        FlowError: a name stands for nothing, or something else is wrong with a node.
        RunError: a branch failed.
    """
    __tracebackhide__ = True
    said = read_line(Place(1, len("%nbflow run") + 1, line))
    if said.help:
        print(BRANCH_HELP)  # noqa: T201 - help is printed
        return
    model = current_flow(shell)
    if not model.branches:
        raise FlowError("no node is defined yet; a %%branch cell defines one.")
    cell, nodes = _checked(model, shell, said)
    await run_beside(shell, nodes)
    await cells.run_parsed(shell, cell, sync=sync)


def _checked(
    model: BuilderModel, shell: InteractiveShell, said: MagicLine
) -> tuple[Cell, list[Node]]:
    """The current flow with the values and options of a line, and its nodes."""
    options = {**model.state.options, **said.options}
    values = {**model.state.values, **said.values}
    out = said.out or model.state.out
    state = dataclasses.replace(model.state, options=options, values=values, out=out)
    reading = read_through(state, shell.user_ns, shell.transform_cell)
    if reading.problems:
        raise _refused(reading, model, said)
    nodes = model.nodes()
    cell = reading.cell(nodes)
    line = dataclasses.replace(
        cell.line,
        values={**cell.line.values, **said.values},
        places={**cell.line.places, **said.places},
        bg=said.bg,
        dry_run=said.dry_run,
    )
    return dataclasses.replace(cell, line=line, magic=Place(1, 1, "%nbflow run")), nodes


def _refused(reading: Reading, model: BuilderModel, said: MagicLine) -> FlowError:
    problem = reading.problems[0]
    if problem.owner != VALUE:
        return FlowError(f"{where(problem, model)}{problem.message}")
    reads = zip(model.names(), reading.reads, strict=True)
    reader = next(name for name, read in reads if problem.field in read)
    given = "".join(f" {name}=..." for name in [*said.values, problem.field])
    return FlowError(f"{reader}: {problem.message} To give it a value: %nbflow run{given}")
