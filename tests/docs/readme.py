"""The README's blocks and links, found in its Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced code block."""

    language: str
    code: str
    line: int
    """Where its fence stands in the README, from 1."""

    @property
    def id(self) -> str:
        return f"line {self.line} ({self.language or 'no language'})"


def _tokens() -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(README.read_text(encoding="utf-8"))


def blocks(*languages: str) -> list[Block]:
    """The code blocks in some languages, in their order."""
    found = [
        Block(token.info.strip(), token.content, token.map[0] + 1)
        for token in _tokens()
        if token.type == "fence" and token.map is not None
    ]
    return [block for block in found if not languages or block.language in languages]


def links() -> list[str]:
    """The targets of all links and images."""
    inline = [child for token in _tokens() for child in token.children or ()]
    targets = [child.attrGet("href") or child.attrGet("src") for child in inline]
    return [str(target) for target in targets if target]
