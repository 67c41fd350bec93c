"""The fields of the builder: controls of ipywidgets with a place for what is wrong, and the editor.

Knows widgets; knows nothing of flows. Import it only where a widget is shown.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

_HERE = Path(__file__).parent


class PromptEditor(anywidget.AnyWidget):
    """A text with placeholders; or, to be copied, one that is finished."""

    _esm = _HERE / "builder.js"
    _css = _HERE / "builder.css"

    value: Any = traitlets.Unicode().tag(sync=True)
    label: Any = traitlets.Unicode().tag(sync=True)
    placeholder: Any = traitlets.Unicode().tag(sync=True)
    names: Any = traitlets.List().tag(sync=True)
    """What can be read."""
    own: Any = traitlets.List().tag(sync=True)
    """What only this text can read: the elements of what it goes through."""
    marks: Any = traitlets.List().tag(sync=True)
    """What is wrong: line and column from 1, and a length in characters."""
    error: Any = traitlets.Unicode().tag(sync=True)
    code: Any = traitlets.Bool(False).tag(sync=True)
    wanted: Any = traitlets.Bool(False).tag(sync=True)
    """Whether the cursor shall be put into it; a view takes that back when it is."""
    copy: Any = traitlets.Bool(False).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        self._shown = ""
        super().__init__(**traits)

    def show(self, value: str) -> None:
        """Show a text; one that has been shown before leaves what was typed since."""
        if value != self._shown:
            self._shown = self.value = value

    def show_error(self, message: str) -> None:
        """Say what is wrong; nothing, if nothing is."""
        self.error = message

    def focus(self) -> None:
        """Put the cursor into it, unless somebody types elsewhere by now."""
        self.wanted = True


class Cursor(anywidget.AnyWidget):
    """Puts the cursor into other widgets of the builder that it is in, and can't be seen.

    Their own `focus` takes it even from somebody who types elsewhere by now.
    """

    _esm = _HERE / "builder.js"

    wanted: Any = traitlets.Unicode().tag(sync=True)
    """The class of the widget that shall have it; a view takes that back when it has."""


def put_cursor(control: Any, box: Any) -> None:
    """Put the cursor into a widget, unless somebody types elsewhere by now.

    Args:
        control: The widget.
        box: Where a `Cursor` that sees to it may stand, in the same builder.
    """
    cursor = next((one for one in box.children if isinstance(one, Cursor)), None)
    if cursor is None:
        cursor = Cursor()
        box.children = (*box.children, cursor)
    mark = f"nbflow-at-{control.model_id}"
    control.add_class(mark)
    cursor.wanted = mark


class Field(ipywidgets.VBox):  # type: ignore[misc]
    """A control, and below it what is wrong with it.

    Args:
        control: The control.
        hear: Called with its value whenever that changes.
        more: A further class of the field.
    """

    def __init__(self, control: Any, hear: Callable[[Any], None], more: str = "") -> None:
        self.control = control
        self._shown = control.value
        self._error = ipywidgets.HTML()
        self._error.add_class("nbflow-error")
        self._error.layout.display = "none"
        super().__init__([control, self._error])
        self.add_class("nbflow-field")
        if more:
            self.add_class(more)
        control.observe(lambda change: hear(change["new"]), "value")

    def show(self, value: Any) -> None:
        """Show a value; one that has been shown before leaves what was typed since.

        So do the spaces around it, which the model may have no use for.
        """
        if value == self._shown:
            return
        self._shown = value
        if self.control.value.strip() != value.strip():
            self.control.value = value

    def show_error(self, message: str) -> None:
        """Say what is wrong; nothing, if nothing is."""
        shown = html.escape(message)
        if self._error.value == shown:
            return
        self._error.value = shown
        self._error.layout.display = None if message else "none"
        (self.add_class if message else self.remove_class)("nbflow-wrong")

    def focus(self) -> None:
        """Put the cursor into it, unless somebody types elsewhere by now."""
        put_cursor(self.control, self)


class Choice(Field):
    """One of several things; whatever is none of them is shown as the first.

    Args:
        label: What it is called.
        choices: What each is called, by its value.
        hear: Called with the value.
    """

    def __init__(self, label: str, choices: Mapping[str, str], hear: Callable[[Any], None]) -> None:
        self._values = list(choices)
        shown = [(called, value) for value, called in choices.items()]
        super().__init__(ipywidgets.Dropdown(options=shown, description=label), hear)

    def show(self, value: Any) -> None:
        """Show a value; one that has been shown before leaves what was chosen since."""
        super().show(value if value in self._values else self._values[0])


def text_field(
    label: str,
    hear: Callable[[str], None],
    *,
    hint: str = "",
    choices: tuple[str, ...] = (),
    at_once: bool = True,
    more: str = "",
) -> Field:
    """A line of text.

    Args:
        label: What it is called.
        hear: Called with the text.
        hint: What it shows while it is empty.
        choices: What it offers; anything else may be typed too.
        at_once: Whether each key is heard, or only Enter and leaving the field.
        more: A further class of the field.
    """
    options: dict[str, Any] = {"description": label, "placeholder": hint}
    options |= {"continuous_update": at_once, "tooltip": hint or label}
    if choices:
        control = ipywidgets.Combobox(**options, options=choices, ensure_option=False)
    else:
        control = ipywidgets.Text(**options)
    return Field(control, hear, more)


def button(
    label: str,
    act: Callable[[], None],
    *,
    icon: str = "",
    style: str = "",
    more: str = "",
) -> Any:
    """A button; of one without a label only the icon is seen, until it is given a description."""
    made = ipywidgets.Button(description=label, icon=icon, tooltip=label, button_style=style)
    if icon and not label:
        made.add_class("nbflow-tool")
    if more:
        made.add_class(more)
    made.on_click(lambda _button: act())
    return made


class Fold(ipywidgets.VBox):  # type: ignore[misc]
    """Widgets that are out of sight until a button is pressed, which the keyboard reaches too.

    Args:
        title: What the button says.
        content: What it shows.
    """

    def __init__(self, title: str, content: Any) -> None:
        self._content = content
        self._toggle = ipywidgets.ToggleButton(description=title, icon="caret-right")
        self._toggle.add_class("nbflow-unfold")
        self._toggle.observe(lambda change: self._show(is_open=change["new"]), "value")
        self._content.layout.display = "none"
        super().__init__([self._toggle, content])

    @property
    def is_open(self) -> bool:
        """Whether what is in it can be seen."""
        return bool(self._toggle.value)

    def rename(self, title: str) -> None:
        """Let the button say something else."""
        self._toggle.description = title

    def unfold(self) -> None:
        """Show what is in it."""
        self._toggle.value = True

    def opened(self) -> None:
        """Hook: it has just been opened."""

    def _show(self, *, is_open: bool) -> None:
        if is_open:
            self.opened()
        self._content.layout.display = None if is_open else "none"
        self._toggle.icon = "caret-down" if is_open else "caret-right"


def panel(title: str, *children: Any) -> Any:
    """Widgets under a title."""
    head = ipywidgets.HTML(f'<span class="nbflow-panel-title">{html.escape(title)}</span>')
    made = ipywidgets.VBox([head, *children])
    made.add_class("nbflow-panel")
    return made


def row(*children: Any, more: str) -> Any:
    """Widgets beside each other, as many as fit."""
    made = ipywidgets.HBox(list(children))
    made.add_class(more)
    return made
