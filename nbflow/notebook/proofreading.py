"""What is wrong with a flow that is being written, and where: for each field the first mistake.

Lets the parser and the binder of `%%fanout` cells find the mistakes, so their words are the
magic's, and goes on after each with a stand-in for what was wrong. Runs no code of any branch.
"""

from __future__ import annotations

import dataclasses
import keyword
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nbflow.core.topology import CycleFound, Node, Topology
from nbflow.errors import CellError, FlowError, ModelError
from nbflow.models import default_model
from nbflow.notebook.branch import (
    FIELDS,
    NAME,
    TEXT,
    Branch,
    Optioned,
    field_at,
    field_place,
    forget_node,
    node_of,
)
from nbflow.notebook.branch import Node as Said
from nbflow.writing.cell import Cell
from nbflow.writing.draft import Draft, check_edges
from nbflow.writing.line import MagicLine
from nbflow.writing.options import flow_options
from nbflow.writing.place import Place
from nbflow.writing.prompt import placeholders
from nbflow.writing.sections import Section
from nbflow.writing.step import Step

RUN = "run"
"""Where a problem of the run's options belongs, as `VALUE` is of an input."""
VALUE = "value"

_STRIDE = 1_000_000
_MAGIC = "%%fanout"


class Written(Protocol):
    """A state to be read."""

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Its branches."""

    @property
    def values(self) -> Mapping[str, str]:
        """The values of inputs."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The run's options."""

    @property
    def out(self) -> str:
        """The variable that gets the run."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong.

    Args:
        owner: The branch's id; `VALUE` or `RUN`.
        field: The field in it: `name`, `text`, `each`, an option, or an input's name.
        message: What is wrong and what would be right.
        mark: In a text, the piece that is wrong: line and column from 1, and its length.
    """

    owner: int | str
    field: str
    message: str
    mark: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What there is to say of a state.

    Args:
        problems: What is wrong.
        inputs: What is read and is no branch.
        missing: Those of them that have no value and are no variable.
        topology: The graph, as far as it can be read.
        nodes: What each branch says, by its id; None where it says nothing yet.
        line: The options and values of the run.
    """

    problems: tuple[Problem, ...]
    inputs: tuple[str, ...]
    missing: tuple[str, ...]
    topology: Topology | None
    nodes: Mapping[int, Said | CellError]
    line: MagicLine

    def cell(self, branches: tuple[Branch, ...]) -> Cell:
        """The whole as the parser would say it of a cell.

        Raises:
            CellError: the first mistake.
        """
        drafts = []
        for branch in branches:
            node = self.nodes[branch.id]
            if isinstance(node, CellError):
                raise node
            drafts.append(node.draft)
        check_edges(tuple(drafts))
        return Cell(self.line, "sections", None, tuple(drafts), Place(1, 1, _MAGIC))


def read_through(
    state: Written,
    namespace: Mapping[str, Any],
    transform: Callable[[str], str] | None = None,
) -> Reading:
    """Read a state as the magic would read its cell."""
    nodes: dict[int, Said | CellError] = {}
    problems: list[Problem] = []
    for branch in state.branches:
        problems += _of_name(branch, state.branches)
        try:
            nodes[branch.id] = node_of(branch, transform, head=f"%%branch {branch.name}")
        except CellError as error:
            nodes[branch.id] = error
            problems.append(_in_branch(branch, error))
    there = {number: node for number, node in nodes.items() if isinstance(node, Said)}
    for node in there.values():
        forget_node(node)
    names = {branch.name for branch in state.branches}
    inputs = _inputs(state.branches, there, names)
    options, found = _options(state)
    problems += found
    problems += _of_model(state, there)
    values = {name: state.values[name] for name in inputs if state.values.get(name)}
    problems += _of_values(values)
    line = _line(values, options, state.out)
    drafts = [_draft(number, branch, there) for number, branch in enumerate(state.branches)]
    known = {**namespace, **{name: value for name, value in state.values.items() if value}}
    problems += _bound(drafts, state.branches, line, known)
    missing = tuple(one.field for one in problems if one.owner == VALUE and one.field in inputs)
    return Reading(tuple(problems), inputs, missing, _topology(drafts), nodes, line)


def _of_name(branch: Branch, all_: tuple[Branch, ...]) -> Iterator[Problem]:
    typed = branch.typed_name
    if not typed:
        return
    if any(typed == other.name for other in all_ if other.id != branch.id):
        message = f"there is a node {typed!r} too; rename one of them."
    else:
        shown = typed.strip()
        like = "_".join(re.findall(r"\w+", shown))
        message = (
            f"{shown!r} can't be the name of a node; a name is one word of letters, digits and "
            f"underscores, such as {like if like.isidentifier() else 'joke'}."
        )
    yield Problem(branch.id, NAME, message)


def _in_branch(branch: Branch, error: CellError) -> Problem:
    """An error of a branch, at the field of its place."""
    if error.line < 0:
        field = field_at(error.line)
        is_empty = field == NAME and error.problem.startswith("the prompt of")
        return Problem(branch.id, TEXT if is_empty else field, error.problem)
    line = error.line - 1 if branch.kind == "python" else error.line
    at = f"at {error.text!r}: " if error.text else ""
    mark = (line, error.column, max(1, len(error.text)))
    return Problem(branch.id, TEXT, f"{at}{error.problem}", mark)


def _inputs(
    branches: tuple[Branch, ...], nodes: Mapping[int, Said], names: set[str]
) -> tuple[str, ...]:
    read: dict[str, None] = {}
    for branch in branches:
        node = nodes.get(branch.id)
        read.update(dict.fromkeys(node.draft.reads if node else _holes(branch)))
    return tuple(name for name in read if name not in names)


def _holes(branch: Branch) -> list[str]:
    """What a branch that says nothing yet would read."""
    if branch.kind == "python":
        return []
    elements = dict(branch.elements)
    return [elements.get(hole.name, hole.name) for hole in placeholders(branch.text)]


def _options(state: Written) -> tuple[dict[str, Any], list[Problem]]:
    options: dict[str, Any] = {}
    problems = []
    for word, value in state.options.items():
        try:
            options[word] = getattr(flow_options({word: value}), word)
        except FlowError as error:
            problems.append(Problem(RUN, word, str(error)))
    if state.out and (not state.out.isidentifier() or keyword.iskeyword(state.out)):
        message = f"--out takes the name of a variable, not {state.out!r}."
        problems.append(Problem(RUN, "out", message))
    return options, problems


def _of_model(state: Written, nodes: Mapping[int, Said]) -> Iterator[Problem]:
    """That there is no model for the prompts that name none: said once, not of each prompt."""
    needy = any(
        branch.kind == "prompt" and "model" not in branch.said
        for branch in state.branches
        if branch.id in nodes
    )
    if needy and "model" not in state.options:
        try:
            default_model()
        except ModelError as error:
            yield Problem(RUN, "model", str(error))


def _of_values(values: Mapping[str, str]) -> Iterator[Problem]:
    for name, value in values.items():
        if value.splitlines() != [value]:
            yield Problem(VALUE, name, f"the value of {name!r} has more than one line.")


def _line(values: Mapping[str, str], options: Mapping[str, Any], out: str) -> MagicLine:
    places = {name: Place(1, 1, name) for name in values}
    if "model" in options:
        shown = options["model"] if isinstance(options["model"], str) else "model"
        places["--model"] = Place(1, 1, shown)
    return MagicLine(out=out or None, values=values, options=options, places=places)


def _draft(number: int, branch: Branch, nodes: Mapping[int, Said]) -> Draft:
    node = nodes.get(branch.id)
    return Moved(node.draft, number) if node else StandIn(branch.name, number, _read_by(branch))


def _read_by(branch: Branch) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_holes(branch)))


@dataclass(frozen=True, slots=True)
class Moved:
    """A draft whose places tell which branch they are in; its code isn't run."""

    draft: Draft
    number: int

    @property
    def name(self) -> str:
        """Its name."""
        return self.draft.name

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self._moved(self.draft.place)

    @property
    def reads(self) -> Mapping[str, Place]:
        """What it reads."""
        return {name: self._moved(place) for name, place in self.draft.reads.items()}

    @property
    def required(self) -> Mapping[str, Place]:
        """What of it must be there."""
        return {name: self._moved(place) for name, place in self.draft.required.items()}

    @property
    def options(self) -> Mapping[str, Place]:
        """Where its options stand."""
        return {word: self._moved(place) for word, place in self.draft.options.items()}

    def step(self, namespace: dict[str, Any]) -> Step:
        """The node; of code, what can be known without running it."""
        plain = self.draft.draft if isinstance(self.draft, Optioned) else self.draft
        try:
            if isinstance(plain, Section):
                return self.draft.step(namespace)
        except CellError as error:
            moved = self._moved(Place(error.line, error.column, error.text))
            raise moved.error(error.problem) from None
        required = tuple(self.draft.required)
        optional = tuple(name for name in self.draft.reads if name not in required)
        return Step(self.name, check_edges, "", inputs=required, optional=optional)

    def _moved(self, place: Place) -> Place:
        return dataclasses.replace(place, line=place.line + self.number * _STRIDE)


