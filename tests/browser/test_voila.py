"""A dashboard from a notebook, served by Voila: who opens the page sees no code and runs no cell.

Voila runs the cells first and shows the page afterwards. What a cell displays is shown as it was
when the cell ended, and nothing can change it but a widget that is still alive in the kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from .servers import JupyterServer
from .test_builder import SETUP

pytestmark = pytest.mark.browser

FINISHED = "%%fanout -o run topic=cats\n[joke]\nA joke about {topic}\n[both] template\n<{joke}>"

BUILDER = """\
import nbflow
nbflow.Builder('''%%fanout topic=cats
joke: A joke about {topic}
poem: A poem about {topic}
both: {joke} and {poem}''')
"""


@pytest.fixture
def page(browser: Browser, lab_server: JupyterServer) -> Iterator[Page]:
    """A window that asks only this machine: Voila's own template links a font elsewhere."""

    def stay_here(route: Route) -> None:
        if route.request.url.startswith(lab_server.url):
            route.continue_()
        else:
            route.abort()

    context = browser.new_context(viewport={"width": 1200, "height": 1400})
    context.route("**/*", stay_here)
    page = context.new_page()
    yield page
    context.close()
    lab_server.shut_down_kernels()


def open_dashboard(page: Page, server: JupyterServer, name: str, *cells: str) -> None:
    server.write(name, *cells)
    page.goto(f"{server.url}/voila/render/{name}")
    expect(page.locator("#rendered_cells")).to_be_visible(timeout=60_000)


def test_a_prompt_is_edited_in_a_dashboards_builder_and_run(
    page: Page, lab_server: JupyterServer
) -> None:
    """A person who has only the page writes a prompt, presses Run, and watches the branches."""
    open_dashboard(page, lab_server, "dashboard.ipynb", SETUP, FINISHED, BUILDER, "print('end')")
    left = page.locator('.nbflow-board[data-state="done"]')
    expect(left).to_contain_text("<A joke about cats")
    builder = page.locator(".nbflow-builder")
    text = builder.get_by_role("textbox", name="Text of joke", exact=True)
    text.fill("A pun on {topic}")
    text.blur()
    builder.get_by_role("button", name=re.compile("Run$")).click()
    board = builder.locator(".nbflow-board")
    expect(board).to_have_attribute("data-state", "done", timeout=15_000)
    states = [pane.get_attribute("data-state") for pane in board.locator(".nbflow-pane").all()]
    assert states == ["done"] * 3
    both = board.locator('.nbflow-pane[data-branch="both"] .nbflow-pane-text')
    expect(both).to_contain_text("A pun on cats and A poem about cats")


def test_background_runs_go_on_in_a_dashboard_and_their_buttons_work(
    page: Page, lab_server: JupyterServer
) -> None:
    """A person opens a page whose first run has ended, cancels the second, repeats the first."""
    ended = FINISHED.replace("-o run", "--bg -o ended")
    running = "%%fanout --bg -m endless -o running\nsong: A song"
    open_dashboard(
        page, lab_server, "background.ipynb", SETUP, ended, running, "await ended;", "run = ended"
    )
    boards = page.locator(".nbflow-board")
    expect(boards).to_have_count(2, timeout=15_000)
    expect(boards.first).to_have_attribute("data-state", "done")
    expect(boards.first).to_contain_text("<A joke about cats")
    expect(boards.last).to_contain_text("more more more")
    boards.last.get_by_role("button", name="Cancel run").click()
    expect(boards.last).to_have_attribute("data-state", "cancelled", timeout=10_000)
    before = boards.first.get_attribute("data-run")
    assert before is not None
    boards.first.get_by_role("button", name="Retry joke").click()
    expect(boards.first).not_to_have_attribute("data-run", before)
    expect(boards.first).to_have_attribute("data-state", "done", timeout=10_000)
    expect(page.locator("body")).not_to_contain_text("Error displaying widget")
