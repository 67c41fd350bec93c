"""The doors of the Graph and Functional APIs: invoke, stream and batch, sync and async.

A session is one invocation: what was asked of it, and the parts that it streams. What runs in it is
the business of `graph` and `func`, which subclass `Invocable`.
"""

from __future__ import annotations

import asyncio
import copy
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self, TypeAlias

from nbflow import blocking
from nbflow.core.context import progress
from nbflow.core.run import Run
from nbflow.errors import FlowError, nearest

Config: TypeAlias = Mapping[str, Any]
"""How to run: `max_concurrency`, `recursion_limit`, `configurable`, `tags`, `metadata`, and what
else a node may want to read; unknown keys are passed on."""

MODES = ("values", "updates", "messages", "custom", "tasks", "debug")

current_session: ContextVar[Session | None] = ContextVar("nbflow_session", default=None)
"""The invocation that the code runs in."""


class Stream:
    """The parts that have been streamed and not yet been read. Any thread may put some."""

    def __init__(self) -> None:
        self._parts: deque[Part] = deque()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._closed = False

    def put(self, part: Part) -> None:
        """Add one."""
        self._parts.append(part)
        if asyncio._get_running_loop() is self._loop:  # noqa: SLF001 - the quick way to ask
            self._news.set()
        elif not self._loop.is_closed():
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


class Session:
    """One invocation.

    Args:
        modes: What is streamed.
        config: How to run.
        context: What nodes find as `runtime.context`.
        stream: Where the parts go, if that is another invocation's, which this one is within.
        namespace: Where this graph is within the outermost one.
    """

    def __init__(
        self,
        modes: Iterable[str] = (),
        config: Config | None = None,
        context: Any = None,
        stream: Stream | None = None,
        namespace: tuple[str, ...] = (),
    ) -> None:
        self.modes = frozenset(modes)
        self.config: dict[str, Any] = dict(config or {})
        self.context = context
        self.stream = stream or Stream()
        self.namespace = namespace
        self.result: Any = None
        """What the invocation returns."""
        self.error: BaseException | None = None
        """What it raises."""
        self.heard: set[Any] = set()
        """The ids of the messages that aren't new."""

    def within(self, name: str) -> Session:
        """What this is to a graph that is a node of this one.

        Args:
            name: What its parts are told to come from.
        """
        namespace = (*self.namespace, name)
        inner = Session(self.modes, self.config, self.context, self.stream, namespace)
        inner.heard = self.heard
        return inner

    def put(self, mode: str, data: Any) -> None:
        """Stream a part, if somebody reads that mode; any thread may call it."""
        if mode in self.modes:
            self.stream.put((self.namespace, mode, data))

    def write(self, value: Any) -> None:
        """Stream what a node writes; any thread may call it."""
        progress()
        self.put("custom", value)

    def put_debug(self, kind: str, step: int, payload: Any) -> None:
        """Stream what the mode `debug` tells of a task."""
        if "debug" in self.modes:
            now = datetime.now(UTC).isoformat()
            self.put("debug", {"step": step, "timestamp": now, "type": kind, "payload": payload})


Part: TypeAlias = tuple[tuple[str, ...], str, Any]
"""Where it comes from, its mode, and its data."""


