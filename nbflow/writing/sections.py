"""The sections and the short form of a cell: names, and the prompts that belong to them.

Knows nothing of Python code, nor of what the names in a prompt stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.errors import FlowError, nearest
from nbflow.writing.header import Header, is_header, read_header, slip, unescaped
from nbflow.writing.place import Place
from nbflow.writing.prompt import placeholders
from nbflow.writing.step import Step, ask
from nbflow.writing.variables import specs_of

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

    @property
    def required(self) -> Mapping[str, Place]:
        """The names that must stand for something: every placeholder."""
        return self.reads

    def step(self, namespace: dict[str, Any]) -> Step:
        """The node; a `model` that is the name of a variable becomes that variable's value."""
        said = dict(self.words)
        if "model" in said:
            said["model"] = specs_of(said["model"], self.options["model"], namespace)
        try:
            return ask(self.prompt, name=self.name, **said)
        except FlowError as error:
            named = {str(error).find(word): place for word, place in self.options.items()}
            named.pop(-1, None)
            raise (named[min(named)] if named else self.place).error(str(error)) from None


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
        elif (mistake := slip(line, following)) is not None:
            raise mistake
        elif sections:
            sections[-1][1].append(unescaped(line))
        elif line.text.strip():
            raise line.stripped().error(
                "this text stands before the first header; a prompt belongs under a header such "
                "as [joke], which starts at the first column of its line."
            )
    return tuple(section_of(read_header(header), text) for header, text in sections)


def has_header(lines: list[Place]) -> bool:
    """Whether a cell has a header, or a line that means to be one."""
    following = [line.text for line in lines[1:]] + [""]
    return any(
        is_header(line.text) or slip(line, after) is not None
        for line, after in zip(lines, following, strict=True)
    )


def section_of(header: Header, text: list[Place]) -> Section:
    """The section that a header and the lines under it are.

    Raises:
        CellError: there is no prompt, or what is iterated isn't read one by one.

    Example:
        >>> section_of(Header("joke", Place(1, 1, "[joke]")), [Place(2, 1, "About cats")]).prompt
        'About cats'
    """
    while text and not text[0].text.strip():
        text.pop(0)
    while text and not text[-1].text.strip():
        text.pop()
    if not text:
        raise header.place.error(
            f"the prompt of {header.name!r} is empty; write it on the lines below."
        )
    holes: dict[str, Place] = {}
    for line in text:
        for hole in placeholders(line.text):
            end = hole.offset + len(hole.name) + 2
            holes.setdefault(hole.name, line.part(hole.offset, end))
    reads = _without_elements(header, holes)
    prompt = "\n".join(_whole(text))
    return Section(header.name, header.place, prompt, reads, header.words, header.places)


def _whole(text: list[Place]) -> Iterator[str]:
    r"""The lines of a prompt; a first or last one of backslashes alone has one of them too many.

    So a prompt may begin and end with blank lines, which are otherwise left out.

    Example:
        >>> list(_whole([Place(3, 1, "\\"), Place(4, 1, ""), Place(5, 1, "About cats")]))
        ['', '', 'About cats']
    """
    for number, line in enumerate(text):
        is_end = number in (0, len(text) - 1)
        is_mark = line.text.startswith("\\") and not line.text.replace("\\", "").strip()
        yield line.text[1:] if is_end and is_mark else line.text


def _without_elements(header: Header, holes: dict[str, Place]) -> dict[str, Place]:
    """What a prompt reads: what is iterated, and not its elements."""
    for element, place in header.elements.items():
        if element not in holes:
            raise place.error(
                f"nothing in the prompt reads {{{element}}}. {nearest(element, holes)}".rstrip()
            )
    reads = {name: hole for name, hole in holes.items() if name not in header.elements}
    for element, place in header.sources.items():
        if place.text in reads and place.text not in header.elements:
            raise reads[place.text].error(
                f"{place.text!r} is read both whole and one by one, as {{{element}}}; keep one."
            )
    return reads | {place.text: place for place in header.sources.values()}


def read_prompt(
    lines: list[Place], header: Place, words: Mapping[str, Any], options: Mapping[str, Place]
) -> Section:
    """The whole body of a cell as the one prompt of `%%vote`.

    Raises:
        CellError: there is none.

    Example:
        >>> read_prompt([Place(2, 1, "Yes or no?")], Place(1, 1, "%%vote"), {"votes": 5}, {}).name
        'vote'
    """
    return section_of(Header("vote", header, dict(words), dict(options)), list(lines))


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
        raise line.stripped().error(
            "every other line of this cell is 'name: prompt', so this one must be too, such as "
            "'joke: Write a joke about {topic}'. Prompts of several lines go under headers: [joke]."
        )
    start = match.start(2) + len(match[2]) - len(match[2].lstrip())
    prompt = line.part(start, len(line.text.rstrip()))
    return section_of(Header(match[1], line.part(0, match.end(1))), [prompt])


def body_lines(body: str) -> Iterator[Place]:
    """The lines of a cell's body; the first is line 2, below the magic's own."""
    for number, text in enumerate(body.split("\n"), start=2):
        yield Place(number, 1, text)
