"""Markdown that nobody vouches for -> HTML that can do nothing but be read.

Knows markdown-it-py and nh3: raw HTML is text, images are links, links go to http, https or mailto.
Every HTML of a view that holds somebody else's words comes from here or from `html.escape`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

_CELL = "padding:1px 8px;border:1px solid rgba(127,127,127,.35)"
_STYLES = {
    "p": "margin:0 0 .5em",
    "ul": "margin:0 0 .5em;padding-left:1.6em",
    "ol": "margin:0 0 .5em;padding-left:1.6em",
    "pre": "margin:0 0 .5em;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere",
    "blockquote": "margin:0 0 .5em;padding-left:.8em;border-left:3px solid #727a86",
    "h1": "font-size:1.25em;font-weight:600;margin:.2em 0 .3em",
    "h2": "font-size:1.15em;font-weight:600;margin:.2em 0 .3em",
    "h3": "font-size:1.05em;font-weight:600;margin:.2em 0 .3em",
    "h4": "font-size:1em;font-weight:600;margin:.2em 0 .3em",
    "table": "border-collapse:collapse;margin:0 0 .5em",
    "td": _CELL,
    "th": _CELL,
}
"""How a tag looks inside a pane, where the page's own headings and margins would be too large."""

# fmt: off
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del",
    "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "ins",
    "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strong", "sub",
    "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var",
    "wbr",
}
# fmt: on

_markdown = (
    MarkdownIt("commonmark", {"html": False, "breaks": True})
    .enable(["table", "strikethrough"])
    .disable("image")
)

_cleaner = nh3.Cleaner(
    tags=_TAGS,
    attributes={
        "a": {"href", "title"},
        "abbr": {"title"},
        "ol": {"start"},
        "td": {"colspan", "rowspan", "style"},
        "th": {"colspan", "rowspan", "style"},
    },
    filter_style_properties={"text-align"},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text that may still grow, as HTML blocks: one for each paragraph, list, heading, ..."""

    settled_text: str = ""
    """The part of the text that `settled` shows."""
    settled: tuple[str, ...] = ()
    """Blocks that more text can't change."""
    open: tuple[str, ...] = ()
    """The last block, which may go on, and those that it may still join."""

    @property
    def blocks(self) -> tuple[str, ...]:
        """All of it, in order."""
        return self.settled + self.open


def render(text: str, before: Rendered | None = None) -> Rendered:
    r"""Markdown as sanitised HTML.

    Args:
        text: What to render.
        before: What came out when the text was shorter; what it settled isn't parsed again.

    Example:
        >>> render("**bold** <script>").blocks
        ('<p style="margin:0 0 .5em"><strong>bold</strong> &lt;script&gt;</p>\n',)
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if before is None or not text.startswith(before.settled_text):
        before = Rendered()
    rest = text[len(before.settled_text) :]
    groups = list(_top_level(_markdown.parse(rest)))
    if not groups:
        return Rendered(before.settled_text, before.settled)
    blocks = [sanitise(_markdown.renderer.render(group, _markdown.options, {})) for group in groups]
    lines = rest.split("\n")
    # Until its first line is complete, the last block may still join the one before.
    is_whole = len(lines) > _first_line(groups[-1]) + 1
    kept = max(0, len(groups) - (1 if is_whole else 2))
    settled_text = "".join(f"{line}\n" for line in lines[: _first_line(groups[kept])])
    return Rendered(
        before.settled_text + settled_text,
        before.settled + tuple(blocks[:kept]),
        tuple(blocks[kept:]),
    )


def render_line(line: str) -> str:
    """One line as sanitised HTML: emphasis, code and links, but no heading, list or paragraph.

    Example:
        >>> render_line("# a **bold** <b>")
        '# a <strong>bold</strong> &lt;b&gt;'
    """
    return sanitise(_markdown.renderInline(line))


def _first_line(group: list[Token]) -> int:
    lines = group[0].map
    assert lines is not None
    return lines[0]


def sanitise(html: str) -> str:
    """HTML with everything removed that acts, calls out, or positions itself.

    Example:
        >>> sanitise("<b onclick='x()'>hi</b><img src='http://x.example'><script>x()</script>")
        '<b>hi</b>'
    """
    cleaned = _cleaner.clean(html)
    for tag in ("td", "th"):  # here nh3 may have left an alignment
        cleaned = cleaned.replace(f'<{tag} style="', f'<{tag} style="{_CELL};')
    for tag, style in _STYLES.items():  # in nh3's output a "<" of a text is always "&lt;"
        cleaned = cleaned.replace(f"<{tag}>", f'<{tag} style="{style}">')
    return cleaned.replace("<a ", '<a style="color:inherit;text-decoration:underline" ')


def _top_level(tokens: list[Token]) -> Iterator[list[Token]]:
    """The tokens of each block that stands in no other."""
    group: list[Token] = []
    depth = 0
    for token in tokens:
        if token.type in ("td_open", "th_open") and not token.attrs:
            token.attrSet("style", "text-align:left")  # a page's own style may have others
        group.append(token)
        depth += token.nesting
        if depth == 0:
            yield group
            group = []
