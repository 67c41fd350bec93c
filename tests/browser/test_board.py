"""The board, as a person at a notebook meets it, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from .page import NotebookPage

pytestmark = pytest.mark.browser

WIDGET = "application/vnd.jupyter.widget-view+json"

MODELS = """\
%load_ext nbflow
import asyncio

async def endless(prompt):
    number = 0
    while True:
        yield f"{prompt}-{number} "
        number += 1
        await asyncio.sleep(0.05)

async def parrot(prompt):
    for word in prompt.split():
        yield word + " "
        await asyncio.sleep(0.02)
"""

ENDLESS = """\
%%fanout -m endless -o run
[joke]
joke
[story]
story
[both] template
{joke} {story}
"""

FINISHED = """\
%%fanout -m parrot -o run topic=cats
[joke]
A **joke** about {topic}
[story]
A story about {topic}
[both] template
Both: {joke} {story}
"""


def is_drawn(image: Locator) -> bool:
    """Whether a picture was decoded and has a size."""
    drawn: bool = image.evaluate("async image => { await image.decode(); return image.width > 0; }")
    return drawn


def overflow(box: Locator) -> int:
    """How many pixels of a box don't fit into its width."""
    pixels: int = box.evaluate("box => box.scrollWidth - box.clientWidth")
    return pixels


def contrast(text: Locator) -> float:
    """The contrast of a text to what is behind it, from 1 to 21, as WCAG 2.1 defines it."""
    luminances = text.evaluate("""element => {
      const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
      const luminance = colour => {
        const [r, g, b] = numbers(colour).map(v => v / 255)
          .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      let behind = element;
      const clear = box => (numbers(getComputedStyle(box).backgroundColor)[3] ?? 1) === 0;
      while (behind.parentElement && clear(behind)) behind = behind.parentElement;
      return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
        .map(luminance);
    }""")
    return float((max(luminances) + 0.05) / (min(luminances) + 0.05))


def test_panes_stream_while_the_cell_runs_and_cancel_ends_it(notebook: NotebookPage) -> None:
    """A person watches two branches being written, has seen enough, and clicks Cancel run."""
    notebook.open_new("cancel.ipynb", MODELS, ENDLESS, "run.status, sorted(run.errors)")
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "joke", "joke-3")
    notebook.wait_pane(1, "story", "story-3")
    assert notebook.is_running(1)
    expect(notebook.pane(1, "joke")).to_have_attribute("data-state", "running")
    expect(notebook.pane(1, "both")).to_have_attribute("data-state", "queued")
    node = notebook.board(1).locator('g.node[data-branch="joke"]')
    expect(node).to_have_attribute("data-state", "running")

    notebook.board(1).get_by_role("button", name="Cancel run").click()
    notebook.wait_prompt(1, "[2]", seconds=3)
    expect(notebook.output(1)).to_contain_text("RunCancelled: cancelled after")
    expect(notebook.output(1)).to_contain_text("joke-3")
    expect(notebook.output(1)).not_to_contain_text("Traceback")
    notebook.run_to_end(2, 3)
    expect(notebook.output(2)).to_contain_text("cancelled")


def test_one_branch_can_be_cancelled_and_the_others_go_on(notebook: NotebookPage) -> None:
    """A person stops the branch that rambles and keeps the other."""
    cell = "%%fanout -m endless -o run\na: first\nb: second"
    notebook.open_new("one.ipynb", MODELS, cell)
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "a", "first-1")
    notebook.board(1).get_by_role("button", name="Cancel a", exact=True).click()
    expect(notebook.pane(1, "a")).to_have_attribute("data-state", "cancelled")
    notebook.wait_pane(1, "b", "second-20")
    assert notebook.is_running(1)
    notebook.interrupt()
    notebook.wait_prompt(1, "[2]", seconds=5)


