"""A board in a page of a real Chromium, with a model of our own behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

import nbflow.notebook
from nbflow.notebook.frames import Changes
from nbflow.views import live_svg
from tests.views.records import Story

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
  window.tell = (message) => handlers["msg:custom"](message);
  window.frame = (message) => window.tell({ type: "frame", ...message });
  window.restart = () => handlers["comm_live_update"]();
  const widget = module.default();
  widget.initialize({ model });
  window.close = [];
  for (let number = 0; number < views; number += 1) {
    const el = document.createElement("div");
    document.body.append(el);
    window.close.push(widget.render({ model, el }));
  }
}"""


class Shown:
    """A story on a board in a page."""

    def __init__(
        self,
        page: Page,
        story: Story,
        *,
        views: int = 1,
        hint: str = "",
        stays: Callable[[str], str] = lambda _name: "",
    ) -> None:
        self.page = page
        self.changes = Changes(story.record, time.perf_counter, lambda _name: "re", stays)
        self.answered = 0
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

    def asked(self, count: int) -> list[dict[str, Any]]:
        """The questions of the page that haven't been answered, once there are so many."""
        wanted = "([n, m]) => window.sent.filter((one) => one.ask).length >= n + m"
        self.page.wait_for_function(wanted, arg=[self.answered, count])
        asked = self.page.evaluate("window.sent.filter((one) => one.ask)")
        return list(asked[self.answered :])

    def answer(self, *answers: dict[str, Any]) -> list[dict[str, Any]]:
        """Answer the page's questions, in their order; what they were."""
        asked = self.asked(len(answers))
        for question, answer in zip(asked, answers, strict=False):
            message = {"type": "answer", "ask": question["ask"], **answer}
            self.page.evaluate("window.tell", message)
        self.answered += len(answers)
        return asked

    def pane(self, branch: str) -> Any:
        return self.page.locator(f".nbflow-pane[data-branch='{branch}']").first

    def text(self, branch: str) -> Any:
        return self.pane(branch).locator(".nbflow-pane-text")
