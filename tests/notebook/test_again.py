"""Retry, Edit and questions: what a view of the board asks, and what the kernel makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nbflow import Flow, Run, ask, each
from nbflow.core.states import RunState, State
from nbflow.core.topology import Node
from nbflow.errors import FlowError, NbflowError, RunCancelled
from nbflow.notebook import board as board_module
from nbflow.notebook.again import edited, offers, source_of
from nbflow.notebook.asked import Asked
from nbflow.notebook.board import Board
from nbflow.notebook.followed import FollowedRun, elsewhere
from nbflow.writing.cell import parse
from tests.notebook.test_board import Widget, output, until, widgets  # noqa: F401 - fixtures


def cell(body: str, line: str = "", **variables: Any) -> Flow:
    """The flow of a cell; every variable is one of the notebook's."""
    return parse(line, body).bind(variables).flow


async def finished(flow: Flow, **inputs: Any) -> Run:
    run = flow.options(on_error="keep").start(**inputs)
    await run
    return run


def ask_run(run: Run, **message: Any) -> dict[str, Any]:
    return Asked(run, lambda _run: None).answer({"ask": "1", **message})


CELL = """\
[joke] template
A joke about {topic}
[poem] template
A poem about {topic}
[both] template
{joke} {poem}
"""


async def test_an_edited_prompt_runs_and_what_depends_on_it_and_the_rest_is_kept():
    run = await finished(cell(CELL, "topic=cats"), topic="cats")
    assert offers(run, "joke") == "re"
    assert source_of(run, "joke").strip() == "A joke about {topic}"
    again = await edited(run, "joke", "A riddle about {topic}", {}).start()
    assert again["both"] == "A riddle about cats A poem about cats"
    assert again.record.tasks["poem"].reused
    assert not again.record.tasks["both"].reused
    assert source_of(again, "joke") == "A riddle about {topic}"
    assert again.origin.steps[1] is run.origin.steps[1]


async def test_what_an_edited_prompt_newly_reads_may_be_another_branch_or_a_variable():
    run = await finished(cell(CELL, "topic=cats"), topic="cats")
    again = await edited(run, "joke", "{poem} in {style}", {"style": "haste"}).start()
    assert again["joke"] == "A poem about cats in haste"
    assert again.record.values["style"] == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("About {topik}", "reads 'topik'.*Did you mean 'topic'"),
        ("About {both}", "both"),
        ("  ", "the prompt of 'joke' is empty"),
    ],
)
async def test_a_mistake_in_an_edited_prompt_is_said_and_nothing_runs(text, words):
    run = await finished(cell(CELL, "topic=cats"), topic="cats")
    with pytest.raises(FlowError, match=words):
        edited(run, "joke", text, {})


async def test_a_prompt_for_each_element_must_go_on_reading_one():
    flow = Flow(ask("About {doc}", name="page", template=True, each={"doc": "docs"}))
    run = await finished(flow, docs=["a", "b"])
    assert (await edited(run, "page", "On {doc}", {}).start())["page"] == ["On a", "On b"]
    with pytest.raises(FlowError, match=r"must read \{doc\}"):
        edited(run, "page", "On nothing", {})


async def test_edited_code_is_defined_in_the_notebook_and_runs():
    variables: dict[str, Any] = {"topic": "cats"}
    body = "def loud(topic):\n    return topic.upper()\ndef twice(loud):\n    return loud * 2"
    bound = parse("", body).bind(variables)
    run = await finished(bound.flow, **bound.inputs)
    assert "topic.upper()" in source_of(run, "loud")
    text = "def loud(topic):\n    return topic.title()"
    assert (await edited(run, "loud", text, variables).start())["twice"] == "CatsCats"
    assert variables["loud"]("dogs") == "Dogs"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def quiet(topic): return topic", "one function called 'loud'"),
        ("def loud(topic): return topic\nx = 1", "one function called 'loud'"),
        ("def loud(topic: return", "syntax|invalid|never closed|expected"),
        ("", "the code of 'loud' is empty"),
    ],
)
async def test_a_mistake_in_edited_code_is_said(text, words):
    bound = parse("", "def loud(topic):\n    return topic.upper()").bind({"topic": "cats"})
    run = await finished(bound.flow, **bound.inputs)
    with pytest.raises(NbflowError, match=words):
        edited(run, "loud", text, {})


def shout(text: str) -> str:
    return text.upper()


