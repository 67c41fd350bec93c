"""The builder for those who use a keyboard, hear the page, or see few colours."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.js.test_accessibility import axe, serious  # noqa: F401 - a fixture

from .page import NotebookPage
from .servers import FrontEnd
from .test_builder import SETUP, press

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("server", [FrontEnd.LAB], indirect=True),
]


@pytest.fixture
def builder(notebook: NotebookPage) -> Locator:
    """A builder with everything open, and with mistakes."""
    notebook.open_new("access.ipynb", SETUP, "%nbflow builder")
    notebook.run_first(2)
    shown = notebook.output(1).locator(".nbflow-builder")
    press(shown, "Start from an example")
    expect(shown.locator(".nbflow-card")).to_have_count(4)
    return shown


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_builder_with_everything_open_has_nothing_serious(notebook, builder, axe, theme):  # noqa: F811
    notebook.use_theme(theme)
    press(builder, "Run")
    expect(builder.locator(".nbflow-board")).to_have_attribute("data-state", "done", timeout=15_000)
    press(builder, "From cell")
    assert serious(notebook.page, axe, ".nbflow-builder") == []
    press(builder, "To cell")
    builder.get_by_role("textbox", name="Text of joke").fill("About {topc} and {{x}}")
    builder.get_by_label("Name").first.fill("my joke")
    builder.get_by_label("Kind").nth(1).select_option(label="Vote, of several")
    builder.get_by_label("Kind").nth(2).select_option(label="For each of a list")
    press(builder.locator(".nbflow-card").first, "Options")
    press(builder, "Options of the run")
    builder.get_by_label("At once").last.fill("x")
    press(builder, "Run")
    expect(builder).to_contain_text("fields need a look")
    assert serious(notebook.page, axe, ".nbflow-builder") == []


def test_every_control_is_reached_by_tab_in_the_order_of_the_page(notebook, builder):
    wanted = builder.evaluate("""box =>
      Array.from(box.querySelectorAll("button, input, select, textarea"))
        .filter((one) => !one.disabled && one.offsetParent).length""")
    builder.get_by_role("button", name="Undo").focus()
    ended = "() => document.activeElement.textContent.trim() === 'From cell'"
    reached = 1
    while not notebook.page.evaluate(ended):
        notebook.page.keyboard.press("Tab")
        reached += 1
        assert reached <= wanted
    assert reached == wanted


def test_what_is_wrong_is_said_in_words_and_with_a_sign(notebook, builder):
    area = builder.get_by_role("textbox", name="Text of joke")
    area.fill("About {topc}")
    expect(area).to_have_attribute("aria-invalid", "true")
    said = builder.locator(".nbflow-wrong-text").first
    expect(said).to_contain_text("unknown name 'topc'")
    sign = said.evaluate("one => getComputedStyle(one, '::before').content")
    assert "✕" in sign
