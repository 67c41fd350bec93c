"""Who uses a keyboard, hears the page, or needs high contrast: axe-core finds nothing serious."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from nbflow.core.events import Kind
from nbflow.views import html
from nbflow.views.layout import graphviz_executable
from tests.js.shown import Shown
from tests.views.records import Story

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent

DARK = """() => {
  document.body.dataset.jpThemeLight = "false";
  document.body.style.cssText =
    "background:#111;color:#fff;--jp-content-font-color1:#fff;--jp-layout-color0:#111;"
    + "--jp-content-font-color2:rgba(255,255,255,.7);--jp-layout-color2:#424242;"
    + "--jp-border-color2:#616161";
}"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's source; without npm the tests are skipped, but in CI they fail."""
    npm = shutil.which("npm")
    if npm is None:
        _missing("there is no npm on this machine")
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = [str(npm), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode:
        _missing(f"npm can't install axe-core: {made.stderr[-500:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


def _missing(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def serious(page: Page, axe: str, within: str = ".nbflow-board") -> list[Any]:
    """What axe-core finds in a part of the page that is serious or worse."""
    page.evaluate(axe)
    found = page.evaluate("within => axe.run(within)", within)
    return [
        f"{one['id']}: {node['html'][:120]} ({node['failureSummary'][:240]})"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.fixture
def story() -> Story:
    inputs = {"joke": ("topic",), "poem": ("topic",), "facts": ("topic",), "both": ("joke", "poem")}
    story = Story({**inputs, "late": ("facts",)}, topic="cats")
    story.start("joke", 0.1)
    story.chunk("joke", "Why did the **cat** sit?\n\n```\ncode\n```\n\n" + "line\n\n" * 40)
    story.start("poem", 0.1)
    story.done("poem", "Soft [paws](https://example.com) on the stair", 0.9)
    story.start("facts", 0.2)
    story.fail("facts", "ConnectTimeout", "the server did not answer", 0.6)
    return story


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_live_board_has_nothing_serious(page, axe, story, theme):
    Shown(page, story)
    if theme == "dark":
        page.evaluate(DARK)
    assert serious(page, axe) == []


def test_an_interactive_board_with_everything_open_has_nothing_serious(page, axe, story):
    story.done("joke", "Ha.", 1.2)
    story.start("both", 1.3)
    story.done("both", "Ha. Soft paws", 1.5)
    story.end("failed", 1.5)
    shown = Shown(page, story)
    page.get_by_role("button", name="Compare two outputs").click()
    shown.answer({"text": "one two"}, {"text": "one three"})
    page.get_by_role("button", name="Expand joke").click()
    page.get_by_role("button", name="Edit joke").click()
    shown.answer({"text": "Write a joke about {topic}"})
    expect(page.get_by_label("Text of joke")).to_be_visible()
    expect(page.locator(".nbflow-compared del")).to_have_count(2)
    assert serious(page, axe) == []


def test_a_grid_of_many_has_nothing_serious(page, axe):
    story = Story({f"b{number}": () for number in range(300)})
    story.start("b1")
    story.fail("b1", "E", "no")
    Shown(page, story)
    assert serious(page, axe) == []


@pytest.mark.parametrize("background", ["#fff", "#111"])
def test_a_saved_board_has_nothing_serious(page, axe, story, background):
    story.end("failed", 1.0)
    ink = "#1b1f24" if background == "#fff" else "#e6e6e6"
    page.set_content(f"<body style='background:{background};color:{ink}'>{html(story.record)}")
    assert serious(page, axe) == []


def test_everything_can_be_reached_by_tab_in_the_order_of_the_page(page, story):
    Shown(page, story)
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("() => document.activeElement.getAttribute('aria-label') ?? ''")
        )
    for name in ("Cancel run", "Cancel joke", "Copy joke", "Expand joke", "what joke says"):
        assert name in reached
    assert reached.index("Cancel run") < reached.index("Zoom to fit") < reached.index("Cancel joke")
    assert reached.index("Cancel joke") < next(
        n for n, name in enumerate(reached) if "joke:" in name
    )


@pytest.mark.skipif(graphviz_executable() is None, reason="no Graphviz here")
def test_the_boxes_of_the_graph_can_be_reached_and_say_their_state(page, story):
    Shown(page, story)
    box = page.get_by_role("button", name=re.compile(r"joke \d\.\d s, running: go to its pane"))
    expect(box).to_have_attribute("tabindex", "0")


def test_no_state_is_told_by_colour_alone(page, story):
    shown = Shown(page, story)
    for branch, sign in (("joke", "●"), ("poem", "✓"), ("facts", "✕"), ("late", "○")):
        expect(shown.pane(branch).locator(".nbflow-glyph").first).to_have_text(sign)
        row = page.locator(f".nbflow-row[data-branch='{branch}']")
        expect(row.locator(".nbflow-row-name")).to_contain_text(sign)


def test_high_contrast_keeps_the_bars_and_the_signs(browser, story):
    page = browser.new_page(forced_colors="active")
    Shown(page, story)
    bar = page.locator(".nbflow-span-done").first
    colour = "(node) => getComputedStyle(node).backgroundColor"
    assert bar.evaluate(colour) != page.locator(".nbflow-board").evaluate(colour)
    page.close()


def voting(answers: dict[str, int]) -> Story:
    """A vote that goes on, after these answers; beside each the first sample that said the same."""
    story = Story({"verdict": ()})
    del story.record.tasks["verdict"]
    story.say(Kind.QUEUED, "verdict", group="vote", label="vote of 9", size=9)
    story.say(Kind.STARTED, "verdict", size=9)
    for number, (text, agrees) in enumerate(answers.items()):
        for kind, data in (
            (Kind.QUEUED, {"of": "verdict"}),
            (Kind.STARTED, {}),
            (Kind.DONE, {"text": text, "agrees": agrees}),
        ):
            event = story.say(Kind.USAGE)._replace(kind=kind, node="verdict", data=data)
            story.record.apply(event._replace(task=f"verdict[{number}]"))
    return story


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_high_contrast_keeps_the_icons_of_buttons_and_the_bars_of_a_vote(browser, scheme):
    page = browser.new_page(forced_colors="active", color_scheme=scheme)
    shown = Shown(page, voting({"yes": 0, "Yes.": 0, "no": 2}))
    colour = "(node) => getComputedStyle(node).backgroundColor"
    button = page.get_by_role("button", name="Expand verdict")
    assert button.locator(".nbflow-icon").evaluate(colour) != button.evaluate(colour)
    bars = shown.pane("verdict").locator(".nbflow-bar > span:nth-child(2)")
    expect(bars).to_have_count(2)
    look = "(node) => getComputedStyle(node).backgroundImage"
    assert "linear-gradient" in bars.first.evaluate(look)
    page.close()


def test_who_wants_no_motion_has_none(browser, story):
    page = browser.new_page(reduced_motion="reduce")
    Shown(page, story)
    names = page.evaluate("""() => Array.from(document.querySelectorAll(".nbflow-board *"))
      .flatMap((one) => ["", "::after"].map((part) => getComputedStyle(one, part).animationName))
      .filter((name) => name !== "none")""")
    assert names == []
    page.close()
