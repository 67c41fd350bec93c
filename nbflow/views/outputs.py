"""Jupyter outputs as sanitised HTML: what a branch printed, displayed and raised.

Every word and picture in them is somebody else's: text goes through `html.escape` or `markdown`,
pictures become data URIs made here. Knows mime bundles; knows nothing of runs.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from nbflow.core.record import ErrorInfo
from nbflow.views.ink import ALARM, FADED, muted
from nbflow.views.markdown import render, sanitise
from nbflow.views.words import as_printed

TEXT_MOST = 20_000
"""Characters of one text that are shown; the run keeps all of it."""
PICTURE_MOST_BYTES = 4_000_000
PICTURE_MOST_PIXELS = 10_000

PRE = "margin:0 0 .5em;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.92em;line-height:1.4"
_PICTURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
"""Each kind of picture that is shown, and the bytes it begins with."""


def output_blocks(
    outputs: Sequence[Mapping[str, Any]], printed_most: int = TEXT_MOST
) -> Iterator[str]:
    """Jupyter outputs in their order; what one stream says in a row is one block.

    Args:
        outputs: As a notebook has them.
        printed_most: Characters of a block of printed text that are shown, its last.
    """
    stream, texts = "", list[str]()
    for output in _folded(outputs):
        is_stream = output.get("output_type") == "stream"
        name = str(output.get("name", "stdout")) if is_stream else ""
        if texts and name != stream:
            yield _stream(stream, "".join(texts), printed_most)
            texts = []
        if is_stream:
            stream = name
            texts.append(_joined(output.get("text", "")))
        elif shown := bundle_html(output.get("data", {}), output.get("metadata", {})):
            yield shown
    if texts:
        yield _stream(stream, "".join(texts), printed_most)


def _folded(outputs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
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


def _stream(name: str, text: str, most: int) -> str:
    text = as_printed(text).rstrip("\n")
    cut = len(text) - most
    if cut > 0:  # what was printed last matters most
        text = f"… {cut:,} characters before\n{text[cut:]}"
    edge = f";border-left:3px solid {ALARM};padding-left:.6em" if name == "stderr" else ""
    return f'<pre style="{PRE}{edge}">{escape(text)}</pre>' if text else ""


def bundle_html(data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> str:
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
        return f'<pre style="{PRE}">{escape(_text(data, "text/plain"))}</pre>'
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
    return capped(as_printed(_joined(data[mime])), TEXT_MOST)


def _joined(text: Any) -> str:
    """A text as notebooks hold it: a string, or a list of its lines."""
    return "".join(map(str, text)) if isinstance(text, list | tuple) else str(text)


def capped(text: str, most: int) -> str:
    """A text, or its beginning and how much more there is."""
    return text if len(text) <= most else f"{text[:most]}\n… {len(text) - most:,} more characters"


def error_html(error: ErrorInfo, *, again: bool = False) -> str:
    """An exception, with its traceback to open.

    Args:
        error: What was raised.
        again: Whether it is tried again.
    """
    head = (
        f'<div style="overflow-wrap:anywhere;white-space:pre-wrap">'
        f"<strong>{escape(error.type)}</strong> "
        f"{escape(capped(error.message, 2000))}</div>"
    )
    if again:
        return head + muted("trying again")
    if not error.traceback:
        return head
    trace = escape(capped(error.traceback, TEXT_MOST))
    return (
        f'{head}<details><summary class="nbflow-muted" style="{FADED};cursor:pointer">'
        f'traceback</summary><pre style="{PRE}">{trace}</pre></details>'
    )
