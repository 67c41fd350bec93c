from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from nbflow.core.policies import RunOptions
from nbflow.core.run import Run
from nbflow.core.states import RunState
from nbflow.core.topology import Node, Topology
from nbflow.errors import NbflowError
from nbflow.notebook import board as board_module
from nbflow.notebook import live_output, plain_board
from nbflow.notebook import widget as widget_module
from nbflow.notebook.board import Board, HtmlBoard, NoBoard, TextBoard, board_for
from tests.views.hostile import dangers

WIDGET = "application/vnd.jupyter.widget-view+json"


class Output:
    """The cell's output, and what was done to it."""

    def __init__(self) -> None:
        self.states: list[dict[str, Any]] = []

    def update(self, content: dict[str, Any], *, raw: bool) -> None:
        assert raw
        self.states.append(content)


class Widget:
    """A widget whose front end is this test."""

    model_id = "m1"

    def __init__(self, whole: Any, hear: Any) -> None:
        self.whole, self.hear = whole, hear
        self.sent: list[dict[str, Any]] = []
        self.closed = False

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append(json.loads(json.dumps(message)))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    output = Output()

    def displayed(content: dict[str, Any]) -> Output:
        output.states.append(dict(content))
        return output

    monkeypatch.setattr(plain_board, "displayed", displayed)
    return output


@pytest.fixture
def widgets(monkeypatch: pytest.MonkeyPatch) -> list[Widget]:
    made: list[Widget] = []

    def make(*arguments: Any) -> Widget:
        made.append(Widget(*arguments))
        return made[-1]

    monkeypatch.setattr(widget_module, "BoardWidget", make)
    return made


class Gate:
    """A branch that says one thing and then waits to be let go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    async def speak(self) -> Any:
        yield "Once **upon** a time"
        await self.open.wait()
        yield " it ended."


def run_of(*nodes: Node) -> Run:
    return Run(Topology(nodes), {}, RunOptions(), name="cats").start()


async def until(condition: Any) -> None:
    """Let the loop turn until something holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event of its own
            await asyncio.sleep(0.005)


def blocks(widget: Widget) -> str:
    return "".join(
        block for frame in widget.sent for pane in frame["panes"] for block in pane["blocks"]
    )


@asynccontextmanager
async def telling(kind: type[Board | HtmlBoard] = Board, **how: Any) -> AsyncIterator[Run]:
    """A run that is shown while it tells its tale, and is let go in the end."""
    gate = Gate()
    run = run_of(Node("tale", gate.speak))
    board = kind(run, **how)
    board.show()
    yield run
    assert run.status is RunState.RUNNING
    gate.open.set()
    await run
    board.finish()


async def test_what_a_branch_says_reaches_the_widget_while_it_runs(output, widgets):
    async with telling():
        await until(lambda: "<strong>upon</strong>" in blocks(widgets[0]))
        assert not widgets[0].closed
        assert "<strong>upon</strong>" in blocks(widgets[0])


async def test_at_the_end_no_widget_is_left(output, widgets):
    run = run_of(Node("joke", lambda: "Ha."))
    board = Board(run)
    board.show()
    assert WIDGET in output.states[0]
    assert "text/plain" in output.states[0]
    await run
    board.finish()
    assert set(output.states[-1]) >= {"text/plain", "text/html"}
    assert WIDGET not in output.states[-1]
    assert dangers(output.states[-1]["text/html"]) == []
    assert widgets[0].closed


async def test_finishing_twice_leaves_the_same_again(output, widgets):
    run = run_of(Node("joke", lambda: "Ha."))
    board = Board(run)
    board.show()
    await run
    board.finish()
    board.finish()
    assert output.states[-1] == output.states[-2]
    assert WIDGET not in output.states[-1]


async def test_nothing_is_sent_after_the_end(output, widgets):
    run = run_of(Node("joke", lambda: "Ha."))
    board = Board(run)
    board.show()
    await run
    board.finish()
    count = len(widgets[0].sent)
    await asyncio.sleep(2 * board_module.WIDGET_PERIOD_SECONDS)
    assert len(widgets[0].sent) == count


async def test_the_graph_comes_once_it_is_laid_out(output, widgets):
    async with telling():
        await until(lambda: any("graph" in frame for frame in widgets[0].sent))
        assert widgets[0].whole()["graph"]


async def test_a_page_that_opens_late_gets_what_has_been_said(output, widgets):
    async with telling():
        await until(lambda: "upon" in blocks(widgets[0]))
        assert "upon" in "".join(widgets[0].whole()["panes"][0]["blocks"])


async def test_cancel_from_the_page_cancels_the_branch_or_the_run(output, widgets):
    first, second = Gate(), Gate()
    run = run_of(Node("tale", first.speak), Node("song", second.speak))
    board = Board(run)
    board.show()
    await until(lambda: run.record.tasks["song"].state == "running")
    widgets[0].hear({"type": "cancel", "branch": "tale"})
    await until(lambda: run.record.tasks["tale"].state == "cancelled")
    assert run.record.tasks["song"].state == "running"
    await asyncio.to_thread(widgets[0].hear, {"type": "cancel", "branch": None})
    await until(lambda: run.status is RunState.CANCELLED)
    board.finish()


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "cancel"},
        {"type": "cancel", "branch": "nobody"},
        {"type": "cancel", "branch": 7},
        {"type": "run", "code": "1"},
        {"type": ["ready"]},
    ],
)
async def test_any_other_message_does_nothing(output, widgets, message):
    async with telling() as run:
        widgets[0].hear(message)
    assert run.status is RunState.DONE


