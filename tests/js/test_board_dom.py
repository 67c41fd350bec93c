"""What board.js does to a page, in a real Chromium with a model of our own behind it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import expect

from nbflow.notebook.frames import Changes
from nbflow.views.layout import graphviz_executable
from tests.js.shown import Shown
from tests.views.hostile import PAYLOADS
from tests.views.records import Story
from tests.views.test_timeline import grouped

pytestmark = pytest.mark.browser


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


def test_a_branch_that_cannot_be_cancelled_alone_has_a_button_that_says_why(page, story):
    Shown(page, story, stays=lambda name: "cancel the run" if name == "joke" else "")
    cancel = page.get_by_role("button", name="Cancel joke")
    expect(cancel).to_be_disabled()
    expect(cancel).to_have_attribute("title", "cancel the run")
    expect(page.get_by_role("button", name="Cancel poem")).to_be_enabled()
    expect(page.get_by_role("button", name="Cancel run")).to_be_enabled()


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


@pytest.mark.parametrize("some", [PAYLOADS[at : at + 20] for at in range(0, len(PAYLOADS), 20)])
def test_nothing_hostile_acts_or_calls_out(page, some):
    story = Story(dict.fromkeys(some, ("x",)), name=some[0], x=some[-1])
    shown = Shown(page, story)
    for payload in some:
        shown.tell(story.start(payload), story.chunk(payload, payload))
        shown.tell(story.fail(payload, payload, payload))
    expect(page.locator(".nbflow-pane")).to_have_count(len(some))
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


def test_of_three_hundred_panes_those_in_sight_are_there_and_the_others_can_be_found(page):
    story = Story({f"b{number}": () for number in range(300)})
    Shown(page, story)
    assert 20 <= page.locator(".nbflow-pane").count() <= 60
    expect(page.get_by_role("button", name="Show all 300")).to_be_visible()
    page.get_by_label("Search branches").fill("b299")
    expect(page.get_by_role("button", name="Cancel b299")).to_be_visible()
    expect(page.locator(".nbflow-pane")).to_have_count(1)


def test_very_many_panes_are_sorted_as_the_kernel_says_and_again_when_the_run_has_ended(page):
    story = Story({f"b{number}": () for number in range(300)})
    shown = Shown(page, story)
    first = page.locator(".nbflow-panes > .nbflow-pane").first
    page.get_by_label("Sort branches").select_option("length")
    (asked,) = shown.answer({"numbers": [299, 7]})
    assert (asked["type"], asked["sort"]) == ("order", "length")
    expect(first).to_have_attribute("data-branch", "b299")
    shown.tell(story.start("b5"))  # nothing moves while somebody reads
    shown.tell(story.done("b5", "Ha."), story.end("cancelled"))
    (asked,) = shown.answer({"numbers": [5]})
    assert asked["sort"] == "length"
    expect(first).to_have_attribute("data-branch", "b5")
    page.get_by_label("Sort branches").select_option("order")
    expect(first).to_have_attribute("data-branch", "b0")
    assert shown.asked(0) == []


def ended(story: Story) -> Story:
    story.done("joke", "Ha.", 1.0)
    story.start("poem", 0.2)
    story.fail("poem", "ValueError", "no rhyme", 0.8)
    story.end("failed", 1.0)
    return story


def test_while_the_run_goes_on_retry_and_edit_are_off_and_say_what_works(page, story):
    shown = Shown(page, story)
    shown.tell(story.done("joke", "Ha."))
    for name in ("Retry joke", "Edit joke"):
        button = page.get_by_role("button", name=name)
        expect(button).to_be_disabled()
        assert "%nbflow board" in (button.get_attribute("title") or "")


def test_retry_asks_the_kernel_and_shows_why_not(page, story):
    shown = Shown(page, ended(story))
    page.get_by_role("button", name="Retry poem").click()
    (asked,) = shown.answer({"problem": "the elements came from a generator"})
    assert (asked["type"], asked["id"]) == ("retry", "n1")
    expect(shown.pane("poem")).to_contain_text("the elements came from a generator")


def test_another_run_takes_the_place_of_the_one_that_was_shown(page, story):
    shown = Shown(page, ended(story))
    other = Story({"joke": ("topic",), "poem": ("topic",), "both": ("joke", "poem")}, topic="cats")
    other.record.id = "r2"
    other.start("poem")
    whole = Changes(other.record, time.perf_counter).everything(0.5)
    page.evaluate("window.tell", {"type": "whole", "view": {**whole, "graph": {}, "hint": ""}})
    expect(page.locator(".nbflow-board")).to_have_attribute("data-run", "r2")
    expect(shown.pane("poem")).to_have_attribute("data-state", "running")
    expect(page.get_by_role("button", name="Cancel poem")).to_be_visible()


def test_a_prompt_is_edited_in_place_and_its_mistake_is_said_beside_it(page, story):
    shown = Shown(page, ended(story))
    page.get_by_role("button", name="Edit joke").click()
    (asked,) = shown.answer({"text": "About {topic}"})
    assert asked["type"] == "source"
    area = page.get_by_label("Text of joke")
    expect(area).to_have_value("About {topic}")
    area.fill("About {topik}")
    area.press("Control+Enter")
    (asked,) = shown.answer({"problem": "'joke' reads 'topik'"})
    assert (asked["type"], asked["text"]) == ("edit", "About {topik}")
    expect(page.get_by_role("alert")).to_have_text("'joke' reads 'topik'")
    area.press("Escape")
    expect(area).to_have_count(0)
    expect(page.get_by_role("button", name="Edit joke")).to_be_focused()


def test_a_long_text_comes_whole_when_its_pane_is_expanded(page, story):
    story.done("joke", "word " * 6000)
    story.end("done", 1.0)
    shown = Shown(page, story)
    expect(shown.text("joke")).to_contain_text("more characters")
    page.get_by_role("button", name="Expand joke").click()
    shown.answer({"text": "all of it " * 50, "note": ""})
    expect(shown.text("joke")).to_contain_text("all of it")
    expect(shown.text("joke")).not_to_contain_text("more characters")
    page.get_by_role("button", name="Expand joke").click()
    expect(shown.text("joke")).to_contain_text("more characters")


def test_what_is_copied_is_the_text_as_it_was_said(page, story):
    shown = Shown(page, ended(story))
    page.evaluate("""() => {
      navigator.clipboard ??= {};
      Object.defineProperty(navigator, "clipboard",
        { value: { writeText: async (text) => { window.copied = text; } } });
    }""")
    page.get_by_role("button", name="Copy joke").click()
    shown.answer({"text": "**Ha.**"})
    expect(shown.pane("joke")).to_contain_text("copied")
    assert page.evaluate("window.copied") == "**Ha.**"


@pytest.mark.skipif(graphviz_executable() is None, reason="no Graphviz here")
def test_a_box_a_pane_and_a_row_of_one_node_are_lit_together(page, story):
    Shown(page, story)
    parts = ["g.node", ".nbflow-pane", ".nbflow-row"]
    for part in parts:
        page.locator(f"{part}[data-branch='joke']").hover()
        for other in parts:
            lit = page.locator(f"{other}.nbflow-lit")
            expect(lit).to_have_count(1)
            expect(lit).to_have_attribute("data-branch", "joke")


@pytest.mark.skipif(graphviz_executable() is None, reason="no Graphviz here")
def test_a_click_or_enter_on_a_box_goes_to_its_pane(page, story):
    shown = Shown(page, story)
    page.locator("g.node[data-branch='poem']").click()
    expect(shown.pane("poem")).to_be_focused()
    page.locator("g.node[data-branch='both']").focus()
    page.keyboard.press("Enter")
    expect(shown.pane("both")).to_be_focused()


@pytest.mark.skipif(graphviz_executable() is None, reason="no Graphviz here")
def test_the_graph_can_be_zoomed_and_fits_again(page, story):
    Shown(page, story)
    width = "(svg) => svg.getBoundingClientRect().width"
    svg = page.locator(".nbflow-picture svg")
    before = svg.evaluate(width)
    for _ in range(6):
        page.get_by_role("button", name="Zoom in").click()
    assert svg.evaluate(width) > 2 * before
    page.get_by_role("button", name="Zoom to fit").click()
    assert svg.evaluate(width) <= page.locator(".nbflow-picture").evaluate("(o) => o.clientWidth")


def test_a_row_of_the_timeline_says_everything_in_words_and_goes_to_the_pane(page, story):
    shown = Shown(page, ended(story))
    row = page.locator(".nbflow-row[data-branch='poem']")
    assert "poem: failed" in row.get_attribute("title")
    assert "ValueError: no rhyme" in row.get_attribute("title")
    row.get_by_role("button").click()
    expect(shown.pane("poem")).to_be_focused()


def test_the_tasks_in_the_timeline_of_an_ended_run_have_their_bars(page):
    story = Story({"page": ()})
    story.record = grouped(3, failed=0)
    Shown(page, story)
    page.get_by_role("button", name="Tasks of page").click()
    bars = page.locator(".nbflow-member .nbflow-span-done")
    expect(bars).to_have_count(2)
    lengths = bars.evaluate_all("all => all.map((bar) => parseFloat(bar.style.width))")
    assert min(lengths) > 0


def test_any_two_outputs_are_compared_word_by_word(page, story):
    shown = Shown(page, ended(story))
    page.get_by_role("button", name="Compare two outputs").click()
    asked = shown.answer({"text": "a cat sat"}, {"text": "a dog sat"})
    assert [one["id"] for one in asked] == ["n0", "n1"]
    expect(page.locator(".nbflow-diff")).to_have_text("a catdog sat")
    page.get_by_label("The second output").select_option(label="both")
    assert [one["id"] for one in shown.answer({"text": "x"}, {"text": "x"})] == ["n0", "n2"]
    expect(page.locator(".nbflow-diff :is(ins, del)")).to_have_count(0)


def test_a_restart_of_the_kernel_is_said_and_no_button_works(page, story):
    shown = Shown(page, story)
    page.evaluate("window.restart()")
    expect(page.locator(".nbflow-board")).to_have_attribute("data-state", "cancelled")
    expect(page.locator(".nbflow-hint")).to_contain_text("the kernel was restarted")
    expect(shown.pane("joke")).to_have_attribute("data-state", "cancelled")
    expect(page.get_by_role("button", name="Retry joke")).to_be_disabled()


def test_of_many_panes_the_kernel_is_told_which_are_looked_at(page):
    story = Story({f"b{number}": () for number in range(1000)})
    shown = Shown(page, story)
    page.wait_for_function("window.sent.some((one) => one.type === 'look')")
    page.locator(".nbflow-many").evaluate("(grid) => { grid.scrollTop = 20000; }")
    page.wait_for_function("window.sent.at(-1).type === 'look' && window.sent.at(-1).ids[0] > 100")
    look = page.evaluate("window.sent.at(-1)")
    shown.changes.look(look["view"], look["ids"])
    name = f"b{look['ids'][8]}"
    shown.tell(story.start(name), story.done(name, "here I am"))
    expect(shown.text(name)).to_contain_text("here I am")
    expect(shown.pane(name)).to_have_attribute("data-state", "done")
    shown.tell(story.start("b0"), story.done("b0", "out of sight"))
    expect(page.get_by_role("button", name="Show ✓ 2 done")).to_be_visible()
    page.get_by_role("button", name="Show ✓ 2 done").click()
    expect(page.locator(".nbflow-pane")).to_have_count(2)


def test_what_somebody_selected_in_a_grid_stays_there_when_it_scrolls_away(page):
    story = Story({f"b{number}": () for number in range(300)})
    for number in range(300):
        story.start(f"b{number}")
        story.chunk(f"b{number}", f"text of {number}")
    shown = Shown(page, story)
    shown.text("b1").locator("p").evaluate("(node) => getSelection().selectAllChildren(node)")
    page.locator(".nbflow-many").evaluate("(grid) => { grid.scrollTop = 5000; }")
    expect(shown.pane("b3")).to_have_count(0)
    shown.tell(story.chunk("b1", " and more"))
    assert page.evaluate("getSelection().toString()").strip() == "text of 1"


def test_how_far_somebody_scrolled_a_pane_stays_when_it_scrolls_away_and_comes_back(page):
    story = Story({f"b{number}": () for number in range(300)})
    for number in range(300):
        story.start(f"b{number}")
        story.chunk(f"b{number}", "a line\n\n" * 20)
    shown = Shown(page, story)
    scrolled = "(node) => node.scrollTop"
    shown.text("b1").evaluate("(node) => { node.scrollTop = 20; }")
    followed = shown.text("b2").evaluate(scrolled)
    for top, away in ((5000, True), (0, False)):
        page.locator(".nbflow-many").evaluate("(grid, top) => { grid.scrollTop = top; }", top)
        expect(shown.pane("b1")).to_have_count(0 if away else 1)
    assert shown.text("b1").evaluate(scrolled) == 20
    assert shown.text("b2").evaluate(scrolled) == followed > 20


def test_the_tasks_of_a_node_are_a_table_that_is_asked_for_as_it_scrolls(page):
    story = Story({"page": ()})
    story.record = grouped(1000, failed=3)
    shown = Shown(page, story)
    page.get_by_role("button", name="Expand page").click()

    def rows(start: int) -> list[dict[str, Any]]:
        return [
            {"task": f"page[{n}]", "label": str(n), "state": "done", "glyph": "✓",
             "line": f"line {n}", "seconds": 0.1, "characters": 5}
            for n in range(start, start + 60)
        ]  # fmt: skip

    counts = {"done": 999, "failed": 1}
    (asked,) = shown.answer({"total": 1000, "counts": counts, "start": 0, "rows": rows(0)})
    assert (asked["type"], asked["start"]) == ("items", 0)
    expect(page.get_by_role("button", name="7: done. line 7")).to_be_visible()
    expect(page.locator(".nbflow-items")).to_contain_text("1,000 · ✓ 999 done · ✕ 1 failed")
    page.locator(".nbflow-item-list").evaluate("(list) => { list.scrollTop = 26 * 500; }")
    (asked,) = shown.asked(1)
    start = asked["start"]
    assert 490 <= start <= 500
    shown.answer({"total": 1000, "counts": counts, "start": start, "rows": rows(start)})
    expect(page.get_by_role("button", name="503: done. line 503")).to_be_visible()
    page.get_by_label("Compare 502").check()
    page.get_by_label("Compare 504").check()
    asked = shown.answer({"text": "a cat"}, {"text": "a dog"})
    assert [one["task"] for one in asked] == ["page[502]", "page[504]"]
    expect(page.locator(".nbflow-diff")).to_have_text("a catdog")
    page.get_by_label("State of the tasks of page").select_option("failed")
    (asked,) = shown.asked(1)
    assert (asked["state"], asked["start"]) == ("failed", 0)
