from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from nbflow.core.events import Kind
from nbflow.views import bundle, html

from .hostile import PAYLOADS, dangers
from .records import Story

_VOID = {"br", "img", "hr", "wbr", "col"}


class Outline(HTMLParser):
    """Elements by class, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(dict(attrs))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for attributes in self.seen if attributes.get("class") == name]


@pytest.fixture
def story() -> Story:
    story = Story({"joke": ("topic",), "poem": ("topic",), "both": ("joke", "poem")}, topic="cats")
    for name in ("joke", "poem"):
        story.start(name)
    story.done("joke", "Why did the **cat** sit?")
    story.fail("poem", "OSError", "no paper")
    story.say(Kind.SKIPPED, "both", because=["poem"])
    story.end("failed")
    return story


def test_board_and_panes_keep_the_dom_contract(story):
    outline = Outline(html(story.record))
    (board,) = outline.of_class("nbflow-board")
    assert (board["data-run"], board["data-state"]) == ("r1", "failed")
    states = {p["data-branch"]: p["data-state"] for p in outline.of_class("nbflow-pane")}
    assert states == {"joke": "done", "poem": "failed", "both": "skipped"}
    assert len(outline.of_class("nbflow-pane-text")) == 3


def test_every_tag_is_closed(story):
    assert Outline(html(story.record)).open == []


def test_the_saved_output_needs_no_script_no_style_sheet_and_no_widget(story):
    saved = bundle(story.record)
    assert not any("widget" in mime for mime in saved)
    assert dangers(saved["text/html"]) == []
    assert "var(" not in saved["text/html"]


def test_every_branch_is_there_with_its_state_in_words(story):
    shown = re.sub(r"<[^>]*>", " ", html(story.record))
    assert "failed 1.0 s" in shown
    assert "skipped: poem has no result" in shown
    assert "elapsed 2.0 s · sum of branches 2.0 s · speed-up 1.0×" in shown


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_name_and_no_value_lets_anything_through(payload):
    story = Story({payload: ("topic",), "poem": (payload,)}, name=payload, topic=payload)
    story.say(Kind.SKIPPED, "poem", because=[payload])
    assert dangers(html(story.record)) == []
    assert Outline(html(story.record)).open == []


def test_24_panes_of_1_kb_take_less_than_200_kb():
    names = {f"branch_{number}": ("topic",) for number in range(24)}
    story = Story({**names, "all": tuple(names)}, topic="cats")
    for name in names:
        story.start(name)
        story.done(name, "Some words about cats and **mice**. " * 28)
    assert len(html(story.record).encode()) < 200_000


@pytest.mark.parametrize(("branches", "is_capped"), [(24, False), (25, True)])
def test_a_grid_of_many_panes_scrolls_instead_of_filling_the_notebook(branches, is_capped):
    story = Story({f"b{number}": () for number in range(branches)})
    (grid,) = Outline(html(story.record)).of_class("nbflow-panes")
    assert ("max-height" in str(grid["style"])) is is_capped
