"""Makes the README's pictures, from a real JupyterLab: `python -m tests.browser.screenshots`.

Needs a Chromium on the PATH. The cell is the README's own; a scripted model answers it, so that the
pictures show the board and not what a tiny model happens to say.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, expect, sync_playwright

from .chromium import launch
from .page import NotebookPage
from .servers import FrontEnd, JupyterServer

IMAGES = Path(__file__).parents[2] / "notebooks" / "images"
WIDTH, BUILDER_WIDTH, HEIGHT = 1040, 1240, 1200

SETUP = """\
%load_ext nbflow
import asyncio
from nbflow.testing import ScriptedModel

TEXTS = {
    "joke": "Why did the cat sit on the laptop?\\n\\n*To keep an eye on the mouse.*",
    "story": "Miso guarded the bakery by night. Nobody had asked her to, but the flour was warm "
    "and the mice were polite.\\n\\nOne evening a burglar came in by the window. He saw **two "
    "green lamps** in the dark, and then the lamps blinked. He has been a baker ever since.",
    "poem": "Soft paws on the stair,\\na question mark for a tail;\\nthe moon pours her milk,\\n"
    "and the night holds its breath\\nfor the length of one leap.",
}
scripted = ScriptedModel(TEXTS, chunk_delay_seconds=0.18, name="scripted")
"""

CELL = """\
%%fanout topic=cats -m scripted -o run
[joke]
Write a joke about {topic}

[story] max_tokens=80
Write a short story about {topic}

[poem]
Write a poem about {topic}

[combined] template
{story}

And now for something shorter: {joke}
"""

BUILDER = '''\
import nbflow
from nbflow.models import set_default_model

set_default_model(scripted)
nbflow.Builder("""%%fanout topic=cats
[joke]
Write a joke about {topic}

[poem] temperature=0.8
Write a poem about {topic}

[combined] template
{poem}

And now for something shorter: {joke}""")
'''


def main() -> int:
    """Make every picture; returns the exit code."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = launch(playwright)
        server = JupyterServer.start(FrontEnd.LAB, Path(home))
        try:
            for theme in ("Light", "Dark"):
                print(*_pictures(browser, server, theme), sep="\n")
                print(_builder(browser, server, theme))
        finally:
            server.stop()
            browser.close()
    return 0


def _opened(  # noqa: PLR0917 - how it looks
    browser: Browser,
    server: JupyterServer,
    theme: Literal["Light", "Dark"],
    cell: str,
    width: int,
    height: int,
) -> NotebookPage:
    """A notebook in a theme, its first cell run and its second one not yet."""
    size = {"width": width, "height": height}
    context = browser.new_context(viewport=size, device_scale_factor=2)  # type: ignore[arg-type]
    notebook = NotebookPage(context.new_page(), server)
    notebook.open_new(f"{width}-{theme.lower()}.ipynb", SETUP, cell)
    notebook.use_theme(theme)
    notebook.run_to_end(0, 1)
    notebook.make_cells_wide(width - 40)
    return notebook


def _pictures(
    browser: Browser, server: JupyterServer, theme: Literal["Light", "Dark"]
) -> list[Path]:
    """The board while it runs, in one theme, and in the light one also when it has ended."""
    notebook = _opened(browser, server, theme, CELL, WIDTH, HEIGHT)
    notebook.run(1)
    notebook.wait_pane(1, "poem", "moon")
    expect(notebook.pane(1, "joke")).to_have_attribute("data-state", "done")
    made = [_picture(notebook, IMAGES / f"fanout-{theme.lower()}.png")]
    notebook.wait_prompt(1, "[2]", seconds=60)
    expect(notebook.output(1)).to_contain_text("for the length of one leap")
    if theme == "Light":
        made.append(_picture(notebook, IMAGES / "fanout-done.png"))
    notebook.page.context.close()
    return made


def _builder(browser: Browser, server: JupyterServer, theme: Literal["Light", "Dark"]) -> Path:
    """The builder with the flow of the cell, and below it the board of its run."""
    # all of it is to be seen
    notebook = _opened(browser, server, theme, BUILDER, BUILDER_WIDTH, 2 * HEIGHT)
    notebook.run_to_end(1, 2)
    notebook.output(1).get_by_role("button", name=re.compile("Run$")).click()
    notebook.wait_pane(1, "poem", "moon")
    path = IMAGES / f"builder-{theme.lower()}.png"
    notebook.output(1).locator(".nbflow-builder").screenshot(path=path)
    notebook.page.context.close()
    return path


def _picture(notebook: NotebookPage, path: Path) -> Path:
    notebook.cell(1).screenshot(path=path)
    return path


if __name__ == "__main__":
    sys.exit(main())