@dataclass(frozen=True, slots=True)
class StandIn:
    """What stands for a branch that has a mistake, so that the others can be read."""

    name: str
    number: int
    names: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """Where it stands."""
        place = field_place(NAME, self.name)
        return dataclasses.replace(place, line=place.line + self.number * _STRIDE)

    @property
    def reads(self) -> Mapping[str, Place]:
        """What it reads, as far as can be told."""
        return dict.fromkeys(self.names, self.place)

    @property
    def required(self) -> Mapping[str, Place]:
        """Nothing: what it reads has been complained of."""
        return {}

    @property
    def options(self) -> Mapping[str, Place]:
        """None."""
        return {}

    def step(self, namespace: dict[str, Any]) -> Step:  # noqa: ARG002 - a draft's
        """A node that reads nothing."""
        return Step(self.name, check_edges, "")


def _bound(
    drafts: list[Draft],
    branches: tuple[Branch, ...],
    line: MagicLine,
    namespace: dict[str, Any],
) -> Iterator[Problem]:
    """What the binder finds: a mistake, and then the next with a stand-in for the first."""
    drafts, known = list(drafts), {**namespace, _ANY_MODEL: _any_model}
    options = {**dict.fromkeys(["model"], _ANY_MODEL), **line.options}
    for _ in range(2 * len(drafts) + sum(len(draft.reads) for draft in drafts) + 2):
        error = _first_mistake(drafts, options, known)
        if error is None:
            return
        number, row = _home(error.line)
        here = Place(row, error.column, error.text).error(error.problem)
        name = _unknown_in(error.problem)
        if number == _OF_RUN:
            yield Problem(RUN, "model", error.problem)
            options["model"] = _ANY_MODEL
        elif name is not None:
            known[name] = ""
            yield from _of_unknown(name, here, branches[number])
        else:
            yield _in_branch(branches[number], here)
            reads = (one for one in drafts[number].reads if one != error.text.strip("{}"))
            drafts[number] = StandIn(branches[number].name, number, tuple(reads))


