"""The cards of the builder, of a branch and of the run: their fields, and what is wrong with each.

Show what was written and tell the model what is typed; decide nothing. Import it only where a
widget is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from nbflow.notebook.branch import Branch
from nbflow.notebook.branch_place import EACH, NAME, TEXT
from nbflow.notebook.builder_fields import (
    Field,
    Fold,
    PromptEditor,
    button,
    choice_field,
    row,
    text_field,
)
from nbflow.notebook.builder_model import BuilderModel
from nbflow.notebook.builder_state import State
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

RUN_OPTIONS = ("jobs", "timeout", "retries", "rate", "seed")
"""Those that a run has too."""

ON_ERROR = {
    "finish": "the others finish, then an error",
    "stop": "the others are cancelled",
    "keep": "the others finish, no error",
}
"""What the failure of a branch can do to the run."""

Edit = Callable[[Callable[[], Any]], None]
"""Calls what changes the model, where that may be done."""

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
        shape = choice_field("Kind", SHAPES, self._reshape)
        self._name, self._shape = name, shape
        self._editor = PromptEditor()
        self._editor.observe(self._write, "value")
        self.fields |= {NAME: name, TEXT: self._editor}
        self._suggest = button("", self._take_suggestion, more="nbflow-suggest")
        head = row(name, shape, self._tools(), more="nbflow-card-head")
        self._element = text_field("For each", self._iterate, hint="doc")
        self._source = text_field("in", self._iterate, hint="docs: a list, or another branch")
        self.fields |= {"element": self._element, EACH: self._source}
        self.fields |= {word: self._option(word) for word in OPTIONS}
        self._shaped = row(more="nbflow-card-row")
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

    def _option(self, word: str) -> Field:
        label, hint = OPTIONS[word]
        choices = {"model": MODELS, "wait": ("all", "any"), "on_error": ("pass",)}.get(word, ())
        # votes decide where their own field stands, which must not move while it is typed into
        at_once = word != "votes"
        return text_field(label, self._said(word), hint=hint, choices=choices, at_once=at_once)

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
        if branch.shape == "each":
            self._show_elements(branch)
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

    def _show_elements(self, branch: Branch) -> None:
        """Show what is iterated, but leave the spaces that somebody is typing."""
        pairs = zip((self._element, self._source), branch.elements[0], strict=True)
        for field, said in pairs:
            if field.control.value.strip() != said:
                field.show(said)

    def _arrange(self, shape: str) -> None:
        """Put the options that this kind has a use for into sight, and under More."""
        special = {"each": ("element", EACH), "vote": ("votes",)}.get(shape, ())
        words = [word for word in OPTIONS if word not in UNUSED[shape]]
        for box, fields in (
            (self._shaped, special),
            (self._common, [word for word in words if word in COMMON]),
            (self._more, [word for word in words if word not in COMMON]),
        ):
            children = tuple(self.fields[word] for word in fields)
            if box.children != children:
                box.children = children
        self._shaped.layout.display = None if special else "none"
        label = "How many votes" if shape == "vote" else OPTIONS["votes"][0]
        self.fields["votes"].control.description = label

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
            problem = wrong.get(word)
            field.show_error(problem.message if problem else "")
        text = wrong.get(TEXT)
        self._editor.marks = [list(text.mark)] if text and text.mark else []
        if wrong.keys() & {*OPTIONS}.difference(COMMON):
            self._fold.unfold()

    def focus_on(self, field: str) -> None:
        """Put the cursor into a field."""
        self.fields.get(field, self._name).focus()


class RunCard(Fold):
    """The options of the run, out of sight until somebody wants them.

    Args:
        model: What is written.
        edit: Calls what changes the model, where that may be done.
    """

    def __init__(self, model: BuilderModel, edit: Edit) -> None:
        self._model = model
        self._edit = edit
        model_field = text_field(
            "Model", self._said("model"), hint="the default model", choices=MODELS
        )
        self.fields = {"model": model_field}
        for word in RUN_OPTIONS:
            label, hint = OPTIONS[word]
            self.fields[word] = text_field(label, self._said(word), hint=hint)
        on_error = choice_field("If a branch fails", ON_ERROR, self._said("on_error"))
        out = text_field("Keep the run as", self._said("out"), hint="a variable")
        self.fields |= {"on_error": on_error, "out": out}
        fields = row(*self.fields.values(), more="nbflow-card-options")
        super().__init__("Options of the run", fields)

    def _said(self, word: str) -> Callable[[str], None]:
        def say(value: str) -> None:
            if value != _run_option(self._model.state, word):
                said = "" if (word, value) == ("on_error", "finish") else value
                self._edit(lambda: self._model.set_run_option(word, said))

        return say

    def show(self, state: State) -> None:
        """Show what was written."""
        for word, field in self.fields.items():
            field.show(_run_option(state, word))

    def show_problems(self, problems: list[Problem]) -> None:
        """Say at each field what is wrong with it; `problems` are those of the run."""
        messages = {problem.field: problem.message for problem in problems}
        for word, field in self.fields.items():
            field.show_error(messages.get(word, ""))
        if messages:
            self.unfold()

    def focus_on(self, field: str) -> None:
        """Put the cursor into a field."""
        self.unfold()
        self.fields[field].focus()


def _run_option(state: State, word: str) -> str:
    if word == "out":
        return state.out
    return shown(state.options.get(word)) or ("finish" if word == "on_error" else "")


def shown(value: Any) -> str:
    """What a field shows of an option; an object that has no text by its type."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"<{type(value).__name__}>"