def test_the_stop_button_ends_every_branch(notebook: NotebookPage) -> None:
    """A person presses the notebook's own stop button, and goes on with the next cell."""
    after = "print(run.status, [str(t.state) for t in run.record.tasks.values()])"
    notebook.open_new("stop.ipynb", MODELS, ENDLESS, after)
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "joke", "joke-3")
    notebook.interrupt()
    notebook.wait_prompt(1, "[2]", seconds=5)
    expect(notebook.output(1)).to_contain_text("RunCancelled")
    expect(notebook.output(1)).to_contain_text("joke-3")
    notebook.run_to_end(2, 3)
    expect(notebook.output(2)).to_contain_text("cancelled")
    expect(notebook.output(2)).not_to_contain_text("running")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_saved_run_shows_panes_and_graph_without_a_kernel(
    notebook: NotebookPage, trusted: bool
) -> None:
    """A person saves a finished run and sends the notebook to somebody who hasn't even a kernel."""
    notebook.open_new("saved-run.ipynb", MODELS, FINISHED)
    notebook.run_first(2)
    expect(notebook.output(1)).to_contain_text("Both: A joke about cats")
    saved = notebook.save()
    (output,) = saved["cells"][1]["outputs"]
    assert set(output["data"]) == {"text/plain", "text/html", "image/svg+xml"}
    assert WIDGET not in str(saved)

    notebook.reopen_without_kernel(trusted=trusted)
    assert not notebook.has_kernel()
    assert notebook.is_trusted() is trusted
    for text in ("joke", "A story about cats", "Both: A joke about cats", "done"):
        expect(notebook.output(1)).to_contain_text(text)
    expect(notebook.output(1).locator("p > strong").first).to_have_text("joke")
    graph = notebook.output(1).locator('img[src^="data:image/svg+xml"]').first
    assert is_drawn(graph)
    assert notebook.alerts == []


def test_what_branches_print_display_and_plot_lands_in_their_panes(notebook: NotebookPage) -> None:
    """A person's branches print, display and plot at the same time, and nothing gets mixed up."""
    cell = """\
%%fanout
import asyncio, threading
import matplotlib.pyplot as plt
from IPython.display import HTML, display
meet = threading.Barrier(2, timeout=30)

def printer():
    meet.wait()
    print("from the printer")
    return "printed"

def plotter():
    meet.wait()
    plt.plot([1, 2, 3])
    plt.show()
    return "plotted"

async def shower():
    display(HTML("<i>from the shower</i>"))
    await asyncio.sleep(0.01)
    raise ValueError("out of water")
"""
    setup = "%load_ext nbflow\n%matplotlib inline\n1"
    notebook.open_new("outputs.ipynb", setup, cell)
    notebook.run_first(2)
    panes = notebook.output(1).locator(".nbflow-pane")
    expect(panes).to_have_count(3)
    printer, plotter, shower = panes.all()
    expect(printer).to_contain_text("from the printer")
    expect(plotter).not_to_contain_text("from the")
    assert is_drawn(plotter.locator('img[src^="data:image/png"]'))
    expect(shower.locator("i")).to_have_text("from the shower")
    expect(shower).to_contain_text("out of water")
    expect(shower.locator("details")).to_contain_text("traceback")


def test_two_runs_in_the_background_have_boards_of_their_own(notebook: NotebookPage) -> None:
    """A person starts two runs with --bg, goes on working, and cancels only one of them."""
    first = "%%fanout --bg -o one -m endless\na: first"
    second = "%%fanout --bg -o two -m endless\na: second"
    end = "two.cancel()\ntry:\n    await two\nexcept Exception as error:\n    print(error)"
    notebook.open_new("background.ipynb", MODELS, first, second, "6 * 7", end)
    notebook.run_first(3)
    notebook.wait_pane(1, "a", "first-3")
    notebook.wait_pane(2, "a", "second-3")
    notebook.run_to_end(3, 4)
    expect(notebook.output(3)).to_contain_text("42")

    notebook.board(1).get_by_role("button", name="Cancel run").click()
    expect(notebook.output(1)).to_contain_text("cancelled")
    expect(notebook.board(1).get_by_role("button")).to_have_count(0)
    expect(notebook.board(2)).to_have_attribute("data-state", "running")
    notebook.run_to_end(4, 5)
    expect(notebook.output(4)).to_contain_text("cancelled after")
    assert WIDGET not in str(notebook.save())


def test_run_all_waits_for_each_fan_out(notebook: NotebookPage) -> None:
    """A person chooses Run All: the cell after a fan-out can rely on its results."""
    notebook.open_new("all.ipynb", MODELS, FINISHED, "print('then:', run['both'])")
    notebook.run_all()
    notebook.wait_prompt(2, "[3]")
    expect(notebook.output(2)).to_contain_text("then: Both: A **joke** about cats")


def test_a_page_that_is_reloaded_shows_the_run_as_it_is_now(notebook: NotebookPage) -> None:
    """A person reloads the page in the middle of a run, and the board goes on."""
    cell = ENDLESS.replace("-o run", "--bg -o run")
    notebook.open_new("reload.ipynb", MODELS, cell, "run.cancel()")
    notebook.run_first(2)
    notebook.wait_pane(1, "joke", "joke-3")
    notebook.save()
    notebook.open("reload.ipynb")
    notebook.wait_pane(1, "joke", "joke-0")
    notebook.wait_pane(1, "joke", "joke-30")
    expect(notebook.board(1).locator("g.node").first).to_be_visible()
    notebook.run_to_end(2, 3)
    notebook.wait_state(1, "cancelled")