_OF_RUN = 1_000
"""The number of what belongs to no branch."""
_ANY_MODEL = "nbflow_any_model"


def _any_model(prompt: str) -> str:
    """What stands for a model that isn't there."""
    return prompt


def _first_mistake(
    drafts: list[Draft], options: Mapping[str, Any], namespace: dict[str, Any]
) -> CellError | None:
    if not drafts:
        return None
    places = {"--model": Place(_OF_RUN * _STRIDE, 1, str(options["model"]))}
    line = MagicLine(options=options, places=places)
    try:
        check_edges(tuple(drafts))
        Cell(line, "sections", None, tuple(drafts), Place(1, 1, _MAGIC)).bind(namespace)
    except CellError as error:
        return error
    return None


def _of_unknown(name: str, error: CellError, branch: Branch) -> Iterator[Problem]:
    """At the input that has no value; where it looks like a slip, at the text too."""
    message = error.problem.partition(" To give it a value:")[0]
    yield Problem(VALUE, name, message)
    if "Did you mean" in message:
        yield _in_branch(branch, Place(error.line, error.column, error.text).error(message))


def _unknown_in(problem: str) -> str | None:
    match = re.match(r"unknown name '([^']*)': no node of this cell", problem)
    return match[1] if match else None


def _home(line: int) -> tuple[int, int]:
    """The branch that a line is in, and the line in it."""
    number, row = divmod(line + len(FIELDS), _STRIDE)
    return number, row - len(FIELDS)


def _topology(drafts: list[Draft]) -> Topology | None:
    if not drafts:
        return None
    try:
        return Topology(
            Node(draft.name, check_edges, tuple(draft.reads), kind=_kind(draft)) for draft in drafts
        )
    except (CycleFound, FlowError):
        return None


def _kind(draft: Draft) -> str:
    plain: Any = draft.draft if isinstance(draft, Moved) else draft
    if isinstance(plain, Optioned):
        plain = plain.draft
    if not isinstance(plain, Section):
        return "python"
    return "template" if plain.words.get("template") else "prompt"
