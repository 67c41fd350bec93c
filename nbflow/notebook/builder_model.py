"""A flow that is being written: its branches, values and options, with undo.

The builder shows it, `%%branch` cells write into it, and whoever watches it hears of every change.
Says of each field what is wrong with it, in the words of the magic. Plain Python: no widgets.
"""

from __future__ import annotations

import dataclasses
import keyword
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbflow.core.topology import Topology
from nbflow.errors import CellError, FlowError
from nbflow.notebook.branch import (
    TEXT,
    Branch,
    Kind,
    branch_of,
    branch_of_step,
    code_of,
    forget_node,
    node_of,
    typed_words,
)
from nbflow.notebook.proofreading import Problem, Reading, read_through
from nbflow.writing.cell import Cell, parse
from nbflow.writing.cell_text import check_names, functions_together, line_text, section_text
from nbflow.writing.flow import Flow
from nbflow.writing.options import FlowOptions, flow_options
from nbflow.writing.words import unexpanded, written_words

PAUSE_SECONDS = 1.0
"""Typing that goes on after a longer pause is a step of its own to undo."""
UNDO_MOST = 200

EXAMPLE = """\
[joke]
Write a joke about {topic}

[story]
Write a short story about {topic}

[poem]
Write a poem about {topic}

[combined] template
Here are a story, a joke and a poem about {topic}.

{story}

{joke}

{poem}"""