async def test_why_buttons_do_not_work_is_told_to_the_page(output, widgets):
    run = run_of(Node("joke", lambda: "Ha."))
    board = Board(run, cancel_hint="use the stop button")
    board.show()
    assert widgets[0].whole()["hint"] == "use the stop button"
    await run
    board.finish()


async def test_where_no_page_answers_html_is_shown_instead(output, widgets, monkeypatch):
    monkeypatch.setattr(board_module, "READY_SECONDS", 0.0)
    async with telling(expects_ready=True):
        await until(lambda: "<strong>upon</strong>" in output.states[-1].get("text/html", ""))
    assert "it ended." in output.states[-1]["text/html"]
    assert widgets[0].closed


async def test_a_page_that_answers_keeps_its_widget(output, widgets, monkeypatch):
    monkeypatch.setattr(board_module, "READY_SECONDS", 0.0)
    async with telling(expects_ready=True):
        widgets[0].hear({"type": "ready"})
        await until(lambda: "upon" in blocks(widgets[0]))
        assert len(output.states) == 1


async def test_what_is_saved_while_a_longer_run_goes_on_is_cleared_at_its_end(
    output, widgets, monkeypatch
):
    monkeypatch.setattr(board_module, "READY_SECONDS", 0.0)
    below = Output()

    def display(content: dict[str, Any], **_how: Any) -> Output:
        below.states.append(content)
        return below

    monkeypatch.setattr(live_output, "display", display)
    async with telling(expects_ready=True, keeps=True):
        widgets[0].hear({"type": "ready"})
        await until(lambda: below.states)
        assert WIDGET in output.states[-1]
        assert "this is how it stood" in below.states[-1]["text/html"]
        assert 'data-state="running"' in below.states[-1]["text/html"]
    assert "it ended." in output.states[-1]["text/html"]
    assert below.states[-1] == {"text/plain": ""}


async def test_the_html_board_draws_as_the_run_goes_and_at_its_end(output):
    async with telling(HtmlBoard):
        await until(lambda: "upon" in output.states[-1].get("text/html", ""))
    assert 'data-state="done"' in output.states[-1]["text/html"]
    assert not any(WIDGET in state for state in output.states)


async def test_a_terminal_sees_the_end_as_text(output):
    run = run_of(Node("joke", lambda: "Ha."))
    board = TextBoard(run)
    board.show()
    await run
    board.finish()
    (shown,) = output.states
    assert "✓ joke" in shown["text/plain"]


@pytest.mark.parametrize(
    ("setting", "kernel", "kind"),
    [
        ("", None, TextBoard),
        ("", object(), Board),
        ("html", object(), HtmlBoard),
        ("text", object(), TextBoard),
        ("none", object(), NoBoard),
        ("widget", None, Board),
    ],
)
async def test_the_board_is_the_settings_or_else_the_shells(monkeypatch, setting, kernel, kind):
    monkeypatch.setenv("NBFLOW_BOARD", setting)
    run = run_of(Node("joke", lambda: "Ha."))
    assert type(board_for(run, SimpleNamespace(kernel=kernel))) is kind
    await run


async def test_a_setting_that_is_no_board_is_named(monkeypatch):
    monkeypatch.setenv("NBFLOW_BOARD", "widgets")
    run = run_of(Node("joke", lambda: "Ha."))
    with pytest.raises(NbflowError, match="'widgets'.*Did you mean 'widget'"):
        board_for(run, SimpleNamespace(kernel=None))
    await run


def test_a_notebook_run_without_a_browser_keeps_html_and_nothing_that_acts(kernel):
    cell = kernel.run("%%fanout -o run\ndef joke(): return '<script>alert(1)</script> **Ha**'")
    (shown,) = cell.outputs
    assert set(shown) == {"text/plain", "text/html", "image/svg+xml"}
    assert dangers(shown["text/html"]) == []
    assert "<strong>Ha</strong>" in shown["text/html"]


def test_the_interactive_board_can_be_had_again(kernel):
    kernel.run("%%fanout -o run\ndef joke(): return 'Ha'")
    cell = kernel.run("run.board()")
    assert cell.error == ""
    assert WIDGET in cell.outputs[-1]


def test_a_page_that_asks_the_kernel_gets_the_state_as_it_is(kernel):
    kernel.run("%%fanout -o run\ndef joke(): return 'Ha'")
    kernel.run("from nbflow.notebook.widget import BoardWidget")
    kernel.run("now = {'run': 1}; w = BoardWidget(lambda: now, print)")
    kernel.run("now = {'run': 2}")
    assert kernel.run("w.get_state()['view'], w.get_state('view')").text == (
        "({'run': 2}, {'view': {'run': 2}})"
    )
    assert "export" in kernel.run("w.get_state()['_esm']").text
