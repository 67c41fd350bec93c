"""What is wrong with a flow that is being written, and where: for each field the first mistake.

Lets the parser and the binder of `%%fanout` cells find the mistakes, so their words are the
magic's, and goes on after each with a stand-in for what was wrong. Runs no code of any branch.
"""

from __future__ import annotations

import itertools
import keyword
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbflow.core.topology import Node as GraphNode
from nbflow.core.topology import Topology
from nbflow.errors import CellError, FlowError, ModelError
from nbflow.models import default_model
from nbflow.notebook.branch import Branch
from nbflow.notebook.branch_node import Node, node_of
from nbflow.notebook.branch_place import (
    NAME,
    TEXT,
    branch_at,
    field_at,
    field_place,
    in_branch,
    place_of,
)
from nbflow.notebook.builder_state import State
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

_MAGIC = Place(1, 1, "%%fanout")


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
        problems: What is wrong, each with the field it belongs to; of a branch one at a time.
        reads: What each branch reads, in their order.
        inputs: What is read and is no branch.
        missing: Those of them that have no value and are no variable.
        topology: The graph, as far as it can be read; None of nothing and of a circle.
        line: The options and values of the run.
    """

    problems: tuple[Problem, ...]
    reads: tuple[tuple[str, ...], ...]
    inputs: tuple[str, ...]
    missing: tuple[str, ...]
    topology: Topology | None
    line: MagicLine

    def readable(self, names: Sequence[str], reader: str) -> list[str]:
        """Those of all branches that one of them can read without a circle.

        Args:
            names: The names of all, in their order.
            reader: The one.
        """
        below, count = {reader}, 0
        while len(below) > count:
            count = len(below)
            reads = zip(names, self.reads, strict=True)
            below |= {name for name, read in reads if below.intersection(read)}
        return [name for name in names if name not in below]

    def unread(self, names: Iterable[str]) -> list[str]:
        """Those of all branches that no other reads."""
        read = set(itertools.chain(*self.reads))
        return [name for name in names if name not in read]

    def cell(self, nodes: Iterable[Node]) -> Cell:
        """The whole with its nodes, as the parser would say it of a cell."""
        return Cell(self.line, "sections", None, tuple(node.draft for node in nodes), _MAGIC)


def read_through(
    state: State,
    namespace: Mapping[str, Any],
    transform: Callable[[str], str] | None = None,
) -> Reading:
    """Read a state as the magic would read its cell."""
    proofs, problems = _proofs(state.branches, transform)
    reads = tuple(tuple(proof.reads) for proof in proofs)
    names = {branch.name for branch in state.branches}
    inputs = tuple(name for name in dict.fromkeys(itertools.chain(*reads)) if name not in names)
    options, found = _options(state)
    problems += found
    problems += _of_model(state, proofs)
    given = {name: value for name, value in state.values.items() if value}
    values = {name: given[name] for name in inputs if name in given}
    problems += _of_values(values)
    line = _line(values, options, state.out)
    problems += _bound(proofs, state.branches, line, {**namespace, **given})
    missing = tuple(one.field for one in problems if one.owner == VALUE and one.field in inputs)
    topology = _topology(proofs, state.branches)
    return Reading(tuple(problems), reads, inputs, missing, topology, line)


def _proofs(
    branches: tuple[Branch, ...], transform: Callable[[str], str] | None
) -> tuple[list[Proof], list[Problem]]:
    """What each branch says, and what is wrong within it."""
    problems: list[Problem] = []
    proofs = []
    for number, branch in enumerate(branches):
        problems += _of_name(branch, branches)
        try:
            node = node_of(branch, transform)
        except CellError as error:
            problems.append(_of_branch(branch, place_of(error), error.problem))
            proofs.append(_stand_in(number, branch.name, _holes(branch)))
        else:
            node.forget()
            proofs.append(_proof(number, node.draft))
    return proofs, problems


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


def _of_branch(branch: Branch, place: Place, message: str) -> Problem:
    """A mistake in a branch, at the field of its place."""
    if place.line < 0:
        field = field_at(place.line)
        is_empty = field == NAME and message.startswith("the prompt of")
        return Problem(branch.id, TEXT if is_empty else field, message)
    line = place.line - 1 if branch.kind == "python" else place.line
    at = f"at {place.text!r}: " if place.text else ""
    mark = (line, place.column, max(1, len(place.text)))
    return Problem(branch.id, TEXT, f"{at}{message}", mark)


def _holes(branch: Branch) -> list[str]:
    """What a branch that says nothing yet would read."""
    if branch.kind == "python":
        return []
    elements = dict(branch.elements)
    return [elements.get(hole.name, hole.name) for hole in placeholders(branch.text)]


def _options(state: State) -> tuple[dict[str, Any], list[Problem]]:
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


def _of_model(state: State, proofs: Iterable[Proof]) -> Iterator[Problem]:
    """That there is no model for the prompts that name none: said once, not of each prompt."""
    needy = any(
        branch.kind == "prompt" and "model" not in branch.said and proof.draft is not None
        for branch, proof in zip(state.branches, proofs, strict=True)
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


@dataclass(frozen=True, slots=True)
class Proof:
    """A branch's node as far as it can be read without running code; or a stand-in for one.

    Args:
        number: Which branch it is, from 0; its places are in that branch.
        name: Its name.
        place: Where it stands.
        reads: What it reads.
        required: What of it must be there; of a stand-in nothing, for that has been complained of.
        options: Where its options stand.
        draft: What the branch says; None of a stand-in.
    """

    number: int
    name: str
    place: Place
    reads: Mapping[str, Place]
    required: Mapping[str, Place] = field(default_factory=dict)
    options: Mapping[str, Place] = field(default_factory=dict)
    draft: Draft | None = None

    def step(self, namespace: dict[str, Any]) -> Step:
        """The node; of code, what can be known without running it."""
        if not isinstance(self.draft, Section):
            required = tuple(self.required)
            optional = tuple(name for name in self.reads if name not in required)
            return Step(self.name, check_edges, "", inputs=required, optional=optional)
        try:
            return self.draft.step(namespace)
        except CellError as error:
            raise in_branch(self.number, place_of(error)).error(error.problem) from None


def _proof(number: int, draft: Draft) -> Proof:
    def moved(places: Mapping[str, Place]) -> dict[str, Place]:
        return {name: in_branch(number, place) for name, place in places.items()}

    return Proof(
        number,
        draft.name,
        in_branch(number, draft.place),
        moved(draft.reads),
        moved(draft.required),
        moved(draft.options),
        draft,
    )


def _stand_in(number: int, name: str, reads: Iterable[str]) -> Proof:
    """What stands for a branch that has a mistake, so that the others can be read."""
    place = in_branch(number, field_place(NAME, name))
    return Proof(number, name, place, dict.fromkeys(reads, place))


def _bound(
    proofs: Iterable[Proof],
    branches: tuple[Branch, ...],
    line: MagicLine,
    namespace: Mapping[str, Any],
) -> Iterator[Problem]:
    """What the binder finds: a mistake, and then the next with a stand-in for the first."""
    proofs, known = list(proofs), {**namespace, _ANY_MODEL: _any_model}
    options = {"model": _ANY_MODEL, **line.options}
    for _ in range(2 * len(proofs) + sum(len(proof.reads) for proof in proofs) + 2):
        error = _first_mistake(proofs, options, known)
        if error is None:
            return
        number, place = branch_at(place_of(error))
        name = _unknown_in(error.problem)
        if number == _OF_RUN:
            yield Problem(RUN, "model", error.problem)
            options["model"] = _ANY_MODEL
        elif name is not None:
            known[name] = ""
            yield from _of_unknown(name, branches[number], place, error.problem)
        else:
            yield _of_branch(branches[number], place, error.problem)
            reads = [one for one in proofs[number].reads if one != place.text.strip("{}")]
            proofs[number] = _stand_in(number, branches[number].name, reads)


_OF_RUN = -1
"""The number of what belongs to no branch."""
_ANY_MODEL = "nbflow_any_model"


def _any_model(prompt: str) -> str:
    """What stands for a model that isn't there."""
    return prompt


