"""The line of a `%%fanout` magic: its options and the values of inputs.

Knows which options there are, for the parser, the help and the Tab key alike; knows nothing of the
cell below.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbflow.errors import CellError, FlowError, nearest
from nbflow.writing.options import LATER_FLOW_WORDS, flow_options, node_options
from nbflow.writing.place import Place, Word, words

_NUMBER = re.compile(r"-\.?\d")


@dataclass(frozen=True, slots=True)
class LineOption:
    """An option of the magic's line.

    Args:
        flag: How it is written out, such as `--jobs`.
        says: What it does, in a few words.
        takes: What its value is called in the help; empty if it takes none.
        short: Its one-letter form, if it has one.
        choices: The values it takes, if these are a few words.
    """

    flag: str
    says: str
    takes: str = ""
    short: str = ""
    choices: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The same option as a word of `Flow.options`.

        Example:
            >>> LineOption("--on-error", "what a failure does", "WHAT").word
            'on_error'
        """
        return self.flag.removeprefix("--").replace("-", "_")


LINE_OPTIONS = (
    LineOption("--model", "the model of prompts that name none, or a variable", "MODEL", "-m"),
    LineOption("--out", "the variable that gets the run, as soon as it starts", "NAME", "-o"),
    LineOption("--jobs", "how many tasks run at once", "N", "-j"),
    LineOption("--rate", "how many attempts a model gets in a time, such as 60/min", "RATE"),
    LineOption("--timeout", "seconds one attempt of a task may take", "S"),
    LineOption("--retries", "how often a failed attempt is followed by another", "N"),
    LineOption(
        "--on-error",
        "what the failure of one branch does to the run",
        "WHAT",
        choices=("finish", "stop", "keep"),
    ),
    LineOption("--seed", "the seed of prompts that give none", "N"),
    LineOption("--bg", "return at once and run in the background"),
    LineOption("--dry-run", "draw the graph and call nothing"),
    LineOption("--help", "show this help", short="-h"),
)
"""Every option of the magic's line, in the order of the help."""

VOTE_OPTIONS = (
    LineOption("--votes", "how many samples", "N", "-n"),
    LineOption("--min-agreement", "the share of the samples that must agree, from 0 to 1", "SHARE"),
)
"""What the line of `%%vote` takes besides."""

_LATER = {f"--{word.replace('_', '-')}" for word in LATER_FLOW_WORDS}


@dataclass(frozen=True, slots=True)
class MagicLine:
    """What the magic's line says.

    Args:
        out: The variable that gets the run, if one was named.
        bg: Whether the cell returns at once.
        dry_run: Whether nothing is called.
        help: Whether help was asked for; then nothing else was read.
        values: Inputs of the flow, as they were written.
        options: Words for `Flow.options`.
        node: Words of the one node of `%%vote`.
        places: Where each value stands by its name, and each option's value by its flag.
    """

    out: str | None = None
    bg: bool = False
    dry_run: bool = False
    help: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    node: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)


def read_line(place: Place, more: tuple[LineOption, ...] = ()) -> MagicLine:
    """What the text behind the magic's name says.

    Args:
        place: That text.
        more: Options of its node that the magic takes besides those of every run.

    Raises:
        CellError: an option or a value can't be.

    Example:
        >>> line = read_line(Place(1, 10, 'topic="black cats" -j4 -o run'))
        >>> line.values["topic"], line.options["jobs"], line.out
        ('black cats', 4, 'run')
    """
    found = words(place)
    if any(word.text in ("-h", "--help") and not word.quoted for word in found):
        return MagicLine(help=True)
    reader = _Reader(found, more)
    while reader.words:
        reader.read(reader.words.pop(0))
    said = reader.said
    node = {option.word: said.pop(option.word) for option in more if option.word in said}
    return MagicLine(
        out=said.pop("out", None),
        bg=said.pop("bg", False),
        dry_run=said.pop("dry_run", False),
        values=reader.values,
        options=said,
        node=node,
        places=reader.places,
    )


