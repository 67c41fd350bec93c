"""One node per cell: `%%branch`, `%%join`, `%nbflow flow` and `%nbflow run`.

Each shell has one flow that these cells write into, and a builder opened on it shows the same.
Reads the cells by the grammar of `%%fanout`; a name that isn't there yet is an error only in a run.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.display import display

from nbflow import blocking
from nbflow.core.topology import Topology
from nbflow.errors import CellError, FlowError, NbflowError, nearest
from nbflow.notebook import cells
from nbflow.notebook.branch import TEXT, Branch, node_of, typed_words
from nbflow.notebook.builder_model import BuilderModel, State
from nbflow.notebook.proofreading import RUN, VALUE, Problem, Reading, read_through
from nbflow.views.mime import FLOW, bundle
from nbflow.views.model import planned
from nbflow.writing.cell import Cell
from nbflow.writing.header import Header, is_header, read_header, slip, unescaped
from nbflow.writing.line import MagicLine, read_line
from nbflow.writing.place import Place
from nbflow.writing.python import is_python
from nbflow.writing.sections import body_lines, section_of

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
    branch = read_node(magic, line, body)
    if branch.kind == "python":
        await _define_code(shell, branch, f"%%{magic} {line}")
    placed = current_flow(shell).put(branch)
    print(_answer(magic, placed))  # noqa: T201 - the answer


def _answer(magic: str, branch: Branch) -> str:
    reads = ", ".join(node_of(branch).draft.reads)
    kind = {"python": "a Python function", "template": "a template"}.get(branch.kind, "a prompt")
    return f"{magic} {branch.name}: {kind}" + (f" that reads {reads}" if reads else "")


async def _define_code(shell: InteractiveShell, branch: Branch, head: str) -> None:
    """Run a cell's code as a normal cell would; so its mistakes are found at once."""
    __tracebackhide__ = True
    node = node_of(branch, shell.transform_cell, head=head)
    await run_code(shell, node.statements)
    node.draft.step(shell.user_ns)


async def run_code(shell: InteractiveShell, code: Any) -> None:
    """Run what stands beside a function."""
    __tracebackhide__ = True
    if code is None:
        return
    result = eval(code, shell.user_ns)  # noqa: S307 - it is the user's own cell
    if inspect.iscoroutine(result):
        await result


def read_node(magic: str, line: str, body: str) -> Branch:
    r"""What a `%%branch` or `%%join` cell says.

    Raises:
        CellError: it says no node.

    Example:
        >>> read_node("join", "both wait=any", "{joke}\n{poem}\n").kind
        'template'
    """
    header = _header(magic, line)
    is_prompt = magic == "branch" or bool(header.words.pop("prompt", False))
    lines = list(body_lines(body.replace("\r\n", "\n").replace("\r", "\n")))
    if is_python(lines):
        return _read_code(header, body)
    section = section_of(header, [_text_line(*pair) for pair in _with_next(lines)])
    if magic == "join" and not section.reads:
        raise header.place.error("a join reads other nodes, and this text has no {name} in it.")
    is_template = header.words.get("template", not is_prompt)
    words = {word: one for word, one in header.words.items() if word not in ("template", "each")}
    return Branch(
        0,
        header.name,
        "template" if is_template else "prompt",
        section.prompt,
        typed_words(words),
        tuple((header.words.get("each") or {}).items()),
    )


def _read_code(header: Header, body: str) -> Branch:
    words = {word: one for word, one in header.words.items() if word not in ("template", "each")}
    elements = tuple((header.words.get("each") or {}).items())
    text = body.strip("\n")
    blank = len(body) - len(body.lstrip("\n"))
    branch = Branch(0, header.name, "python", text, typed_words(words), elements)
    try:
        node_of(branch)
    except CellError as error:
        if error.line < 0:
            raise header.place.error(error.problem) from None
        place = Place(error.line + blank, error.column, error.text)
        raise place.error(error.problem) from None
    return branch