def _first_mistake(
    proofs: Sequence[Proof], options: Mapping[str, Any], namespace: dict[str, Any]
) -> CellError | None:
    if not proofs:
        return None
    places = {"--model": in_branch(_OF_RUN, Place(1, 1, str(options["model"])))}
    line = MagicLine(options=options, places=places)
    try:
        check_edges(tuple(proofs))
        Cell(line, "sections", None, tuple(proofs), _MAGIC).bind(namespace)
    except CellError as error:
        return error
    return None


def _of_unknown(name: str, branch: Branch, place: Place, problem: str) -> Iterator[Problem]:
    """At the input that has no value; where it looks like a slip, at the text too."""
    message = problem.partition(" To give it a value:")[0]
    yield Problem(VALUE, name, message)
    if "Did you mean" in message:
        yield _of_branch(branch, place, message)


def _unknown_in(problem: str) -> str | None:
    match = re.match(r"unknown name '([^']*)': no node of this cell", problem)
    return match[1] if match else None


def _topology(proofs: Iterable[Proof], branches: tuple[Branch, ...]) -> Topology | None:
    if not branches:
        return None
    try:
        return Topology(
            GraphNode(branch.name, check_edges, tuple(proof.reads), kind=branch.kind)
            for proof, branch in zip(proofs, branches, strict=True)
        )
    except FlowError:
        return None