class _Reader:
    """The words still to be read, and what the ones before them said."""

    def __init__(self, found: list[Word], more: tuple[LineOption, ...]) -> None:
        self.words = found
        self.known = (*more, *LINE_OPTIONS)
        self.more = more
        self.values: dict[str, str] = {}
        self.said: dict[str, Any] = {}
        self.places: dict[str, Place] = {}

    def read(self, word: Word) -> None:
        if word.text.startswith("-") and not word.quoted and word.text != "-":
            self._read_option(word)
        elif word.value is not None and word.key.isidentifier():
            self._read_value(word, word.value)
        else:
            raise self._stray(word)

    def _read_value(self, word: Word, value: str) -> None:
        if word.key in self.values:
            raise word.place.error(f"{word.key!r} has two values on this line; keep one.")
        self.values[word.key] = value
        self.places[word.key] = word.place

    def _read_option(self, word: Word) -> None:
        option, attached = _option(word, self.known)
        if option.word in self.said:
            raise word.place.error(f"{option.flag} stands twice on this line; keep one.")
        if option.takes:
            value, place = attached or self._next(word, option)
            self.said[option.word] = _converted(option, value, place, of_node=option in self.more)
            self.places[option.word if option in self.more else option.flag] = place
        elif attached:
            raise attached[1].error(f"{option.flag} takes no value.")
        else:
            self.said[option.word] = True

    def _next(self, word: Word, option: LineOption) -> tuple[str, Place]:
        following = self.words.pop(0) if self.words else None
        if following is None or _is_option(following):
            raise word.place.error(
                f"{option.flag} needs a value: {option.flag} {_example(option)}."
            )
        return following.text, following.place

    def _stray(self, word: Word) -> CellError:
        name = word.key
        if word.text in ("=", "-") or (word.value is not None and not name):
            return word.place.error(
                "a value is written without spaces around the equals sign: topic=cats."
            )
        if word.value is not None:
            return word.place.error(
                f"{name!r} can't be the name of a value; take an identifier such as topic=cats."
            )
        if self.words and self.words[0].text.startswith("="):
            return word.place.error(
                f"a value is written without spaces around the equals sign: {name}=..."
            )
        if self.values:
            last = list(self.values)[-1]
            return word.place.error(
                "this is neither an option nor name=value; a value with spaces needs quotes: "
                f'{last}="{self.values[last]} {name}".'
            )
        return word.place.error(
            "this is neither an option such as --jobs 4 nor a value such as topic=cats; the flow "
            "itself starts on the next line."
        )


def _option(
    word: Word, known: tuple[LineOption, ...]
) -> tuple[LineOption, tuple[str, Place] | None]:
    """The option that a word names, and the value attached to it."""
    by_flag = {flag: option for option in known for flag in (option.flag, option.short) if flag}
    attached = None
    if word.value is not None:
        attached = (word.value, word.value_place if word.value else word.place)
    if word.key in _LATER:
        raise word.place.error(f"{word.key} is not yet there; it comes with a later version.")
    if word.key in by_flag:
        return by_flag[word.key], attached
    short = word.text[:2]
    if short in by_flag and not word.text.startswith("--") and by_flag[short].takes:
        return by_flag[short], (word.text[2:], word.place.part(2))
    flags = [option.flag for option in known]
    place = word.place.part(0, len(word.key))
    raise place.error(f"unknown option {word.key}. {nearest(_long(word.key), [*flags, *_LATER])}")


def _long(flag: str) -> str:
    return f"--{flag.lstrip('-').replace('_', '-')}"


def _is_option(word: Word) -> bool:
    return word.text.startswith("-") and not word.quoted and not _NUMBER.match(word.text)


def _example(option: LineOption) -> str:
    return "|".join(option.choices) or option.takes


def _converted(option: LineOption, value: str, place: Place, *, of_node: bool) -> Any:
    if option.word == "out":
        if not value.isidentifier() or keyword.iskeyword(value):
            raise place.error(f"--out takes the name of a variable, not {value!r}.")
        return value
    try:
        read: Any = node_options if of_node else flow_options
        return getattr(read({option.word: value}), option.word)
    except FlowError as error:
        raise place.error(str(error).replace(option.word, option.flag, 1)) from None


def hint_for(name: str) -> str:
    """How the option is written that a value of this name may have meant; else nothing.

    Example:
        >>> hint_for("jobs")
        'The option is written --jobs N.'
    """
    for option in LINE_OPTIONS:
        if option.word == name:
            return f"The option is written {option.flag} {option.takes}".rstrip() + "."
    return ""