class Invocable(ABC):
    """What can be invoked and streamed: a compiled graph or an entrypoint."""

    name: str
    config: Config = MappingProxyType({})
    """What every invocation's config begins with."""

    def with_config(self, config: Config | None = None, **more: Any) -> Self:
        """The same, with a config that every invocation begins with."""
        bound = copy.copy(self)
        bound.config = {**self.config, **(config or {}), **more}
        return bound

    @abstractmethod
    def begin(self, input: Any, session: Session) -> Run:  # noqa: A002 - LangGraph's word
        """Start a run of it on the running loop.

        The run's end leaves `result` or `error` in the session.
        """

    def start(self, input: Any, config: Config | None = None, *, context: Any = None) -> Run:  # noqa: A002
        """Start on the running event loop and return the run's handle at once.

        Raises:
            RuntimeError: no event loop is running.
        """
        return self._begun(input, Session((), config, context))

    def _begun(self, input: Any, session: Session) -> Run:  # noqa: A002
        # nodes may look these up, whatever was given
        empty: dict[str, Any] = {"tags": [], "metadata": {}, "configurable": {}}
        session.config = {**empty, **self.config, **session.config}
        token = current_session.set(session)
        try:
            return self.begin(input, session)
        finally:
            current_session.reset(token)

    async def _ended(self, run: Run, session: Session) -> None:
        """Wait for the run and raise what the invocation raises."""
        try:
            await run.ended()
        finally:
            session.stream.close()
        if session.error is not None:
            raise session.error
        run.raise_unless_done()

    def invoke(
        self,
        input: Any,  # noqa: A002
        config: Config | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] = "values",
        **options: Any,
    ) -> Any:
        """Run it and return its result, also in a notebook's running loop.

        Args:
            input: What it is given.
            config: How to run it: `{"max_concurrency": 4, "recursion_limit": 50}`.
            context: What nodes find as `runtime.context`.
            stream_mode: Other than `values`: return all parts of that stream.
            **options: As in `stream`.

        Raises:
            Exception: what a branch raised.
            RunCancelled: the run was cancelled.
            KeyboardInterrupt: it was interrupted; every branch was cancelled first.
        """
        return blocking.run(
            self.ainvoke(input, config, context=context, stream_mode=stream_mode, **options)
        )

    async def ainvoke(
        self,
        input: Any,  # noqa: A002
        config: Config | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] = "values",
        **options: Any,
    ) -> Any:
        """Run it and return its result; see `invoke`."""
        if stream_mode != "values" or options:
            parts = self.astream(input, config, context=context, stream_mode=stream_mode, **options)
            return [part async for part in parts]
        session = Session((), config, context)
        await self._ended(self._begun(input, session), session)
        return session.result

    def stream(
        self,
        input: Any,  # noqa: A002
        config: Config | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] = "updates",
        subgraphs: bool = False,
        version: str = "v1",
    ) -> Iterator[Any]:
        """Run it and yield what happens, as it happens.

        Args:
            input: What it is given.
            config: How to run it.
            context: What nodes find as `runtime.context`.
            stream_mode: `updates` (what each node returned, by its name, in the order in which they
                finish), `values` (the whole state after each step), `messages` (what models say,
                piece by piece), `custom` (what nodes write), `tasks` and `debug` (starts and ends).
                Of several in a list, parts are pairs of mode and data.
            subgraphs: Also what happens in graphs that are nodes: parts begin with where.
            version: `v2` for parts as dicts of `type`, `ns` and `data`.

        Raises:
            FlowError: there is no such mode.
            Exception: what a branch raised.
        """
        _check_modes(stream_mode)
        return blocking.iterate(
            lambda: self._batches(input, config, context, stream_mode, subgraphs, version)
        )

    async def astream(
        self,
        input: Any,  # noqa: A002
        config: Config | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] = "updates",
        subgraphs: bool = False,
        version: str = "v1",
    ) -> AsyncIterator[Any]:
        """Run it and yield what happens, as it happens; see `stream`."""
        batches = self._batches(input, config, context, stream_mode, subgraphs, version)
        try:
            async for batch in batches:
                for part in batch:
                    yield part
        finally:
            await batches.aclose()

    async def _batches(  # noqa: PLR0917 - those of `stream`
        self,
        input: Any,  # noqa: A002
        config: Config | None,
        context: Any,
        stream_mode: str | Sequence[str],
        subgraphs: bool,
        version: str,
    ) -> AsyncGenerator[list[Any], None]:
        modes = _check_modes(stream_mode)
        several = not isinstance(stream_mode, str)
        session = Session(modes, config, context)
        run = self._begun(input, session)
        ended = asyncio.ensure_future(self._ended(run, session))
        try:
            async for batch in session.stream.batches():
                wanted = (part for part in batch if subgraphs or not part[0])
                yield [_shaped(part, version, subgraphs, several) for part in wanted]
            await ended
        finally:
            if not ended.done():
                run.cancel()
                await asyncio.wait({ended})
            if not ended.cancelled():
                ended.exception()

    def batch(
        self,
        inputs: Sequence[Any],
        config: Config | Sequence[Config] | None = None,
        *,
        return_exceptions: bool = False,
        **options: Any,
    ) -> list[Any]:
        """Invoke it once for each input, side by side; the results in the inputs' order.

        Args:
            inputs: What it is given.
            config: For all, or one for each; its `max_concurrency` also limits how many are
                invoked at once.
            return_exceptions: Put what an invocation raises in its result's place.
            **options: As in `invoke`.
        """
        return blocking.run(
            self.abatch(inputs, config, return_exceptions=return_exceptions, **options)
        )

    async def abatch(
        self,
        inputs: Sequence[Any],
        config: Config | Sequence[Config] | None = None,
        *,
        return_exceptions: bool = False,
        **options: Any,
    ) -> list[Any]:
        """Invoke it once for each input, side by side; see `batch`."""
        one = config is None or isinstance(config, Mapping)
        configs = [config] * len(inputs) if one else list(config)  # type: ignore[arg-type]
        if len(configs) != len(inputs):
            raise ValueError(f"{len(configs)} configs for {len(inputs)} inputs; give one of each.")
        most = max(1, (configs[0] or {}).get("max_concurrency") or len(inputs)) if inputs else 1  # type: ignore[union-attr]
        room = asyncio.Semaphore(most)

        async def invoked(input: Any, config: Any) -> Any:  # noqa: A002
            async with room:
                return await self.ainvoke(input, config, **options)

        pairs = zip(inputs, configs, strict=True)
        calls = [asyncio.ensure_future(invoked(*pair)) for pair in pairs]
        try:
            return await asyncio.gather(*calls, return_exceptions=return_exceptions)
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)


def _check_modes(stream_mode: str | Sequence[str]) -> tuple[str, ...]:
    modes = (stream_mode,) if isinstance(stream_mode, str) else tuple(stream_mode)
    for mode in modes:
        if mode not in MODES:
            raise FlowError(f"there is no stream mode {mode!r}. {nearest(mode, MODES)}")
    return modes


def _shaped(part: Part, version: str, subgraphs: bool, several: bool) -> Any:
    namespace, mode, data = part
    if version == "v2":
        return {"type": mode, "ns": namespace, "data": data}
    if subgraphs:
        return (namespace, mode, data) if several else (namespace, data)
    return (mode, data) if several else data


def get_config() -> dict[str, Any]:
    """The config of the invocation that the code runs in.

    Raises:
        RuntimeError: it runs in none.
    """
    session = current_session.get()
    if session is None:
        raise RuntimeError("get_config() was called outside of a graph's node or a task.")
    return session.config


def get_stream_writer() -> Any:
    """A function that puts a value into the `custom` stream of the invocation this runs in.

    Example:
        >>> get_stream_writer()("nobody listens outside of an invocation")
    """
    session = current_session.get()
    return (lambda _value: None) if session is None else session.write
