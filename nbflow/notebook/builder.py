"""The builder: a widget in which a person writes a flow without knowing the grammar.

Thin above `BuilderModel`: it shows what is there, tells the model what was typed, draws the graph
off the loop, runs the flow with a board underneath. Import it only where a widget is shown.
"""

from __future__ import annotations

import asyncio
import base64
import difflib
import html
from collections.abc import Callable
from typing import Any

import ipywidgets
from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import DisplayHandle, display
from IPython.utils.capture import capture_output

from nbflow.core.events import Event, Kind
from nbflow.core.run import Run
from nbflow.core.topology import Topology
from nbflow.errors import CellError, FlowError, NbflowError
from nbflow.notebook import capture
from nbflow.notebook.board import Board
from nbflow.notebook.branch import Branch, node_of
from nbflow.notebook.branch_cells import current_flow, graph_bundle, model_in, run_code
from nbflow.notebook.builder_card import MODELS, BranchCard, shown
from nbflow.notebook.builder_fields import (
    Field,
    Fold,
    PromptEditor,
    button,
    choice_field,
    panel,
    row,
    text_field,
)
from nbflow.notebook.builder_model import BuilderModel, State, example
from nbflow.notebook.proofreading import RUN, VALUE, Problem
from nbflow.writing.flow import Flow

DRAW_SECONDS = 0.3
"""How long after the last key the graph is drawn and the flow is read for mistakes."""
READY_SECONDS = 4.0
"""How long a front end has to say that it shows widgets."""

_WIDGET_MIME = "application/vnd.jupyter.widget-view+json"

