"""A flow that is being written: its branches, values and options, with undo.

The builder shows it, `%%branch` cells write into it, and whoever watches it hears of every change.
Says of each field what is wrong with it, in the words of the magic. Plain Python: no widgets.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

from nbflow.errors import FlowError
from nbflow.notebook.branch import Branch, Kind
from nbflow.notebook.branch_node import Node, node_of, reshaped
from nbflow.notebook.branch_place import EACH, TEXT
from nbflow.notebook.builder_state import (
    State,
    cell_of_state,
    draft_of_state,
    state_of_cell,
    state_of_flow,
)
from nbflow.notebook.naming import free_name
from nbflow.notebook.proofreading import RUN, VALUE, Reading, read_through
from nbflow.writing.flow import Flow, shown_values
from nbflow.writing.words import typed_words

PAUSE_SECONDS = 1.0
"""Typing that goes on after a longer pause is a step of its own to undo."""
UNDO_MOST = 200

EXAMPLE = """\
%%fanout topic=cats
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
"""A flow to begin with."""


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
        >>> model.read().inputs, model.read().missing
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
        self._ids = itertools.count(1)
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
        free = free_name(name or f"branch_{len(self.branches) + 1}", self.names())
        branch = Branch(next(self._ids), free, kind, text, typed_words(words))
        self._change(branches=(*self.branches, branch))
        return branch

    def add_join(self) -> Branch:
        """Add a template that puts together what no other branch reads."""
        names = self.read().unread(self.names())
        text = "\n\n".join(f"{{{name}}}" for name in names)
        return self.add("combined", "template", text=text)

    def put(self, branch: Branch) -> Branch:
        """A branch in the place of the one of its name, or else at the end."""
        there = [one for one in self.branches if one.name == branch.name]
        placed = dataclasses.replace(branch, id=there[0].id if there else next(self._ids))
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
        words = _with(branch.words, word, value)
        self._replace(dataclasses.replace(branch, words=words), typing=(branch.id, word))

    def set_elements(self, which: int | str, element: str, source: str) -> None:
        """Change what a branch iterates first, and what it calls an element."""
        branch = self.branch(which)
        pair = ((element.strip(), source.strip()),)
        changed = dataclasses.replace(branch, elements=(*pair, *branch.elements[1:]))
        self._replace(changed, typing=(branch.id, EACH))

    def reshape(self, which: int | str, shape: str) -> None:
        """Make a branch another kind: `prompt`, `template`, `python`, `vote` or `each`.

        What it was before stays as far as the new kind has a use for it.
        """
        branch = self.branch(which)
        if shape != branch.shape:
            self._replace(reshaped(branch, shape))

    def move(self, which: int | str, by: int) -> None:
        """Move a branch down, or with a negative number up."""
        branch = self.branch(which)
        others = [one for one in self.branches if one.id != branch.id]
        at = max(0, min(self.branches.index(branch) + by, len(others)))
        self._change(branches=(*others[:at], branch, *others[at:]))

    def duplicate(self, which: int | str) -> Branch:
        """Add a copy of a branch below it, by a name that is free."""
        branch = self.branch(which)
        name = free_name(branch.name, self.names())
        copy = dataclasses.replace(branch.called(name), id=next(self._ids))
        at = self.branches.index(branch) + 1
        self._change(branches=(*self.branches[:at], copy, *self.branches[at:]))
        return copy

    def remove(self, which: int | str) -> None:
        """Take a branch out; who reads it reads an input of that name from now on."""
        branch = self.branch(which)
        self._change(branches=tuple(one for one in self.branches if one.id != branch.id))

    def set_value(self, name: str, value: str) -> None:
        """Give an input a value; an empty text takes it away."""
        self._change(typing=(VALUE, name), values=_with(self._state.values, name, value))

    def set_run_option(self, word: str, value: Any) -> None:
        """Change an option of the run; `out` is the variable that gets it."""
        if word == "out":
            self._change(typing=(RUN, word), out=value.strip())
        else:
            options = _with(self._state.options, word, value)
            self._change(typing=(RUN, word), options=options)

    def clear(self) -> None:
        """Begin again with nothing."""
        self._change(branches=(), values={}, options={}, out="")

    def load(self, flow: Flow | str) -> None:
        """Begin again with a flow, or with the text of a `%%fanout` cell.

        Raises:
            FlowError: it can't be written on.
        """
        if isinstance(flow, str):
            self._set(state_of_cell(flow, self._ids, self._transform))
        else:
            self._set(state_of_flow(flow, self._ids, self._namespace()))

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

    def read(self) -> Reading:
        """What there is to say of it now; the notebook's variables come and go."""
        return read_through(self._state, self._namespace(), self._transform)

    def nodes(self) -> list[Node]:
        """What each branch says, to be run.

        Raises:
            CellError: the first mistake.
        """
        return [node_of(branch, self._transform) for branch in self.branches]

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
        return cell_of_state(self._state, self.read().line.values, self._namespace())

    def saved_text(self) -> str:
        r"""The cell, or what comes near to one while something is wrong; no value like a key.

        Example:
            >>> BuilderModel("%%fanout api_key=k-1\njoke: With {api_key}").saved_text()
            '%%fanout\n[joke]\nWith {api_key}'
        """
        values = self.read().line.values
        safe = {name: value for name, value in values.items() if shown_values({name: value})[name]}
        try:
            return cell_of_state(self._state, safe, self._namespace())
        except FlowError:
            return draft_of_state(self._state, safe)

    # Inside

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


def _with(words: Mapping[str, Any], word: str, value: Any) -> dict[str, Any]:
    """The words with another value of one; without it, if that is empty."""
    changed = {**words, word: value}
    if value in ("", None):
        del changed[word]
    return changed
