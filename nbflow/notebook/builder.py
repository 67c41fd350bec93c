"""The builder: a widget in which a person writes a flow without knowing the grammar.

Thin above `BuilderModel`: it shows what is there, tells the model what was typed, draws the graph
off the loop, runs the flow with a board underneath. Import it only where a widget is shown.
"""

from __future__ import annotations

import asyncio
import difflib
import html
import sys
from collections.abc import Callable
from contextvars import Context
from typing import Any

import ipywidgets
from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from nbflow.core.run import Run
from nbflow.errors import FlowError, NbflowError
from nbflow.notebook.branch_cells import current_flow, model_in
from nbflow.notebook.branch_place import TEXT
from nbflow.notebook.builder_card import BranchCard
from nbflow.notebook.builder_cell import CellPanels
from nbflow.notebook.builder_drawing import Drawing, graph_html
from nbflow.notebook.builder_fields import Field, button, panel, row, text_field
from nbflow.notebook.builder_model import EXAMPLE, BuilderModel
from nbflow.notebook.builder_options import OPTIONS, RunCard
from nbflow.notebook.builder_run import Runner
from nbflow.notebook.builder_slots import Slots
from nbflow.notebook.kernel import shows_widgets
from nbflow.notebook.live_output import SAVED, LiveOutput
from nbflow.notebook.proofreading import RUN, VALUE, Problem, Reading
from nbflow.writing.flow import Flow

DRAW_SECONDS = 0.3
"""How long after the last key the graph is drawn and the flow is read for mistakes."""

WELCOME = (
    "<b>A flow is made of branches that run side by side.</b><br>Each asks a model for something, "
    "such as a joke or a poem. One more can put their answers together."
)
NO_INPUTS = (
    '<span class="nbflow-builder-note">A word in braces, such as <code>{topic}</code>, is an '
    "input: write one into a branch, and its value is asked for here.</span>"
)
NOTHING = "A flow builder in which nothing is written yet: run this cell to open it."
SAVED_NOTE = "The flow as a cell, to be run, or loaded into a builder with <i>From cell</i>:"