@dataclass(frozen=True, slots=True)
class State:
    """All that there is to undo.

    Args:
        branches: In their order.
        values: What was typed for each input, by its name.
        options: Options of the run as they were typed, or objects that have no text.
        out: The variable that gets the run.
    """

    branches: tuple[Branch, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    out: str = ""


class BuilderModel:
    """A flow that is being written.

    Args:
        flow: What to begin with: a flow, or the text of a `%%fanout` cell.
        namespace: Makes the notebook's variables.
        clock: Seconds, to tell what was typed in one go.

    Raises:
        FlowError: the flow, or the cell, can't be written on.

    Example:
        >>> model = BuilderModel()
        >>> joke = model.add("joke", text="A joke about {topic}")
        >>> model.inputs, model.missing
        (('topic',), ('topic',))
    """

    def __init__(
        self,
        flow: Flow | str | None = None,
        *,
        namespace: Callable[[], Mapping[str, Any]] = dict,
        transform: Callable[[str], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._namespace = namespace
        self._transform = transform
        self._clock = clock
        self._state = State()
        self._undo: list[State] = []
        self._redo: list[State] = []
        self._typing: tuple[object, float] = (None, 0.0)
        self._last_id = 0
        self._watchers: list[Callable[[], None]] = []
        if flow is not None:
            self.load(flow)
            self._undo.clear()

    # What there is

    @property
    def state(self) -> State:
        """All of it, as one value."""
        return self._state

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches in their order."""
        return self._state.branches

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names that branches read and that are none of them, in the order of their use."""
        return self._read().inputs

    @property
    def missing(self) -> tuple[str, ...]:
        """Those of them that have no value yet, and are no variable of the notebook."""
        return self._read().missing

    def branch(self, which: int | str) -> Branch:
        """A branch by its id or its name.

        Raises:
            FlowError: there is none.
        """
        for one in self.branches:
            if which in (one.id, one.name):
                return one
        raise FlowError(f"there is no branch {which!r} here.")

    def names(self) -> list[str]:
        """The names of the branches."""
        return [branch.name for branch in self.branches]

    # Changing it

    def add(self, name: str = "", kind: Kind = "prompt", *, text: str = "", **words: Any) -> Branch:
        """Add a branch at the end.

        Args:
            name: Its name; without one, one that is free.
            kind: What it is.
            text: Its prompt, template or code.
            **words: Its options.
        """
        wanted = name or f"branch_{len(self.branches) + 1}"
        branch = Branch(self._next_id(), self._free(wanted), kind, text, typed_words(words))
        self._change(branches=(*self.branches, branch))
        return branch

    def put(self, branch: Branch) -> Branch:
        """A branch in the place of the one of its name, or else at the end."""
        there = [one for one in self.branches if one.name == branch.name]
        placed = dataclasses.replace(branch, id=there[0].id if there else self._next_id())
        if there:
            self._replace(placed)
        else:
            self._change(branches=(*self.branches, placed))
        return placed

    def rename(self, which: int | str, name: str) -> None:
        """Give a branch another name; the others go on reading it.

        A name that can't be one, or that another branch has, is kept only in its field.
        """
        branch, name = self.branch(which), name.strip()
        others = {one.name for one in self.branches if one.id != branch.id}
        if name == branch.name:
            self._replace(dataclasses.replace(branch, typed_name=""))
        elif not name.isidentifier() or name in others:
            self._replace(dataclasses.replace(branch, typed_name=name or " "))
        else:
            self._change(
                branches=tuple(
                    one.called(name) if one.id == branch.id else one.renamed(branch.name, name)
                    for one in self.branches
                )
            )

    def write(self, which: int | str, text: str) -> None:
        """Change a branch's text."""
        branch = self.branch(which)
        self._replace(dataclasses.replace(branch, text=text), typing=(branch.id, TEXT))

    def set_option(self, which: int | str, word: str, value: Any) -> None:
        """Change one option of a branch; an empty text takes it away."""
        branch = self.branch(which)
        words = {**branch.words, word: value}
        if value in ("", None):
            del words[word]
        self._replace(dataclasses.replace(branch, words=words), typing=(branch.id, word))

    def set_elements(self, which: int | str, element: str, source: str) -> None:
        """Change what a branch iterates first, and what it calls an element."""
        branch = self.branch(which)
        pair = ((element.strip(), source.strip()),)
        changed = dataclasses.replace(branch, elements=(*pair, *branch.elements[1:]))
        self._replace(changed, typing=(branch.id, "each"))

    def reshape(self, which: int | str, shape: str) -> None:
        """Make a branch another kind: `prompt`, `template`, `python`, `vote` or `each`.

        What it was before stays as far as the new kind has a use for it.
        """
        branch = self.branch(which)
        if shape == branch.shape:
            return
        words = {word: value for word, value in branch.words.items() if word != "votes"}
        kind: Kind = "prompt"
        elements: tuple[tuple[str, str], ...] = ()
        text = branch.text
        match shape:
            case "template":
                kind = "template"
            case "python":
                kind = "python"
            case "vote":
                words["votes"] = "5"
            case "each":
                elements = branch.elements or (("item", "items"),)
                if not branch.elements and not text.strip():
                    text = "Write about {item}"
            case _:
                pass
        if kind == "python" and branch.kind != "python":
            text = self._as_code(branch)
        elif branch.kind == "python" and kind != "python":
            text = _as_prompt(branch)
        self._replace(
            dataclasses.replace(branch, kind=kind, words=words, elements=elements, text=text)
        )

    def _as_code(self, branch: Branch) -> str:
        plain = dataclasses.replace(branch, words={}, elements=())
        try:
            return code_of(plain, {})[1] if branch.text.strip() else _SKETCH.format(branch.name)
        except FlowError:
            return _SKETCH.format(branch.name)

    def move(self, which: int | str, by: int) -> None:
        """Move a branch down, or with a negative number up."""
        branch = self.branch(which)
        others = [one for one in self.branches if one.id != branch.id]
        at = max(0, min(self.branches.index(branch) + by, len(others)))
        self._change(branches=(*others[:at], branch, *others[at:]))

    def duplicate(self, which: int | str) -> Branch:
        """Add a copy of a branch below it, by a name that is free."""
        branch = self.branch(which)
        copy = dataclasses.replace(branch.called(self._free(branch.name)), id=self._next_id())
        at = self.branches.index(branch) + 1
        self._change(branches=(*self.branches[:at], copy, *self.branches[at:]))
        return copy

    def remove(self, which: int | str) -> None:
        """Take a branch out; who reads it reads an input of that name from now on."""
        branch = self.branch(which)
        self._change(branches=tuple(one for one in self.branches if one.id != branch.id))

    def set_value(self, name: str, value: str) -> None:
        """Give an input a value; an empty text takes it away."""
        values = {**self._state.values, name: value}
        if not value:
            del values[name]
        self._change(typing=("value", name), values=values)

    def set_run_option(self, word: str, value: Any) -> None:
        """Change an option of the run; `out` is the variable that gets it."""
        if word == "out":
            self._change(typing=("run", word), out=value.strip())
            return
        options = {**self._state.options, word: value}
        if value in ("", None):
            del options[word]
        self._change(typing=("run", word), options=options)

    def clear(self) -> None:
        """Begin again with nothing."""
        self._change(branches=(), values={}, options={}, out="")

    def load(self, flow: Flow | str) -> None:
        """Begin again with a flow, or with the text of a `%%fanout` cell.

        Raises:
            FlowError: it can't be written on.
        """
        state = self._of_cell(flow) if isinstance(flow, str) else self._of_flow(flow)
        self._set(state)

    def undo(self) -> bool:
        """Go one step back, if there is one."""
        return self._step(self._undo, self._redo)

    def redo(self) -> bool:
        """Go one step forth again, if there is one."""
        return self._step(self._redo, self._undo)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to go back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to go forth."""
        return bool(self._redo)

    def watch(self, hear: Callable[[], None]) -> Callable[[], None]:
        """Call `hear` after each change; what it returns ends that."""
        self._watchers.append(hear)

        def unwatch() -> None:
            if hear in self._watchers:
                self._watchers.remove(hear)

        return unwatch

    # What it says

    def problems(self) -> list[Problem]:
        """What is wrong, each with the field it belongs to; of a branch one at a time."""
        return list(self._read().problems)

    def graph(self) -> Topology | None:
        """The nodes and edges, as far as they can be read; None of nothing and of a circle."""
        return self._read().topology

    def cell(self) -> Cell:
        """What there is, as the parser would say it of a cell: for `bind`.

        Raises:
            CellError: the first mistake.
        """
        return self._read().cell(self.branches)

    def text(self) -> str:
        r"""The equivalent `%%fanout` cell.

        Raises:
            FlowError: something is wrong, or can't be written in a cell.

        Example:
            >>> model = BuilderModel("%%fanout topic=cats\njoke: About {topic}")
            >>> print(model.text())
            %%fanout topic=cats
            [joke]
            About {topic}
        """
        if not self.branches:
            raise FlowError("there is no branch yet, so there is no cell.")
        there = self._namespace()
        options = flow_options(self._state.options) if self._state.options else FlowOptions()
        values = {name: self._state.values[name] for name in self.inputs if self._value(name)}
        line = line_text(options, values, self._state.out, there)
        body = self._body(there)
        check_names(line, body, self.names())
        return f"%%fanout {unexpanded(line)}".rstrip() + f"\n{body}"

    def _value(self, name: str) -> str:
        return self._state.values.get(name, "")

    def _body(self, there: Mapping[str, Any]) -> str:
        is_code = any(one.kind == "python" or "\r" in one.text for one in self.branches)
        if not is_code:
            steps = [node_of(branch).draft.step(dict(there)) for branch in self.branches]
            return "\n\n".join(section_text(step, there) for step in steps)
        parts = [code_of(branch, there) for branch in self.branches]
        others = "\n".join(other for other, _ in parts if other)
        functions = functions_together([function for _, function in parts])
        return f"{others}\n\n\n{functions}" if others else functions

    # Inside

    def _read(self) -> Reading:
        """What there is to say of the state, read once; names come and go, so never for long."""
        return read_through(self._state, self._namespace(), self._transform)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _free(self, wanted: str) -> str:
        names, number = {*self.names()}, 1
        name = wanted
        stem = re.sub(r"_\d+$", "", wanted)
        while name in names:
            number += 1
            name = f"{stem}_{number}"
        return name

    def _replace(self, branch: Branch, typing: object = None) -> None:
        changed = tuple(branch if one.id == branch.id else one for one in self.branches)
        self._change(typing=typing, branches=changed)

    def _change(self, *, typing: object = None, **changes: Any) -> None:
        self._set(dataclasses.replace(self._state, **changes), typing)

    def _set(self, state: State, typing: object = None) -> None:
        if state == self._state:
            return
        last, until = self._typing
        now = self._clock()
        if typing is None or typing != last or now > until:
            self._undo.append(self._state)
            del self._undo[:-UNDO_MOST]
        self._typing = (typing, now + PAUSE_SECONDS)
        self._redo.clear()
        self._state = state
        self._tell()

    def _step(self, source: list[State], target: list[State]) -> bool:
        if not source:
            return False
        target.append(self._state)
        self._state = source.pop()
        self._typing = (None, 0.0)
        self._tell()
        return True

    def _tell(self) -> None:
        for hear in list(self._watchers):
            hear()

    def _of_flow(self, flow: Flow) -> State:
        there = self._namespace()
        branches = tuple(branch_of_step(step, self._next_id(), there) for step in flow.steps)
        options = {word.name: word.value for word in written_words(flow.chosen)}
        is_variable = flow.name.isidentifier() and not keyword.iskeyword(flow.name)
        return State(branches, {}, typed_words(options), flow.name if is_variable else "")

    def _of_cell(self, text: str) -> State:
        head, _, body = text.strip("\n").partition("\n")
        magic, _, line = head.strip().partition(" ")
        if magic != "%%fanout":
            raise FlowError(f"a cell to load begins with %%fanout, not with {magic!r}.")
        cell = parse(line, body, transform=self._transform)
        branches = [branch_of(draft, self._next_id()) for draft in cell.drafts]
        if cell.statements is not None:
            branches = self._with_statements(branches, cell)
        return State(
            tuple(branches),
            dict(cell.line.values),
            typed_words(cell.line.options),
            cell.line.out or "",
        )

    def _with_statements(self, branches: list[Branch], cell: Cell) -> list[Branch]:
        """The branches, with the cell's other statements above the first that is code."""
        source: Any = cell.drafts[0]
        functions = [draft.definition for draft in cell.drafts]  # type: ignore[attr-defined]
        lines = source.source.shown
        taken = {
            number
            for one in functions
            for number in range(
                min([one.lineno, *(d.lineno for d in one.decorator_list)]), one.end_lineno + 1
            )
        }
        others = [
            text for number, text in enumerate(lines, 1) if number > 1 and number not in taken
        ]
        above = re.sub(r"\n{3,}", "\n\n", "\n".join(others)).strip("\n")
        first = next((n for n, one in enumerate(branches) if one.kind == "python"), 0)
        whole = source.source.text_of(functions[first])
        text = f"{above}\n\n{whole}"
        branches[first] = Branch(branches[first].id, branches[first].name, "python", text)
        return branches


_SKETCH = "def {}(topic):\n    return topic.upper()"


def _as_prompt(branch: Branch) -> str:
    """The text of code that is only a prompt; of other code, nothing that a model could read."""
    try:
        node = node_of(branch)
        forget_node(node)
        step = node.draft.step({})
    except (CellError, FlowError):
        return ""
    return step.source if step.function is None else ""


def suggested_name(text: str) -> str:
    """What a prompt could be called: the noun that it asks for.

    Example:
        >>> suggested_name("Write a short story about {topic}"), suggested_name("{a} and {b}")
        ('story', '')
    """
    match = _ASKED.search(text)
    name = match[1].lower() if match else ""
    return name if name.isidentifier() and not keyword.iskeyword(name) else ""


_ASKED = re.compile(
    r"\b(?:an?|one|the)\s+(?:[\w-]+\s+){0,3}?([^\W\d]\w+)\s*(?:\b(?:about|of|for|on|that|in|to|with|"
    r"from|which|who)\b|[.,:;?!{\n]|$)",
    re.IGNORECASE,
)


def example() -> str:
    """The text of a flow to begin with."""
    return f"%%fanout topic=cats\n{EXAMPLE}"
