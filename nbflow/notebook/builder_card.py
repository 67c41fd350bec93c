"""The card of one branch in the builder: its fields, and what is wrong with each.

Shows a branch and tells the model what was typed; decides nothing. Import it only where a widget is
shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from nbflow.notebook.branch import EACH, NAME, TEXT, Branch
from nbflow.notebook.builder_fields import (
    Field,
    Fold,
    PromptEditor,
    button,
    choice_field,
    row,
    text_field,
)
from nbflow.notebook.builder_model import BuilderModel, suggested_name
from nbflow.notebook.proofreading import Problem

SHAPES = {
    "prompt": "Prompt",
    "template": "Template, no model",
    "vote": "Vote, of several",
    "each": "For each of a list",
    "python": "Python function",
}
"""The kinds of branches as a person sees them."""

MODELS = ("smollm2", "openai:gpt-4o-mini")

COMMON = ("model", "max_tokens", "retries")
"""The options that are always in sight."""

OPTIONS = {
    "model": ("Model", "the flow's model"),
    "max_tokens": ("Longest answer", "in tokens"),
    "retries": ("Retries", "0"),
    "temperature": ("Temperature", "from 0"),
    "seed": ("Seed", "a whole number"),
    "timeout": ("Timeout", "seconds"),
    "rate": ("Rate", "60/min"),
    "jobs": ("At once", "how many tasks"),
    "votes": ("Votes", "how many samples"),
    "min_agreement": ("Agreement", "share from 0 to 1"),
    "wait": ("Wait for", "all, any or a number"),
    "on_error": ("If an input fails", "pass: run anyway"),
}
"""What each option is called, and what its empty field shows."""

UNUSED = {
    "template": {"model", "max_tokens", "temperature", "seed", "votes", "min_agreement"},
    "python": {"model", "max_tokens", "temperature", "seed"},
    "prompt": set[str](),
    "vote": {"votes"},
    "each": set[str](),
}
"""The options that a kind has no use for, or a field of its own."""

PROMPT_HINT = "What shall the model be asked? Type { to put in a value or another branch's answer."
HINTS = {
    "template": "A text with {names} in it, which the answers are put into.",
    "python": "def name(topic):\n    return ...",
}


class BranchCard(ipywidgets.VBox):  # type: ignore[misc]
    """The card of one branch.

    Args:
        model: What is written.
        number: The branch's id.
        edit: Calls what changes the model, where that may be done.
    """

    def __init__(
        self, model: BuilderModel, number: int, edit: Callable[[Callable[[], Any]], None]
    ) -> None:
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
        shape = choice_field("Kind", SHAPES, self._reshape)
        self._name, self._shape = name, shape
        self._editor = PromptEditor()
        self._editor.observe(self._write, "value")
        self.fields |= {NAME: name, TEXT: self._editor}
        self._suggest = button("", self._take_suggestion, more="nbflow-suggest")
        head = row(name, shape, self._tools(), more="nbflow-card-head")
        self._shaped = row(*self._special(), more="nbflow-card-row")
        for word in OPTIONS:
            self.fields.setdefault(word, self._option(word))
        self._common = row(more="nbflow-card-options")
        self._more = row(more="nbflow-card-options")
        self._fold = Fold("More options", self._more)
        return [head, self._suggest, self._shaped, self._editor, self._common, self._fold]

    def _tools(self) -> Any:
        self._up = button("", self._move(-1), icon="arrow-up")
        self._down = button("", self._move(1), icon="arrow-down")
        self._copy = button("", self._do(self._model.duplicate), icon="clone")
        self._delete = button("", self._do(self._model.remove), icon="trash")
        return row(self._up, self._down, self._copy, self._delete, more="nbflow-card-tools")

    def _special(self) -> tuple[Field, ...]:
        self._element = text_field("For each", self._iterate, hint="doc")
        self._source = text_field("in", self._iterate, hint="docs: a list, or another branch")
        self.fields[EACH] = self._source
        self._votes = text_field("How many votes", self._said("votes"), hint="5")
        return self._element, self._source, self._votes

    def _option(self, word: str) -> Field:
        label, hint = OPTIONS[word]
        choices = {"model": MODELS, "wait": ("all", "any"), "on_error": ("pass",)}.get(word, ())
        return text_field(label, self._said(word), hint=hint, choices=choices)

    # What a person does

    def _do(self, change: Callable[[int], Any]) -> Callable[[], None]:
        return lambda: self._edit(lambda: change(self._id))

    def _move(self, by: int) -> Callable[[], None]:
        def move() -> None:
            self._model.move(self._id, by)
            (self._up if by < 0 else self._down).focus()

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
        name = suggested_name(self._model.branch(self._id).text)
        self._edit(lambda: self._model.rename(self._id, name))

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
        for word in OPTIONS:
            self.fields[word].show(shown(branch.words.get(word)))
        self._show_special(branch)
        self._arrange(branch.shape)
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
        editor.value = branch.text
        name = suggested_name(branch.text) if branch.name.startswith("branch_") else ""
        is_free = bool(name) and name not in self._model.names() and branch.kind != "python"
        self._suggest.layout.display = None if is_free else "none"
        self._suggest.description = f"Call it “{name}”" if is_free else "…"

    def _show_special(self, branch: Branch) -> None:
        element, source = branch.elements[0] if branch.elements else ("", "")
        if branch.shape == "each":
            if self._element.control.value.strip() != element:
                self._element.show(element)
            if self._source.control.value.strip() != source:
                self._source.show(source)
        self._votes.show(shown(branch.words.get("votes")))
        for field, shape in (
            (self._element, "each"),
            (self._source, "each"),
            (self._votes, "vote"),
        ):
            field.layout.display = None if branch.shape == shape else "none"
        is_special = branch.shape in ("each", "vote")
        self._shaped.layout.display = None if is_special else "none"
        self.fields["votes_shown"] = self._votes if branch.shape == "vote" else self.fields["votes"]

    def _arrange(self, shape: str) -> None:
        """Put the options that this kind has a use for into sight, and under More."""
        words = [word for word in OPTIONS if word not in UNUSED[shape]]
        common = tuple(self.fields[word] for word in words if word in COMMON)
        more = tuple(self.fields[word] for word in words if word not in COMMON)
        if self._common.children != common:
            self._common.children = common
        if self._more.children != more:
            self._more.children = more

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
            key = "votes" if word == "votes_shown" else word
            problem = wrong.get(key)
            field.show_error(problem.message if problem else "")
        text = wrong.get(TEXT)
        self._editor.marks = [list(text.mark)] if text and text.mark else []
        unused = {*wrong} & {*OPTIONS} - {*COMMON}
        if unused:
            self._fold.unfold()

    def focus_on(self, field: str) -> None:
        """Put the cursor into a field."""
        self.fields.get(field, self._name).focus()


def shown(value: Any) -> str:
    """What a field shows of an option; an object that has no text by its type."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"<{type(value).__name__}>"
