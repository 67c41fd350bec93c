"""The sections and the short form of a cell: headers, and the prompts under them.

Decides what is a header, what is a misspelt one and what is text. Knows nothing of Python code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.errors import CellError, FlowError, nearest
from nbflow.writing.flow import Step, ask
from nbflow.writing.options import LATER_NODE_WORDS, NODE_WORDS, node_options
from nbflow.writing.place import Place, Word, words
from nbflow.writing.prompt import placeholders
from nbflow.writing.variables import spec_of

_WORDS = (*NODE_WORDS, *LATER_NODE_WORDS)
_FLAGS = ("template",)
_OF_MODEL = ("model", "temperature", "max_tokens", "seed")

_BRACKETED = re.compile(r"\[([^\[\]]*)\](.*)")
_UNCLOSED = re.compile(rf"\[\s*(\w+)\s*(?:(?:{'|'.join(_WORDS)})\s*=.*)?")
_NEARLY_A_NAME = re.compile(r"\s*(?=[^\W\d]|\d\w*[^\W\d])\w+(?:[\s-]+\w+){0,3}\s*")
_OPTION_WORD = re.compile(rf"\s*(?:(?:{'|'.join(_WORDS)})\s*=|(?:{'|'.join(_FLAGS)})\s*$)")
_SHORT = re.compile(r"([^\W\d]\w*)[ \t]*:(?!//)(.*)")


@dataclass(frozen=True, slots=True)
class Section:
    """A prompt or template as it stands in a cell.

    Args:
        name: The node's name.
        place: Its header.
        prompt: The text under it.
        reads: Where each placeholder first stands.
        words: The header's options as they were written, checked.
        options: Where each of them stands.
    """

    name: str
    place: Place
    prompt: str
    reads: Mapping[str, Place]
    words: Mapping[str, Any]
    options: Mapping[str, Place]

    def step(self, namespace: dict[str, Any]) -> Step:
        """The node; a `model` that is the name of a variable becomes that variable's value."""
        said = dict(self.words)
        if "model" in said:
            said["model"] = spec_of(said["model"], self.options["model"], namespace)
        return ask(self.prompt, name=self.name, **said)


def read_sections(lines: list[Place]) -> tuple[Section, ...]:
    """The sections of a cell's body.

    Raises:
        CellError: text before the first header, a header that can't be one, an empty prompt.

    Example:
        >>> cell = [Place(2, 1, "[joke] retries=2"), Place(3, 1, "About {topic}")]
        >>> read_sections(cell)[0].reads
        {'topic': Place(line=3, column=7, text='{topic}')}
    """
    sections: list[tuple[Place, list[Place]]] = []
    for number, line in enumerate(lines):
        following = lines[number + 1].text if number + 1 < len(lines) else ""
        if is_header(line.text):
            sections.append((line, []))
        elif (slip := _slip(line, following)) is not None:
            raise slip
        elif sections:
            sections[-1][1].append(_unescaped(line))
        elif line.text.strip():
            raise _stripped(line).error(
                "this text stands before the first header; a prompt belongs under a header such "
                "as [joke], which starts at the first column of its line."
            )
    return tuple(_section(header, text) for header, text in sections)


def has_header(lines: list[Place]) -> bool:
    """Whether a cell has a header, or a line that means to be one."""
    following = [line.text for line in lines[1:]] + [""]
    return any(
        is_header(line.text) or _slip(line, after) is not None
        for line, after in zip(lines, following, strict=True)
    )


def is_header(text: str) -> bool:
    """Whether a line is a header: `[name]`, then nothing or, after a space, its options.

    Example:
        >>> [is_header(text) for text in ("[joke] template", "[a](b)", "[1] note", " [joke]")]
        [True, False, False, False]
    """
    match = _BRACKETED.fullmatch(text)
    return bool(match and match[1].isidentifier() and (not match[2] or match[2][0].isspace()))


def _slip(line: Place, following: str) -> CellError | None:
    """What is wrong with a line that means to be a header but isn't one; None if it is text."""
    text = line.text.rstrip()
    if not text.startswith("["):
        return None
    match = _BRACKETED.fullmatch(text)
    has_text_below = bool(following.strip()) and not following.startswith("[")
    if match is None:
        if _UNCLOSED.fullmatch(text) and (has_text_below or "=" in text):
            return _stripped(line).error(f"this header isn't closed: {_header_like(text)}.")
        return None
    inside, rest = match[1], match[2]
    if not _NEARLY_A_NAME.fullmatch(inside):
        return None
    if inside.isidentifier():
        if not _OPTION_WORD.match(rest):
            return None
        return line.part(0, len(inside) + 2).error("a header needs a space before its options.")
    if _OPTION_WORD.match(rest) or (not rest and (has_text_below or inside.strip().isidentifier())):
        return line.part(0, len(inside) + 2).error(
            f"{inside!r} can't be the name of a node; a name is one word of letters, digits and "
            rf"underscores such as {_header_like(inside)}. For text that starts so, write \[."
        )
    return None


