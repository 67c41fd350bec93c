"""Texts fit to be shown: signs, durations, counts, and what hostile text becomes.

Pure functions of strings and numbers. Knows nothing of runs or of HTML.
"""

from __future__ import annotations

import re

GLYPHS: dict[str, str] = {
    "queued": "○",
    "running": "●",
    "done": "✓",
    "failed": "✕",
    "cancelled": "⊘",
    "skipped": "–",
}
"""What stands before the name of each state, of a task or a run."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_TERMINAL_CODE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def seconds_text(seconds: float) -> str:
    """A duration for people.

    Example:
        >>> [seconds_text(s) for s in (0.04, 12.34, 59.96, 125, 7260)]
        ['0.0 s', '12.3 s', '1 min 0 s', '2 min 5 s', '2 h 1 min']
    """
    if seconds < 59.95:  # noqa: PLR2004 - what would round to 60.0 s is a minute
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:  # noqa: PLR2004 - seconds in an hour
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clean(text: str) -> str:
    r"""A text that any encoder takes: what can't be printed or encoded is replaced.

    Example:
        >>> clean("a\x00b\ud800c\n")
        'a�b�c\n'
    """
    return _UNPRINTABLE.sub("\ufffd", text)


def clean_name(text: str) -> str:
    """The same for a name: on one line, and without marks that turn the writing direction."""
    return _INVISIBLE.sub("\ufffd", clean(text))


def as_printed(text: str) -> str:
    r"""A clean text as a terminal would leave it: no colour codes, progress bars at their last.

    Example:
        >>> as_printed("\x1b[31mred\x1b[0m\n 10%\r100%")
        'red\n100%'
    """
    return clean(_OVERWRITTEN.sub("", _TERMINAL_CODE.sub("", text)))


def counted(count: int, noun: str) -> str:
    """A number and its noun.

    Example:
        >>> counted(1, "token"), counted(1204, "token")
        ('1 token', '1,204 tokens')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def cut(text: str, most: int) -> str:
    """A text of at most so many characters.

    Example:
        >>> cut("joke", 4), cut("jokes", 4)
        ('joke', 'jok…')
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def first_line(text: str, most: int = 200) -> str:
    r"""The first line of a text that says something, clean and on one line.

    Example:
        >>> first_line("\n\n  cats\n dogs"), first_line("abcdef", 3)
        ('cats', 'ab…')
    """
    line = text[:20_000].strip().partition("\n")[0].strip()
    return cut(clean_name(line), most)


def last_line(text: str, most: int = 200) -> str:
    r"""The end of the last line of a text that is still being written.

    Example:
        >>> last_line("one\ntwo\n"), last_line("abcdef", 3)
        ('two', '…ef')
    """
    line = text[-4 * most :].strip().rpartition("\n")[2].strip()
    line = clean_name(line)
    return line if len(line) <= most else "…" + line[1 - most :]
