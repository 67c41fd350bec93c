"""The options of a branch and of the run: what each is called, and their fields under a fold.

The fields are made when somebody looks at them: most branches have no options, and a card without
forty widgets in it is there at once. Import it only where a widget is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from nbflow.notebook.builder_fields import Choice, Field, Fold, row, text_field
from nbflow.notebook.builder_model import BuilderModel
from nbflow.notebook.builder_state import State
from nbflow.notebook.proofreading import Problem

MODELS = ("smollm2", "openai:gpt-4o-mini")

OPTIONS = {
    "model": ("Model", "the flow's model"),
    "max_tokens": ("Longest answer", "in tokens"),
    "temperature": ("Temperature", "from 0"),
    "retries": ("Retries", "0"),
    "timeout": ("Timeout", "seconds"),
    "rate": ("Rate", "60/min"),
    "jobs": ("At once", "how many tasks"),
    "seed": ("Seed", "a whole number"),
    "votes": ("Votes", "how many samples"),
    "min_agreement": ("Agreement", "share from 0 to 1"),
    "wait": ("Wait for", "all, any or a number"),
    "on_error": ("If an input fails", "pass: run anyway"),
}
"""What each option is called, and what its empty field shows."""

RUN_OPTIONS = ("model", "jobs", "timeout", "retries", "rate", "seed", "on_error", "out")
"""Those that a run has; `out` is the variable that gets it."""

ON_ERROR = {
    "finish": "the others finish, then an error",
    "stop": "the others are cancelled",
    "keep": "the others finish, no error",
}
"""What the failure of a branch can do to the run."""

_CHOICES = {"model": MODELS, "wait": ("all", "any"), "on_error": ("pass",)}
_SAID_MOST = 60
"""Characters of what a closed fold says of the options in it."""

Edit = Callable[[Callable[[], Any]], None]
"""Calls what changes the model, where that may be done."""


class OptionFold(Fold):
    """Options that say in one line what is set, and open into their fields.

    Args:
        title: What they are.
        make: Makes the field of an option.
    """

    def __init__(self, title: str, make: Callable[[str], Field]) -> None:
        self._title = title
        self._make = make
        self._fields: dict[str, Field] = {}
        self._words: list[str] = []
        self._said: Mapping[str, str] = {}
        self._messages: Mapping[str, str] = {}
        self._row = row(more="nbflow-card-options")
        super().__init__(title, self._row)

    def show(
        self, words: Collection[str], said: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        """Show the options.

        Args:
            words: Those that there are fields for, in their order.
            said: What is said of some.
            labels: What those are called in the line that is always in sight.
        """
        self._words, self._said = list(words), said
        set_ = ", ".join(f"{labels[word].lower()} {said[word]}" for word in words if said.get(word))
        short = set_ if len(set_) <= _SAID_MOST else f"{set_[:_SAID_MOST]}…"
        self.rename(f"{self._title}: {short}" if set_ else self._title)
        if self.is_open:
            self._fill()

    def has(self, word: str) -> bool:
        """Whether an option is one of those shown here."""
        return word in self._words

    def show_problems(self, messages: Mapping[str, str]) -> None:
        """Say at each field what is wrong with it; open, if anything is."""
        self._messages = messages
        if messages:
            self.unfold()
        if self.is_open:
            self._fill()

    def focus_on(self, word: str) -> None:
        """Put the cursor into a field."""
        self.unfold()
        self._fields[word].focus()

    def opened(self) -> None:
        """Make the fields that haven't been needed before."""
        self._fill()

    def _fill(self) -> None:
        for word in self._words:
            if word not in self._fields:
                self._fields[word] = self._make(word)
            self._fields[word].show(self._said.get(word, ""))
            self._fields[word].show_error(self._messages.get(word, ""))
        fields = tuple(self._fields[word] for word in self._words)
        if self._row.children != fields:
            self._row.children = fields


def option_field(word: str, hear: Callable[[str], None], *, label: str = "") -> Field:
    """The field of an option.

    Args:
        word: The option.
        hear: Called with what is typed.
        label: What it is called here; such a field is heard when it is left.
    """
    called, hint = OPTIONS[word]
    choices = _CHOICES.get(word, ())
    return text_field(label or called, hear, hint=hint, choices=choices, at_once=not label)


class RunCard(OptionFold):
    """The options of the run, out of sight until somebody wants them.

    Args:
        model: What is written.
        edit: Calls what changes the model, where that may be done.
    """

    def __init__(self, model: BuilderModel, edit: Edit) -> None:
        self._model = model
        self._edit = edit
        super().__init__("Options of the run", self._field)

    def _field(self, word: str) -> Field:
        if word == "on_error":
            return Choice("If a branch fails", ON_ERROR, self._hear(word))
        if word == "out":
            return text_field("Keep the run as", self._hear(word), hint="a variable")
        if word == "model":
            hint = "the default model"
            return text_field("Model", self._hear(word), hint=hint, choices=MODELS)
        return option_field(word, self._hear(word))

    def _hear(self, word: str) -> Callable[[str], None]:
        def say(value: str) -> None:
            said = "" if (word, value) == ("on_error", "finish") else value
            if said != _run_option(self._model.state, word):
                self._edit(lambda: self._model.set_run_option(word, said))

        return say

    def show_state(self, state: State) -> None:
        """Show what was written."""
        said = {word: _run_option(state, word) for word in RUN_OPTIONS}
        labels = {word: label for word, (label, _) in OPTIONS.items()}
        labels |= {"on_error": "if a branch fails", "out": "kept as"}
        self.show(RUN_OPTIONS, said, labels)

    def show_run_problems(self, problems: list[Problem]) -> None:
        """Say at each field what is wrong with it; `problems` are those of the run."""
        self.show_problems({problem.field: problem.message for problem in problems})


def _run_option(state: State, word: str) -> str:
    return state.out if word == "out" else shown(state.options.get(word))


def shown(value: Any) -> str:
    """What a field shows of an option; an object that has no text by its type."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"<{type(value).__name__}>"
