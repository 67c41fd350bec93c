"""Watching in a real kernel: what `%%watch` and `nbflow.watch()` leave in the notebook."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.notebook.kernel import Kernel

PLAIN = {"text/plain", "text/html", "image/svg+xml"}

SETUP = """
import asyncio, threading, time
from typing import TypedDict
import nbflow
from nbflow import Flow
from nbflow.func import entrypoint, task
from nbflow.graph import END, START, StateGraph
from langgraph.graph import StateGraph as Theirs

class State(TypedDict):
    topic: str
    joke: str
    poem: str
    both: str

def tell(state):
    print("telling")
    return {"joke": f"A joke about {state['topic']}"}

async def rhyme(state):
    return {"poem": f"A poem about {state['topic']}"}

def join(state):
    return {"both": state["joke"] + "; " + state["poem"]}

def compiled(**nodes):
    builder = StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder.compile(name="cats")

builder = StateGraph(State)
for node in (tell, rhyme, join):
    builder.add_node(node)
builder.add_edge(START, "tell")
builder.add_edge(START, "rhyme")
builder.add_edge(["tell", "rhyme"], "join")
builder.add_edge("join", END)
graph = builder.compile(name="cats")

@task
def double(n):
    return 2 * n

@entrypoint()
def workflow(n):
    return double(n).result() + 1
