"""What board.js does to a page, in a real Chromium with a model of our own behind it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import nbflow.notebook
from nbflow.notebook.frames import Changes
from nbflow.views import live_svg
from nbflow.views.layout import graphviz_executable
from tests.browser.chromium import launch
from tests.views.hostile import PAYLOADS
from tests.views.records import Story

pytestmark = pytest.mark.browser

HERE = Path(nbflow.notebook.__file__).parent

START = """async ([source, state, views]) => {
  const module = await import("data:text/javascript," + encodeURIComponent(source));
  const handlers = {};
  window.sent = [];
  const model = {
    get: () => state,
    on: (name, handler) => { handlers[name] = handler; },
    send: (message) => window.sent.push(message),
  };
  window.frame = (message) => handlers["msg:custom"]({ type: "frame", ...message });
  const widget = module.default();
  widget.initialize({ model });
  window.close = [];
  for (let number = 0; number < views; number += 1) {
    const el = document.createElement("div");
    document.body.append(el);
    window.close.push(widget.render({ model, el }));
  }
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


class Shown:
    """A story on a board in a page."""

    def __init__(self, page: Page, story: Story, *, views: int = 1, hint: str = "") -> None:
        self.page = page
        self.changes = Changes(story.record, time.perf_counter)
        self.story = story
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        page.on("request", lambda request: self._note(request.url))
        style = (HERE / "board.css").read_text("utf-8")
        page.set_content(f"<!doctype html><style>{style}</style><body></body>")
        state = {
            **self.changes.everything(story.record.now),
            "graph": {"svg": live_svg(story.record)},
            "hint": hint,
        }
        page.evaluate(START, [(HERE / "board.js").read_text("utf-8"), state, views])

    def _note(self, url: str) -> None:
        if not url.startswith("data:"):
            self.problems.append(f"it asked for {url}")

    def tell(self, *events: Any) -> None:
        """Send what these events changed, as one frame."""
        for event in events:
            self.changes.note(event)
        while self.changes.pending:
            self.page.evaluate("window.frame", self.changes.newest(self.story.record.now))

    def pane(self, branch: str) -> Any:
        return self.page.locator(f".nbflow-pane[data-branch='{branch}']").first

    def text(self, branch: str) -> Any:
        return self.pane(branch).locator(".nbflow-pane-text")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    yield page
    page.close()


@pytest.fixture
def story() -> Story:
    story = Story({"joke": ("topic",), "poem": ("topic",), "both": ("joke", "poem")}, topic="cats")
    story.start("joke")
    story.chunk("joke", "Why did")
    return story


def test_a_chunk_appears_in_its_pane_as_markdown(page, story):
    shown = Shown(page, story)
    shown.tell(story.chunk("joke", " the **cat**"))
    expect(shown.text("joke").locator("strong")).to_have_text("cat")


def test_the_dom_contract_holds_through_a_run(page, story):
    shown = Shown(page, story)
    expect(page.locator(".nbflow-board")).to_have_attribute("data-run", "r1")
    expect(shown.pane("joke")).to_have_attribute("data-state", "running")
    shown.tell(story.done("joke", "Ha."), story.end("done"))
    expect(shown.pane("joke")).to_have_attribute("data-state", "done")
    expect(page.locator(".nbflow-board")).to_have_attribute("data-state", "done")


@pytest.mark.skipif(graphviz_executable() is None, reason="no Graphviz here")
def test_the_graph_follows_the_panes(page, story):
    shown = Shown(page, story)
    node = page.locator("g.node[data-branch='joke']")
    expect(node).to_have_attribute("data-state", "running")
    shown.tell(story.done("joke", "Ha.", at=1.2))
    expect(node).to_have_attribute("data-state", "done")
    expect(node.locator("text")).to_have_text("✓ joke 1.2 s")


def test_cancel_buttons_say_whom_and_answer_at_once(page, story):
    Shown(page, story)
    page.get_by_role("button", name="Cancel joke").click()
    expect(page.get_by_role("button", name="Cancel joke")).to_have_text("cancelling…")
    page.get_by_role("button", name="Cancel run").click()
    expect(page.get_by_role("button", name="Cancel run")).to_be_disabled()
    assert page.evaluate("window.sent") == [
        {"type": "ready"},
        {"type": "cancel", "branch": "joke"},
        {"type": "cancel", "branch": None},
    ]


def test_what_has_ended_has_no_cancel_button(page, story):
    shown = Shown(page, story)
    shown.tell(story.done("joke", "Ha."))
    expect(page.get_by_role("button", name="Cancel joke")).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel poem")).to_be_visible()


def test_where_buttons_cannot_work_they_are_off_and_it_is_said_why(page, story):
    Shown(page, story, hint="use the stop button")
    expect(page.get_by_role("button", name="Cancel run")).to_be_disabled()
    expect(page.locator(".nbflow-hint")).to_have_text("use the stop button")


def test_two_views_of_one_run_show_the_same(page, story):
    shown = Shown(page, story, views=2)
    shown.tell(story.chunk("joke", " it jump?"))
    for number in range(2):
        board = page.locator(".nbflow-board").nth(number)
        expect(board.locator(".nbflow-pane-text").first).to_contain_text("Why did it jump?")


def test_a_view_that_is_closed_leaves_nothing_behind(page, story):
    Shown(page, story)
    page.evaluate("window.close[0]()")
    expect(page.locator(".nbflow-board")).to_have_count(0)


def test_what_did_not_change_is_not_touched(page, story):
    shown = Shown(page, story)
    shown.tell(story.chunk("joke", " it jump?\n\nBecause\n\nit"))
    first = shown.text("joke").locator(".nbflow-block").first
    first.evaluate("(node) => { node.mark = 1; }")
    shown.tell(story.chunk("joke", " could."))
    assert first.evaluate("(node) => node.mark") == 1


def test_a_selection_stays_until_its_owner_lets_go(page, story):
    shown = Shown(page, story)
    select = "(node) => getSelection().selectAllChildren(node)"
    shown.text("joke").locator("p").evaluate(select)
    shown.tell(story.chunk("joke", " it jump?"))
    assert page.evaluate("getSelection().toString()").strip() == "Why did"
    page.evaluate("getSelection().removeAllRanges()")
    expect(shown.text("joke")).to_contain_text("Why did it jump?")


def test_a_pane_follows_its_end_unless_somebody_scrolled_up(page, story):
    shown = Shown(page, story)
    at_end = "(node) => node.scrollHeight - node.scrollTop - node.clientHeight < 8"
    shown.tell(story.chunk("joke", "\n\nline" * 60))
    assert shown.text("joke").evaluate("(node) => node.scrollHeight > node.clientHeight")
    assert shown.text("joke").evaluate(at_end)
    shown.text("joke").evaluate("(node) => { node.scrollTop = 5; }")
    shown.tell(story.chunk("joke", "\n\nmore" * 10))
    assert shown.text("joke").evaluate("(node) => node.scrollTop") == 5


def test_a_result_that_came_at_once_is_shown_from_its_beginning(page, story):
    shown = Shown(page, story)
    shown.tell(story.start("poem"), story.done("poem", "line\n\n" * 60))
    assert shown.text("poem").evaluate("(node) => node.scrollTop") == 0


def test_nothing_hostile_acts_or_calls_out(page):
    story = Story(dict.fromkeys(PAYLOADS, ("x",)), name=PAYLOADS[0], x=PAYLOADS[9])
    shown = Shown(page, story)
    for payload in PAYLOADS:
        shown.tell(story.start(payload), story.chunk(payload, payload))
        shown.tell(story.fail(payload, payload, payload))
    expect(page.locator(".nbflow-pane")).to_have_count(len(PAYLOADS))
    page.wait_for_timeout(200)
    assert shown.problems == []


@pytest.mark.parametrize("width", [500, 700, 1000, 1600])
@pytest.mark.parametrize("branches", [1, 3, 4, 30])
def test_nothing_is_wider_than_the_board(page, width, branches):
    page.set_viewport_size({"width": width, "height": 800})
    names = {f"a_rather_long_name_{number}": ("x",) for number in range(branches)}
    story = Story({**names, "joined": tuple(names)}, name="n" * 80, x="cats")
    story.start("joined")
    story.chunk("joined", "```\n" + "x" * 400 + "\n```\n" + "y" * 400)
    Shown(page, story)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_three_hundred_panes_are_all_there(page):
    story = Story({f"b{number}": () for number in range(300)})
    Shown(page, story)
    expect(page.locator(".nbflow-pane")).to_have_count(300)
    expect(page.get_by_role("button", name="Cancel b299")).to_have_count(1)
