"""The two ways between the builder and a cell: its text to copy, and one that is pasted.

Knows fields and buttons; what a text says, the model knows. Import it only where a widget is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from nbflow.notebook.builder_fields import PromptEditor, button, panel, put_cursor, row

TO_CELL = (
    "It says the same as the builder. Copy it into a new cell; for a builder opened with "
    "<code>%nbflow builder</code>, running <code>%nbflow cell</code> makes that cell."
)
FROM_CELL = "Paste a <code>%%fanout</code> cell. It replaces what is here; Undo brings that back."


class CellPanels(ipywidgets.VBox):  # type: ignore[misc]
    """The text of the cell, or a place to paste one; or neither, until somebody asks.

    Args:
        hear: Called with what a view says.
        load: Called, when it is wanted, with the text that was pasted.
    """

    def __init__(self, hear: Callable[[Any], None], load: Callable[[str], None]) -> None:
        self._load = load
        self._text = PromptEditor(copy=True, label="The %%fanout cell")
        self._text.on_msg(lambda _widget, content, _buffers: hear(content))
        buttons = row(button("Close", self.close_both), more="nbflow-card-row")
        self._to = panel("As a cell", ipywidgets.HTML(TO_CELL), self._text, buttons)
        self._from = self._from_panel()
        super().__init__([self._to, self._from])
        self.add_class("nbflow-builder-cells")
        self.close_both()

    def _from_panel(self) -> Any:
        self._pasted = ipywidgets.Textarea(
            description="Cell",
            placeholder="%%fanout topic=cats\n[joke]\nA joke about {topic}",
            rows=7,
        )
        self._pasted.layout.width = "100%"
        load = button("Load", lambda: self._load(self._pasted.value), style="primary")
        buttons = row(load, button("Close", self.close_both), more="nbflow-card-row")
        return panel("From a cell", ipywidgets.HTML(FROM_CELL), self._pasted, buttons)

    def show_text(self, text: str) -> None:
        """Show the text of the cell, to be copied."""
        self._text.value = text
        self._from.layout.display = "none"
        self._to.layout.display = None
        self._text.focus()

    def ask_for_text(self) -> None:
        """Show a place to paste a cell into."""
        self._to.layout.display = "none"
        self._from.layout.display = None
        put_cursor(self._pasted, self._from)

    def loaded(self) -> None:
        """What was pasted has been taken."""
        self._pasted.value = ""
        self.close_both()

    def close_text(self) -> None:
        """Take the text away, for it says no longer what is written."""
        self._to.layout.display = "none"

    def close_both(self) -> None:
        """Show neither."""
        self._from.layout.display = "none"
        self.close_text()
