"""A notebook in a real browser: what a person does there, and what they see.

Knows the DOM of JupyterLab and Notebook 7; knows the board only by its public DOM contract.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Dialog, Locator, Page, expect

from .servers import FrontEnd, JupyterServer

KERNEL_SECONDS = 60.0

_CONNECTED = """() => {
  const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
_SHOWN = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  return Boolean(panel?.content?.model?.cells?.length) && panel.context.isReady;
}"""
_PANEL = "window.jupyterapp.shell.currentWidget"


@dataclass
class NotebookPage:
    """One notebook, open in a browser."""

    page: Page
    server: JupyterServer
    name: str = ""
    console: list[str] = field(default_factory=list)
    """What the page has said in its console, and what went wrong in it."""
    alerts: list[str] = field(default_factory=list)
    """Every dialog that a script in the page has opened: there must be none."""

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self.console.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"page error: {error}"))
        self.page.on("dialog", self._note_dialog)

    def _note_dialog(self, dialog: Dialog) -> None:
        if dialog.type != "beforeunload":
            self.alerts.append(dialog.message)
        dialog.accept()

    # What a person does

    def open(self, name: str) -> NotebookPage:
        """Open a notebook and wait for its kernel."""
        self._go_to(name)
        self.page.wait_for_function(_CONNECTED, timeout=KERNEL_SECONDS * 1000)
        return self

    def open_new(self, name: str, *cells: str) -> NotebookPage:
        """Write a notebook of code cells and open it."""
        self.server.write(name, *cells)
        return self.open(name)

    def reopen_without_kernel(self, *, trusted: bool) -> NotebookPage:
        """Open a copy of the saved notebook where there is no kernel for it."""
        self._go_to(self.server.copy_without_kernel(self.name, trusted=trusted))
        choice = self.page.locator(".jp-Dialog select")
        choice.wait_for()
        choice.select_option(label="No Kernel")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        expect(self.page.locator(".jp-Dialog")).to_have_count(0)
        return self

    def _go_to(self, name: str) -> None:
        self.name = name
        self.page.goto(self.server.url + self.server.front_end.page_path(name))
        self.page.wait_for_function(_SHOWN, timeout=KERNEL_SECONDS * 1000)

    def run(self, index: int) -> None:
        """Put the cursor into a cell and press Ctrl+Enter; doesn't wait for its end."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def run_all(self) -> None:
        """Run > Run All Cells; doesn't wait for their end."""
        # A command's promise lasts until the cells have ended: don't wait for it.
        self.page.evaluate(
            "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
        )

    def run_to_end(self, index: int, count: int) -> None:
        """Run a cell and wait until its prompt shows `[count]`."""
        self.run(index)
        self.wait_prompt(index, f"[{count}]")

    def run_first(self, count: int) -> None:
        """Run so many cells, of which none has run yet, each to its end."""
        for index in range(count):
            self.run_to_end(index, index + 1)

    def interrupt(self) -> None:
        """Press the stop button."""
        self.page.locator('[data-jp-item-name="interrupt"] >> visible=true').click()

    def restart(self) -> None:
        """Restart the kernel and wait until it is idle again."""
        self.page.evaluate(f"() => {_PANEL}.sessionContext.session.kernel.restart()")
        self.page.wait_for_function(_CONNECTED, timeout=KERNEL_SECONDS * 1000)

    def save(self) -> dict[str, Any]:
        """Save the notebook; what its file then holds."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function(f"() => !{_PANEL}.context.model.dirty")
        return self.server.read(self.name)

    def use_theme(self, theme: Literal["Light", "Dark"]) -> None:
        """Switch to JupyterLab's light or dark theme."""
        name = f"JupyterLab {theme}"
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", name
        )
        self.page.locator(f'body[data-jp-theme-name="{name}"]').wait_for(state="attached")

    def make_cells_wide(self, pixels: int) -> None:
        """Size the window so that cells are so many pixels wide."""
        if self.server.front_end is FrontEnd.LAB:
            self.page.evaluate(
                "() => window.jupyterapp.commands.execute('application:toggle-left-area')"
            )
            expect(self.page.locator("#jp-left-stack")).to_be_hidden()
        size = self.page.viewport_size
        assert size is not None
        width = self.cell(0).evaluate("cell => cell.clientWidth")
        self.page.set_viewport_size({**size, "width": size["width"] + pixels - width})

    # What a person sees

    def cell(self, index: int) -> Locator:
        """A cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def output(self, index: int) -> Locator:
        """Everything below a cell's code."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def board(self, index: int) -> Locator:
        """The live board, or the one that a run left behind, below a cell."""
        return self.output(index).locator(".nbflow-board")

    def pane(self, index: int, branch: str) -> Locator:
        """A branch's pane on the live board below a cell."""
        return self.board(index).locator(f'.nbflow-pane[data-branch="{branch}"]')

    def wait_pane(self, index: int, branch: str, text: str, *, seconds: float = 10.0) -> None:
        """Wait until a branch's pane shows some text."""
        shown = self.pane(index, branch).locator(".nbflow-pane-text")
        expect(shown).to_contain_text(text, timeout=seconds * 1000)

    def wait_state(self, index: int, state: str, *, seconds: float = 10.0) -> None:
        """Wait until the board below a cell is in a state."""
        expect(self.board(index)).to_have_attribute("data-state", state, timeout=seconds * 1000)

    def wait_prompt(self, index: int, prompt: str, *, seconds: float = 60.0) -> None:
        """Wait until a cell's prompt is, say, `[*]:` or `[2]:`."""
        shown = self.cell(index).locator(".jp-InputPrompt")
        expect(shown).to_have_text(re.compile(re.escape(prompt)), timeout=seconds * 1000)

    def is_running(self, index: int) -> bool:
        """Whether a cell's prompt is `[*]`."""
        return "[*]" in self.cell(index).locator(".jp-InputPrompt").inner_text()

    def is_trusted(self) -> bool:
        """Whether the front end trusts every output."""
        trusted: bool = self.page.evaluate(
            f"() => Array.from({_PANEL}.content.model.cells).every(cell => cell.trusted !== false)"
        )
        return trusted

    def has_kernel(self) -> bool:
        """Whether a kernel runs behind the page."""
        found: bool = self.page.evaluate(f"() => Boolean({_PANEL}.sessionContext.session?.kernel)")
        return found

    def screenshot(self, path: Path) -> Path:
        """Save what can be seen as a PNG."""
        self.page.screenshot(path=path)
        return path