async def test_a_function_of_a_flow_in_python_can_be_edited_too():
    run = await finished(Flow(shout), text="cats")
    assert offers(run, "shout") == "re"
    text = source_of(run, "shout").replace("upper", "title")
    assert (await edited(run, "shout", text, {}).start())["shout"] == "Cats"


async def test_a_function_whose_text_is_nowhere_can_run_again_but_not_be_edited():
    run = await finished(Flow(lambda_named := _named("shout")), text="a")
    assert lambda_named.__name__ == "shout"
    assert offers(run, "shout") == "r"
    with pytest.raises(NbflowError, match="isn't at hand"):
        edited(run, "shout", "def shout(text): return text", {})


def _named(name: str) -> Any:
    def function(text: str) -> str:
        return text.upper()

    function.__name__ = name
    return function


async def test_a_page_may_ask_for_all_of_a_text_and_gets_it_as_it_was_said():
    run = await finished(Flow(ask("{text}", name="echo", template=True)), text="**w** " * 10_000)
    assert "".join(ask_run(run, type="full", id="n0")["blocks"]).count("<strong>") == 10_000
    assert ask_run(run, type="text", id="n0") == {"text": "**w** " * 10_000}
    run = await finished(Flow(ask("{text}", name="echo", template=True)), text="<b>" * 50_000)
    assert ask_run(run, type="full", id="n0") == {"text": "<b>" * 50_000, "note": ""}


async def test_the_tasks_of_a_node_are_given_in_windows_filtered_searched_and_sorted():
    @each(n="ns")
    def page(n: int) -> str:
        if n == 7:
            raise ValueError("seven is bad")
        return f"page {n} " * n

    run = await finished(Flow(page), ns=list(range(300)))
    first = ask_run(run, type="items", id="n0", start=10, count=5)
    assert [row["label"] for row in first["rows"]] == ["10", "11", "12", "13", "14"]
    assert (first["total"], first["counts"]) == (300, {"done": 299, "failed": 1})
    (failed,) = ask_run(run, type="items", id="n0", state="failed")["rows"]
    assert (failed["label"], failed["line"]) == ("7", "ValueError: seven is bad")
    found = ask_run(run, type="items", id="n0", search="PAGE 29")
    assert found["total"] == 11
    longest = ask_run(run, type="items", id="n0", sort="length", count=2)
    assert [row["label"] for row in longest["rows"]] == ["299", "298"]
    assert ask_run(run, type="text", id="n0", task="page[2]") == {"text": "page 2 page 2 "}
    assert ask_run(run, type="text", id="n0", task="other[2]") == {"text": ""}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "full", "id": "n9"},
        {"type": "text", "id": None},
        {"type": "text", "id": "n-1"},
        {"type": "items", "id": "n²"},
        {"type": "edit", "id": "n0"},
        {"type": "edit", "id": "n0", "text": 7},
        {"type": "eval", "id": "n0"},
    ],
)
async def test_a_question_that_makes_no_sense_is_answered_with_a_problem(message):
    run = await finished(cell("[joke] template\nHa."))
    assert ask_run(run, **message).keys() == {"problem"}


async def test_nothing_is_run_again_while_the_run_goes_on():
    waiting = asyncio.Event()

    async def slow() -> None:
        await waiting.wait()

    run = Flow(slow).start()
    assert "goes on" in ask_run(run, type="retry", id="n0")["problem"]
    waiting.set()
    await run


async def test_retry_on_the_board_runs_the_branch_anew_on_the_same_board(
    output,  # noqa: F811
    widgets,  # noqa: F811
    monkeypatch,
):
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    monkeypatch.setattr(board_module, "get_ipython", lambda: shell)
    calls = []

    async def flaky() -> str:
        calls.append("flaky")
        if len(calls) < 2:
            raise ValueError("not yet")
        return "Ha."

    async def steady() -> str:
        calls.append("steady")
        return "Hm."

    async def both(flaky: str, steady: str) -> str:
        return flaky + steady

    run = await finished(Flow(steady, flaky, both))
    calls[:] = ["once"]
    monkeypatch.setitem(shell.user_ns, "mine", run)
    board = Board(run)
    board.show()
    widget: Widget = widgets[0]
    widget.hear({"type": "retry", "ask": "a1", "id": "n1"})
    await until(lambda: any(message["type"] == "answer" for message in widget.sent))
    (answer,) = (message for message in widget.sent if message["type"] == "answer")
    assert answer == {"type": "answer", "ask": "a1"}
    (whole,) = (message for message in widget.sent if message["type"] == "whole")
    again = shell.user_ns["mine"]
    assert again is not run
    assert whole["view"]["run"]["id"] == again.id
    await until(lambda: again.status is RunState.DONE)
    assert calls == ["once", "flaky"]
    assert again["both"] == "Ha.Hm."
    await until(lambda: widget.sent[-1].get("run", {}).get("state") == "done")
    assert not widget.closed
    assert again.record.tasks["steady"].state is State.DONE


