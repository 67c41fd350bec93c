"""Iterables of every kind, drawn one element at a time.

What is in memory is iterated where it is asked for; what may have to be waited for, a generator or
an async one, is awaited: a generator's code runs in a thread, and one element is drawn at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sized
from typing import Any

from nbflow.core.threads import call_in_thread
from nbflow.errors import FlowError

_END: Any = object()


def elements(source: Any, name: str = "it") -> Iterator[Any] | AsyncIterator[Any]:
    r"""The elements of a source; a text is taken line by line, without its blank lines.

    Returns:
        An iterator if drawing an element takes no time, an async iterator if it may.

    Raises:
        FlowError: it can't be iterated.

    Example:
        >>> list(elements("one\n\n two\n"))
        ['one', 'two']
    """
    if isinstance(source, str):
        return iter(lines_of(source))
    if isinstance(source, AsyncIterable):
        return aiter(source)
    if not isinstance(source, Iterable):
        raise FlowError(
            f"{name!r} can't be iterated: it is of type {type(source).__name__}, not a list or "
            "another iterable."
        )
    return iter(source) if isinstance(source, Sized) else _drawn_in_threads(iter(source))


def lines_of(text: str) -> list[str]:
    """A text's lines, without the blank ones and without the space around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]


async def _drawn_in_threads(iterator: Iterator[Any]) -> AsyncIterator[Any]:
    try:
        while (element := await call_in_thread(next, iterator, _END)) is not _END:
            yield element
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            await call_in_thread(_close_if_idle, iterator)


def _close_if_idle(iterator: Any) -> None:
    """Close a generator, unless its code is being run: then its thread was left to itself."""
    if not getattr(iterator, "gi_running", False):
        iterator.close()


async def awaited(iterator: Iterator[Any] | AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Any iterator as an async one."""
    if isinstance(iterator, AsyncIterator):
        async for element in iterator:
            yield element
    else:
        for element in iterator:
            yield element
