"""The parts of a stream: where they wait to be read, which are wanted, and in which shape.

The words are LangGraph's. Knows nothing of what streams them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar

from nbflow.errors import FlowError, NbflowError, nearest

Part: TypeAlias = tuple[tuple[str, ...], str, Any]
"""Where it comes from, its mode, and its data."""

MODES = ("values", "updates", "messages", "custom", "tasks", "debug")


class StreamOptions(TypedDict, total=False):
    """What else may be said of how to stream; LangGraph's words."""

    print_mode: str | Sequence[str]
    """The modes whose parts are printed."""
    output_keys: str | Sequence[str] | None
    """The keys of a graph's state that are streamed and returned; one alone without its name."""
    subgraphs: bool
    """Also what happens in graphs that are nodes: parts begin with where."""
    version: Literal["v1", "v2"]
    """`v2` for parts as dicts of `type`, `ns` and `data`."""
    debug: bool
    """Accepted; watch a run on the board instead."""
    durability: str | None
    """Accepted; there are no checkpoints to keep."""
    interrupt_before: None
    interrupt_after: None
    control: None


DEFAULTS: Mapping[str, Any] = {"print_mode": (), "subgraphs": False, "version": "v1"}
"""What they are if nothing is said; None for the others."""

M = TypeVar("M", bound=Callable[..., Any])


def spelled_out(method: M) -> M:
    """Have the signature of a method show the options of a stream one by one, as help reads it."""
    signature = inspect.signature(method)
    *parameters, _ = signature.parameters.values()
    for name, type_ in StreamOptions.__annotations__.items():
        kind, default = inspect.Parameter.KEYWORD_ONLY, DEFAULTS.get(name)
        said = type_.__forward_arg__
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=said))
    method.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return method


_LATER = ("interrupt_before", "interrupt_after", "control")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a stream.

    Args:
        modes: The modes that are read.
        several: Whether parts say their mode.
        printed: The modes that are printed.
        subgraphs: Whether parts of graphs in the graph are wanted.
        version: Of the shape.
        keys: The keys that are shown; None for all, a text for one without its name.
    """

    modes: tuple[str, ...]
    several: bool = False
    printed: tuple[str, ...] = ()
    subgraphs: bool = False
    version: str = "v1"
    keys: str | tuple[str, ...] | None = None

    @classmethod
    def of(cls, stream_mode: str | Sequence[str] | None, options: Mapping[str, Any]) -> Wanted:
        """Read what a person has asked for.

        Raises:
            FlowError: there is no such mode or option.
            NbflowError: the option isn't there yet.
        """
        known = StreamOptions.__annotations__
        for word, value in options.items():
            if word not in known:
                raise FlowError(f"there is no option {word!r}. {nearest(word, known)}")
            if word in _LATER and value:
                raise NbflowError(f"{word}=... isn't there yet: leave it out.")
        said = {**DEFAULTS, **options}
        keys = said.get("output_keys")
        stream_mode = "updates" if stream_mode is None else stream_mode
        return cls(
            _modes(stream_mode),
            not isinstance(stream_mode, str),
            _modes(said["print_mode"]),
            said["subgraphs"],
            said["version"],
            keys if keys is None or isinstance(keys, str) else tuple(keys),
        )

    @property
    def all_modes(self) -> frozenset[str]:
        """The modes that are read or printed."""
        return frozenset((*self.modes, *self.printed))

    def read(self, part: Part) -> list[Any]:
        """A part in its shape, in a list; none if it is only printed, or not wanted."""
        namespace, mode, data = part
        if namespace and not self.subgraphs:
            return []
        if mode in self.printed:
            where = (f"[graph={namespace}]",) if namespace else ()
            print(f"[{mode}]", *where, repr(data))  # noqa: T201 - asked for
        return [self._shaped(part)] if mode in self.modes else []

    def _shaped(self, part: Part) -> Any:
        namespace, mode, data = part
        if self.version == "v2":
            more = {"interrupts": ()} if mode == "values" else {}
            return {"type": mode, "ns": namespace, "data": data, **more}
        if self.subgraphs:
            return (namespace, mode, data) if self.several else (namespace, data)
        return (mode, data) if self.several else data


def _modes(stream_mode: str | Sequence[str]) -> tuple[str, ...]:
    modes = (stream_mode,) if isinstance(stream_mode, str) else tuple(stream_mode)
    for mode in modes:
        if mode not in MODES:
            raise FlowError(f"there is no stream mode {mode!r}. {nearest(mode, MODES)}")
    return modes


class Stream:
    """The parts that have been streamed and not yet been read. Any thread may put some."""

    def __init__(self) -> None:
        self._parts: deque[Part] = deque()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._closed = False

    def put(self, part: Part) -> None:
        """Add one; after the end nobody wants it."""
        if self._closed:
            return
        self._parts.append(part)
        if asyncio._get_running_loop() is self._loop:  # noqa: SLF001 - the quick way to ask
            self._news.set()
        else:
            with suppress(RuntimeError):  # the loop is closed: nobody reads any more
                self._loop.call_soon_threadsafe(self._news.set)

    def close(self) -> None:
        """There will be no more."""
        self._closed = True
        self._news.set()

    async def batches(self) -> AsyncGenerator[list[Part], None]:
        """The parts, as many at once as there are."""
        while True:
            while self._parts:
                yield [self._parts.popleft() for _ in range(len(self._parts))]
            if self._closed:
                return
            await self._news.wait()
            self._news.clear()
