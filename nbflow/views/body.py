"""The body of a pane as HTML blocks: outputs, then the result, then the error.

One function for the live board and the saved one. Every word in it is somebody else's: it goes
through `markdown` or `html.escape`, and pictures become data URIs made here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from nbflow.core.record import ErrorInfo
from nbflow.core.states import State
from nbflow.views.ink import ALARM, MUTED, muted
from nbflow.views.markdown import Rendered, render, sanitise
from nbflow.views.members import group_blocks
from nbflow.views.model import PaneView
from nbflow.views.words import as_printed

TEXT_MOST = 20_000
"""Characters of one text that are shown; the run keeps all of it."""
PICTURE_MOST_BYTES = 4_000_000
PICTURE_MOST_PIXELS = 10_000

_PRE = "margin:0 0 .5em;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.92em;line-height:1.4"
_PICTURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
"""Each kind of picture that is shown, and the bytes it begins with."""


def blocks(pane: PaneView, result: Rendered | None = None) -> list[str]:
    r"""The body of a pane, as pieces of sanitised HTML.

    Args:
        pane: What to show.
        result: The result's text as `result_of` rendered it, if the caller keeps that.

    Example:
        >>> from nbflow.core.record import NodeInfo, RunRecord, TaskRecord
        >>> from nbflow.views.model import pane
        >>> task = TaskRecord("a", "a", State.DONE, chunks=["*hi*"])
        >>> node = NodeInfo("a", "prompt", (), "", "")
        >>> blocks(pane(RunRecord(nodes={"a": node}, tasks={"a": task}), "a"))
        ['<p style="margin:0 0 .5em"><em>hi</em></p>\n']
    """
    found = list(_outputs(pane.outputs))
    rich = _bundle(pane.display) if pane.display else ""
    if rich:
        found.append(rich)
    else:
        start, end = _window(pane)
        if start:
            found.append(muted(f"… {start:,} characters before"))
        found += (result or result_of(pane)).blocks
        if end < len(pane.text):
            found.append(_more(len(pane.text) - end, pane))
    if pane.group is not None:
        found += group_blocks(pane.group, pane.state)
    if pane.error is not None:
        found.append(_error(pane.error, again=pane.state is State.RUNNING))
    if found and pane.state is State.CANCELLED:
        found.append(muted("not needed any more" if pane.unneeded else "cancelled"))
    return found or [note for note in [_note(pane)] if note]


def result_of(pane: PaneView, before: Rendered | None = None) -> Rendered:
    """The result's text, or as much of it as is shown, as HTML; see `markdown.render`."""
    start, end = _window(pane)
    return render(pane.text[start:end], before)


