"""What is made inside a branch lands in that branch's pane, whoever runs beside it."""

from __future__ import annotations

import ast

PRINT = """
%%fanout -o run
import threading, asyncio, sys
meet = threading.Barrier(2)
def left():
    for n in range(50):
        meet.wait(); print("left", n)
def right():
    for n in range(50):
        meet.wait(); print("right", n, file=sys.stderr)
async def third():
    for n in range(50):
        print("third", n); await asyncio.sleep(0)
async def fourth():
    for n in range(50):
        print("fourth", n); await asyncio.sleep(0)
"""

FIGURES = """
%%fanout -o run
import threading
import matplotlib.pyplot as plt
meet = threading.Barrier(2, timeout=30)
def one():
    plt.plot([1, 2]); meet.wait(); plt.title("one"); meet.wait(); plt.show()
    return len(plt.get_fignums())
def two():
    plt.plot([2, 1]); meet.wait(); plt.title("two"); meet.wait()
    return len(plt.get_fignums())
"""


def outputs(kernel, name):
    code = f"[dict(o) for o in run.record.tasks['{name}'].outputs]"
    return ast.literal_eval(kernel.run(code).text)


def test_prints_of_threads_and_coroutines_land_in_their_own_panes(kernel):
    cell = kernel.run(PRINT)
    assert (cell.error, cell.stdout) == ("", "")
    for name in ("left", "right", "third", "fourth"):
        text = "".join(output["text"] for output in outputs(kernel, name))
        assert text == "".join(f"{name} {n}\n" for n in range(50))
    assert {output["name"] for output in outputs(kernel, "right")} == {"stderr"}


def test_print_works_as_ever_after_the_run(kernel):
    assert kernel.run("print('here'); import sys").stdout == "here\n"
    assert "BranchStream" not in kernel.run("type(sys.stdout).__name__").text


def test_display_lands_in_the_pane_and_an_update_replaces_it(kernel):
    kernel.run(
        "%%fanout -o run\nfrom IPython.display import HTML, display, clear_output\n"
        "def branch():\n    display('gone'); clear_output()\n"
        "    handle = display(HTML('<b>one</b>'), display_id=True)\n"
        "    handle.update(HTML('<b>two</b>'))\n"
    )
    first, second = outputs(kernel, "branch")
    assert first["data"]["text/html"] == "<b>one</b>"
    assert second["data"]["text/html"] == "<b>two</b>"
    assert (first["display_id"], second["update"]) == (second["display_id"], True)


def test_figures_drawn_at_the_same_time_stay_apart_also_when_nobody_shows_them(kernel):
    cell = kernel.run(FIGURES)
    assert cell.error == ""
    assert kernel.run("run['one'], run['two']").text == "(0, 1)"
    for name in ("one", "two"):
        (figure,) = outputs(kernel, name)
        assert figure["data"]["image/png"]
    assert cell.html.count("data:image/png") == 2
    assert len(cell.outputs) == 1


def test_a_result_with_a_rich_form_is_shown_in_it(kernel):
    cell = kernel.run(
        "%%fanout -o run\nimport pandas as pd\ndef table(): return pd.DataFrame({'column': [1]})"
    )
    assert "<table" in cell.html
    assert kernel.run("run['table'].shape").text == "(1, 1)"


def test_a_traceback_printed_by_the_branch_stays_in_the_branch(kernel):
    kernel.run(
        "%%fanout -o run\nimport traceback\ndef branch():\n"
        "    try: 1/0\n    except ZeroDivisionError: traceback.print_exc()"
    )
    text = "".join(output["text"] for output in outputs(kernel, "branch"))
    assert "ZeroDivisionError" in text
    assert "1/0" in text
