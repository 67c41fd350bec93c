"""The text of a `%%fanout` cell: what it says, and the flow it becomes.

Ties the magic's line to one of the three forms a body can have, and names to what they stand for.
Knows places and namespaces; knows nothing of IPython. Every mistake is a `CellError`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any, Literal

from nbflow.errors import CellError, FlowError, ModelError, nearest
from nbflow.models import default_model
from nbflow.writing.draft import Draft, check_edges
from nbflow.writing.flow import Flow
from nbflow.writing.line import VOTE_OPTIONS, MagicLine, hint_for, read_line
from nbflow.writing.options import SideBySide
from nbflow.writing.place import Place
from nbflow.writing.python import is_python, read_python
from nbflow.writing.sections import body_lines, has_header, read_prompt, read_sections, read_short
from nbflow.writing.step import Step
from nbflow.writing.variables import check_model, is_variable, no_text, specs_of, suggested

Form = Literal["sections", "short", "python", "prompt"]

SAMPLES = 5
"""How many samples `%%vote` takes if its line doesn't say."""

FORMS = (
    "A cell has headers such as [joke] with a prompt under each; or every line is 'joke: prompt'; "
    "or it is Python that begins with def, async def, @, import or from."
)
"""The three forms of a cell's body, for people."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A flow of a cell with everything it reads: `flow.prepare(inputs, hidden=hidden)`.

    Args:
        flow: The flow, with the options of the magic's line.
        inputs: What it is given, by name.
        hidden: Inputs that come from the notebook's variables: no view may show their values.
    """

    flow: Flow
    inputs: dict[str, Any]
    hidden: frozenset[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell says, before the notebook's variables are known.

    Args:
        line: The magic's line.
        form: How the body is written.
        statements: In the Python form what isn't a function, to be run in the notebook's namespace
            before `bind`; its code may be that of a coroutine.
        drafts: The nodes.
        magic: The magic's name, with its percent signs, where it stands.
    """

    line: MagicLine
    form: Form
    statements: CodeType | None
    drafts: tuple[Draft, ...]
    magic: Place

    def bind(self, namespace: dict[str, Any]) -> Bound:
        r"""The cell's flow, and the value of every name it reads.

        A name is a node of this cell, else a value on the magic's line, else (a parameter with a
        default) that default, else a notebook variable. The Python form defines its functions in
        the namespace, as a normal cell would.

        Raises:
            CellError: a name stands for nothing, a value is read by nothing, a model isn't one.

        Example:
            >>> cell = parse("topic=cats", "[joke] template\nA joke about {topic}")
            >>> cell.bind({}).inputs
            {'topic': 'cats'}
        """
        steps = [draft.step(namespace) for draft in self.drafts]
        names = {draft.name for draft in self.drafts}
        near = names | set(self.line.values)
        steps = [
            dataclasses.replace(step, optional=tuple(n for n in step.optional if n in near))
            for step in steps
        ]
        inputs, hidden = self._inputs(steps, names, namespace)
        self._check_values(steps, names)
        options = self._options(namespace)
        self._check_models(steps, "model" in options)
        self._check_waits(steps, names)
        try:
            flow = Flow(*steps, name=self.line.out or "").options(**options)
        except FlowError as error:
            raise self.magic.error(str(error)) from None
        return Bound(flow, inputs, hidden)

    def check_names(self, namespace: Mapping[str, Any]) -> None:
        """Refuse a name that nothing can stand for, before the cell's statements run.

        Without statements this says nothing that `bind` doesn't say.

        Raises:
            CellError: a name that neither the cell, its statements nor the namespace has.
        """
        if self.statements is None or _NAMES_UNSEEN & {*self.statements.co_names}:
            return
        if ("*",) in self.statements.co_consts:  # from module import *
            return
        names = {draft.name for draft in self.drafts}
        there = {*names, *self.line.values, *self.statements.co_names}
        for draft in self.drafts:
            for name, place in draft.required.items():
                if name not in there and not is_variable(name, namespace):
                    raise place.error(self._unknown(name, names - {draft.name}, namespace))

    def _inputs(
        self, steps: list[Step], names: set[str], namespace: Mapping[str, Any]
    ) -> tuple[dict[str, Any], frozenset[str]]:
        inputs: dict[str, Any] = {}
        hidden = set()
        for draft, step in zip(self.drafts, steps, strict=True):
            for name in (*step.inputs, *step.optional):
                if name in names:
                    continue
                place = draft.reads.get(name, draft.place)
                if name in self.line.values:
                    inputs[name] = self.line.values[name]
                elif is_variable(name, namespace):
                    inputs[name] = _checked(name, step, place, namespace)
                    hidden.add(name)
                else:
                    raise place.error(self._unknown(name, names - {draft.name}, namespace))
        return inputs, frozenset(hidden)

    def _unknown(self, name: str, names: set[str], namespace: Mapping[str, Any]) -> str:
        near = [*names, *self.line.values]
        close = difflib.get_close_matches(name, [*near, *suggested(namespace)], n=1)
        guess = f" {nearest(name, close or near)}".rstrip()
        return (
            f"unknown name {name!r}: no node of this cell, no value on its first line and no "
            f"variable of the notebook is called so.{guess} "
            f"To give it a value: {self.magic.text} {name}=..."
        )

    def _check_values(self, steps: list[Step], names: set[str]) -> None:
        read = {name for step in steps for name in (*step.inputs, *step.optional)}
        for name in self.line.values:
            place = self.line.places[name]
            if name in names:
                raise place.error(
                    f"{name!r} is a node of this cell, and a node goes before a value; rename one."
                )
            if name not in read:
                hint = hint_for(name) or nearest(name, read - names)
                raise place.error(f"nothing in this cell reads {name!r}. {hint}".rstrip())

    def _options(self, namespace: Mapping[str, Any]) -> dict[str, Any]:
        options = dict(self.line.options)
        if "model" in options:
            place = self.line.places["--model"]
            options["model"] = specs_of(options["model"], place, namespace)
        return options

    def _check_models(self, steps: list[Step], have_model: bool) -> None:
        for draft, step in zip(self.drafts, steps, strict=True):
            if step.kind != "prompt":
                continue
            spec = step.options.model
            if spec is not None:
                place = draft.options.get("model", draft.place)
                for one in spec.values() if isinstance(spec, SideBySide) else [spec]:
                    check_model(one, place)
            elif not have_model:
                try:
                    default_model()
                except ModelError as error:
                    raise draft.place.error(str(error)) from error

    def _check_waits(self, steps: list[Step], names: set[str]) -> None:
        for draft, step in zip(self.drafts, steps, strict=True):
            there = len(names.intersection((*step.inputs, *step.optional)))
            if step.options.wait is not None and step.options.wait > there:
                raise draft.options.get("wait", draft.place).error(
                    f"{step.name!r} waits for {step.options.wait} of its inputs, but {there} of "
                    "them are nodes of this cell."
                )


_NAMES_UNSEEN = frozenset({"exec", "eval", "get_ipython", "globals", "vars", "locals"})
"""What can define variables that a cell's code doesn't name."""


def _checked(name: str, step: Step, place: Place, namespace: Mapping[str, Any]) -> Any:
    value = namespace[name]
    iterated = (step.options.each or {}).values()
    if name in iterated:
        if isinstance(value, Iterable | AsyncIterable):
            return value
        raise place.error(
            f"{name!r} is of type {type(value).__name__} here, which has no elements to go through."
        )
    if step.kind != "python" and (what := no_text(value)):
        raise place.error(
            f"{name!r} is {what} here, not text, so it can't be filled into a prompt."
        )
    return value


def parse(
    line: str,
    body: str,
    *,
    magic: str = "fanout",
    transform: Callable[[str], str] | None = None,
) -> Cell:
    r"""What a cell says. Nothing of it runs, and no variable is read.

    Args:
        line: What stands behind the magic's name.
        body: The lines below.
        magic: The magic's name.
        transform: Makes Python of IPython's own syntax (`%magic`, `!command`) in the Python form.

    Raises:
        CellError: the first mistake, with its place.

    Example:
        >>> cell = parse("-j 2", "joke: About {topic}\npoem: About {joke}")
        >>> cell.form, [draft.name for draft in cell.drafts]
        ('short', ['joke', 'poem'])
    """
    name = Place(1, 1, f"%%{magic}")
    is_vote = magic == "vote"
    said = read_line(Place(1, len(name.text) + 2, line), VOTE_OPTIONS if is_vote else ())
    if said.help:
        return Cell(said, "sections", None, (), name)
    lines = list(body_lines(body.replace("\r\n", "\n").replace("\r", "\n")))
    drafts: tuple[Draft, ...] | None
    statements = None
    form: Form = "sections"
    if is_vote:
        form = "prompt"
        drafts = (read_prompt(lines, name, {"votes": SAMPLES, **said.node}, said.places),)
    elif is_python(lines):
        form = "python"
        drafts, statements = read_python(f"{name.text} {line}".rstrip(), lines, transform)
    elif has_header(lines):
        drafts = read_sections(lines)
    else:
        form = "short"
        drafts = read_short(lines)
    if not drafts:
        raise _formless(lines, name)
    check_edges(drafts)
    return Cell(said, form, statements, drafts, name)


def _formless(lines: list[Place], magic: Place) -> CellError:
    for line in lines:
        if line.text.strip():
            return line.stripped().error(f"this is none of the three forms of a cell. {FORMS}")
    return magic.error(f"the cell is empty. {FORMS}")