def _header_like(text: str) -> str:
    name = "_".join(re.findall(r"\w+", re.split(r"\s\w+\s*=", text)[0])).lstrip("0123456789_")
    return f"[{name or 'joke'}]"


def _unescaped(line: Place) -> Place:
    r"""A line of text without the backslash that keeps it from being a header.

    Example:
        >>> _unescaped(Place(3, 1, r"\[joke] is text"))
        Place(line=3, column=2, text='[joke] is text')
        >>> _unescaped(Place(3, 1, r"\[ x^2 \]")).text
        '\\[ x^2 \\]'
    """
    bare = line.text.lstrip("\\")
    means_header = is_header(bare) or _slip(Place(line.line, 1, bare), "text") is not None
    return line.part(1) if line.text.startswith("\\") and means_header else line


def _stripped(line: Place) -> Place:
    start = len(line.text) - len(line.text.lstrip())
    return line.part(start, len(line.text.rstrip()))


def _section(header: Place, text: list[Place]) -> Section:
    name = header.text[1 : header.text.index("]")]
    said: dict[str, Any] = {}
    options: dict[str, Place] = {}
    for word in words(header.part(len(name) + 2)):
        if word.key in options:
            raise word.place.error(f"{word.key!r} stands twice in this header; keep one.")
        said[word.key] = _option(word)
        options[word.key] = word.value_place
    if said.get("template"):
        for unused in sorted(set(_OF_MODEL) & set(said)):
            raise options[unused].error(f"a template calls no model, so {unused!r} is of no use.")
    place = header.part(0, len(name) + 2)
    return _written(name, place, text, said, options)


def _option(word: Word) -> Any:
    """The value of one word of a header, checked."""
    name = word.key.lstrip("-").replace("-", "_")
    if word.value is None and (word.quoted or name not in (*_FLAGS, *LATER_NODE_WORDS)):
        raise _no_option(word)
    try:
        read = node_options({word.key: True if word.value is None else word.value})
    except FlowError as error:
        unknown = word.key not in _WORDS
        place = word.place.part(0, len(word.key)) if unknown else word.place
        raise place.error(str(error)) from None
    return getattr(read, word.key)


def _no_option(word: Word) -> CellError:
    name = word.key.lstrip("-").replace("-", "_").rstrip(":,;")
    if name in NODE_WORDS:
        return word.place.error(f"{name} needs a value, without spaces: {name}=...")
    guess = nearest(word.key, _WORDS)
    if not guess.startswith("Did"):
        guess = r"If this line is text and no header, start it with \[."
    return word.place.error(
        "behind a name come only options such as retries=2; the prompt starts on the next line. "
        f"{guess}"
    )


def _written(
    name: str, place: Place, text: list[Place], said: dict[str, Any], options: dict[str, Place]
) -> Section:
    while text and not text[0].text.strip():
        text.pop(0)
    while text and not text[-1].text.strip():
        text.pop()
    if not text:
        raise place.error(f"the prompt of {name!r} is empty; write it on the lines below.")
    reads: dict[str, Place] = {}
    for line in text:
        for hole in placeholders(line.text):
            end = hole.offset + len(hole.name) + 2
            reads.setdefault(hole.name, line.part(hole.offset, end))
    prompt = "\n".join(line.text for line in text)
    return Section(name, place, prompt, reads, said, options)


def read_short(lines: list[Place]) -> tuple[Section, ...] | None:
    """The sections of a body in which every line is `name: prompt`; None if few of them are.

    Raises:
        CellError: most lines are, and one isn't; or a prompt is empty.

    Example:
        >>> [section.name for section in read_short([Place(2, 1, "joke: About {topic}")])]
        ['joke']
    """
    written = [line for line in lines if line.text.strip()]
    matches = [(line, _short(line.text)) for line in written]
    fitting = sum(match is not None for _, match in matches)
    if 2 * fitting <= len(written):
        return None
    return tuple(_short_section(line, match) for line, match in matches)


def _short(text: str) -> re.Match[str] | None:
    match = _SHORT.fullmatch(text)
    return match if match and match[1].isidentifier() else None


def _short_section(line: Place, match: re.Match[str] | None) -> Section:
    if match is None:
        raise _stripped(line).error(
            "every other line of this cell is 'name: prompt', so this one must be too, such as "
            "'joke: Write a joke about {topic}'. Prompts of several lines go under headers: [joke]."
        )
    start = match.start(2) + len(match[2]) - len(match[2].lstrip())
    prompt = line.part(start, len(line.text.rstrip()))
    return _written(match[1], line.part(0, match.end(1)), [prompt], {}, {})


def body_lines(body: str) -> Iterator[Place]:
    """The lines of a cell's body; the first is line 2, below the magic's own."""
    for number, text in enumerate(body.split("\n"), start=2):
        yield Place(number, 1, text)
