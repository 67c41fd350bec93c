"""The card of a branch in the builder: its fields, and what is wrong with each.

Shows what was written and tells the model what is typed; decides nothing. Import it only where a
widget is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from nbflow.notebook.branch import Branch
from nbflow.notebook.branch_place import EACH, NAME, TEXT
from nbflow.notebook.builder_fields import (
    Choice,
    Field,
    PromptEditor,
    button,
    put_cursor,
    row,
    text_field,
)
from nbflow.notebook.builder_model import BuilderModel
from nbflow.notebook.builder_options import OPTIONS, Edit, OptionFold, option_field, shown
from nbflow.notebook.naming import suggested_name
from nbflow.notebook.proofreading import Problem

SHAPES = {
    "prompt": "Prompt",
    "template": "Template, no model",
    "vote": "Vote, of several",
    "each": "For each of a list",
    "python": "Python function",
}
"""The kinds of branches as a person sees them."""

UNUSED = {
    "template": {"model", "max_tokens", "temperature", "seed", "votes", "min_agreement"},
    "python": {"model", "max_tokens", "temperature", "seed"},
    "prompt": {"votes", "min_agreement"},
    "vote": {"votes"},
    "each": set[str](),
}
"""The options that a kind has no use for, or a field of its own."""

PROMPT_HINT = (
    "What shall the model be asked? For example: Write a joke about {topic}\n"
    "In {braces} stands an input, or another branch's answer."
)
HINTS = {
    "template": "The text to make, such as: {joke} and {poem}\nNo model is asked.",
    "python": "def name(topic):\n    return ...",
}


class BranchCard(ipywidgets.VBox):  # type: ignore[misc]
    """The card of one branch.

    Args:
        model: What is written.
        number: The branch's id.
        edit: Calls what changes the model, where that may be done.
    """

    def __init__(self, model: BuilderModel, number: int, edit: Edit) -> None:
        self._model = model
        self._id = number
        self._edit = edit
        self._is_new = True
        """Nothing has been written into it, so nobody has to be told that it is empty."""
        self.fields: dict[str, Any] = {}
        super().__init__(self._parts())
        self.add_class("nbflow-card")

    def _parts(self) -> list[Any]:
        name = text_field("Name", self._rename, at_once=False, more="nbflow-name-field")
        shape = Choice("Kind", SHAPES, self._reshape)
        self._name, self._shape = name, shape
        self._editor = PromptEditor()
        self._editor.observe(self._write, "value")
        self.fields |= {NAME: name, TEXT: self._editor}
        self._suggest = button("", self._take_suggestion, more="nbflow-suggest")
        self._tools = self._tool_row()
        head = row(name, shape, self._tools, more="nbflow-card-head")
        self._votes = option_field("votes", self._said("votes"), label="How many votes")
        self._element = text_field("For each", self._iterate, hint="doc")
        self._source = text_field("in", self._iterate, hint="docs: a list, or another branch")
        self.fields |= {"element": self._element, EACH: self._source}
        self._shaped = row(more="nbflow-card-row")
        self._options = OptionFold("Options", self._option)
        self._suggested = row(self._suggest, more="nbflow-card-row")
        return [head, self._shaped, self._editor, self._suggested, self._options]

    def _tool_row(self) -> Any:
        self._up = button("", self._move(-1), icon="arrow-up")
        self._down = button("", self._move(1), icon="arrow-down")
        self._copy = button("", self._do(self._model.duplicate), icon="clone")
        self._delete = button("", self._do(self._model.remove), icon="trash")
        buttons = (self._up, self._down, self._copy, self._delete)
        return row(*buttons, more="nbflow-card-tools")

    def _option(self, word: str) -> Field:
        return option_field(word, self._said(word))

    # What a person does

    def _do(self, change: Callable[[int], Any]) -> Callable[[], None]:
        return lambda: self._edit(lambda: change(self._id))

    def _move(self, by: int) -> Callable[[], None]:
        def move() -> None:
            self._model.move(self._id, by)
            put_cursor(self._up if by < 0 else self._down, self._tools)

        return lambda: self._edit(move)

    def _rename(self, name: str) -> None:
        branch = self._model.branch(self._id)
        if name != (branch.typed_name or branch.name):
            self._edit(lambda: self._model.rename(self._id, name))

    def _reshape(self, shape: str) -> None:
        self._edit(lambda: self._model.reshape(self._id, shape))

    def _write(self, change: Any) -> None:
        text = change["new"]
        self._is_new = False
        self._edit(lambda: self._model.write(self._id, text))

    def _said(self, word: str) -> Callable[[Any], None]:
        def say(value: Any) -> None:
            if value != shown(self._model.branch(self._id).words.get(word)):
                self._edit(lambda: self._model.set_option(self._id, word, value.strip()))

        return say

    def _iterate(self, _value: str) -> None:
        element, source = self._element.control.value, self._source.control.value
        if self._model.branch(self._id).shape == "each":
            self._edit(lambda: self._model.set_elements(self._id, element, source))

    def _take_suggestion(self) -> None:
        def take() -> None:
            self._model.rename(self._id, suggested_name(self._model.branch(self._id).text))
            self._editor.focus()

        self._edit(take)

    # What a person sees

    def show(self, branch: Branch, names: list[str], *, first: bool, last: bool) -> None:
        """Show a branch.

        Args:
            branch: The branch.
            names: What it can read.
            first: Whether there is none above.
            last: Whether there is none below.
        """
        self._name.show(branch.typed_name or branch.name)
        self._shape.show(branch.shape)
        self._show_text(branch, names)
        self._show_shape(branch)
        self._show_options(branch)
        self._up.disabled, self._down.disabled = first, last
        labels = {self._up: "Move {} up", self._down: "Move {} down"}
        labels |= {self._copy: "Duplicate {}", self._delete: "Delete {}"}
        for control, label in labels.items():
            control.description = control.tooltip = label.format(branch.name)

    def _show_text(self, branch: Branch, names: list[str]) -> None:
        editor = self._editor
        editor.label = f"{'Code' if branch.kind == 'python' else 'Text'} of {branch.name}"
        editor.placeholder = HINTS.get(branch.kind, PROMPT_HINT)
        editor.code = branch.kind == "python"
        editor.own = [element for element, _ in branch.elements if element]
        editor.names = names
        editor.show(branch.text)
        name = suggested_name(branch.text) if branch.name.startswith("branch_") else ""
        is_free = bool(name) and name not in self._model.names() and branch.kind != "python"
        self._suggested.layout.display = None if is_free else "none"
        self._suggest.description = f"Call it “{name}”" if is_free else "…"

    def _show_shape(self, branch: Branch) -> None:
        """Show what only this kind has."""
        special: tuple[Field, ...] = ()
        if branch.shape == "each":
            special = (self._element, self._source)
            for field, said in zip(special, branch.elements[0], strict=True):
                field.show(said)
        elif branch.shape == "vote":
            special = (self._votes,)
            self._votes.show(shown(branch.words.get("votes")))
        if self._shaped.children != special:
            self._shaped.children = special
        self._shaped.layout.display = None if special else "none"

    def _show_options(self, branch: Branch) -> None:
        said = {word: shown(branch.words.get(word)) for word in OPTIONS}
        unused = UNUSED[branch.shape]
        if "min_agreement" in branch.said:
            unused = unused - {"min_agreement"}  # there is no vote, and that has to be said of it
        words = [word for word in OPTIONS if word not in unused]
        self._options.show(words, said, {word: label for word, (label, _) in OPTIONS.items()})

    def show_problems(self, problems: list[Problem], *, asked: bool = False) -> None:
        """Say at each field what is wrong with it.

        Args:
            problems: Those of this branch.
            asked: Whether somebody wants to run it now.
        """
        self._is_new &= not asked and not self._editor.value
        if self._is_new:
            problems = [problem for problem in problems if problem.field != TEXT]
        wrong = {problem.field: problem for problem in reversed(problems)}
        for word, field in self.fields.items():
            field.show_error(wrong[word].message if word in wrong else "")
        votes = wrong.get("votes")
        self._votes.show_error(votes.message if votes else "")
        text = wrong.get(TEXT)
        self._editor.marks = [list(text.mark)] if text and text.mark else []
        self._options.show_problems(
            {word: one.message for word, one in wrong.items() if self._options.has(word)}
        )

    def focus_on(self, field: str) -> None:
        """Put the cursor into a field."""
        if self._options.has(field):
            self._options.focus_on(field)
        elif field == "votes":
            self._votes.focus()
        else:
            self.fields.get(field, self._name).focus()
