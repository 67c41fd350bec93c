"""Where a piece of a cell stands, and the words it is made of.

Knows lines, columns and quotes; knows no option, no prompt and no Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nbflow.errors import CellError

_OPENING = re.compile(r"""(?:[^\s"'=]*=)?(?=["'])""")
_QUOTED = {
    quote: re.compile(rf"{quote}((?:\\[{quote}\\]|\\(?![{quote}\\])|[^{quote}\\])*){quote}")
    for quote in ("'", '"')
}
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Place:
    """A piece of a cell and where it begins.

    Args:
        line: The line in the cell, from 1; the magic's own line is line 1.
        column: The column in that line, in characters from 1.
        text: The piece itself, on one line.
    """

    line: int
    column: int
    text: str

    def error(self, problem: str) -> CellError:
        """What to raise about this piece."""
        shown = self.text[:_SHOWN_CHARACTERS]
        return CellError(problem, line=self.line, column=self.column, text=shown)

    def part(self, start: int, end: int | None = None) -> Place:
        """A piece of this piece, by offsets from 0.

        Example:
            >>> Place(2, 1, "[joke] retries=x").part(7, 14)
            Place(line=2, column=8, text='retries')
        """
        return Place(self.line, self.column + start, self.text[start:end])

    def stripped(self) -> Place:
        """This piece without the spaces around it."""
        start = len(self.text) - len(self.text.lstrip())
        return self.part(start, max(start, len(self.text.rstrip())))


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a magic's line or a header, such as `--bg`, `retries=2` or `topic="black cats"`.

    Args:
        place: The word as it was written.
        text: The same without its quotes.
        key: What stands before the first `=`; the whole text if there is none.
        value: What stands after it, without quotes; None if there is no `=`.
        value_place: The value as it was written.
        quoted: Whether the word as a whole is in quotes, and so no option.
    """

    place: Place
    text: str
    key: str
    value: str | None
    value_place: Place
    quoted: bool = False


def words(place: Place) -> list[Word]:
    r"""The words of a line, as a shell would read them but for two things.

    A quote groups only at the start of a word or of a value, so `topic=cat's` needs none; and a
    backslash is an escape only before the quote around it or before another backslash.

    Raises:
        CellError: a quote isn't closed, or closes within a word.

    Example:
        >>> [word.text for word in words(Place(1, 1, 'topic="black cats" of=cat\'s -j 4'))]
        ['topic=black cats', "of=cat's", '-j', '4']
    """
    found = []
    offset = _after_space(place.text, 0)
    while offset < len(place.text):
        word, offset = _word(place, offset)
        found.append(word)
        offset = _after_space(place.text, offset)
    return found


def _after_space(text: str, offset: int) -> int:
    while offset < len(text) and text[offset].isspace():
        offset += 1
    return offset


def _word(place: Place, start: int) -> tuple[Word, int]:
    """The word at an offset, and the offset behind it."""
    opening = _OPENING.match(place.text, start)
    if opening is not None:
        return _quoted_word(place, opening)
    end = start
    while end < len(place.text) and not place.text[end].isspace():
        end += 1
    raw = place.part(start, end)
    key, equals, value = raw.text.partition("=")
    if not equals:
        return Word(raw, raw.text, raw.text, None, raw), end
    return Word(raw, raw.text, key, value, raw.part(len(key) + 1)), end


def _quoted_word(place: Place, opening: re.Match[str]) -> tuple[Word, int]:
    prefix, start, quote = opening[0], opening.end(), place.text[opening.end()]
    quoted = _QUOTED[quote].match(place.text, start)
    if quoted is None:
        raise place.part(start).error(f"the quote {quote} is not closed.")
    end = quoted.end()
    if place.text[end : end + 1].strip():
        raise place.part(start).error(
            f"the quote {quote} closes in the middle of a word; put a space behind it."
        )
    value = re.sub(rf"\\([{quote}\\])", r"\1", quoted[1])
    raw, written = place.part(opening.start(), end), place.part(start, end)
    if not prefix:
        return Word(raw, value, value, None, written, quoted=True), end
    return Word(raw, prefix + value, prefix[:-1], value, written), end
