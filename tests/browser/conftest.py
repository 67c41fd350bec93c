"""Fixtures that put a real notebook into a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from .chromium import browser_of_folder  # noqa: F401 - a fixture
from .page import NotebookPage
from .servers import FrontEnd, JupyterServer

_page = pytest.StashKey[NotebookPage]()


@pytest.fixture(scope="package")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    server = JupyterServer.start(FrontEnd.LAB, tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture(scope="package")
def notebook_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    server = JupyterServer.start(FrontEnd.NOTEBOOK, tmp_path_factory.mktemp("notebook"))
    yield server
    server.stop()


@pytest.fixture(params=list(FrontEnd))
def server(request: pytest.FixtureRequest, browser: Browser) -> Iterator[JupyterServer]:
    """JupyterLab, and then Notebook 7."""
    # `browser` comes first, so that without one no server is started only to skip.
    server: JupyterServer = request.getfixturevalue(f"{request.param}_server")
    yield server
    server.shut_down_kernels()


@pytest.fixture
def notebook(
    request: pytest.FixtureRequest, browser: Browser, server: JupyterServer
) -> Iterator[NotebookPage]:
    """A browser window of its own, on one of the servers."""
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    notebook = NotebookPage(context.new_page(), server)
    request.node.stash[_page] = notebook
    yield notebook
    context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show, beside a failure, what the server and the page had to say."""
    report = yield
    notebook = item.stash.get(_page, None)
    if report.failed and call.when == "call" and notebook is not None:
        report.sections.append(("Jupyter server", notebook.server.log[-3000:]))
        report.sections.append(("browser console", "\n".join(notebook.console[-40:])))
        shot = notebook.screenshot(notebook.server.home / f"{item.name}.png")
        report.sections.append(("screenshot", str(shot)))
    return report
