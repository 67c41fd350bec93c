"""Fixtures that show a board in a real browser, without a notebook."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import browser_of_folder  # noqa: F401 - a fixture


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    yield page
    page.close()