RUN_OPTIONS = {
    "jobs": ("At once", "how many tasks"),
    "timeout": ("Timeout", "seconds"),
    "retries": ("Retries", "0"),
    "rate": ("Rate", "60/min"),
    "seed": ("Seed", "a whole number"),
}
ON_ERROR = {
    "finish": "the others finish, then an error",
    "stop": "the others are cancelled",
    "keep": "the others finish, no error",
}
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
        is_model = isinstance(flow, BuilderModel)
        self.model: BuilderModel = flow if is_model else model_in(self._shell, flow)  # type: ignore[assignment]
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._cards: dict[int, BranchCard] = {}
        self._inputs: dict[str, Field] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._drawing = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._handle: DisplayHandle | None = None
        self._ready = False
        self.last_run: Run | None = None
        super().__init__(self._parts())
        self.add_class("nbflow-builder")
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
        load = button("Start from an example", self._do(lambda: self.model.load(example())))
        both = row(first, load, more="nbflow-card-row")
        made = ipywidgets.VBox([ipywidgets.HTML(WELCOME), both])
        made.add_class("nbflow-empty")
        return made

    def _side(self) -> Any:
        self._graph = ipywidgets.HTML()
        self._graph.add_class("nbflow-drawing")
        self._values = ipywidgets.VBox()
        self._inputs_panel = panel("Inputs", self._values)
        self._graph_panel = panel("Graph", self._graph)
        side = ipywidgets.VBox([self._inputs_panel, self._graph_panel, self._run_options()])
        side.add_class("nbflow-side")
        return side

    def _run_options(self) -> Any:
        def says(word: str) -> Callable[[Any], None]:
            def say(value: Any) -> None:
                now = self.model.state.out if word == "out" else self.model.state.options.get(word)
                if value != shown(now):
                    self._edit(lambda: self.model.set_run_option(word, value))

            return say

        model = text_field("Model", says("model"), hint="the default model", choices=MODELS)
        self._run_fields = {"model": model}
        for word, (label, hint) in RUN_OPTIONS.items():
            self._run_fields[word] = text_field(label, says(word), hint=hint)
        on_error = choice_field(
            "If a branch fails",
            ON_ERROR,
            lambda value: says("on_error")("" if value == "finish" else value),
        )
        self._run_fields["on_error"] = on_error
        self._run_fields["out"] = text_field("Keep the run as", says("out"), hint="a variable")
        fields = row(*self._run_fields.values(), more="nbflow-card-options")
        self._run_fold = Fold("Options of the run", fields)
        return self._run_fold

    def _foot(self) -> Any:
        self._run_button = button("Run", self._press_run, icon="play", style="success")
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
        said = ipywidgets.HTML(
            "Paste a <code>%%fanout</code> cell. It replaces what is here; Undo brings that back."
        )
        both = row(load, close, more="nbflow-card-row")
        self._load_panel = panel("From a cell", said, self._pasted, both)
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
            problems = self.model.problems()
            if problems:
                self._point_at(problems)
                return
            raise
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
            head = expand(head)
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

    def _point_at(self, problems: list[Problem]) -> None:
        """Say how many things are wrong, and put the cursor at the first."""
        count = len(problems)
        self._show_problems(problems, asked=True)
        self._notify("One field needs a look." if count == 1 else f"{count} fields need a look.")
        first = problems[0]
        if first.owner == VALUE:
            self._inputs[first.field].focus()
        elif first.owner == RUN:
            self._run_fold.unfold()
            self._run_fields[first.field].focus()
        else:
            self._cards[int(first.owner)].focus_on(first.field)

    # What a person sees

    def _changed(self) -> None:
        self._edit(self._show_all)

    def _show_all(self) -> None:
        self._show_state()
        self._draw_soon()

    def _show_state(self) -> None:
        branches = self.model.branches
        self._show_cards(branches)
        self._show_inputs(self.model.inputs)
        self._show_run_options(self.model.state)
        self._undo.disabled, self._redo.disabled = not self.model.can_undo, not self.model.can_redo
        self._run_button.disabled = not branches or bool(self._tasks)
        self._to_cell.disabled = not branches
        self._add.layout.display = None if branches else "none"
        self._cell_panel.layout.display = "none"

    def _show_cards(self, branches: tuple[Branch, ...]) -> None:
        for gone in self._cards.keys() - {branch.id for branch in branches}:
            self._cards.pop(gone).close()
        for branch in branches:
            if branch.id not in self._cards:
                self._cards[branch.id] = BranchCard(self.model, branch.id, self._edit)
        inputs = self._offered()
        for number, branch in enumerate(branches):
            others = [one.name for one in branches if one.id != branch.id]
            is_first, is_last = number == 0, number == len(branches) - 1
            card = self._cards[branch.id]
            card.show(branch, [*inputs, *others], first=is_first, last=is_last)
        cards = tuple(self._cards[branch.id] for branch in branches)
        cards = cards or (self._empty,)
        if self._list.children != cards:
            self._list.children = cards

    def _offered(self) -> list[str]:
        """The inputs, without what looks like a slip: an empty one called nearly as another."""
        names, values = [*self.model.names(), *self.model.inputs], self.model.state.values
        return [
            name
            for name in self.model.inputs
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
        self._run_fold.layout.display = None if self.model.branches else "none"

    def _hear_value(self, name: str) -> Callable[[str], None]:
        return lambda value: self._edit(lambda: self.model.set_value(name, value))

    def _show_run_options(self, state: State) -> None:
        for word, field in self._run_fields.items():
            if word == "out":
                field.show(state.out)
            elif word == "on_error":
                field.show(str(state.options.get(word) or "finish"))
            else:
                field.show(shown(state.options.get(word)))

    def _show_problems(self, problems: list[Problem], *, asked: bool = False) -> None:
        for number, card in self._cards.items():
            card.show_problems([one for one in problems if one.owner == number], asked=asked)
        of_run = {one.field: one.message for one in problems if one.owner == RUN}
        of_values = {one.field: one.message for one in problems if one.owner == VALUE}
        for word, field in self._run_fields.items():
            field.show_error(of_run.get(word, ""))
        for name, field in self._inputs.items():
            field.show_error(of_values.get(name, ""))
        if of_run:
            self._run_fold.unfold()

    # The graph

    def _draw_soon(self) -> None:
        if self._loop is None:
            self._draw_now()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(DRAW_SECONDS, self._draw_now)

    def _draw_now(self) -> None:
        self._timer = None
        problems = self.model.problems()
        self._show_problems(problems)
        topology = self.model.graph()
        if topology is None:
            if not self.model.branches:
                self._graph.value = ""
            return
        state, missing = self.model.state, self.model.missing
        self._drawing += 1
        if self._loop is None:
            self._graph.value = _graph_html(topology, state, missing)
        else:
            self._begin(self._draw(self._drawing, topology, state, missing), is_run=False)

    async def _draw(
        self, number: int, topology: Topology, state: State, missing: tuple[str, ...]
    ) -> None:
        """Lay the graph out in a thread; what has been overtaken meanwhile isn't shown."""
        made = await asyncio.to_thread(_graph_html, topology, state, missing)
        if number == self._drawing:
            self._graph.value = made

    def _begin(self, coroutine: Any, *, is_run: bool) -> None:
        assert self._loop is not None
        task = self._loop.create_task(coroutine)
        if is_run:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            _kept.add(task)
            task.add_done_callback(_kept.discard)

    # Running

    def _press_run(self) -> None:
        self._edit(self._start)

    def _start(self) -> None:
        if self._loop is None or self._shell is None:
            raise FlowError("there is no notebook here to run it in.")
        problems = self.model.problems()
        if problems:
            self._point_at(problems)
        elif not self._tasks:
            self._begin(self._run(), is_run=True)

    async def _run(self) -> None:
        self._run_button.disabled = True
        self._run_button.description = "Running…"
        try:
            run = await self._prepared()
            self._show_board(run)
            await asyncio.wait([asyncio.ensure_future(_ended(run))])
        except Exception as error:  # noqa: BLE001 - the user's own code may raise anything
            self._notify(f"{type(error).__name__}: {error}")
        finally:
            self._run_button.disabled = False
            self._run_button.description = "Run"

    async def _prepared(self) -> Run:
        """The run, bound to the notebook's variables as a cell's is."""
        shell = self._shell
        assert shell is not None
        for branch in self.model.branches:
            if branch.kind == "python":
                node = node_of(branch, shell.transform_cell, head=f"%%branch {branch.name}")
                await run_code(shell, node.statements)
        bound = self.model.cell().bind(shell.user_ns)
        describe = capture.describer(shell)
        run = bound.flow.prepare(bound.inputs, hidden=bound.hidden, describe=describe)
        if self.model.state.out:
            shell.user_ns[self.model.state.out] = run
        return run

    def _show_board(self, run: Run) -> None:
        """Start a run, its board underneath."""
        assert self._shell is not None
        capture.hold(self._shell)
        run.listen(_release)
        run.start()
        self.last_run = run
        with capture_output() as captured:
            Board(run).show()
        references = (output.data.get(_WIDGET_MIME) for output in captured.outputs)
        model_ids = [reference["model_id"] for reference in references if reference]
        widgets: Any = ipywidgets.widgets.widget._instances  # noqa: SLF001 - there is no other way
        self._board.children = tuple(widgets[one] for one in model_ids if one in widgets)

    # Being displayed

    def _hear(self, message: Any) -> None:
        if message == {"type": "ready"} and not self._ready:
            self._ready = True
            self._edit(self._show_live)

    def _show_live(self) -> None:
        if self._handle is not None:
            _update(self._handle, self._live())

    def _live(self) -> dict[str, Any]:
        reference = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {"text/plain": "nbflow.Builder (where widgets are shown)", _WIDGET_MIME: reference}

    def _ipython_display_(self) -> None:
        """Show it; where no widget can be shown, its graph and its cell instead."""
        show: Any = display
        self._handle = show(self._live(), raw=True, display_id=True)
        if self._shell is None or self._loop is None or self._ready:
            return
        self._loop.call_later(READY_SECONDS, self._fall_back)
        self._shell.events.register("pre_run_cell", self._next_cell)

    def _next_cell(self, _info: object) -> None:
        """A client without widgets hears of an output only while a cell runs."""
        assert self._shell is not None
        self._shell.events.unregister("pre_run_cell", self._next_cell)
        self._fall_back()

    def _fall_back(self) -> None:
        if not self._ready and self._handle is not None:
            _update(self._handle, self._plain())

    def _plain(self) -> dict[str, str]:
        try:
            text = self.model.text()
        except FlowError as error:
            text = str(error)
        graph = self._graph_once()
        shown_text = f"<pre>{html.escape(text)}</pre>"
        return {"text/plain": text, "text/html": f"{graph}{shown_text}"}

    def _graph_once(self) -> str:
        topology = self.model.graph()
        if topology is None:
            return ""
        return _graph_html(topology, self.model.state, self.model.missing)


_kept: set[asyncio.Task[None]] = set()
"""Drawings under way: the loop itself keeps only weak references."""


def show(shell: InteractiveShell) -> None:
    """What `%nbflow builder` does: a builder on the shell's current flow."""
    Builder(current_flow(shell))._ipython_display_()


def _update(handle: DisplayHandle, content: dict[str, Any]) -> None:
    update: Any = handle.update
    update(content, raw=True)


def _graph_html(topology: Topology, state: State, missing: tuple[str, ...]) -> str:
    """The graph as a picture, described in words; without Graphviz only in words."""
    made = graph_bundle(topology, state, missing)
    svg = made.get("image/svg+xml")
    if svg is None:
        return made.get("text/html", "")
    data = base64.b64encode(svg.encode()).decode()
    edges = (f"{name} reads {', '.join(read)}" for name, read in topology.predecessors.items())
    words = html.escape(f"The graph: {'; '.join(edges)}.", quote=True)
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{words}">'


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _release(event: Event) -> None:
    if event.kind is Kind.RUN_ENDED:
        capture.release()


async def _ended(run: Run) -> None:
    try:
        await run
    except (NbflowError, CellError):
        return  # the board says so