def _window(pane: PaneView) -> tuple[int, int]:
    """Which part of a result's text is shown: while it is written its end, then its beginning."""
    length = len(pane.text)
    if pane.state is not State.RUNNING:
        return 0, min(length, TEXT_MOST)
    step = TEXT_MOST // 2  # it seldom moves, so that most of what was rendered can stay
    return max(0, -(-(length - TEXT_MOST) // step) * step), length


def _note(pane: PaneView) -> str:
    match pane.state:
        case State.SKIPPED:
            one = len(pane.because) == 1
            return muted(f"skipped: {', '.join(pane.because)} {'has' if one else 'have'} no result")
        case State.CANCELLED if pane.unneeded:
            return muted("not needed any more")
        case State.CANCELLED:
            return muted("cancelled before it said anything")
        case State.DONE:
            return muted("no text")
        case State.QUEUED if pane.kind != "python" and pane.source:
            preview = " ".join(pane.source.split())
            return muted(preview if len(preview) <= 140 else preview[:139] + "…")  # noqa: PLR2004
        case _:
            return ""


def _more(count: int, pane: PaneView) -> str:
    where = f"; run[{pane.branch!r}] has them all" if pane.state is State.DONE else ""
    return muted(f"… {count:,} more characters{where}")


def _error(error: ErrorInfo, *, again: bool) -> str:
    head = (
        f'<div style="overflow-wrap:anywhere;white-space:pre-wrap">'
        f'<strong style="color:{ALARM}">{escape(error.type)}</strong> '
        f"{escape(_capped(error.message, 2000))}</div>"
    )
    if again:
        return head + muted("trying again")
    if not error.traceback:
        return head
    trace = escape(_capped(error.traceback, TEXT_MOST))
    return (
        f'{head}<details><summary class="nbflow-muted" style="color:{MUTED};cursor:pointer">'
        f'traceback</summary><pre style="{_PRE}">{trace}</pre></details>'
    )


def _outputs(outputs: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    """Jupyter outputs in their order; what one stream says in a row is one block."""
    stream, texts = "", list[str]()
    for output in _folded(outputs):
        is_stream = output.get("output_type") == "stream"
        name = str(output.get("name", "stdout")) if is_stream else ""
        if texts and name != stream:
            yield _stream(stream, "".join(texts))
            texts = []
        if is_stream:
            stream = name
            texts.append(_joined(output.get("text", "")))
        elif shown := _bundle(output.get("data", {}), output.get("metadata", {})):
            yield shown
    if texts:
        yield _stream(stream, "".join(texts))


def _folded(outputs: tuple[Mapping[str, Any], ...]) -> list[Mapping[str, Any]]:
    """Outputs after what was said about them later: cleared, or updated by their display id."""
    kept: list[Mapping[str, Any]] = []
    place: dict[Any, int] = {}
    for output in outputs:
        known = output.get("display_id")
        if output.get("output_type") == "clear_output":
            kept, place = [], {}
        elif output.get("update"):
            if known in place:
                kept[place[known]] = output
        else:
            if known is not None:
                place[known] = len(kept)
            kept.append(output)
    return kept


def _stream(name: str, text: str) -> str:
    text = as_printed(text).rstrip("\n")
    cut = len(text) - TEXT_MOST
    if cut > 0:  # what was printed last matters most
        text = f"… {cut:,} characters before\n{text[cut:]}"
    edge = f";border-left:3px solid {ALARM};padding-left:.6em" if name == "stderr" else ""
    return f'<pre style="{_PRE}{edge}">{escape(text)}</pre>' if text else ""


def _bundle(data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> str:
    """The richest form of a display that can be shown safely; empty if there is none."""
    for mime, prefix in _PICTURES.items():
        if mime in data and (uri := _picture_uri(mime, prefix, data[mime])):
            return _image(uri, (metadata or {}).get(mime))
    if "image/svg+xml" in data:
        svg = _joined(data["image/svg+xml"]).encode("utf-8", "replace")
        if len(svg) <= PICTURE_MOST_BYTES:
            return _image(f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}", None)
    if "text/markdown" in data:
        return "".join(render(_text(data, "text/markdown")).blocks)
    if "text/html" in data:
        html = sanitise(_text(data, "text/html"))
        if re.sub(r"<[^>]*>|\s", "", html):
            return f'<div style="overflow:auto;margin:0 0 .5em">{html}</div>'
    if "text/plain" in data:
        return f'<pre style="{_PRE}">{escape(_text(data, "text/plain"))}</pre>'
    return ""


def _picture_uri(mime: str, prefix: bytes, encoded: Any) -> str:
    if not isinstance(encoded, str) or len(encoded) > PICTURE_MOST_BYTES * 4 // 3:
        return ""
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    if not content.startswith(prefix):
        return ""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def _image(uri: str, size: Any) -> str:
    width = size.get("width") if isinstance(size, Mapping) else None
    wide = ""
    if isinstance(width, int | float) and 0 < width < PICTURE_MOST_PIXELS:
        wide = f' width="{int(width)}"'
    return f'<img alt="" src="{uri}"{wide} style="max-width:100%;height:auto">'


def _text(data: Mapping[str, Any], mime: str) -> str:
    return _capped(as_printed(_joined(data[mime])), TEXT_MOST)


def _joined(text: Any) -> str:
    """A text as notebooks hold it: a string, or a list of its lines."""
    return "".join(map(str, text)) if isinstance(text, list | tuple) else str(text)


def _capped(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}\n… {len(text) - most:,} more characters"
