"""The board as a Jupyter widget: its JavaScript, its style, and the state that a view begins with.

Knows the widget protocol; knows nothing of runs. Import it only where a widget is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

_HERE = Path(__file__).parent


class BoardWidget(anywidget.AnyWidget):
    """One board for one run.

    Args:
        whole: Makes the whole state as it is now; asked again for each page that opens.
        hear: Called with every message a view sends, perhaps on another thread.
    """

    _esm = _HERE / "board.js"
    _css = _HERE / "board.css"

    view: Any = traitlets.Dict().tag(sync=True)

    def __init__(
        self, whole: Callable[[], Mapping[str, Any]], hear: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._whole = whole
        super().__init__()
        self.on_msg(lambda _widget, content, _buffers: hear(content))

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The widget's state for a page that opens: never older than now."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if key is None or "view" in state:
            state["view"] = dict(self._whole())
        return state