class Builder(ipywidgets.VBox):  # type: ignore[misc]
    """A flow to be written with fields and buttons.

    Args:
        flow: What to begin with: a flow, the text of a `%%fanout` cell, or a model that others
            write into too.

    Raises:
        FlowError: the flow, or the cell, can't be written on.
    """

    def __init__(self, flow: Flow | str | BuilderModel | None = None) -> None:
        self._shell = get_ipython()
        self._loop = _running_loop()
        self.model = flow if isinstance(flow, BuilderModel) else model_in(self._shell, flow)
        self._cards: dict[int, BranchCard] = {}
        self._inputs: dict[str, Field] = {}
        """In the order in which they are seen: a new one is put below the others."""
        self._timer: asyncio.TimerHandle | None = None
        self._blamed: set[str] = set()
        """Inputs without a value that somebody has been told of: one who still writes isn't."""
        self._unwatch: Callable[[], None] | None = None
        super().__init__()
        self.add_class("nbflow-builder")
        self._output = LiveOutput(self, self._plain)
        if self._shell is None or shows_widgets(self._shell):
            self._build()

    def close(self) -> None:
        """Take it away; the model is heard no more."""
        if self._unwatch is not None:
            self._unwatch()
        super().close()

    @property
    def _is_built(self) -> bool:
        """Whether it has its parts. A program that runs the notebook would save them all."""
        return self._unwatch is not None

    def _build(self) -> None:
        self.children = self._parts()
        self._drawing.observe(lambda _change: self._output.keep(), "value")
        self._unwatch = self.model.watch(self._changed)
        self._show_state()
        self._draw_now()

    # Its parts

    def _parts(self) -> list[Any]:
        title = ipywidgets.HTML('<span class="nbflow-builder-title">Flow builder</span>')
        self._undo = button("Undo", self._do(self.model.undo), icon="undo")
        self._redo = button("Redo", self._do(self.model.redo), icon="repeat")
        head = row(title, self._undo, self._redo, more="nbflow-builder-head")
        self._list = Slots()
        self._list.add_class("nbflow-card-list")
        self._add = self._adder("Add branch", self._add_branch, icon="plus", style="primary")
        self._join = self._adder("Combine the answers", self._add_join, icon="compress")
        self._join.tooltip = "Add a branch that puts the answers of the others into one text"
        self._adding = row(self._add, self._join, more="nbflow-card-row")
        left = ipywidgets.VBox([self._list, self._adding])
        left.add_class("nbflow-cards")
        body = row(left, self._side(), more="nbflow-builder-body")
        self._empty = self._welcome()
        self._cells = CellPanels(self._hear, lambda text: self._edit(lambda: self._load(text)))
        self._runner = Runner(self.model, self._run_changed)
        return [head, body, self._foot(), self._cells, self._runner]

    def _adder(self, label: str, act: Callable[[], None], **look: str) -> Any:
        """A button behind which a person types at once into what it makes."""
        made = button(label, act, **look)
        made.add_class("nbflow-adds")
        return made

    def _welcome(self) -> Any:
        add = self._add_branch
        first = self._adder("Add the first branch", add, icon="plus", style="primary")
        load = button("Start from an example", self._do(lambda: self.model.load(EXAMPLE)))
        both = row(first, load, more="nbflow-card-row")
        made = ipywidgets.VBox([ipywidgets.HTML(WELCOME), both])
        made.add_class("nbflow-empty")
        return made

    def _side(self) -> Any:
        self._drawing = Drawing()
        self._values = Slots()
        self._no_inputs = ipywidgets.HTML(NO_INPUTS)
        inputs = panel("Inputs", self._no_inputs, self._values)
        self._run_card = RunCard(self.model, self._edit)
        self._beside = ipywidgets.VBox([inputs, panel("Graph", self._drawing), self._run_card])
        self._beside.add_class("nbflow-side")
        return self._beside

    def _foot(self) -> Any:
        self._run_button = button("Run", self._do(self._start), icon="play", style="success")
        self._run_button.add_class("nbflow-run")
        self._to_cell = button("To cell", self._do(self._show_cell), icon="code")
        self._to_cell.tooltip = (
            "Show the same flow as a %%fanout cell to copy; %nbflow cell puts it into a new cell"
        )
        self._from_cell = button("From cell", self._do(self._cells_wanted), icon="sign-in")
        self._from_cell.tooltip = "Load a %%fanout cell that you paste"
        self._notice = ipywidgets.HTML()
        self._notice.add_class("nbflow-error")
        buttons = row(self._run_button, self._to_cell, self._from_cell, more="nbflow-builder-foot")
        return ipywidgets.VBox([buttons, self._notice])

    # What a person does

    def _cells_wanted(self) -> None:
        self._cells.ask_for_text()

    def _edit(self, change: Callable[[], Any]) -> None:
        """Change the model on the loop, whichever thread this is; say what can't be done."""
        if self._loop is None or _running_loop() is self._loop:
            self._try(change)
        else:
            self._loop.call_soon_threadsafe(self._try, change)

    def _try(self, change: Callable[[], Any]) -> None:
        self._notify("")
        try:
            change()
        except NbflowError as error:
            self._notify(str(error))

    def _do(self, change: Callable[[], Any]) -> Callable[[], None]:
        return lambda: self._edit(change)

    def _notify(self, text: str) -> None:
        self._notice.value = html.escape(text)

    def _add_branch(self) -> None:
        self._edit(lambda: self._cards[self.model.add().id].focus_on(TEXT))

    def _add_join(self) -> None:
        self._edit(lambda: self._cards[self.model.add_join().id].focus_on(TEXT))

    def _show_cell(self) -> None:
        try:
            text = self.model.text()
        except FlowError:
            problems = self.model.read().problems
            if not problems:
                raise
            self._point_at(problems)
            return
        self._cells.show_text(text)

    def _load(self, text: str) -> None:
        self.from_cell(text)
        self._cells.loaded()

    def from_cell(self, text: str) -> None:
        """Begin again with the text of a `%%fanout` cell, as IPython would read it.

        Raises:
            FlowError: it can't be read.
        """
        head, newline, body = text.strip("\n").partition("\n")
        if self._shell is not None:
            expand: Any = self._shell.var_expand
            head = expand(head, depth=sys.getrecursionlimit())  # with no frame's local names
        self.model.load(f"{head}{newline}{body}")

    def to_cell(self) -> None:
        """Put the equivalent `%%fanout` cell below the cell that calls this.

        Raises:
            FlowError: something is wrong, or can't be written in a cell.
        """
        text = self.model.text()
        if self._shell is None:
            print(text)  # noqa: T201 - there is no cell to put it in
        else:
            self._shell.set_next_input(text)

    def _point_at(self, problems: tuple[Problem, ...]) -> None:
        """Say how many things are wrong, and put the cursor at the first."""
        count, first = len(problems), problems[0]
        self._show_problems(problems, asked=True)
        what = "One field needs a look" if count == 1 else f"{count} fields need a look; the first"
        self._notify(f"{what}: {self._called(first)}.")
        if first.owner == VALUE:
            self._inputs[first.field].focus()
        elif first.owner == RUN:
            self._run_card.focus_on(first.field)
        else:
            self._cards[int(first.owner)].focus_on(first.field)

    def _called(self, problem: Problem) -> str:
        """What the field of a problem is called."""
        word = str(problem.field)
        label = OPTIONS[word][0] if word in OPTIONS else word
        if problem.owner == VALUE:
            return f"the value of {word}"
        if problem.owner == RUN:
            return f"{label.lower()}, an option of the run"
        return f"{label.lower()} of {self.model.branch(problem.owner).name}"

    # What a person sees

    def _changed(self) -> None:
        self._edit(self._show_all)

    def _show_all(self) -> None:
        self._show_state()
        self._draw_soon()

    def _draw_soon(self) -> None:
        if self._loop is None:
            self._draw_now()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(DRAW_SECONDS, self._draw_now, context=Context())

    def _show_state(self) -> None:
        reading, branches = self.model.read(), self.model.branches
        names = self.model.names()
        self._show_cards(reading, names)
        self._show_inputs(reading.inputs)
        self._run_card.show_state(self.model.state)
        self._undo.disabled, self._redo.disabled = not self.model.can_undo, not self.model.can_redo
        self._show_run_button()
        self._to_cell.disabled = not branches
        for beside in (self._adding, self._beside):
            beside.layout.display = None if branches else "none"
        self._join.layout.display = None if len(reading.unread(names)) > 1 else "none"
        self._cells.close_text()

    def _show_cards(self, reading: Reading, all_: list[str]) -> None:
        branches, inputs = self.model.branches, self._offered(reading.inputs)
        for gone in self._cards.keys() - {branch.id for branch in branches}:
            self._cards.pop(gone).close()
        for branch in branches:
            if branch.id not in self._cards:
                self._cards[branch.id] = BranchCard(self.model, branch.id, self._edit)
        for number, branch in enumerate(branches):
            names = [*inputs, *reading.readable(all_, branch.name)]
            is_first, is_last = number == 0, number == len(branches) - 1
            self._cards[branch.id].show(branch, names, first=is_first, last=is_last)
        self._list.show([self._cards[branch.id] for branch in branches] or [self._empty])

    def _offered(self, inputs: tuple[str, ...]) -> list[str]:
        """The inputs, without what looks like a slip: an empty one called nearly as another."""
        names, values = [*self.model.names(), *inputs], self.model.state.values
        return [
            name
            for name in inputs
            if values.get(name)
            or not difflib.get_close_matches(name, [one for one in names if one != name], n=1)
        ]

    def _show_inputs(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self._inputs:
                hear = self._hear_value(name)
                self._inputs[name] = text_field(name, hear, hint="a value, such as cats")
            self._inputs[name].show(self.model.state.values.get(name, ""))
        self._values.show([field for name, field in self._inputs.items() if name in names])
        self._no_inputs.layout.display = "none" if names else None

    def _hear_value(self, name: str) -> Callable[[str], None]:
        return lambda value: self._edit(lambda: self.model.set_value(name, value))

    def _show_problems(self, problems: tuple[Problem, ...], *, asked: bool = False) -> None:
        for number, card in self._cards.items():
            card.show_problems([one for one in problems if one.owner == number], asked=asked)
        self._run_card.show_run_problems([one for one in problems if one.owner == RUN])
        of_values = {one.field: _of_value(one.message) for one in problems if one.owner == VALUE}
        self._blamed = {name for name in of_values if asked or name in self._blamed}
        for name, field in self._inputs.items():
            is_told = name in self._blamed or bool(self.model.state.values.get(name))
            field.show_error(of_values.get(name, "") if is_told else "")

    def _draw_now(self) -> None:
        self._timer = None
        reading = self.model.read()
        self._show_problems(reading.problems)
        self._drawing.draw(reading, self.model.state, self._loop)
        self._output.keep()

    # Running

    @property
    def last_run(self) -> Run | None:
        """The run that the board below shows."""
        return self._runner.last_run if self._is_built else None

    def _start(self) -> None:
        if self._loop is None or self._shell is None:
            raise FlowError("there is no notebook here to run it in.")
        problems = self.model.read().problems
        if problems:
            self._point_at(problems)
        else:
            self._runner.start(self._shell, self._loop)

    def _run_changed(self, problem: str) -> None:
        """A run has begun or ended."""
        if problem:
            self._notify(problem)
        self._show_run_button()
        self._draw_soon()

    def _show_run_button(self) -> None:
        goes_on = self._runner.is_running
        self._run_button.disabled = goes_on or not self.model.branches
        self._run_button.description = "Running…" if goes_on else "Run"

    # Being displayed

    def _hear(self, message: Any) -> None:
        if message == {"type": "ready"}:
            self._edit(self._output.say_ready)

    def _ipython_display_(self) -> None:
        """Show it; where no widget can be shown, its graph and its cell instead."""
        if not self._is_built and (self._shell is None or shows_widgets(self._shell)):
            self._build()
        self._output.show(self._shell, self._loop)

    def _plain(self) -> dict[str, str]:
        """What is saved: its last run or else its graph, and its cell."""
        if not self.model.branches:
            return {"text/plain": NOTHING, "text/html": f"<p>{NOTHING}</p>"}
        text = self.model.saved_text()
        drawn = self._runner.picture or self._drawing.value if self._is_built else ""
        drawn = drawn or graph_html(self.model.read(), self.model.state)
        note = f"<p>{SAVED_NOTE}</p><pre>{html.escape(text)}</pre>"
        cell = f'<div class="{SAVED}-cell">{note}</div>'
        return {"text/plain": text, "text/html": f"{drawn}{cell}"}


def _of_value(message: str) -> str:
    """What is wrong with a value, to be read at its field."""
    needs = "it needs a value: " if message.startswith("unknown name") else ""
    return f"{needs}{message.partition(' Known here:')[0]}"


def show(shell: InteractiveShell) -> None:
    """What `%nbflow builder` does: a builder on the shell's current flow."""
    Builder(current_flow(shell))._ipython_display_()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