def _header(magic: str, line: str) -> Header:
    """The line as a header; its places are those of the line."""
    offset = len(f"%%{magic} ") + 1 + len(line) - len(line.lstrip())
    name, space, rest = line.strip().partition(" ")
    place = Place(1, offset, name)
    if not name.isidentifier():
        problem = f"%%{magic} takes a name and then options: %%{magic} joke retries=2."
        raise place.error(problem)
    more, prompt = rest, False
    if magic == "join" and (match := re.search(r"(?:^|(?<=\s))prompt(?=\s|$)", rest)):
        more = rest[: match.start()] + " " * len("prompt") + rest[match.end() :]
        prompt = True
    try:
        header = read_header(Place(1, offset - 1, f"[{name}]{more if space else ''}"))
        if magic == "join" and not prompt and not header.words.get("template"):
            read_header(Place(1, offset - 1, f"[{name}]{more} template"))
    except CellError as error:
        if "calls no model" not in error.problem:
            raise
        hint = f" Write `prompt` behind the name to ask one: %%join {name} prompt ..."
        raise Place(error.line, error.column, error.text).error(error.problem + hint) from None
    if prompt:
        header.words["prompt"] = True
    return dataclasses.replace(header, place=place)


def _with_next(lines: list[Place]) -> list[tuple[Place, str]]:
    following = [line.text for line in lines[1:]] + [""]
    return list(zip(lines, following, strict=True))


def _text_line(line: Place, following: str) -> Place:
    if is_header(line.text):
        name = line.text[1 : line.text.index("]")]
        raise line.error(
            f"a cell is one node; give this one a cell of its own: %%branch {name}. If the line "
            r"is text and no header, begin it with \[."
        )
    if (mistake := slip(line, following)) is not None:
        raise mistake
    return unescaped(line)


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
    topology = model.graph()
    if topology is not None:
        show: Any = display
        show(graph_bundle(topology, model.state, model.missing), raw=True)
    for problem in model.problems():
        print(f"{where(problem, model)}{problem.message}")  # noqa: T201 - the answer


def graph_bundle(topology: Topology, state: State, missing: tuple[str, ...]) -> dict[str, str]:
    """The graph of what is written, with a question mark at each input that has no value."""
    values = {name: state.values.get(name, "") for name in topology.values}
    values |= dict.fromkeys(missing, "?")
    shown = {name: value for name, value in values.items() if value}
    return bundle(planned(topology, state.out, shown), FLOW)


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
    await cells.run_parsed(shell, _checked(model, shell, said), sync=sync)


def _checked(model: BuilderModel, shell: InteractiveShell, said: MagicLine) -> Cell:
    """The current flow with the values and options of a line."""
    options = {**model.state.options, **said.options}
    values = {**model.state.values, **said.values}
    out = said.out or model.state.out
    state = dataclasses.replace(model.state, options=options, values=values, out=out)
    reading = read_through(state, shell.user_ns, shell.transform_cell)
    if reading.problems:
        raise _refused(reading, model, said)
    cell = reading.cell(model.branches)
    line = dataclasses.replace(
        cell.line,
        values={**cell.line.values, **said.values},
        places={**cell.line.places, **said.places},
        bg=said.bg,
        dry_run=said.dry_run,
    )
    return dataclasses.replace(cell, line=line, magic=Place(1, 1, "%nbflow run"))


def _refused(reading: Reading, model: BuilderModel, said: MagicLine) -> FlowError:
    problem = reading.problems[0]
    if problem.owner != VALUE:
        return FlowError(f"{where(problem, model)}{problem.message}")
    readers = [
        branch
        for branch in model.branches
        if not isinstance(node := reading.nodes[branch.id], CellError)
        and problem.field in node.draft.reads
    ]
    reader = readers[0].name if readers else ""
    given = "".join(f" {name}=..." for name in [*said.values, problem.field])
    return FlowError(f"{reader}: {problem.message} To give it a value: %nbflow run{given}")
