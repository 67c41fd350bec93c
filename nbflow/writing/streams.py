"""The doors of the Graph and Functional APIs: invoke, stream and batch, sync and async.

What runs behind them is the business of `compiled` and `workflow`, which subclass `Invocable`.
"""

from __future__ import annotations

import asyncio
import copy
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Self, Unpack

from nbflow import blocking
from nbflow.core.policies import OnError, RunOptions, Timeout
from nbflow.core.run import Run
from nbflow.writing.parts import Stream, StreamOptions, Wanted, spelled_out
from nbflow.writing.session import Config, Session, current_session, merged
from nbflow.writing.types import GraphOutput


class Invocable(ABC):
    """What can be invoked and streamed: a compiled graph or an entrypoint."""

    name: str
    config: Config = MappingProxyType({})
    """What every invocation's config begins with."""
    result_keys: tuple[str, ...] | None = None
    """The keys of the state that are returned; None for all."""
    step_timeout: float | None = None
    """How long in seconds each node or task may take that has no timeout of its own. LangGraph's
    word: there are no steps here, so each has its own clock."""

    is_watched = False
    """Whether somebody sees what it says, though no stream has it and not all runs are watched."""

    def with_config(self, config: Config | None = None, **more: Any) -> Self:
        """The same, with a config that every invocation begins with."""
        bound = copy.copy(self)
        bound.config = merged(self.config, config or {}, more)
        return bound

    def _models_heard(
        self, session: Session, *, has_callbacks: bool
    ) -> AbstractContextManager[None]:
        """Have LangChain's models call back who wants to hear them in the run that begins."""
        is_wanted = self.is_watched or bool(Run.watchers) or "messages" in session.modes
        if not (is_wanted or has_callbacks) or _CHAT_MODELS not in sys.modules:
            return nullcontext()
        from nbflow.writing import chat_models  # noqa: PLC0415 - imports LangChain, as somebody has

        return chat_models.heard(session.config if has_callbacks else None, is_wanted=is_wanted)

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
        outer = current_session.get()
        inherited = {} if outer is None else outer.config
        own = (self.config, session.config)
        has_callbacks = any(config.get("callbacks") is not None for config in own)
        session.config = merged(inherited, *own)
        if outer is not None:
            session.begin_in(outer)
        token = current_session.set(session)
        try:
            with self._models_heard(session, has_callbacks=has_callbacks):
                return self.begin(input, session)
        finally:
            current_session.reset(token)

    def options(self, session: Session) -> RunOptions:
        """How its run is executed."""
        jobs = session.config.get("max_concurrency")
        timeout = None if self.step_timeout is None else Timeout(self.step_timeout)
        return RunOptions(jobs=jobs, on_error=OnError.STOP, timeout=timeout)

    async def _ended(self, run: Run, session: Session) -> None:
        """Wait for the run and raise what the invocation raises."""
        try:
            await run.ended()
        finally:
            session.error = self._error_of(run, session)
            if session.stream is not None:
                session.stream.close()
        if session.error is not None:
            raise session.error
        run.raise_unless_done()

    def _error_of(self, _run: Run, session: Session) -> BaseException | None:
        """What an invocation raises whose run has ended."""
        return session.error

    @spelled_out
    def invoke(
        self,
        input: Any,  # noqa: A002
        config: Config | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] = "values",
        **options: Unpack[StreamOptions],
    ) -> Any:
        """Run it and return its result, also in a notebook's running loop.

        Args:
            input: What it is given.
            config: How to run it: `{"max_concurrency": 4, "recursion_limit": 50}`.
            context: What nodes find as `runtime.context`.
            stream_mode: Other than `values`: return all parts of that stream.
            **options: See `StreamOptions`.

        Raises:
            FlowError: there is no such mode or option.
            Exception: what a branch raised.
            RunCancelled: the run was cancelled.
            KeyboardInterrupt: it was interrupted; every branch was cancelled first.
        """
        return blocking.run(
            self.ainvoke(input, config, context=context, stream_mode=stream_mode, **options)
        )

    @spelled_out
    async def ainvoke(
        self,
        input: Any,  # noqa: A002
        config: Config | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] = "values",
        **options: Unpack[StreamOptions],
    ) -> Any:
        """Run it and return its result; see `invoke`."""
        wanted = Wanted.of(stream_mode, options)
        if wanted.keys is None:
            wanted = replace(wanted, keys=self.result_keys)
        if stream_mode != "values":
            return [
                part
                async for batch in self._batches(input, config, context, wanted)
                for part in batch
            ]
        wanted = replace(wanted, modes=())
        session = _session(wanted, config, context)
        run = self._begun(input, session)
        if session.stream is None:
            await self._ended(run, session)
        else:
            async for _ in self._read(run, session, session.stream, wanted):
                pass
        return GraphOutput(session.result) if wanted.version == "v2" else session.result

    @spelled_out
    def stream(
        self,
        input: Any,  # noqa: A002
        config: Config | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] = "updates",
        **options: Unpack[StreamOptions],
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
            **options: See `StreamOptions`.

        Raises:
            FlowError: there is no such mode or option.
            Exception: what a branch raised.
        """
        wanted = Wanted.of(stream_mode, options)
        return blocking.iterate(lambda: self._batches(input, config, context, wanted))

    @spelled_out
    async def astream(
        self,
        input: Any,  # noqa: A002
        config: Config | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] = "updates",
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[Any]:
        """Run it and yield what happens, as it happens; see `stream`."""
        batches = self._batches(input, config, context, Wanted.of(stream_mode, options))
        try:
            async for batch in batches:
                for part in batch:
                    yield part
        finally:
            await batches.aclose()

    async def _batches(
        self,
        input: Any,  # noqa: A002
        config: Config | None,
        context: Any,
        wanted: Wanted,
    ) -> AsyncGenerator[list[Any], None]:
        session = _session(wanted, config, context)
        run, stream = self._begun(input, session), session.stream
        assert stream is not None, "somebody streams no mode"
        async with aclosing(self._read(run, session, stream, wanted)) as batches:
            async for batch in batches:
                yield batch

    async def _read(
        self, run: Run, session: Session, stream: Stream, wanted: Wanted
    ) -> AsyncGenerator[list[Any], None]:
        """What is wanted of a run's stream, as it comes; who stops reading cancels the run."""
        ended = asyncio.ensure_future(self._ended(run, session))
        try:
            async for batch in stream.batches():
                yield [shaped for part in batch for shaped in wanted.read(part)]
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


_CHAT_MODELS = "langchain_core.language_models.chat_models"


def _session(wanted: Wanted, config: Config | None, context: Any) -> Session:
    modes, subgraphs = wanted.all_modes, wanted.subgraphs
    return Session(modes, config, context, keys=wanted.keys, subgraphs=subgraphs)
