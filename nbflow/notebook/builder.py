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
from contextlib import suppress
from typing import Any

import ipywidgets
from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from nbflow.core.events import Event, Kind
from nbflow.core.run import Run
from nbflow.errors import FlowError, NbflowError
from nbflow.notebook import capture
from nbflow.notebook.board import Board
from nbflow.notebook.branch import Branch
from nbflow.notebook.branch_cells import current_flow, model_in, run_code
from nbflow.notebook.builder_card import BranchCard, RunCard
from nbflow.notebook.builder_drawing import Drawing, graph_html
from nbflow.notebook.builder_fields import Field, PromptEditor, button, panel, row, text_field
from nbflow.notebook.builder_model import EXAMPLE, BuilderModel
from nbflow.notebook.builder_output import WIDGET_MIME, LiveOutput
from nbflow.notebook.proofreading import RUN, VALUE, Problem
from nbflow.writing.flow import Flow

DRAW_SECONDS = 0.3
"""How long after the last key the graph is drawn and the flow is read for mistakes."""

WELCOME = (
    "<b>A flow is made of branches that run side by side.</b><br>Each is a prompt for a model. A "
    "branch that puts others together waits for their answers."
)
TO_CELL = (
    "Copy this into a new cell: it says the same as the builder. For a builder opened with "
    "<code>%nbflow builder</code>, running <code>%nbflow cell</code> puts it into a new cell."
)
FROM_CELL = "Paste a <code>%%fanout</code> cell. It replaces what is here; Undo brings that back."


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
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None
        self.last_run: Run | None = None
        super().__init__(self._parts())
        self.add_class("nbflow-builder")
        self._output = LiveOutput(self, self._plain)
        self._unwatch = self.model.watch(self._changed)
        self._show_state()
        self._draw_now()

    def close(self) -> None:
        """Take it away; the model is heard no more."""
        self._unwatch()
        super().close()

    # Its parts

    def _parts(self) -> list[Any]:
        title = ipywidgets.HTML('<span class="nbflow-builder-title">Flow builder</span>')
        self._add = button("Add branch", self._add_branch, icon="plus", style="primary")
        self._undo = button("Undo", self._do(self.model.undo), icon="undo")
        self._redo = button("Redo", self._do(self.model.redo), icon="repeat")
        head = row(title, self._undo, self._redo, more="nbflow-builder-head")
        self._list = ipywidgets.VBox()
        self._list.add_class("nbflow-card-list")
        left = ipywidgets.VBox([self._list, row(self._add, more="nbflow-card-row")])
        left.add_class("nbflow-cards")
        body = row(left, self._side(), more="nbflow-builder-body")
        self._empty = self._welcome()
        self._board = ipywidgets.VBox()
        return [head, body, self._foot(), *self._cell_parts(), self._board]

    def _welcome(self) -> Any:
        first = button("Add the first branch", self._add_branch, icon="plus", style="primary")
        load = button("Start from an example", self._do(lambda: self.model.load(EXAMPLE)))
        both = row(first, load, more="nbflow-card-row")
        made = ipywidgets.VBox([ipywidgets.HTML(WELCOME), both])
        made.add_class("nbflow-empty")
        return made

    def _side(self) -> Any:
        self._drawing = Drawing()
        self._values = ipywidgets.VBox()
        self._inputs_panel = panel("Inputs", self._values)
        self._graph_panel = panel("Graph", self._drawing)
        self._run_card = RunCard(self.model, self._edit)
        side = ipywidgets.VBox([self._inputs_panel, self._graph_panel, self._run_card])
        side.add_class("nbflow-side")
        return side

    def _foot(self) -> Any:
        self._run_button = button("Run", self._do(self._start), icon="play", style="success")
        self._to_cell = button("To cell", self._do(self._show_cell), icon="code")
        self._from_cell = button("From cell", self._do(self._open_load), icon="sign-in")
        self._notice = ipywidgets.HTML()
        self._notice.add_class("nbflow-error")
        buttons = row(self._run_button, self._to_cell, self._from_cell, more="nbflow-builder-foot")
        return ipywidgets.VBox([buttons, self._notice])

    def _cell_parts(self) -> list[Any]:
        self._cell = PromptEditor(copy=True, label="The %%fanout cell")
        self._cell.on_msg(lambda _widget, content, _buffers: self._hear(content))
        self._cell_panel = panel("As a cell", ipywidgets.HTML(TO_CELL), self._cell)
        self._cell_panel.layout.display = "none"
        self._pasted = ipywidgets.Textarea(
            description="Cell",
            placeholder="%%fanout topic=cats\n[joke]\nA joke about {topic}",
            rows=7,
        )
        self._pasted.layout.width = "100%"
        load = button("Load", self._do(self._load), style="primary")
        close = button("Close", self._do(self._close_load))
        both = row(load, close, more="nbflow-card-row")
        self._load_panel = panel("From a cell", ipywidgets.HTML(FROM_CELL), self._pasted, both)
        self._load_panel.layout.display = "none"
        return [self._cell_panel, self._load_panel]

    # What a person does

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
        def add() -> None:
            branch = self.model.add()
            self._cards[branch.id].focus_on("text")

        self._edit(add)

    def _show_cell(self) -> None:
        try:
            self._cell.value = self.model.text()
        except FlowError:
            problems = self.model.read().problems
            if not problems:
                raise
            self._point_at(problems)
            return
        self._cell_panel.layout.display = None

    def _open_load(self) -> None:
        self._load_panel.layout.display = None
        self._pasted.focus()

    def _close_load(self) -> None:
        self._load_panel.layout.display = "none"

    def _load(self) -> None:
        self.from_cell(self._pasted.value)
        self._pasted.value = ""
        self._close_load()

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
        count = len(problems)
        self._show_problems(problems, asked=True)
        self._notify("One field needs a look." if count == 1 else f"{count} fields need a look.")
        first = problems[0]
        if first.owner == VALUE:
            self._inputs[first.field].focus()
        elif first.owner == RUN:
            self._run_card.focus_on(first.field)
        else:
            self._cards[int(first.owner)].focus_on(first.field)

    # What a person sees

    def _changed(self) -> None:
        self._edit(self._show_all)

    def _show_all(self) -> None:
        self._show_state()
        if self._loop is None:
            self._draw_now()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(DRAW_SECONDS, self._draw_now)

    def _show_state(self) -> None:
        branches, inputs = self.model.branches, self.model.read().inputs
        self._show_cards(branches, self._offered(inputs))
        self._show_inputs(inputs)
        self._run_card.show(self.model.state)
        self._undo.disabled, self._redo.disabled = not self.model.can_undo, not self.model.can_redo
        self._run_button.disabled = not branches or self._running is not None
        self._to_cell.disabled = not branches
        self._add.layout.display = None if branches else "none"
        self._cell_panel.layout.display = "none"

    def _show_cards(self, branches: tuple[Branch, ...], inputs: list[str]) -> None:
        for gone in self._cards.keys() - {branch.id for branch in branches}:
            self._cards.pop(gone).close()
        for branch in branches:
            if branch.id not in self._cards:
                self._cards[branch.id] = BranchCard(self.model, branch.id, self._edit)
        for number, branch in enumerate(branches):
            others = [one.name for one in branches if one.id != branch.id]
            is_first, is_last = number == 0, number == len(branches) - 1
            card = self._cards[branch.id]
            card.show(branch, [*inputs, *others], first=is_first, last=is_last)
        cards = tuple(self._cards[branch.id] for branch in branches) or (self._empty,)
        if self._list.children != cards:
            self._list.children = cards

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
        fields = tuple(self._inputs[name] for name in names)
        if self._values.children != fields:
            self._values.children = fields
        self._inputs_panel.layout.display = None if names else "none"
        self._graph_panel.layout.display = None if self.model.branches else "none"
        self._run_card.layout.display = None if self.model.branches else "none"

    def _hear_value(self, name: str) -> Callable[[str], None]:
        return lambda value: self._edit(lambda: self.model.set_value(name, value))

    def _show_problems(self, problems: tuple[Problem, ...], *, asked: bool = False) -> None:
        for number, card in self._cards.items():
            card.show_problems([one for one in problems if one.owner == number], asked=asked)
        self._run_card.show_problems([one for one in problems if one.owner == RUN])
        of_values = {one.field: one.message for one in problems if one.owner == VALUE}
        for name, field in self._inputs.items():
            field.show_error(of_values.get(name, ""))

    def _draw_now(self) -> None:
        self._timer = None
        reading = self.model.read()
        self._show_problems(reading.problems)
        self._drawing.draw(reading, self.model.state, self._loop)

    # Running

    def _start(self) -> None:
        if self._loop is None or self._shell is None:
            raise FlowError("there is no notebook here to run it in.")
        problems = self.model.read().problems
        if problems:
            self._point_at(problems)
        elif self._running is None:
            self._run_button.disabled = True
            self._run_button.description = "Running…"
            self._running = self._loop.create_task(self._run(self._shell))

    async def _run(self, shell: InteractiveShell) -> None:
        try:
            run = await self._prepared(shell)
            self._show_board(run, shell)
            with suppress(NbflowError):  # the board says so
                await run
        except Exception as error:  # noqa: BLE001 - the user's own code may raise anything
            self._notify(f"{type(error).__name__}: {error}")
        finally:
            self._running = None
            self._run_button.disabled = False
            self._run_button.description = "Run"

    async def _prepared(self, shell: InteractiveShell) -> Run:
        """The run, bound to the notebook's variables as a cell's is."""
        nodes = self.model.nodes()
        cell = self.model.read().cell(nodes)
        for node in nodes:
            await run_code(shell, node.statements)
        bound = cell.bind(shell.user_ns)
        describe = capture.describer(shell)
        run = bound.flow.prepare(bound.inputs, hidden=bound.hidden, describe=describe)
        if cell.line.out:
            shell.user_ns[cell.line.out] = run
        return run

    def _show_board(self, run: Run, shell: InteractiveShell) -> None:
        """Start a run, its board underneath."""
        capture.hold(shell)
        run.listen(_release)
        run.start()
        self.last_run = run
        with capture_output() as captured:
            Board(run).show()
        shown = f"IPY_MODEL_{captured.outputs[0].data[WIDGET_MIME]['model_id']}"
        self._board.children = (ipywidgets.widget_serialization["from_json"](shown, None),)

    # Being displayed

    def _hear(self, message: Any) -> None:
        if message == {"type": "ready"}:
            self._edit(self._output.say_ready)

    def _ipython_display_(self) -> None:
        """Show it; where no widget can be shown, its graph and its cell instead."""
        self._output.show(self._shell, self._loop)

    def _plain(self) -> dict[str, str]:
        try:
            text = self.model.text()
        except FlowError as error:
            text = str(error)
        graph = graph_html(self.model.read(), self.model.state)
        return {"text/plain": text, "text/html": f"{graph}<pre>{html.escape(text)}</pre>"}


def show(shell: InteractiveShell) -> None:
    """What `%nbflow builder` does: a builder on the shell's current flow."""
    Builder(current_flow(shell))._ipython_display_()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _release(event: Event) -> None:
    if event.kind is Kind.RUN_ENDED:
        capture.release()
