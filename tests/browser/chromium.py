"""The machine's own Chromium, driven through Playwright.

The fixture lives as long as the tests of the folder whose conftest imports it (package scope) and
not for the whole session: while Playwright's sync API is open, its event loop counts as running in
the main thread, and no async test of another folder could run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = [
    "--no-sandbox",  # Chromium refuses to sandbox itself for root, which CI is
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(playwright: Playwright) -> Browser:
    """Start a Chromium; without one the tests are skipped, but in CI they fail."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        reason = f"no browser on this machine: none of {', '.join(_NAMES)} is on the PATH"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}, and CI must run these tests")
        pytest.skip(reason)
    return playwright.chromium.launch(executable_path=found, args=_ARGUMENTS)


@pytest.fixture(name="browser", scope="package")
def browser_of_folder() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()
