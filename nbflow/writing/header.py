"""The header of a section: what is one, what means to be one and isn't, and what is text.

`[name] options` at the start of a line is a header. A line that looks like a misspelt one is an
error and not text, for it would silently become a part of the prompt above it; a backslash before
its bracket makes it text. Knows nothing of the prompt below.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any

from nbflow.errors import CellError, FlowError, nearest
from nbflow.writing.options import NODE_WORDS, PYTHON_WORDS, node_options
from nbflow.writing.place import Place, Word, words

OPTION_WORDS = tuple(word for word in NODE_WORDS if word not in PYTHON_WORDS)
"""The words that may stand behind a name, beside `for doc in docs`."""

FLAGS = ("template",)
"""Those of them that take no value."""

MODEL_WORDS = ("model", "temperature", "max_tokens", "seed")
"""Those of them that say how a model answers."""

_AS_TEXT = r"If the line is text and no header, begin it with \[."

_BRACKETED = re.compile(r"\[([^\[\]]*)\](.*)")
_NEARLY_A_NAME = re.compile(r"\s*(?=[^\W\d]|\d\w*[^\W\d])\w+(?:[\s-]+\w+){0,3}\s*")
_OPTION = re.compile(
    rf"\s*(?:(?:{'|'.join(OPTION_WORDS)})\s*=|(?:{'|'.join(FLAGS)})\s*$|for\s+\w+\s+in\s)"
)
_UNCLOSED = re.compile(rf"\[\s*\w+\s*(?P<option>(?:{'|'.join(OPTION_WORDS)})\s*=.*)?")


@dataclass(frozen=True, slots=True)
class Header:
    """A header.

    Args:
        name: The node's name.
        place: The name in its brackets.
        words: Its options, checked.
        places: Where the value of each of them stands.
        elements: Where the elements of each `for doc in docs` are named.
        sources: Where what is iterated is named, by its elements.
    """

    name: str
    place: Place
    words: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    elements: dict[str, Place] = field(default_factory=dict)
    sources: dict[str, Place] = field(default_factory=dict)


def is_header(text: str) -> bool:
    """Whether a line is a header: `[name]`, then nothing or, after a space, its options.

    Example:
        >>> [is_header(text) for text in ("[joke] template", "[a](b)", "[1] note", " [joke]")]
        [True, False, False, False]
    """
    match = _BRACKETED.fullmatch(text)
    return bool(match and match[1].isidentifier() and (not match[2] or match[2][0].isspace()))


def slip(line: Place, following: str) -> CellError | None:
    """What is wrong with a line that means to be a header but isn't one; None if it is text.

    Args:
        line: A line that is no header.
        following: The line below. A header has a prompt there, so a line without is likelier text.

    Example:
        >>> print(slip(Place(2, 1, "[my joke] retries=2"), "About cats").problem.split(";")[0])
        'my joke' can't be the name of a node
        >>> [slip(Place(2, 1, text), "") for text in ("[ ] todo", "[1] note", "[a](b)", "[...]")]
        [None, None, None, None]
    """
    text = line.text.rstrip()
    has_prompt = bool(following.strip()) and not following.startswith("[")
    match = _BRACKETED.fullmatch(text)
    if match is None:
        unclosed = _UNCLOSED.fullmatch(text)
        if unclosed is None or not (unclosed["option"] or has_prompt):
            return None
        return line.part(0, len(text)).error(
            f"this header isn't closed: {_header_like(text)}. {_AS_TEXT}"
        )
    inside, rest = match.groups()
    if not _NEARLY_A_NAME.fullmatch(inside):
        return None
    return _misspelt(line.part(0, len(inside) + 2), rest, has_prompt)


def _misspelt(brackets: Place, rest: str, has_prompt: bool) -> CellError | None:
    inside = brackets.text[1:-1]
    has_option = _OPTION.match(rest) is not None
    if inside.isidentifier():
        return brackets.error("a header needs a space before its options.") if has_option else None
    is_alone = not rest and (has_prompt or inside.strip().isidentifier())
    if not (has_option or is_alone):
        return None
    return brackets.error(
        f"{inside!r} can't be the name of a node; a name is one word of letters, digits and "
        f"underscores, such as {_header_like(inside)}. {_AS_TEXT}"
    )


def _header_like(text: str) -> str:
    name = "_".join(re.findall(r"\w+", re.split(r"\s\w+\s*=", text)[0]))
    return f"[{name if name.isidentifier() else 'joke'}]"


def unescaped(line: Place) -> Place:
    r"""A line of text without the backslash that keeps it from being a header.

    Example:
        >>> unescaped(Place(3, 1, r"\[joke] is text"))
        Place(line=3, column=2, text='[joke] is text')
        >>> unescaped(Place(3, 1, r"\[ x^2 \]")).text
        '\\[ x^2 \\]'
    """
    bare = line.text.lstrip("\\")
    if bare == line.text or not bare.startswith("["):
        return line
    means_header = is_header(bare) or slip(Place(line.line, 1, bare), "a prompt") is not None
    return line.part(1) if means_header else line


def read_header(line: Place) -> Header:
    """What a header says.

    Raises:
        CellError: an option can't be.

    Example:
        >>> read_header(Place(2, 1, "[joke] retries=2")).words
        {'retries': 2}
        >>> read_header(Place(2, 1, "[joke] for doc in docs")).words
        {'each': {'doc': 'docs'}}
    """
    name = line.text[1 : line.text.index("]")]
    header = Header(name, line.part(0, len(name) + 2))
    found = words(line.part(len(name) + 2))
    while found:
        word = found.pop(0)
        if word.text == "for" and not word.quoted:
            _read_each(word, found, header)
            continue
        if word.key in header.words:
            raise word.place.error(f"{word.key!r} stands twice in this header; keep one.")
        header.words[word.key] = _option(word)
        header.places[word.key] = word.value_place
    if header.words.get("template"):
        for unused in sorted(set(MODEL_WORDS) & set(header.words)):
            place = header.places[unused]
            raise place.error(f"a template calls no model, so {unused!r} is of no use here.")
    return header


def _read_each(start: Word, found: list[Word], header: Header) -> None:
    """Take `doc in docs` from the words behind a `for`."""
    said = [found.pop(0) for _ in range(min(3, len(found)))]
    form = "one task for each element is written 'for doc in docs'"
    if len(said) < 3 or said[1].text != "in":  # noqa: PLR2004 - element, in, source
        raise start.place.error(f"{form}, before or behind the other options.")
    element, _, source = said
    for word in (element, source):
        if word.quoted or not word.text.isidentifier():
            raise word.place.error(
                f"{form}, where docs is the name of a node, a value or a variable."
            )
    if element.text in header.elements:
        raise element.place.error(f"{element.text!r} stands for two things here; rename one.")
    header.words.setdefault("each", {})[element.text] = source.text
    header.places.setdefault("each", start.place)
    header.elements[element.text] = element.place
    header.sources[element.text] = source.place


def _option(word: Word) -> Any:
    """The value of one word of a header, checked."""
    if word.value is None and (word.quoted or word.key not in FLAGS):
        raise _no_option(word)
    if word.key in PYTHON_WORDS:
        raise word.place.part(0, len(word.key)).error(
            f"{word.key!r} takes what only Python can say; write the cell in Python."
        )
    try:
        read = node_options({word.key: True if word.value is None else word.value})
    except FlowError as error:
        is_known = word.key in OPTION_WORDS
        place = word.place if is_known else word.place.part(0, len(word.key))
        raise place.error(str(error)) from None
    return getattr(read, word.key)


def _no_option(word: Word) -> CellError:
    name = word.key.lstrip("-").replace("-", "_").rstrip(":,;")
    if name in NODE_WORDS:
        return word.place.error(
            f"{name} is written without dashes."
            if name in FLAGS
            else f"{name} needs a value behind an equals sign, without spaces: {name}=..."
        )
    close = difflib.get_close_matches(word.key, OPTION_WORDS, n=1, cutoff=0.75)
    guess = nearest(word.key, close) or _AS_TEXT
    return word.place.error(
        "behind a name come only options such as retries=2; the prompt starts on the next line. "
        f"{guess}"
    )