def test_nothing_that_a_model_says_is_run(notebook: NotebookPage) -> None:
    """A model answers with scripts and pictures that call out; a person sees only text."""
    evil = """\
%load_ext nbflow
import asyncio
go_on = asyncio.Event()
EVIL = '''<script>alert(1)</script> <img src=x onerror="alert(2)"> <svg onload=alert(3)>
[link](javascript:alert(4)) ![](http://127.0.0.1:9/leak.png) <iframe src="javascript:alert(5)">'''
async def villain(prompt):
    for word in EVIL.split(" "):
        yield word + " "
    yield "the-end"
    await go_on.wait()
"""
    name = '"><img src=x onerror=alert(6)>'
    cell = f"%%fanout -m villain -o run title='{name}'\n[pane]\nSay {{title}}"
    notebook.open_new("hostile.ipynb", evil, cell)
    asked: list[str] = []
    notebook.page.on("request", lambda request: asked.append(request.url))
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "pane", "the-end")
    expect(notebook.pane(1, "pane").locator("img, script, svg, iframe")).to_have_count(0)
    notebook.board(1).get_by_role("button", name="Cancel run").click()
    notebook.wait_prompt(1, "[2]", seconds=5)
    expect(notebook.output(1)).to_contain_text("the-end")
    notebook.save()
    notebook.reopen_without_kernel(trusted=True)
    expect(notebook.output(1)).to_contain_text("the-end")
    assert notebook.alerts == []
    assert [url for url in asked if "leak.png" in url or url.endswith("/x")] == []


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_board_fits_a_narrow_window_in_both_themes(notebook: NotebookPage, theme: str) -> None:
    """A person has the notebook beside something else, cells 500 pixels wide, perhaps at night."""
    notebook.open_new("narrow.ipynb", MODELS, ENDLESS)
    notebook.use_theme(theme)
    notebook.make_cells_wide(500)
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "joke", "joke-20")
    assert overflow(notebook.board(1)) <= 1  # the last pane's border, under the board's own
    assert contrast(notebook.pane(1, "joke").locator(".nbflow-pane-text")) >= 4.5
    notebook.interrupt()
    notebook.wait_prompt(1, "[2]", seconds=5)
    expect(notebook.output(1)).to_contain_text("RunCancelled")
    assert overflow(notebook.output(1)) <= 0


def test_the_board_stays_where_it_is_when_the_run_ends(notebook: NotebookPage) -> None:
    """A person reads a branch while the last one ends, and nothing moves under their eyes."""
    cell = "%%fanout -m endless\na: first\nb: second\nc: third\nd: {a} {b} {c}"
    notebook.open_new("still.ipynb", MODELS, cell)
    notebook.make_cells_wide(730)
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "c", "third-3")
    live = [notebook.pane(1, name).bounding_box() for name in "abc"]
    assert len({box["y"] for box in live if box}) == 1  # side by side
    notebook.interrupt()
    notebook.wait_prompt(1, "[2]", seconds=5)
    expect(notebook.board(1)).to_have_attribute("data-state", "cancelled")
    expect(notebook.board(1).get_by_role("button")).to_have_count(0)
    after = [notebook.pane(1, name).bounding_box() for name in "abc"]
    for before, now in zip(live, after, strict=True):
        assert before is not None
        assert now is not None
        assert [round(now[side]) for side in ("x", "y", "width")] == [
            round(before[side]) for side in ("x", "y", "width")
        ]


def test_a_restart_of_the_kernel_ends_the_board(notebook: NotebookPage) -> None:
    """A person restarts the kernel under a run; its board must not pretend to go on."""
    notebook.open_new("restart.ipynb", MODELS, ENDLESS)
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "joke", "joke-3")
    notebook.restart()
    notebook.wait_state(1, "cancelled")
    expect(notebook.board(1)).to_contain_text("the kernel was restarted")
    expect(notebook.pane(1, "joke")).to_have_attribute("data-state", "cancelled")
    expect(notebook.board(1).get_by_role("button", name=re.compile("^Cancel "))).to_have_count(0)
    expect(notebook.board(1).get_by_role("button", name="Retry joke")).to_be_disabled()
    notebook.wait_pane(1, "joke", "joke-3")