"""

CATS = '{"topic": "cats"}'

ORPHANS = """
from nbflow import Run
from nbflow.notebook import capture
await asyncio.sleep(0)
left = [task.get_name() for task in asyncio.all_tasks() if "slow" in task.get_name()]
left, len(Run.watchers), capture._holders
"""


@pytest.fixture(scope="module", autouse=True)
def setup(kernel: Kernel):
    assert kernel.run(SETUP).error == ""


@pytest.mark.parametrize("call", ["graph.invoke", "await graph.ainvoke"])
def test_a_watched_cell_leaves_a_board_and_the_value_of_its_last_line(kernel: Kernel, call: str):
    cell = kernel.run(f"%%watch\nstate = {call}({CATS})\nstate['both']")
    assert cell.error == ""
    board, value = cell.outputs
    assert set(board) == PLAIN
    for shown in ("tell", "rhyme", "join", "A joke about cats; A poem about cats", "telling"):
        assert shown in board["text/html"]
    assert value["text/plain"] == "'A joke about cats; A poem about cats'"
    assert cell.stdout == ""  # what a node prints stands in its pane
    assert kernel.run("state['joke']").text == "'A joke about cats'"


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (f"for _ in graph.stream({CATS}): pass", "A poem about cats"),
        (f"async for _ in graph.astream({CATS}): pass", "A poem about cats"),
        ("assert workflow.invoke(20) == 41", "41"),
        ("assert await workflow.ainvoke(20) == 41", "41"),
        ("assert double(21).result() == 42", "42"),
        ("assert await double(21) == 42", "42"),
        ("def shout(text): return text.upper()\nFlow(shout).run(text='hey')['shout']", "HEY"),
    ],
)
def test_every_api_is_watched(kernel: Kernel, code: str, shown: str):
    for cell in (
        kernel.run(f"%%watch\n{code};"),
        kernel.run("with nbflow.watch():\n    " + code.replace("\n", "\n    ") + ";"),
    ):
        assert cell.error == ""
        (board,) = cell.outputs
        assert set(board) == PLAIN
        assert shown in board["text/html"]


@pytest.mark.parametrize(
    "call",
    [
        "%%watch\n_ = asks.invoke",
        "with nbflow.watch(): asks.invoke",
        "_ = nbflow.watch(asks).invoke",
        "_ = nbflow.watch(asks).with_config(tags=['x']).invoke",
    ],
)
def test_what_a_chat_model_says_in_a_node_is_shown_piece_by_piece(kernel: Kernel, call: str):
    kernel.run(
        "from langchain_core.language_models.fake_chat_models import GenericFakeChatModel\n"
        "from langchain_core.messages import AIMessage\n"
        "def says(state):\n"
        "    model = GenericFakeChatModel(messages=iter([AIMessage('three little words')]))\n"
        "    return {'joke': model.invoke('Say something.').content}\n"
        "asks = compiled(says=says)"
    )
    assert kernel.run(f"{call}({CATS})").error == ""
    heard = "[e.data['text'] async for e in nbflow.last_run().events() if e.kind == 'chunk']"
    assert kernel.run(heard).text == "['three', ' ', 'little', ' ', 'words']"


def test_nothing_is_shown_after_the_watch(kernel: Kernel):
    code = f"with nbflow.watch():\n    graph.invoke({CATS})\n_ = graph.invoke({CATS})"
    assert len(kernel.run(code).outputs) == 1
    kernel.run("%%watch\nraise ValueError")
    assert kernel.run(f"_ = graph.invoke({CATS})").outputs == []
    assert kernel.run("from nbflow import Run; len(Run.watchers)").text == "0"


def test_several_runs_have_a_board_each_up_to_a_limit(kernel: Kernel):
    cell = kernel.run("%%watch\nfor n in range(13): _ = workflow.invoke(n)")
    assert len(cell.outputs) == 10
    assert cell.stdout.count("\n") == 1
    assert "10 runs are shown" in cell.stdout


def test_the_last_run_is_bound_to_the_name_asked_for(kernel: Kernel):
    assert kernel.run(f"%%watch -o run\n_ = graph.invoke({CATS})").error == ""
    assert kernel.run("run['join']").text == "A joke about cats; A poem about cats"


def test_a_run_within_a_branch_has_a_board_of_its_own_in_the_cell(kernel: Kernel):
    kernel.run("def outer(state): return {'joke': graph.invoke(state)['both']}")
    cell = kernel.run(f"%%watch\n_ = compiled(outer=outer).invoke({CATS})")
    assert cell.error == ""
    assert [set(board) for board in cell.outputs] == [PLAIN, PLAIN]
    assert "outer" in cell.outputs[0]["text/html"]
    assert "rhyme" in cell.outputs[1]["text/html"]


def test_runs_in_other_threads_are_watched(kernel: Kernel):
    cell = kernel.run(
        "%%watch\nfrom concurrent.futures import ThreadPoolExecutor\n"
        f"with ThreadPoolExecutor() as pool: list(pool.map(graph.invoke, [{CATS}] * 3));"
    )
    assert cell.error == ""
    assert [set(board) for board in cell.outputs] == [PLAIN] * 3


def test_it_completes_on_tab(kernel: Kernel):
    assert "%%watch" in kernel.reply(kernel.client.complete("%%wat", 5))["matches"]


def test_a_fanout_below_it_has_one_board(kernel: Kernel):
    cell = kernel.run("%%watch\n%%fanout\ndef a(): return 'aaa'")
    assert (cell.error, len(cell.outputs)) == ("", 1)


def test_a_mistake_is_shown_at_the_line_it_stands_in(kernel: Kernel):
    failed = kernel.run("%%watch\n\nx = 1\nx / 0")
    assert failed.error == "ZeroDivisionError: division by zero"
    assert "line 4" in failed.shown_error
    wrong = kernel.run("%%watch\n\nx = 1\nx = = 0")
    assert wrong.error.startswith("SyntaxError")
    assert "line 4" in wrong.shown_error


def test_the_error_of_a_node_is_the_cells_and_stays_on_the_board(kernel: Kernel):
    kernel.run("def bad(state): raise ValueError('no jokes today')")
    cell = kernel.run(f"%%watch\ncompiled(bad=bad).invoke({CATS})")
    assert cell.error == "ValueError: no jokes today"
    assert "no jokes today" in cell.html
    assert set(cell.outputs[0]) == PLAIN


def test_help_and_a_wrong_option_run_nothing(kernel: Kernel):
    cell = kernel.run("%%watch -h\nran = True")
    assert cell.stdout.startswith("%%watch [-o NAME]")
    cell = kernel.run("%%watch --out\nran = True")
    assert cell.error.startswith("NbflowError: %%watch can't read '--out'")
    assert kernel.run("ran").error.startswith("NameError")


def test_magics_work_in_a_watched_cell(kernel: Kernel):
    cell = kernel.run(f"%%watch\n%time state = graph.invoke({CATS})\n!echo shell")
    assert cell.error == ""
    assert "shell" in cell.stdout
    assert len(cell.outputs) == 1
    assert len(kernel.run(f"%%time\n%%watch\nstate = graph.invoke({CATS})").outputs) == 1


@pytest.mark.parametrize(
    ("call", "error"),
    [("graph.invoke", "KeyboardInterrupt"), ("await graph.ainvoke", "RunCancelled: cancelled")],
)
@pytest.mark.parametrize("slow", ["await asyncio.sleep(600)", "time.sleep(600)"])
def test_an_interrupt_cancels_every_branch(kernel: Kernel, call: str, error: str, slow: str):
    kernel.run(f"async def slow(state): {slow}\ngraph_ = compiled(slow=slow)")
    code = f"%%watch -o run\n{call.replace('graph', 'graph_', 1)}({CATS})"
    started = kernel.start(code)
    kernel.wait_for("display_data")
    kernel.manager.interrupt_kernel()
    cell = kernel.finish(started)
    assert cell.error.startswith(error)
    assert kernel.run("run.status.value").text == "'cancelled'"
    assert kernel.run(ORPHANS).text == "([], 0, 0)"
    saved = [bundle for bundle in kernel.displays.values() if bundle]
    assert [set(bundle) for bundle in saved if set(bundle) != PLAIN] == []


def test_a_run_that_outlives_its_cell_takes_no_interrupt_of_a_later_one(kernel: Kernel):
    kernel.run("async def naps(): await asyncio.sleep(600)")
    assert kernel.run("%%watch\nrun = Flow(naps).start()\nawait asyncio.sleep(0.1)").error == ""
    counts = """
        print("ready")
        heard, end = 0, time.monotonic() + 1
        while time.monotonic() < end:
            try:
                time.sleep(0.01)
            except KeyboardInterrupt:
                heard += 1
        heard, run.status.value
    """
    started = kernel.start(textwrap.dedent(counts))
    kernel.wait_for("stream")
    kernel.manager.interrupt_kernel()
    assert kernel.finish(started).text == "(1, 'running')"
    kernel.run("run.cancel()\nawait run.ended()")


def test_runs_of_two_threads_are_watched_and_the_handler_is_given_back(kernel: Kernel):
    code = """
        %%watch
        import signal, threading
        before = signal.getsignal(signal.SIGINT)
        async def short(): await asyncio.sleep(0.05)
        async def longer(): await asyncio.sleep(0.4)
        run = Flow(short).start()
        thread = threading.Thread(target=Flow(longer).run)
        thread.start()
        await run
        await asyncio.to_thread(thread.join)
        print(signal.getsignal(signal.SIGINT) is before)
    """
    cell = kernel.run(textwrap.dedent(code).strip())
    assert (cell.error, cell.stdout) == ("", "True\n")
    boards = [output for output in cell.outputs if "text/html" in output]
    assert [set(board) for board in boards] == [PLAIN] * 2


def test_updates_come_while_a_sync_call_runs(kernel: Kernel):
    """A node that waits for the front end to have heard of it would otherwise never end."""
    kernel.run("gate = threading.Event()\ndef held(state): gate.wait(30)")
    started = kernel.start(
        f"%%watch\nthreading.Timer(0.5, gate.set).start()\ncompiled(held=held).invoke({CATS})"
    )
    seen = []
    while (message := kernel.client.get_iopub_msg(timeout=30))["msg_type"] != "update_display_data":
        if message["msg_type"] == "comm_msg":
            data = message["content"]["data"]
            seen.append(data.get("content", {}).get("type"))
    kernel.finish(started)
    assert "frame" in seen


def test_a_watched_graph_shows_every_call(kernel: Kernel):
    kernel.run("watched = nbflow.watch(graph)")
    for call in ("watched.invoke", "await watched.ainvoke", "list", "watched.with_config().invoke"):
        code = f"list(watched.stream({CATS}));" if call == "list" else f"_ = {call}({CATS})"
        cell = kernel.run(code)
        assert cell.error == ""
        assert set(cell.outputs[0]) == PLAIN
        assert "A poem about cats" in cell.html
    assert kernel.run(f"_ = graph.invoke({CATS})").outputs == []
    assert (
        kernel.run("type(watched) is type(graph), watched.get_graph().draw_mermaid()[:5]").error
        == ""
    )


def test_a_watched_entrypoint_and_a_watched_flow_show_every_call(kernel: Kernel):
    assert "41" in kernel.run("_ = nbflow.watch(workflow).invoke(20)").html
    kernel.run("def shout(text): return text.upper()\nflow = nbflow.watch(Flow(shout))")
    assert "HEY" in kernel.run("_ = flow.run(text='hey')").html
    assert "HEY" in kernel.run("_ = await flow.options(jobs=1).arun(text='hey')").html
    assert kernel.run("from nbflow.notebook import capture; capture._holders").text == "0"


def test_a_run_that_goes_on_after_its_cell_leaves_plain_html(kernel: Kernel):
    kernel.run("gate = asyncio.Event()\nasync def held(state): await gate.wait()")
    cell = kernel.run(f"%%watch\nrun = compiled(held=held).start({CATS})")
    assert kernel.run("run.status.value").text == "'running'"
    kernel.run("gate.set(); await run")
    assert set(cell.outputs[0]) == PLAIN


def test_langgraphs_own_graph_is_watched(kernel: Kernel):
    kernel.run(
        "theirs = Theirs(State)\n"
        "theirs.add_node('tell', tell)\ntheirs.add_node('rhyme', rhyme)\n"
        "theirs.add_edge(START, 'tell')\ntheirs.add_edge(START, 'rhyme')\n"
        "theirs = nbflow.watch(theirs.compile(name='theirs'))"
    )
    cell = kernel.run(f"(await theirs.ainvoke({CATS}))['joke']")
    assert cell.error == ""
    board, value = cell.outputs
    assert set(board) == PLAIN
    assert "A poem about cats" in board["text/html"]
    assert value["text/plain"] == "'A joke about cats'"


@pytest.mark.parametrize(
    ("call", "nap", "error"),
    [
        ("theirs.invoke", "def nap(state): time.sleep(1)", "KeyboardInterrupt"),
        ("await theirs.ainvoke", "async def nap(state): await asyncio.sleep(600)", "RunCancelled"),
    ],
)
def test_langgraphs_own_graph_is_interrupted(kernel: Kernel, call: str, nap: str, error: str):
    kernel.run(
        f"{nap}\ntheirs = Theirs(State)\ntheirs.add_node('nap', nap)\n"
        "theirs.add_edge(START, 'nap')\ntheirs = nbflow.watch(theirs.compile())"
    )
    started = kernel.start(f"{call}({CATS})")
    kernel.wait_for("display_data")
    kernel.manager.interrupt_kernel()
    cell = kernel.finish(started)
    assert cell.error.startswith(error)
    assert kernel.run("nbflow.last_run().status.value").text == "'cancelled'"


def test_a_script_prints_each_run_when_it_has_ended():
    code = (
        SETUP + f"with nbflow.watch():\n    graph.invoke({CATS})\nnbflow.watch(workflow).invoke(1)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cats: done" in said.stdout
    assert "A joke about cats; A poem about cats" in said.stdout
    assert "workflow: done" in said.stdout
    assert said.stderr == ""
