"""The machine's own Chromium, driven through Playwright."""

from __future__ import annotations

import os
import shutil

import pytest
from playwright.sync_api import Browser, Playwright

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