async def test_a_retry_that_is_refused_says_why_and_the_board_stays(output, widgets):  # noqa: F811
    @each(n="ns")
    def page(n: int) -> int:
        return n

    run = await finished(Flow(page), ns=iter([1, 2]))
    board = Board(run)
    board.show()
    widgets[0].hear({"type": "retry", "ask": "a1", "id": "n0"})
    await until(lambda: any(message["type"] == "answer" for message in widgets[0].sent))
    (answer,) = (message for message in widgets[0].sent if message["type"] == "answer")
    assert "came from a generator" in answer["problem"]
    assert not any(message["type"] == "whole" for message in widgets[0].sent)


async def test_of_very_many_branches_only_those_that_are_looked_at_are_told_whole(
    output,  # noqa: F811
    widgets,  # noqa: F811
):
    steps = [ask(f"text {n}", name=f"b{n}", template=True) for n in range(200)]
    run = await finished(Flow(*steps))
    board = Board(run)
    board.show()
    whole = widgets[0].whole()
    assert len(whole["panes"]) == 24
    assert len(whole["cells"]["names"]) == 200
    assert whole["cells"]["states"] == "d" * 200
    widgets[0].hear({"type": "look", "view": "v1", "ids": [150, 151, "x", 10**9, -1]})
    await until(lambda: any(message.get("panes") for message in widgets[0].sent))
    told = [pane["branch"] for message in widgets[0].sent for pane in message.get("panes", ())]
    assert told == ["b150", "b151"]


async def test_a_model_is_asked_again_only_by_the_branch_that_is_retried():
    prompts: list[str] = []

    async def parrot(prompt: str) -> str:
        prompts.append(prompt)
        return prompt

    flow = Flow(ask("A joke", name="joke"), ask("A poem", name="poem")).options(model=parrot)
    run = await finished(flow)
    prompts.clear()
    await run.again("joke").start()
    assert prompts == ["A joke"]


async def test_a_run_that_others_do_says_why_no_branch_of_it_is_cancelled_alone(
    output,  # noqa: F811
    widgets,  # noqa: F811
):
    going = asyncio.Event()

    async def work(run: FollowedRun) -> None:
        run.begun(Node("tell", elsewhere))
        going.set()
        await asyncio.Event().wait()

    nodes = [Node("tell", elsewhere), Node("write", elsewhere)]
    run = FollowedRun("cats", nodes, work, "LangGraph").start()
    await going.wait()
    Board(run).show()
    tell, write = (pane["stays"] for pane in widgets[0].whole()["panes"])
    assert tell == "LangGraph runs 'tell' and can't cancel one branch alone; cancel the run."
    assert write == "no code has called it yet, so there is nothing to cancel but the run."
    run.cancel()
    with pytest.raises(RunCancelled):
        await run
    assert [pane["stays"] for pane in widgets[0].whole()["panes"]] == ["", ""]


async def test_a_branch_of_ones_own_can_be_cancelled_alone_before_and_while_it_runs(
    output,  # noqa: F811
    widgets,  # noqa: F811
):
    waiting = asyncio.Event()

    async def slow() -> str:
        await waiting.wait()
        return "late"

    async def after(slow: str) -> str:
        return slow

    run = Flow(slow, after).start()
    Board(run).show()
    assert [pane["stays"] for pane in widgets[0].whole()["panes"]] == ["", ""]
    waiting.set()
    await run


async def test_very_many_branches_are_sorted_by_what_they_said_and_how_long_it_took():
    @each(n="ns")
    def page(n: int) -> str:
        return "a long page " * n

    flow = Flow(
        ask("short", name="a", template=True), ask("a bit longer", name="b", template=True), page
    )
    run = await finished(flow, ns=[1, 2])
    assert ask_run(run, type="order", sort="length") == {"numbers": [2, 1, 0]}
    assert ask_run(run, type="order", sort="size") == {"numbers": [0, 1, 2]}
    (_, slowest), *_ = sorted(
        (
            (-(run.record.life(name).elapsed(0.0) or 0.0), n)
            for n, name in enumerate(run.record.nodes)
        )
    )
    assert ask_run(run, type="order", sort="time")["numbers"][0] == slowest
